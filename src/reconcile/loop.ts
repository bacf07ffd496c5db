import type { Clock } from "#clock.ts";
import { type Feed, kindOf } from "#store/feed.ts";
import { ExpectationFailed, type Store } from "#store/store.ts";
import { KeyQueue, type LookAt } from "./key-queue.ts";
import type { Reconciler } from "./outcome.ts";

export interface ReconcileOptions {
  readonly clock: Clock;
  /** Told when a record fails, and again only when it fails with another message. */
  readonly log: (failure: ReconcileFailure) => void;
  /** Told of all records that fail, oldest first, whenever one begins to, fails with another message, or no longer does. */
  readonly troubled?: (failing: readonly FailingRecord[]) => void;
  /** No step begins after it aborts. */
  readonly signal: AbortSignal;
  /**
   * Steps of one reconciler that may run at once. They mostly wait for a program or the kernel: enough that a few slow ones do not hold
   * up the rest.
   */
  readonly concurrency?: number;
  /** What each step waits for before it begins, so that something else comes first; absent: nothing does. */
  readonly turn?: () => Promise<void>;
}

export interface ReconcileFailure {
  readonly key: string;
  readonly message: string;
  readonly error: unknown;
}

export interface FailingRecord {
  readonly key: string;
  readonly message: string;
  /** When it first failed since it last did not; ISO 8601. */
  readonly since: string;
}

export interface ReconcileLoop {
  /** Look at this record now: something that the store does not hold has changed. */
  nudge(key: string): void;
  /** Resolves when the signal has aborted and the last step has ended. */
  readonly stopped: Promise<void>;
}

/**
 * Steps every record of the reconcilers' kinds, then each again whenever it changes or `affected` names it; never two steps
 * of one record at once. A step that throws is repeated after a while, which doubles up to some seconds; a change or a nudge
 * does not wait for that.
 */
export function runReconcilers(
  store: Store,
  feed: Feed,
  reconcilers: readonly Reconciler[],
  options: ReconcileOptions,
): ReconcileLoop {
  const { clock, signal, concurrency = 32, turn = () => Promise.resolve() } = options;
  const failing = new Map<string, FailingRecord>();
  const loops = reconcilers.map((reconciler) => {
    const lookAt = patiently(feed, options, failing, (key) => step(store, feed, reconciler, key));
    return { reconciler, queue: new KeyQueue(lookAt, clock, concurrency, turn) };
  });

  const queues = Map.groupBy(loops, ({ reconciler }) => reconciler.kind);
  const affecting = Map.groupBy(
    loops.flatMap(({ reconciler, queue }) =>
      Object.entries(reconciler.affected ?? {}).map(([kind, affected]) => ({ kind, affected, queue })),
    ),
    ({ kind }) => kind,
  );

  function nudge(key: string): void {
    for (const { queue } of queues.get(kindOf(key)) ?? []) queue.add(key);
  }

  for (const { reconciler, queue } of loops)
    for (const { key } of feed.list(`${reconciler.kind}/`)) queue.add(key);

  feed.onChange((key, now, before) => {
    nudge(key);
    for (const { affected, queue } of affecting.get(kindOf(key)) ?? [])
      for (const other of affected(key, now?.value, before?.value)) queue.add(other);
  });

  return {
    nudge,
    stopped: closedAfter(
      signal,
      loops.map(({ queue }) => queue),
    ),
  };
}

async function step(
  store: Store,
  feed: Feed,
  reconciler: Reconciler,
  key: string,
): Promise<number | undefined> {
  const outcome = await reconciler.step(key);
  switch (outcome.kind) {
    case "settled":
      return undefined;
    case "wait":
      return outcome.ms;
    case "moved": {
      const { revision } = await store.commit(outcome.transaction);
      await feed.reached(revision);
      return 0;
    }
  }
}

/** Turns what `lookAt` throws into a later look. `failing` holds those of all reconcilers. */
function patiently(
  feed: Feed,
  { clock, log, troubled }: Pick<ReconcileOptions, "clock" | "log" | "troubled">,
  failing: Map<string, FailingRecord>,
  lookAt: LookAt,
): LookAt {
  const troubles = new Map<string, Trouble>();
  return async (key) => {
    try {
      const againInMs = await lookAt(key);
      troubles.delete(key);
      if (failing.delete(key)) troubled?.([...failing.values()]);
      return againInMs;
    } catch (error) {
      const trouble = troubles.get(key) ?? { lostRaces: 0, failures: 0 };
      troubles.set(key, trouble);
      if (error instanceof ExpectationFailed && trouble.lostRaces++ < mostLostRaces) {
        await feed.reached(error.revision).catch(() => {}); // the feed is over, and so is the loop
        return 0;
      }
      const message = error instanceof Error ? error.message : String(error);
      const before = failing.get(key);
      if (message !== before?.message) {
        log({ key, message, error });
        failing.set(key, { key, message, since: before?.since ?? clock.now().toISOString() });
        troubled?.([...failing.values()]);
      }
      return Math.min(firstBackoffMs * 2 ** trouble.failures++, longestBackoffMs);
    }
  };
}

interface Trouble {
  lostRaces: number;
  failures: number;
}

/** Losing to another writer is no failure, but an expectation that never holds is one. */
const mostLostRaces = 5;
const firstBackoffMs = 100;
const longestBackoffMs = 5000;

async function closedAfter(signal: AbortSignal, queues: readonly KeyQueue[]): Promise<void> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  await Promise.all(queues.map((queue) => queue.close()));
}
