import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { startFeed } from "#store/feed.ts";
import type { Store } from "#store/store.ts";
import { FakeClock } from "#testing/fake-clock.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { type FailingRecord, type ReconcileFailure, runReconcilers } from "./loop.ts";
import { moved, type Outcome, type Reconciler, settled, wait } from "./outcome.ts";

/** A loop over volumes whose steps are written down, on a clock that stands still. */
async function start(
  t: TestContext,
  step: (key: string, nth: number) => Outcome | Promise<Outcome>,
  options: {
    put?: string[];
    affected?: Reconciler["affected"];
    concurrency?: number;
    turn?: () => Promise<void>;
  } = {},
) {
  const store = openMemoryStore();
  const ending = new AbortController();
  t.after(async () => {
    ending.abort();
    await store.close();
  });
  await store.commit({ put: (options.put ?? []).map((key) => ({ key, value: 0 })) });
  const feed = await startFeed(late(store), ending.signal);
  const clock = new FakeClock();
  const steps: string[] = [];
  const failures: ReconcileFailure[] = [];
  const reconciler: Reconciler = {
    kind: "volume",
    step: async (key) => step(key, steps.push(key)),
    ...(options.affected && { affected: options.affected }),
  };
  const log = (failure: ReconcileFailure) => failures.push(failure);
  const { concurrency = 32, turn: passes } = options;
  const standing: (readonly FailingRecord[])[] = [];
  const troubled = (failing: readonly FailingRecord[]) => standing.push(failing);
  const { signal } = ending;
  const loop = runReconcilers(store, feed, [reconciler], {
    clock,
    log,
    troubled,
    signal,
    concurrency,
    ...(passes && { turn: passes }),
  });
  return { store, clock, steps, failures, standing, loop, ending, feed };
}

/** The same store, whose watches tell everything some turns later. */
const late = (store: Store): Store => ({
  ...store,
  async *watch(...args) {
    for await (const changes of store.watch(...args)) {
      for (let n = 0; n < 3; n++) await turn();
      yield changes;
    }
  },
});

const put = (store: Store, key: string, value: unknown = 1) => store.commit({ put: [{ key, value }] });
const rest = async () => {
  for (let n = 0; n < 50; n++) await turn();
};

test("at the start every record of the kind gets a step, and no other", async (t) => {
  const { steps } = await start(t, () => settled, { put: ["volume/1", "volume/2", "volumes/3", "image/1"] });
  await rest();
  assert.deepEqual(steps, ["volume/1", "volume/2"]);
});

test("a record that is made, changes or goes gets a step", async (t) => {
  const { store, steps } = await start(t, () => settled);
  await put(store, "volume/1");
  await rest();
  await put(store, "volume/1", 2);
  await put(store, "image/1");
  await rest();
  await store.commit({ delete: ["volume/1"] });
  await rest();
  assert.deepEqual(steps, ["volume/1", "volume/1", "volume/1"]);
});

test("a change of one record reaches those it affects", async (t) => {
  const told: unknown[] = [];
  const { store, steps } = await start(t, () => settled, {
    affected: {
      image(_key, now, before) {
        told.push([now, before]);
        return ["volume/7"];
      },
    },
  });
  await put(store, "image/1", "new");
  await store.commit({ delete: ["image/1"] });
  await rest();
  assert.deepEqual(new Set(steps), new Set(["volume/7"]));
  assert.deepEqual(told, [
    ["new", undefined],
    [undefined, "new"],
  ]);
});

test("what a step moved is committed, and in the feed before the next step", async (t) => {
  const seen: unknown[] = [];
  const { store, steps, feed } = await start(t, (key, nth) => {
    seen.push(feed.get(key)?.value);
    return nth < 3 ? moved({ put: [{ key, value: nth }] }) : settled;
  });
  await put(store, "volume/1", "wanted");
  await rest();
  assert.deepEqual(seen, ["wanted", 1, 2]);
  assert.equal(steps.length, 3);
});

test("a record never has two steps at once; changes during one cause one more", async (t) => {
  const gates = [Promise.withResolvers<Outcome>(), Promise.withResolvers<Outcome>()];
  const { store, steps, loop } = await start(t, (_key, nth) => gates[nth - 1]?.promise ?? settled);
  await put(store, "volume/1");
  await rest();
  for (let n = 0; n < 5; n++) await put(store, "volume/1", n);
  loop.nudge("volume/1");
  await rest();
  assert.equal(steps.length, 1);
  gates[0]?.resolve(settled);
  await rest();
  assert.equal(steps.length, 2);
  gates[1]?.resolve(settled);
  await rest();
  assert.equal(steps.length, 2);
});

