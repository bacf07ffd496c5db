import type { Clock } from "#clock.ts";
import type { Reconciler } from "#reconcile/outcome.ts";
import { type Feed, startFeed } from "#store/feed.ts";
import type { Store } from "#store/store.ts";
import { FakeClock } from "./fake-clock.ts";
import { Life } from "./life.ts";

/** What a crash leaves behind, and how a program starts upon it. */
export interface CrashScene<Drivers extends object> {
  readonly store: Store;
  /** Drivers by name. */
  readonly drivers: Drivers;
  /** As the program does when it starts; called again after the crash. */
  reconcilers(program: { feed: Feed; drivers: Drivers; clock: Clock }): readonly Reconciler[];
}

export interface SceneEnd<Drivers extends object> {
  readonly store: Store;
  readonly drivers: Drivers;
  /** Holds what the store holds at the end. */
  readonly feed: Feed;
}

/**
 * Runs reconcilers to rest once per possible crash, before and after every driver call and every commit, and once without
 * any. A crash ends all that is in memory; what the store and the drivers hold stays, and a new program goes on from there.
 * Every run begins with a new scene and ends in `check`. Returns the number of crashes; what goes wrong says after which.
 * Time passes only while every record waits or rests; a driver call that waits for the clock never ends. With `every`, only each
 * so manieth crash is tried: a long wait is made of many alike.
 */
export async function crashEverywhere<Drivers extends object>(
  newScene: (clock: FakeClock) => CrashScene<Drivers> | Promise<CrashScene<Drivers>>,
  check: (end: SceneEnd<Drivers>) => void | Promise<void>,
  every = 1,
): Promise<number> {
  for (let crashes = 0; ; crashes += every) {
    const life = new Life(crashes);
    try {
      await liveTwice(life, newScene, check);
    } catch (cause) {
      throw new Error(`crashed ${life.ended ?? "nowhere"}: ${String(cause)}`, { cause });
    }
    if (life.ended === undefined) return crashes;
  }
}

async function liveTwice<Drivers extends object>(
  first: Life,
  newScene: (clock: FakeClock) => CrashScene<Drivers> | Promise<CrashScene<Drivers>>,
  check: (end: SceneEnd<Drivers>) => void | Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const scene = await newScene(clock);
  const over = new AbortController();
  try {
    try {
      await live(scene, first, clock, over.signal);
    } catch (error) {
      if (first.ended === undefined) throw error;
    }
    await first.quiet();
    const feed = await live(scene, new Life(Infinity), clock, over.signal);
    await check({ store: scene.store, drivers: scene.drivers, feed });
  } finally {
    over.abort();
    await scene.store.close();
  }
}

/** Steps every record in turn until none has anything left to do. */
async function live<Drivers extends object>(
  scene: CrashScene<Drivers>,
  life: Life,
  clock: FakeClock,
  signal: AbortSignal,
): Promise<Feed> {
  const feed = await startFeed(scene.store, signal);
  const reconcilers = scene.reconcilers({ feed, drivers: life.hands(scene.drivers), clock });
  const trouble = { last: undefined as unknown };
  for (let round = 0; round < mostRounds; round++) {
    let soonestMs = Infinity;
    for (const reconciler of reconcilers) {
      for (const { key } of feed.list(`${reconciler.kind}/`)) {
        const againInMs = await step(scene.store, feed, reconciler, key, life, trouble);
        soonestMs = Math.min(soonestMs, againInMs);
      }
    }
    if (soonestMs === Infinity) return feed;
    await clock.advance(soonestMs);
  }
  throw new Error("never came to rest", { cause: trouble.last });
}

/** More than any record needs. */
const mostRounds = 300;

/** In how many ms to step again; never: Infinity. What is thrown in a life that goes on is tried again, as the loop does. */
async function step(
  store: Store,
  feed: Feed,
  reconciler: Reconciler,
  key: string,
  life: Life,
  trouble: { last: unknown },
): Promise<number> {
  try {
    const outcome = await reconciler.step(key);
    if (life.ended !== undefined) throw new Error("its outcome was lost");
    if (outcome.kind === "settled") return Infinity;
    if (outcome.kind === "wait") return outcome.ms;
    const { revision } = await life.call("store.commit", () => store.commit(outcome.transaction));
    await feed.reached(revision);
    return 0;
  } catch (error) {
    if (life.ended !== undefined) throw error;
    trouble.last = error;
    return retryMs;
  }
}

const retryMs = 100;
