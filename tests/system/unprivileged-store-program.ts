import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import { startStoreThread } from "#store/sqlite/store-thread.ts";

/** For `store.test.ts`: opens the store in argv[2] as the user argv[3], who cannot read this checkout. */
const [directory = "", uid = ""] = process.argv.slice(2);
const thread = await startStoreThread();
process.setgroups?.([]);
process.setgid?.(Number(uid));
process.setuid?.(Number(uid));
assert.throws(() => readFileSync(import.meta.filename), { code: "EACCES" });

const store = await openSqliteStore(directory, { thread });
const { revision } = await store.commit({ put: [{ key: "a/1", value: process.getuid?.() }] });
await store.close();
console.log(`revision ${revision}`);
