import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { startFeed } from "./feed.ts";
import { randomTransaction } from "./model-store.ts";
import { type Entry, ExpectationFailed, type Store } from "./store.ts";

function open(t: TestContext, options = {}): Store {
  const store = openMemoryStore(options);
  t.after(() => store.close());
  return store;
}

test("a feed holds what the store held at its start, and follows", async (t) => {
  const store = open(t);
  await store.commit({ put: [{ key: "vpc/1", value: "old" }] });
  const feed = await startFeed(store, t.signal);
  assert.equal(feed.get("vpc/1")?.value, "old");

  const { revision } = await store.commit({ put: [{ key: "vpc/2", value: "new" }], delete: ["vpc/1"] });
  await feed.reached(revision);
  assert.equal(feed.revision, revision);
  assert.equal(feed.get("vpc/1"), undefined);
  assert.deepEqual(feed.list("vpc/"), [{ key: "vpc/2", value: "new", revision }]);
});

test("it reaches also what changed nothing", async (t) => {
  const store = open(t);
  const feed = await startFeed(store, t.signal);
  const { revision } = await store.commit({});
  await feed.reached(revision);
});

test("a listing is of one kind or less, in key order", async (t) => {
  const store = open(t);
  const keys = ["vpc/1/b", "vpc/1/a", "vpc/2/a", "vpcs/1/a", "subnet/1/a"];
  await store.commit({ put: keys.map((key) => ({ key, value: 0 })) });
  const feed = await startFeed(store, t.signal);
  const listed = (prefix: string) => feed.list(prefix).map(({ key }) => key);
  assert.deepEqual(listed("vpc/"), ["vpc/1/a", "vpc/1/b", "vpc/2/a"]);
  assert.deepEqual(listed("vpc/1/"), ["vpc/1/a", "vpc/1/b"]);
  assert.deepEqual(listed("image/"), []);
  assert.throws(() => listed("vpc"), TypeError);
});

test("what did not change stays the same entry", async (t) => {
  const store = open(t);
  await store.commit({ put: ["vpc/1", "vpc/2"].map((key) => ({ key, value: {} })) });
  const feed = await startFeed(store, t.signal);
  const [first, second] = feed.list("vpc/");
  const { revision } = await store.commit({ put: [{ key: "vpc/2", value: {} }] });
  await feed.reached(revision);
  assert.equal(feed.get("vpc/1"), first);
  assert.equal(feed.list("vpc/")[0], first);
  assert.notEqual(feed.get("vpc/2"), second);
});

test("a kind was changed when the last of its entries was written or deleted", async (t) => {
  const store = open(t);
  await store.commit({ put: [{ key: "vpc/1", value: {} }] });
  const feed = await startFeed(store, t.signal);
  const before = feed.changedAt("vpc");
  await feed.reached((await store.commit({ put: [{ key: "image/1", value: {} }] })).revision);
  assert.equal(feed.changedAt("vpc"), before);
  for (const transaction of [{ put: [{ key: "vpc/2", value: {} }] }, { delete: ["vpc/2"] }]) {
    const { revision } = await store.commit(transaction);
    await feed.reached(revision);
    assert.equal(feed.changedAt("vpc"), revision);
  }
  assert.equal(feed.changedAt("subnet"), 0);
});

test("an index finds by any term of a value, as it is now", async (t) => {
  const store = open(t);
  await store.commit({ put: [member(1, ["web"]), member(3, ["web", "db"])] });
  const feed = await startFeed(store, t.signal);
  const byGroup = feed.index<{ groups: string[] }>("interface", ({ groups }) => groups);
  const keys = (group: string) => byGroup(group).map(({ key }) => key);
  assert.deepEqual(keys("web"), ["interface/1", "interface/3"]);

  await store.commit({ put: [member(2, ["web"]), member(1, ["db"])] });
  await feed.reached((await store.commit({ delete: ["interface/3"] })).revision);
  assert.deepEqual(keys("web"), ["interface/2"]);
  assert.deepEqual(keys("db"), ["interface/1"]);
  assert.deepEqual(keys("none"), []);
});