test("a slow record does not hold up the others, up to the concurrency", async (t) => {
  const gate = Promise.withResolvers<Outcome>();
  const { store, steps } = await start(t, (key) => (key.includes("slow") ? gate.promise : settled), {
    concurrency: 2,
  });
  await put(store, "volume/slow-1");
  await put(store, "volume/1");
  await rest();
  assert.deepEqual(steps, ["volume/slow-1", "volume/1"]);
  await put(store, "volume/slow-2");
  await put(store, "volume/2");
  await rest();
  assert.deepEqual(steps.slice(2), ["volume/slow-2"]);
  gate.resolve(settled);
  await rest();
  assert.deepEqual(steps.slice(3), ["volume/2"]);
});

test("a step lets pass what comes first, and sees what changed meanwhile once", async (t) => {
  const passed = Promise.withResolvers<void>();
  const { store, steps } = await start(t, () => settled, { turn: () => passed.promise });
  await put(store, "volume/1");
  await put(store, "volume/1", 2);
  await rest();
  assert.deepEqual(steps, []);
  passed.resolve();
  await rest();
  assert.deepEqual(steps, ["volume/1"]);
  await put(store, "volume/1", 3);
  await rest();
  assert.deepEqual(steps, ["volume/1", "volume/1"]);
});

test("a step that waits is repeated when its time has come, or sooner on a nudge", async (t) => {
  const { store, steps, clock, loop } = await start(t, (_key, nth) => (nth < 3 ? wait(1000) : settled));
  await put(store, "volume/1");
  await rest();
  await clock.advance(999);
  assert.equal(steps.length, 1);
  await clock.advance(1);
  await rest();
  assert.equal(steps.length, 2);
  loop.nudge("volume/1");
  loop.nudge("image/1");
  await rest();
  assert.equal(steps.length, 3);
  await clock.advance(5000);
  await rest();
  assert.equal(steps.length, 3);
});

test("a failing step is repeated ever more seldom, at least every five seconds, and told once", async (t) => {
  let fails = true;
  const { store, steps, clock, failures } = await start(t, () => {
    if (fails) throw new Error("no disk");
    return settled;
  });
  await put(store, "volume/1");
  await rest();
  const pauses: number[] = [];
  for (let n = 0; n < 8; n++) {
    const before = steps.length;
    let paused = 0;
    for (; steps.length === before; paused += 100) await clock.advance(100);
    pauses.push(paused);
  }
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  assert.deepEqual(
    failures.map(({ key, message }) => [key, message]),
    [["volume/1", "no disk"]],
  );

  fails = false;
  await put(store, "volume/1", "changed");
  await rest();
  const settledAt = steps.length;
  await clock.advance(20_000);
  assert.equal(steps.length, settledAt);
  fails = true;
  await put(store, "volume/1", "again");
  await rest();
  assert.equal(failures.length, 2);
});

test("a step that lost a race looks again at once, with what the winner wrote", async (t) => {
  const { store, steps, failures, feed } = await start(t, async (key) => {
    const entry = feed.get<number>(key);
    if (!entry || entry.value !== 1) return settled;
    await store.commit({ put: [{ key, value: 2 }] });
    return moved({ expect: [{ at: [key, entry.revision] }], put: [{ key, value: 3 }] });
  });
  await put(store, "volume/1", 1);
  await rest();
  assert.equal((await store.get("volume/1"))?.value, 2);
  assert.ok(steps.length <= 3, `${steps.length} steps`); // the first, one with what the winner wrote, one for the change
  assert.deepEqual(failures, []);
});

test("an expectation that never holds is a failure in the end, not a busy loop", async (t) => {
  const { store, steps, failures } = await start(t, () => moved({ expect: [{ exists: "vpc/none" }] }));
  await put(store, "volume/1");
  await rest();
  await rest();
  assert.equal(failures.length, 1);
  assert.ok(steps.length < 10);
});

test("after the end no step begins, and it waits for the last", async (t) => {
  const gate = Promise.withResolvers<Outcome>();
  const { store, steps, loop, ending, clock } = await start(t, (key) =>
    key === "volume/slow" ? gate.promise : wait(50),
  );
  await put(store, "volume/slow");
  await put(store, "volume/1");
  await rest();
  ending.abort();
  let stopped = false;
  void loop.stopped.then(() => (stopped = true));
  loop.nudge("volume/1");
  await put(store, "volume/2");
  await clock.advance(1000);
  await rest();
  assert.equal(stopped, false);
  assert.deepEqual(steps, ["volume/slow", "volume/1"]);
  gate.resolve(settled);
  await loop.stopped;
});

test("what fails now is told when it begins, when its message changes, and when it is over", async (t) => {
  const messages = ["disk full", "disk full", "disk broken"];
  const { store, standing } = await start(t, (key, nth) => {
    const message = key === "volume/1" ? messages[nth - 1] : undefined;
    if (message === undefined) return settled;
    throw new Error(message);
  });
  for (let n = 0; n < 4; n++) {
    await put(store, "volume/1", n);
    await rest();
  }
  const since = new FakeClock().now().toISOString();
  assert.deepEqual(standing, [
    [{ key: "volume/1", message: "disk full", since }],
    [{ key: "volume/1", message: "disk broken", since }],
    [],
  ]);
});
