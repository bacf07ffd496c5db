import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import type { Changes, Store } from "../store.ts";
import { openSqliteStore } from "./sqlite-store.ts";

const rounds = Number(process.env["CROFT_KILL_ROUNDS"] ?? 20);

test("a program killed while it commits has lost nothing it was told is done, and left nothing by half", async (t) => {
  const directory = await temporaryDirectory(t);
  let acknowledged = 0;
  for (let round = 0; round < rounds; round++) {
    // A file takes every line at once; a pipe might be full.
    const file = join(directory, `acknowledged-${round}`);
    const lines = await open(file, "a");
    const program = spawn(process.execPath, [committingProgram, join(directory, "store")], {
      stdio: ["ignore", lines.fd, "inherit"],
    });
    const exited = once(program, "exit");
    while ((await lines.stat()).size === 0 && program.exitCode === null) await pause(2);
    await pause(Math.random() * 40);
    program.kill("SIGKILL");
    assert.deepEqual(await exited, [null, "SIGKILL"]);
    await lines.close();

    const told = (await readFile(file, "utf8")).trim().split("\n");
    acknowledged += told.length;
    const last = new Map(told.map((line) => line.split(" ")).map(([caller = "", n]) => [caller, Number(n)]));
    await withStore(join(directory, "store"), (store) => checkWhole(store, last, t.signal));
  }
  t.diagnostic(`${rounds} kills, ${acknowledged} acknowledged commits`);
});

const committingProgram = fileURLToPath(new URL("./committing-program.ts", import.meta.url));

test("whatever part of the log's end a power cut takes, what was acknowledged before it is whole", async (t) => {
  const directory = await temporaryDirectory(t);
  const from = join(directory, "running");
  const store = await openSqliteStore(from);
  const sizes: number[] = [];
  for (let n = 1; n <= 40; n++) {
    await store.commit({ put: ["left/0", "right/0"].map((key) => ({ key, value: n })) });
    sizes.push((await stat(log(from))).size);
  }
  await cp(from, join(directory, "cut"), { recursive: true });
  await store.close();
  const whole = sizes.at(-1) ?? 0;

  for (let n = 0; n < 30; n++) {
    const at = join(directory, `cut-${n}`);
    await cp(join(directory, "cut"), at, { recursive: true });
    const kept = Math.floor((sizes[0] ?? 0) + Math.random() * (whole - (sizes[0] ?? 0)));
    const file = await open(log(at), "r+");
    // What was not yet synced may be missing, or be anything.
    if (n % 2 === 0) await file.truncate(kept);
    else await file.write(Buffer.alloc(whole - kept, 0xa5), 0, whole - kept, kept);
    await file.close();
    const acknowledged = sizes.filter((size) => size <= kept).length;
    await withStore(at, (cut) => checkWhole(cut, new Map([["0", acknowledged]]), t.signal));
  }
});

async function withStore(directory: string, use: (store: Store) => Promise<void>): Promise<void> {
  const store = await openSqliteStore(directory);
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

const log = (storeDirectory: string) => join(storeDirectory, "store.sqlite-wal");

/** Every caller's last acknowledged transaction, or a later one, is there in all its places and in the log of changes. */
async function checkWhole(
  store: Store,
  acknowledged: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const { revision, entries } = await store.list("");
  const found = new Map(entries.map(({ key, value }) => [key, value]));
  for (const [caller, n] of acknowledged)
    assert.ok(Number(found.get(`left/${caller}`)) >= n, `${caller} lost ${n}`);
  for (const { key, value } of entries) {
    const caller = key.split("/")[1];
    if (key.startsWith("left/")) assert.equal(found.get(`right/${caller}`), value);
    if (key.startsWith("once/")) assert.equal(key, `once/${caller}/${String(found.get(`left/${caller}`))}`);
  }
  const from = Math.max(0, revision - 100);
  for (const { put, revision: at } of await changesBetween(store, from, revision, signal))
    for (const { key } of put) assert.ok(!found.has(key) || ((await store.get(key))?.revision ?? 0) >= at);
}

async function changesBetween(
  store: Store,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<Changes[]> {
  const seen: Changes[] = [];
  if (from === to) return seen;
  for await (const changes of store.watch("", from, signal)) if (seen.push(changes) === to - from) break;
  assert.deepEqual(
    seen.map(({ revision }) => revision),
    Array.from({ length: to - from }, (_, n) => from + n + 1),
  );
  return seen;
}
