import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { testStore } from "../conformance.ts";
import type { Changes } from "../store.ts";
import { openDatabase } from "./database.ts";
import { openSqliteStore } from "./sqlite-store.ts";

testStore("the store on disk", async (t, options) => {
  const directory = await temporaryDirectory(t);
  // So little memory that most watches read the disk.
  const store = await openSqliteStore(join(directory, "store"), { ...options, recentBytes: 1000 });
  t.after(() => store.close());
  return store;
});

test("a store opened again holds what it held, and a watch goes on where it was", async (t) => {
  const directory = await temporaryDirectory(t);
  const before = await openSqliteStore(directory);
  for (let n = 1; n <= 5; n++) await before.commit({ put: [{ key: "a/1", value: n }] });
  await before.close();

  const after = await openSqliteStore(directory);
  t.after(() => after.close());
  assert.deepEqual(await after.list(""), { revision: 5, entries: [{ key: "a/1", value: 5, revision: 5 }] });
  assert.equal((await after.commit({ delete: ["a/1"] })).revision, 6);
  const seen: Changes[] = [];
  for await (const changes of after.watch("", 3, t.signal)) if (seen.push(changes) === 3) break;
  assert.deepEqual(seen, [
    { revision: 4, put: [{ key: "a/1", value: 4, revision: 4 }], deleted: [] },
    { revision: 5, put: [{ key: "a/1", value: 5, revision: 5 }], deleted: [] },
    { revision: 6, put: [], deleted: ["a/1"] },
  ]);
});

test("its files are its owner's alone", async (t) => {
  const directory = join(await temporaryDirectory(t), "new", "store");
  const store = await openSqliteStore(directory);
  t.after(() => store.close());
  await store.commit({ put: [{ key: "a/1", value: 1 }] });
  const mode = async (...path: string[]) => ((await stat(join(directory, ...path))).mode & 0o777).toString(8);
  assert.deepEqual(
    [await mode(), await mode("store.sqlite"), await mode("store.sqlite-wal")],
    ["700", "600", "600"],
  );
});

test("a commit returns when the disk has it, not before", async (t) => {
  const exec = t.mock.method(DatabaseSync.prototype, "exec");
  const database = openDatabase(join(await temporaryDirectory(t), "store.sqlite"), 10);
  t.after(() => database.close());
  const opened = exec.mock.calls[0]?.this;
  assert.ok(opened instanceof DatabaseSync);
  assert.deepEqual({ ...opened.prepare("PRAGMA synchronous").get() }, { synchronous: 2 }); // FULL
  assert.deepEqual({ ...opened.prepare("PRAGMA journal_mode").get() }, { journal_mode: "wal" });
});

test("a store of a later version is refused, and left as it is", async (t) => {
  const directory = await temporaryDirectory(t);
  await (await openSqliteStore(directory)).close();
  const later = new DatabaseSync(join(directory, "store.sqlite"));
  later.exec("PRAGMA user_version = 2");
  later.close();
  await assert.rejects(openSqliteStore(directory), /shape 2/);
});

test("a second opener is refused, and harms nothing", async (t) => {
  const directory = await temporaryDirectory(t);
  const store = await openSqliteStore(directory);
  t.after(() => store.close());
  await assert.rejects(openSqliteStore(directory), /locked/);
  await store.commit({ put: [{ key: "a/1", value: 1 }] });
});

test("many commits at once share their waits for the disk", async (t) => {
  const store = await openSqliteStore(await temporaryDirectory(t));
  t.after(() => store.close());
  const commits = Array.from({ length: 500 }, (_, n) => store.commit({ put: [{ key: `a/${n}`, value: n }] }));
  const revisions = (await Promise.all(commits)).map(({ revision }) => revision);
  assert.deepEqual(
    revisions,
    Array.from({ length: 500 }, (_, n) => n + 1),
  );
});
