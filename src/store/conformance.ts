import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { FakeClock } from "#testing/fake-clock.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { ModelStore, randomTransaction } from "./model-store.ts";
import {
  type Changes,
  Compacted,
  ExpectationFailed,
  type Store,
  StoreUnavailable,
  TransactionTooLarge,
  transactionLimits,
} from "./store.ts";

/** Opens an empty store that remembers so many transactions, and sees to it that it is gone after the test. */
export type OpenStore = (t: TestContext, options: { remember: number; clock: FakeClock }) => Promise<Store>;

/** What every store must do, told to `node:test`. */
export function testStore(name: string, openStore: OpenStore): void {
  const open = (t: TestContext, remember = 1000, clock = new FakeClock()) =>
    openStore(t, { remember, clock });

  describe(name, () => {
    test("what was put is found, with the revision that wrote it", async (t) => {
      const store = await open(t);
      assert.equal(await store.get("volume/1/here/vol-1"), undefined);
      const { revision } = await store.commit({
        put: [{ key: "volume/1/here/vol-1", value: { sizeGiB: 8, ü: null } }],
      });
      assert.deepEqual(await store.get("volume/1/here/vol-1"), {
        key: "volume/1/here/vol-1",
        value: { sizeGiB: 8, ü: null },
        revision,
      });
    });

    test("the revision grows by one with each transaction, also an empty one", async (t) => {
      const store = await open(t);
      const first = await store.commit({});
      const second = await store.commit({ put: [{ key: "a/1", value: 1 }] });
      const third = await store.commit({ expect: [{ exists: "a/1" }] });
      assert.deepEqual([first.revision, second.revision, third.revision], [1, 2, 3]);
      assert.equal((await store.list("")).revision, 3);
    });

    test("a listing holds what is under the prefix, in key order, and nothing else", async (t) => {
      const store = await open(t);
      const keys = ["volume/2", "volume/10", "volume/1", "volume/~", "volumes/1", "vol/1", "volume"];
      await store.commit({ put: keys.map((key) => ({ key, value: key })) });
      assert.deepEqual(await keysUnder(store, "volume/"), ["volume/1", "volume/10", "volume/2", "volume/~"]);
      assert.deepEqual(await keysUnder(store, ""), keys.toSorted());
      assert.deepEqual(await keysUnder(store, "image/"), []);
    });

    test("a listing longer than a page is whole", async (t) => {
      const store = await open(t);
      const keys = Array.from({ length: 1203 }, (_, n) => `a/${String(n).padStart(4, "0")}`);
      for (let n = 0; n < keys.length; n += 100)
        await store.commit({ put: keys.slice(n, n + 100).map((key) => ({ key, value: 0 })) });
      assert.deepEqual(await keysUnder(store, "a/"), keys);
    });

    test("a transaction whose expectation fails changes nothing and names it", async (t) => {
      const store = await open(t);
      await store.commit({ put: [{ key: "vpc/1", value: 1 }] });
      const { revision } = await store.commit({ put: [{ key: "vpc/1", value: 2 }] });
      const failing = [
        { exists: "vpc/2" },
        { absent: "vpc/1" },
        { at: ["vpc/1", revision - 1] },
        { at: ["vpc/2", revision] },
        { empty: "vpc/" },
        { fewer: ["vpc/", 1] },
        { fewer: ["subnet/", 0] },
      ] as const;
      for (const expectation of failing) {
        const doomed = {
          expect: [{ exists: "vpc/1" }, expectation],
          put: [{ key: "vpc/9", value: 9 }],
          delete: ["vpc/1"],
        };
        await assert.rejects(store.commit(doomed), (error) => {
          assert.ok(error instanceof ExpectationFailed);
          assert.deepEqual(error.expectation, expectation);
          assert.equal(error.revision, revision);
          return true;
        });
      }
      assert.deepEqual(await store.list(""), { revision, entries: [{ key: "vpc/1", value: 2, revision }] });
    });

    test("a transaction whose expectations all hold goes through", async (t) => {
      const store = await open(t);
      const { revision } = await store.commit({ put: [{ key: "vpc/1", value: 1 }] });
      const expect = [
        { exists: "vpc/1" },
        { absent: "vpc/2" },
        { at: ["vpc/1", revision] },
        { empty: "subnet/" },
        { fewer: ["vpc/", 2] },
        { fewer: ["subnet/", 1] },
      ] as const;
      await store.commit({ expect, delete: ["vpc/1"], put: [{ key: "vpc/2", value: 2 }] });
      assert.deepEqual(await keysUnder(store, ""), ["vpc/2"]);
    });

    test("of many who claim the same name at once, one gets it", async (t) => {
      const store = await open(t);
      const claim = (n: number) =>
        store.commit({
          expect: [{ absent: "claim/web" }],
          put: [
            { key: "claim/web", value: n },
            { key: `group/${n}`, value: n },
          ],
        });
      const ends = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => claim(n)));
      assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
      assert.equal((await store.list("group/")).entries.length, 1);
    });

    test("no child is added to a parent that goes", async (t) => {
      const store = await open(t);
      await store.commit({ put: [{ key: "vpc/1", value: 1 }] });
      const ends = await Promise.allSettled([
        store.commit({ expect: [{ empty: "subnet/1/" }], delete: ["vpc/1"] }),
        store.commit({ expect: [{ exists: "vpc/1" }], put: [{ key: "subnet/1/a", value: 1 }] }),
      ]);
      assert.deepEqual(ends.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    });

    test("transactions over the limits, and what is no transaction, are refused whole", async (t) => {
      const store = await open(t);
      await store.commit({ put: puts(transactionLimits.entries) });
      await store.commit(big(transactionLimits.bytes - 100));
      const before = await store.list("");

      const tooLarge = [
        { put: puts(transactionLimits.entries), delete: ["b/1"] },
        { expect: puts(transactionLimits.entries + 1).map(({ key }) => ({ exists: key })) },
        big(transactionLimits.bytes),
      ];
      for (const transaction of tooLarge)
        await assert.rejects(store.commit(transaction), TransactionTooLarge);
      const senseless = [
        { put: [{ key: "", value: 1 }] },
        { put: [{ key: "a/ü", value: 1 }] },
        { put: [{ key: "a/\n", value: 1 }] },
        { put: [{ key: "a/1", value: undefined }] },
        { put: [{ key: "a/1", value: 1 }], delete: ["a/1"] },
        { expect: [{ exists: "a/\0" }] },
      ];
      for (const transaction of senseless) await assert.rejects(store.commit(transaction), TypeError);
      assert.deepEqual(await store.list(""), before);
    });

    test("what a caller does to a value after the commit does not reach the store", async (t) => {
      const store = await open(t);
      const value = { tags: ["a"] };
      const committed = store.commit({ put: [{ key: "a/1", value }] });
      value.tags.push("b");
      await committed;
      const { signal } = endingWith(t);
      assert.deepEqual((await store.get("a/1"))?.value, { tags: ["a"] });
      assert.deepEqual((await take(store.watch("", 0, signal), 1))[0]?.put[0]?.value, { tags: ["a"] });
    });

    test("a watch tells every transaction after its start that touches the prefix, once and in order", async (t) => {
      const store = await open(t);
      const { signal } = endingWith(t);
      await store.commit({ put: [{ key: "a/0", value: 0 }] });
      await store.commit({
        put: [
          { key: "a/1", value: 1 },
          { key: "b/1", value: 1 },
        ],
      });
      await store.commit({ put: [{ key: "b/2", value: 2 }] });
      const seen = take(store.watch("a/", 1, signal), 3);
      await store.commit({ put: [{ key: "a/1", value: 2 }], delete: ["a/0", "b/1", "a/never"] });
      await store.commit({ delete: ["a/never"] });
      await store.commit({ put: [{ key: "a/3", value: 3 }] });
      assert.deepEqual(await seen, [
        { revision: 2, put: [{ key: "a/1", value: 1, revision: 2 }], deleted: [] },
        { revision: 4, put: [{ key: "a/1", value: 2, revision: 4 }], deleted: ["a/0"] },
        { revision: 6, put: [{ key: "a/3", value: 3, revision: 6 }], deleted: [] },
      ]);
    });

    test("a watch of everything sees also the transactions that changed nothing", async (t) => {
      const store = await open(t);
      const { signal } = endingWith(t);
      await store.commit({});
      await store.commit({ delete: ["a/never"] });
      assert.deepEqual(await take(store.watch("", 0, signal), 2), [
        { revision: 1, put: [], deleted: [] },
        { revision: 2, put: [], deleted: [] },
      ]);
    });

    test("a watch ends when it is told to, whether it waits or not", async (t) => {
      const store = await open(t);
      const ending = new AbortController();
      const waiting = take(store.watch("", 0, ending.signal), 1);
      setImmediate(() => ending.abort());
      assert.deepEqual(await waiting, []);
      await store.commit({});
      assert.deepEqual(await take(store.watch("", 0, AbortSignal.abort()), 1), []);
    });

    test("a watch that is told to end tells nothing more, also of what has long happened", async (t) => {
      const store = await open(t);
      for (let n = 0; n < 5; n++) await store.commit({});
      const ending = new AbortController();
      const seen: number[] = [];
      for await (const { revision } of store.watch("", 0, ending.signal)) {
        seen.push(revision);
        if (revision === 2) ending.abort();
      }
      assert.deepEqual(seen, [1, 2]);
    });

    test("a watch from before what the store remembers, or from its future, is told so", async (t) => {
      const store = await open(t, 10);
      const { signal } = endingWith(t);
      for (let n = 1; n <= 30; n++) await store.commit({ put: [{ key: "a/1", value: n }] });
      await assert.rejects(take(store.watch("", 5, signal), 1), Compacted);
      await assert.rejects(take(store.watch("", 31, signal), 1), Compacted);
      const revisions = (await take(store.watch("", 20, signal), 10)).map(({ revision }) => revision);
      assert.deepEqual(
        revisions,
        Array.from({ length: 10 }, (_, n) => 21 + n),
      );
    });

    test("a lease has one holder until it runs out, and its revision fences", async (t) => {
      const clock = new FakeClock();
      const store = await open(t, 100, clock);
      const first = await store.acquire("placer", "host-1", 1000);
      assert.ok(first);
      assert.equal(await store.acquire("placer", "host-2", 1000), undefined);
      const renewed = await store.acquire("placer", "host-1", 1000);
      assert.ok(renewed);
      await store.commit({ expect: [{ at: [renewed.key, renewed.revision] }] });

      await clock.advance(1001);
      const second = await store.acquire("placer", "host-2", 1000);
      assert.ok(second);
      await assert.rejects(
        store.commit({ expect: [{ at: [renewed.key, renewed.revision] }] }),
        ExpectationFailed,
      );
      assert.equal(await store.acquire("placer", "host-1", 1000), undefined);
    });

    test("a closed store says so, and its watches end", async (t) => {
      const store = await open(t);
      const { signal } = endingWith(t);
      const watched = take(store.watch("", 0, signal), 5);
      const committed = store.commit({ put: [{ key: "a/1", value: 1 }] });
      await committed;
      await store.close();
      assert.ok((await watched).length <= 1);
      await assert.rejects(store.get("a/1"), StoreUnavailable);
      await assert.rejects(store.list(""), StoreUnavailable);
      await assert.rejects(store.commit({}), StoreUnavailable);
      await store.close();
    });

    test("random transactions leave what the plainest possible store would hold, and the watch tells the way there", async (t) => {
      const seed = Number(process.env["CROFT_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
      t.diagnostic(`CROFT_TEST_SEED=${seed}`);
      const random = seededRandom(seed);
      const store = await open(t, 10_000);
      const model = new ModelStore();
      for (let n = 0; n < 40; n++) {
        const group = Array.from({ length: 1 + random(25) }, () => randomTransaction(random, model.revision));
        const expected = group.map((transaction) => model.commit(transaction));
        const ends = await Promise.allSettled(group.map((transaction) => store.commit(transaction)));
        const found = ends.map((end) => (end.status === "fulfilled" ? end.value : end.reason));
        assert.deepEqual(found.map(plain), expected.map(plain));
      }
      assert.deepEqual(await store.list(""), { revision: model.revision, entries: model.list("") });
      for (const prefix of ["a/", "b/1"])
        assert.deepEqual((await store.list(prefix)).entries, model.list(prefix));
      const { signal } = endingWith(t);
      assert.deepEqual(await take(store.watch("", 0, signal), model.revision), model.changes);
    });
  });
}

const keysUnder = async (store: Store, prefix: string) =>
  (await store.list(prefix)).entries.map(({ key }) => key);

/** Aborts when the test is over, so that no watch outlives it. */
function endingWith(t: TestContext): AbortController {
  const controller = new AbortController();
  t.after(() => controller.abort());
  return controller;
}

async function take(watch: AsyncIterable<Changes>, count: number): Promise<Changes[]> {
  const seen: Changes[] = [];
  for await (const changes of watch) if (seen.push(changes) === count) break;
  return seen;
}

/** Errors compare by what they say, not by where they were made. */
const plain = (end: unknown) =>
  end instanceof ExpectationFailed ? { failed: end.expectation, revision: end.revision } : end;

const puts = (count: number) => Array.from({ length: count }, (_, n) => ({ key: `a/${n}`, value: "" }));

const big = (bytes: number) => ({ put: [{ key: "a/big", value: "x".repeat(bytes) }] });
