import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { testStore } from "../conformance.ts";
import type { Changes } from "../store.ts";
import { checkTransaction } from "../transaction.ts";
import { openDatabase } from "./database.ts";
import { formatOf, type Migration, migrations } from "./migrations.ts";
import { openSqliteStore } from "./sqlite-store.ts";
import { writeStore } from "./write-store.ts";

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

test("a store of a later format is refused, and left as it is", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "store.sqlite");
  await (await openSqliteStore(directory)).close();
  const later = new DatabaseSync(file);
  const format = migrations.length + 1;
  later.exec(`PRAGMA user_version = ${format}`);
  later.close();
  await assert.rejects(openSqliteStore(directory), new RegExp(`format ${format}, of a later version`));
  assert.equal(formatOf(file), format);
});

test("its format is told while it is open, killed or not there", async (t) => {
  const file = join(await temporaryDirectory(t), "store.sqlite");
  assert.equal(formatOf(file), 0);
  const database = openDatabase(file, 10);
  t.after(() => database.close());
  assert.equal(formatOf(file), migrations.length);
});

test("a store of an earlier format goes through what it has not had, in order, and is kept as it was beside", async (t) => {
  const file = join(await temporaryDirectory(t), "store.sqlite");
  const before = openDatabase(file, 10);
  before.apply([checkTransaction({ put: [{ key: "a/1", value: { name: "one" } }] })]);
  before.close();
  const renamed: Migration = (db) =>
    db.exec(`UPDATE entry SET value = json_set(value, '$.name', 'renamed') WHERE key >= 'a/' AND key < 'a0'`);
  const doubled: Migration = (db) =>
    db.exec(
      `UPDATE entry SET value = json_set(value, '$.twice', (value ->> '$.name') || (value ->> '$.name'))`,
    );
  const nameIn = (path: string, formats: readonly Migration[]) => {
    const database = openDatabase(path, 10, { formats });
    const { value } = JSON.parse(database.get("a/1") ?? "{}");
    database.close();
    return value;
  };

  const fails: Migration = (db) => db.exec("SELECT * FROM nothing");
  assert.throws(() => openDatabase(file, 10, { formats: [...migrations, renamed, fails] }), /nothing/);
  assert.equal(formatOf(file), migrations.length, "all of the way or not at all");
  for (let opened = 0; opened < 2; opened++)
    assert.deepEqual(nameIn(file, [...migrations, renamed, doubled]), {
      name: "renamed",
      twice: "renamedrenamed",
    });
  assert.equal(formatOf(file), migrations.length + 2);
  const kept = `${file}.format-${migrations.length}`;
  assert.deepEqual(nameIn(kept, migrations), { name: "one" });
  assert.equal((await stat(kept)).mode & 0o077, 0, "it is its owner's alone");
});

test("a store written whole goes on from the revision it was written at", async (t) => {
  const directory = await temporaryDirectory(t);
  const entries = [{ key: "a/1", value: { name: "one" }, revision: 7 }];
  writeStore(join(directory, "store.sqlite"), { revision: 12, entries });
  const store = await openSqliteStore(directory);
  t.after(() => store.close());
  assert.deepEqual(await store.list(""), { revision: 12, entries });
  assert.equal((await store.commit({ expect: [{ at: ["a/1", 7] }], delete: ["a/1"] })).revision, 13);
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