test("whoever is told of a change finds the whole transaction in the feed", async (t) => {
  const store = open(t);
  await store.commit({ put: [{ key: "vpc/1", value: 1 }] });
  const feed = await startFeed(store, t.signal);
  const told: unknown[] = [];
  feed.onChange((key, now, before) => told.push([key, now?.value, before?.value, feed.get("vpc/2")?.value]));
  const { revision } = await store.commit({
    put: [
      { key: "vpc/0", value: 0 },
      { key: "vpc/2", value: 2 },
    ],
    delete: ["vpc/1"],
  });
  await feed.reached(revision);
  assert.deepEqual(told, [
    ["vpc/0", 0, undefined, 2],
    ["vpc/2", 2, undefined, 2],
    ["vpc/1", undefined, 1, 2],
  ]);
});

test("a feed left so far behind that the store has forgotten lists again, and tells the differences", async (t) => {
  const store = open(t, { remember: 5, recentBytes: 1 });
  await store.commit({ put: ["vpc/kept", "vpc/gone", "vpc/changed"].map((key) => ({ key, value: 1 })) });
  const held = Promise.withResolvers<void>();
  const slow: Store = {
    ...store,
    async *watch(...args) {
      await held.promise;
      yield* store.watch(...args);
    },
  };
  const feed = await startFeed(slow, t.signal);
  const kept = feed.get("vpc/kept");
  const told = new Map<string, [Entry | undefined, Entry | undefined]>();
  feed.onChange((key, now, before) => told.set(key, [now, before]));

  await store.commit({
    put: [
      { key: "vpc/changed", value: 2 },
      { key: "vpc/new", value: 2 },
    ],
    delete: ["vpc/gone"],
  });
  for (let n = 0; n < 10; n++) await store.commit({});
  held.resolve();
  await feed.reached(12);
  assert.deepEqual([...told.keys()].toSorted(), ["vpc/changed", "vpc/gone", "vpc/new"]);
  assert.equal(told.get("vpc/gone")?.[0], undefined);
  assert.equal(told.get("vpc/changed")?.[0]?.value, 2);
  assert.equal(feed.get("vpc/kept"), kept);
  assert.deepEqual(feed.list("vpc/"), (await store.list("")).entries);

  await feed.reached((await store.commit({ put: [{ key: "vpc/after", value: 3 }] })).revision);
  assert.equal(feed.get("vpc/after")?.value, 3);
});

test("waiting for what the feed will never hold ends with the feed", async (t) => {
  const ending = new AbortController();
  const feed = await startFeed(open(t), ending.signal);
  const waiting = feed.reached(99);
  ending.abort(new Error("over"));
  await assert.rejects(waiting, /over/);
  await assert.rejects(feed.reached(99), /over/);
});

test("after random transactions tables and indexes are what a new feed builds from scratch", async (t) => {
  const seed = Number(process.env["CROFT_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`CROFT_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const store = open(t);
  const feed = await startFeed(store, t.signal);
  const kept = feed.index("a", digits);
  for (let n = 0; n < 1000; n++) {
    await store
      .commit(randomTransaction(random, n))
      .catch((error: unknown) => assert.ok(error instanceof ExpectationFailed));
    if (random(10) === 0) feed.list("a/"); // what was added until then is put in its place
    if (random(10) === 0) kept(String(n % 10));
  }
  await feed.reached((await store.commit({})).revision);

  const fresh = await startFeed(store, t.signal);
  const built = fresh.index("a", digits);
  for (const kind of ["a/", "b/", "c/"]) assert.deepEqual(feed.list(kind), fresh.list(kind));
  for (let digit = 0; digit < 10; digit++) assert.deepEqual(kept(String(digit)), built(String(digit)));
});

/** Some are of many values, some are named twice by one. */
const digits = ({ n }: { n: number }) => [n % 10, n % 7, n % 10].map(String);

const member = (id: number, groups: string[]) => ({ key: `interface/${id}`, value: { groups } });
