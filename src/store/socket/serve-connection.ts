import type { Socket } from "node:net";
import { type Store, StoreUnavailable } from "../store.ts";
import { Credit } from "./credit.ts";
import { LineSocket } from "./line-socket.ts";
import { type Reply, type Request, tellError } from "./messages.ts";

/** Answers one peer until it goes. What makes no sense ends the connection. */
export async function serveConnection(store: Store, socket: Socket): Promise<void> {
  const peer = new LineSocket(socket);
  const calls = new Set<Promise<void>>();
  const watches = new Map<number, Credit>();
  peer.gone.addEventListener("abort", () => watches.forEach((credit) => credit.end()));
  try {
    for await (const line of peer.lines()) {
      const [id, request]: [number, Request] = JSON.parse(line);
      take(id, request);
      if (calls.size >= mostCalls) await Promise.race(calls);
    }
  } catch {
    peer.destroy();
  }

  function take(id: number, request: Request): void {
    if (request.call === "more") return watches.get(id)?.add(request.more);
    if (request.call === "end") return watches.get(id)?.end();
    const call = answer(id, request).finally(() => calls.delete(call));
    if (request.call !== "watch") calls.add(call);
  }

  async function answer(id: number, request: Exclude<Request, { call: "more" | "end" }>): Promise<void> {
    try {
      if (request.call === "watch") await watch(id, request);
      else if (request.call === "list") await list(id, request.prefix);
      else await reply(id, { answer: (await callStore(store, request)) ?? null });
    } catch (error) {
      await reply(id, { error: tellError(error) }).catch(() => {}); // the peer is gone
    }
  }

  async function list(id: number, prefix: string): Promise<void> {
    const { revision, entries } = await store.list(prefix);
    for (let n = 0; n < entries.length; n += partSize)
      await reply(id, { part: entries.slice(n, n + partSize) });
    await reply(id, { answer: { revision } });
  }

  async function watch(id: number, { prefix, from, more }: Request & { call: "watch" }): Promise<void> {
    const credit = new Credit(more);
    watches.set(id, credit);
    try {
      for await (const changes of store.watch(prefix, from, credit.ended)) {
        await credit.take();
        await reply(id, { changes });
      }
      if (!credit.ended.aborted) throw new StoreUnavailable("the store is closed");
    } finally {
      watches.delete(id);
    }
  }

  function reply(id: number, message: Reply): Promise<void> {
    return peer.send(JSON.stringify([id, message]));
  }
}

type SingleCall = Extract<Request, { call: "get" | "commit" | "acquire" }>;

function callStore(store: Store, request: SingleCall): Promise<unknown> {
  switch (request.call) {
    case "get":
      return store.get(request.key);
    case "commit":
      return store.commit(request.transaction);
    case "acquire":
      return store.acquire(request.name, request.holder, request.ttlMs);
    default:
      throw new TypeError(`no such call: ${JSON.stringify(request)}`); // of a later version
  }
}

/** With so many unanswered the peer waits: its next lines stay in its own socket. */
const mostCalls = 256;

/** Entries in one line, so that a long listing does not hold up the event loop. */
const partSize = 500;
