import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { testStore } from "../conformance.ts";
import { startFeed } from "../feed.ts";
import { type Store, StoreUnavailable } from "../store.ts";
import { connectStore } from "./connect-store.ts";
import { serveStore } from "./serve-store.ts";

testStore("the store over a socket", async (t, options) => {
  const { path } = await served(t, openMemoryStore({ ...options, recentBytes: 1000 }));
  return connected(t, path);
});

async function served(t: TestContext, store: Store, path?: string) {
  const at = path ?? join(await temporaryDirectory(t), "store.sock");
  const server = await serveStore(store, at);
  t.after(() => server.close());
  t.after(() => store.close());
  return { path: at, server };
}

function connected(t: TestContext, path: string): Store {
  const store = connectStore(path);
  t.after(() => store.close());
  return store;
}

test("its socket is its owner's alone", async (t) => {
  const { path } = await served(t, openMemoryStore());
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("what a program that was killed left in place does not keep the next from serving", async (t) => {
  const { path } = await served(t, openMemoryStore());
  const next = openMemoryStore();
  await next.commit({ put: [{ key: "a/1", value: "next" }] });
  await served(t, next, path);
  assert.equal((await connected(t, path).get("a/1"))?.value, "next");
});

test("calls made before there is a server wait for it", async (t) => {
  const path = join(await temporaryDirectory(t), "store.sock");
  const client = connected(t, path);
  const answers = Promise.all([client.commit({ put: [{ key: "a/1", value: 1 }] }), client.list("a/")]);
  await pause(50);
  await served(t, openMemoryStore(), path);
  assert.equal((await answers)[0].revision, 1);
});

test("when the connection is lost, reads are asked again and a commit under way throws", async (t) => {
  const store = openMemoryStore();
  await store.commit({ put: [{ key: "a/1", value: 1 }] });
  const stuck = Promise.withResolvers<never>();
  const { path, server } = await served(t, {
    ...store,
    get: () => stuck.promise,
    commit: () => stuck.promise,
    list: () => stuck.promise,
  });
  const client = connected(t, path);
  const got = client.get("a/1");
  const listed = client.list("a/");
  const committed = client.commit({ put: [{ key: "a/1", value: 2 }] });
  await pause(50);
  await server.close();
  await assert.rejects(committed, StoreUnavailable);
  await served(t, store, path);
  assert.equal((await got)?.value, 1);
  assert.equal((await listed).entries.length, 1);
});

test("a feed follows through restarts of the server, and misses and repeats nothing", async (t) => {
  const store = openMemoryStore();
  const { path, server } = await served(t, store);
  const feed = await startFeed(connected(t, path), t.signal);
  const told: unknown[] = [];
  feed.onChange((_key, now) => told.push(now?.value));
  let serving = server;
  for (let n = 1; n <= 30; n++) {
    const { revision } = await store.commit({ put: [{ key: "a/1", value: n }] });
    if (n % 10 === 0) {
      await serving.close();
      await store.commit({ put: [{ key: "a/1", value: n + 0.5 }] });
      ({ server: serving } = await served(t, store, path));
    } else if (n % 3 === 0) {
      await feed.reached(revision);
    }
  }
  await feed.reached(33);
  const every = Array.from({ length: 30 }, (_, n) =>
    (n + 1) % 10 === 0 ? [n + 1, n + 1.5] : [n + 1],
  ).flat();
  assert.deepEqual(told, every);
});

test("a watch that was away for too long is told so", async (t) => {
  const { path, server } = await served(t, openMemoryStore());
  const client = connected(t, path);
  const told: number[] = [];
  const watching = (async () => {
    for await (const { revision } of client.watch("", 0, t.signal)) told.push(revision);
  })();
  await client.commit({});
  await pause(20);
  await server.close();
  const forgetful = openMemoryStore({ remember: 2, recentBytes: 1 });
  for (let n = 0; n < 10; n++) await forgetful.commit({});
  await served(t, forgetful, path);
  await assert.rejects(watching, { name: "Compacted" });
  assert.deepEqual(told, [1]);
});

test("a watch ends also while there is no server", async (t) => {
  const client = connected(t, join(await temporaryDirectory(t), "none.sock"));
  const ending = new AbortController();
  setTimeout(() => ending.abort(), 30);
  for await (const changes of client.watch("", 0, ending.signal)) assert.fail(JSON.stringify(changes));
});

test("a watch nobody reads is not sent more than it asked for, and holds up nothing else", async (t) => {
  const store = openMemoryStore({ recentBytes: 64 << 20 });
  let sent = 0;
  const { path } = await served(t, {
    ...store,
    async *watch(...args) {
      for await (const changes of store.watch(...args)) {
        sent++;
        yield changes;
      }
    },
  });
  const client = connected(t, path);
  const idle = client.watch("", 0, t.signal)[Symbol.asyncIterator]();
  const first = idle.next();
  for (let n = 0; n < 1000; n++) void store.commit({ put: [{ key: "a/1", value: "x".repeat(1000) }] });
  await first;
  await client.commit({});
  await pause(50);
  assert.ok(sent < 200, `${sent} changes sent`);
  for (let n = 1; n < 1001; n++) assert.equal((await idle.next()).value?.revision, n + 1);
});

test("many calls at once are all answered", async (t) => {
  const { path } = await served(t, openMemoryStore());
  const client = connected(t, path);
  const value = "x".repeat(20_000);
  await Promise.all(
    Array.from({ length: 2000 }, (_, n) => client.commit({ put: [{ key: `a/${n}`, value }] })),
  );
  const got = await Promise.all(Array.from({ length: 2000 }, (_, n) => client.get(`a/${n}`)));
  assert.ok(got.every((entry) => entry?.value === value));
});

test("a peer that asks without end has to wait for answers", async (t) => {
  const store = openMemoryStore();
  const answered = Promise.withResolvers<undefined>();
  const flooded = Promise.withResolvers<undefined>();
  let asked = 0;
  const get = () => {
    if (++asked > 100) flooded.resolve(undefined);
    return answered.promise;
  };
  const { path } = await served(t, { ...store, get });
  const client = connected(t, path);
  const all = Promise.all(Array.from({ length: 1000 }, (_, n) => client.get(`a/${n}`)));
  await flooded.promise;
  await pause(50);
  assert.ok(asked < 500, `${asked} asked at once`);
  answered.resolve(undefined);
  await all;
  assert.equal(asked, 1000);
});

test("a peer that speaks something else is cut off, and others are not", async (t) => {
  const { path } = await served(t, openMemoryStore());
  const client = connected(t, path);
  for (const nonsense of ["hello\n", "[1]\n", "null\n", "x".repeat(17 << 20)]) {
    const socket = connect(path).on("error", () => {}); // cut off while it still speaks
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.resume().write(nonsense);
    await closed;
  }
  await client.commit({});
});

test("a closed store that waits for its server stops waiting", async (t) => {
  const client = connectStore(join(await temporaryDirectory(t), "none.sock"));
  const waiting = client.get("a/1");
  await pause(30);
  await client.close();
  await assert.rejects(waiting, StoreUnavailable);
});
