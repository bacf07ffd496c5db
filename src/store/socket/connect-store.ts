import { setTimeout as pause } from "node:timers/promises";
import { type Changes, type Entry, type Store, StoreUnavailable } from "../store.ts";
import { checkKey, checkPrefix, checkTransaction } from "../transaction.ts";
import { Connection } from "./connection.ts";
import type { Request } from "./messages.ts";

/**
 * A store served by another program (`serveStore`). It connects by itself, again and again for as long as that program is
 * away: calls wait, and watches go on where they were. Only a commit that was under way when the connection was lost throws
 * `StoreUnavailable`, since nobody knows whether it happened.
 */
export function connectStore(socketPath: string): Store {
  const closing = new AbortController();
  let connecting: Promise<Connection> | undefined;

  /** The connection, or the next one there is. */
  async function connected(): Promise<Connection> {
    for (;;) {
      const attempt = (connecting ??= openPatiently(socketPath, closing.signal));
      const connection = await attempt;
      if (!connection.lost) return connection;
      if (connecting === attempt) connecting = undefined;
    }
  }

  /** Asks until it is answered: for what may be asked twice. */
  async function repeatedly<Answer>(ask: (connection: Connection) => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const connection = await connected();
      try {
        return await ask(connection);
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || closing.signal.aborted) throw error;
        await pause(firstPauseMs);
      }
    }
  }

  async function* watch(prefix: string, from: number, signal: AbortSignal): AsyncGenerator<Changes> {
    checkPrefix(prefix);
    let seen = from;
    while (!signal.aborted && !closing.signal.aborted) {
      try {
        const connection = await orAborted(connected(), signal);
        for await (const changes of connection.watch(prefix, seen, signal)) {
          seen = changes.revision;
          yield changes;
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await pause(firstPauseMs);
      }
    }
  }

  return {
    watch,
    async get(key) {
      checkKey(key);
      const request = json({ call: "get", key });
      return repeatedly((connection) => connection.ask("get", request));
    },
    async list(prefix) {
      checkPrefix(prefix);
      const request = json({ call: "list", prefix });
      return repeatedly(async (connection) => {
        const entries: Entry[] = [];
        const { revision } = await connection.ask("list", request, (part) => entries.push(...part));
        return { revision, entries };
      });
    },
    async commit(transaction) {
      checkTransaction(transaction);
      const request = json({ call: "commit", transaction }); // as it is now, whatever becomes of it while this waits
      return (await connected()).ask("commit", request);
    },
    async acquire(name, holder, ttlMs) {
      const request = json({ call: "acquire", name, holder, ttlMs });
      return repeatedly((connection) => connection.ask("acquire", request));
    },
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      const connection = await connecting?.catch(() => undefined);
      connection?.close();
    },
  };
}

async function openPatiently(socketPath: string, closing: AbortSignal): Promise<Connection> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    if (closing.aborted) throw new StoreUnavailable("the store is closed");
    try {
      return await Connection.open(socketPath);
    } catch {
      await pause(pauseMs, undefined, { signal: closing }).catch(() => {});
    }
  }
}

/** Asking costs nothing while nobody listens; the pauses grow only so far that a restart is noticed at once. */
const firstPauseMs = 20;
const longestPauseMs = 500;

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(new StoreUnavailable("no longer wanted"));
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

const json = (request: Request) => JSON.stringify(request);
