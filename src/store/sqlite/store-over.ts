import { type Clock, systemClock } from "#clock.ts";
import { acquireLease } from "../lease.ts";
import {
  Compacted,
  type Changes,
  type Entry,
  ExpectationFailed,
  type Store,
  StoreFull,
  StoreUnavailable,
} from "../store.ts";
import {
  changesUnder,
  type CheckedTransaction,
  checkKey,
  checkPrefix,
  checkTransaction,
} from "../transaction.ts";
import type { Backend } from "./backend.ts";
import { RecentChanges } from "./recent-changes.ts";

export interface StoreOptions {
  /** For the expiry of leases. */
  readonly clock?: Clock;
  /** How many bytes of the latest transactions stay in memory for watches; one further behind reads the disk. */
  readonly recentBytes?: number;
}

/** The store contract over a database that answers by and by. */
export function storeOver(
  backend: Backend,
  { clock = systemClock, recentBytes = 8 << 20 }: StoreOptions,
): Store {
  const recent = new RecentChanges(backend.openedAt, recentBytes);
  let waiting: WaitingCommit[] = [];
  let working: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let failure: StoreUnavailable | undefined;

  const wake = () => recent.wake();
  void noteFailure();

  async function noteFailure(): Promise<void> {
    const cause = await backend.failed;
    failure = new StoreUnavailable(`the store failed: ${cause.message}`, { cause });
    wake();
  }

  function assertOpen(): void {
    if (failure) throw failure;
    if (closing) throw new StoreUnavailable("the store is closed");
  }

  /** What is asked for in one turn of the event loop, or during the last wait for the disk, shares the next wait. */
  async function work(): Promise<void> {
    for (await turn(); waiting.length > 0; await turn()) {
      const group = takeGroup(waiting);
      waiting = waiting.slice(group.length);
      await applyGroup(group);
    }
    working = undefined;
  }

  async function applyGroup(group: readonly WaitingCommit[]): Promise<void> {
    try {
      const verdicts = await backend.apply(group.map(({ transaction }) => transaction));
      for (const [n, verdict] of verdicts.entries()) {
        const { transaction, resolve, reject } = group[n]!;
        if ("failed" in verdict) {
          reject(new ExpectationFailed(verdict.failed, verdict.revision));
        } else if ("full" in verdict) {
          reject(new StoreFull("there is no room on the store's disk"));
        } else {
          recent.add(changesOf(transaction, verdict), transaction.bytes);
          resolve({ revision: verdict.revision });
        }
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  async function* watch(prefix: string, from: number, signal: AbortSignal): AsyncGenerator<Changes> {
    checkPrefix(prefix);
    signal.addEventListener("abort", wake);
    try {
      let seen = from;
      while (!signal.aborted) {
        if (closing) return;
        assertOpen();
        const batch = recent.after(seen) ?? (await olderChanges(seen));
        if (batch.length === 0) await recent.arrival();
        for (const changes of batch) {
          seen = changes.revision;
          const under = changesUnder(prefix, changes);
          if (under) yield under;
          if (signal.aborted) return;
        }
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  async function olderChanges(after: number): Promise<Changes[]> {
    const texts = await backend.changesAfter(after);
    if (texts === "compacted") throw new Compacted(`revision ${after} is not remembered`);
    return texts.map((text): Changes => JSON.parse(text));
  }

  const store: Store = {
    async get(key) {
      checkKey(key);
      assertOpen();
      const json = await backend.get(key);
      return json === undefined ? undefined : JSON.parse(json);
    },
    async list(prefix) {
      checkPrefix(prefix);
      assertOpen();
      const { revision, pages } = await backend.list(prefix);
      const entries: Entry[] = [];
      for (const page of pages) {
        entries.push(...JSON.parse(page));
        await turn();
      }
      return { revision, entries };
    },
    watch,
    async commit(transaction) {
      const checked = checkTransaction(transaction);
      assertOpen();
      const { promise, resolve, reject } = Promise.withResolvers<{ revision: number }>();
      waiting.push({ transaction: checked, resolve, reject });
      working ??= work();
      return promise;
    },
    acquire: (name, holder, ttlMs) => acquireLease(store, clock, name, holder, ttlMs),
    close() {
      closing ??= Promise.resolve(working).then(() => backend.close());
      wake();
      return closing;
    },
  };
  return store;
}

interface WaitingCommit {
  readonly transaction: CheckedTransaction;
  readonly resolve: (committed: { revision: number }) => void;
  readonly reject: (reason: unknown) => void;
}

/** Bounds what one message to the database carries, and so how long the first in it waits for the last. */
const groupLimits = { transactions: 1000, bytes: 4 << 20 };

function takeGroup(waiting: readonly WaitingCommit[]): readonly WaitingCommit[] {
  let bytes = 0;
  const over = waiting.findIndex(({ transaction }, n) => {
    bytes += transaction.bytes;
    return n === groupLimits.transactions || (n > 0 && bytes > groupLimits.bytes);
  });
  return over === -1 ? waiting : waiting.slice(0, over);
}

function changesOf(
  transaction: CheckedTransaction,
  { revision, deleted }: { revision: number; deleted: readonly string[] },
): Changes {
  const put = transaction.put.map(({ key, json }) => ({ key, value: JSON.parse(json), revision }));
  return { revision, put, deleted };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
