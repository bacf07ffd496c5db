import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, chown, cp, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import { StoreUnavailable } from "#store/store.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";

const run = promisify(execFile);

test("a program that gave up root, and with it its own code, opens the store as its new self", async (t) => {
  const directory = await temporaryDirectory(t);
  await chmod(directory, 0o755);
  const checkout = join(directory, "checkout");
  await mkdir(checkout, { mode: 0o700 });
  const needed = ["package.json", "src/clock.ts", "src/store", "tests/system/unprivileged-store-program.ts"];
  for (const path of needed)
    await cp(new URL(`../../${path}`, import.meta.url), join(checkout, path), { recursive: true });
  const data = join(directory, "data");
  await mkdir(data);
  const uid = 0x4000_0000 + (process.pid % 4096);
  await chown(data, uid, uid);

  const program = join(checkout, "tests/system/unprivileged-store-program.ts");
  const { stdout } = await run(process.execPath, [program, join(data, "store"), String(uid)]);
  assert.equal(stdout, "revision 1\n");
  for (const file of [".", "store.sqlite"]) assert.equal((await stat(join(data, "store", file))).uid, uid);
});

test("a full disk refuses commits, keeps what it has, and takes commits again when there is room", async (t) => {
  const directory = await temporaryDirectory(t);
  await run("mount", ["-t", "tmpfs", "-o", "size=3m", "croft-test", directory]);
  try {
    const store = await openSqliteStore(join(directory, "store"));
    await store.commit({ put: [{ key: "a/1", value: "kept" }] });
    await writeFile(join(directory, "ballast"), Buffer.alloc(1 << 20));
    const big = { put: [{ key: "a/big", value: "x".repeat(900_000) }] };
    await assert.rejects(
      (async () => {
        for (let n = 0; n < 10; n++) await store.commit(big);
      })(),
      (error) => error instanceof StoreUnavailable && /full/.test(error.message),
    );
    assert.equal((await store.get("a/1"))?.value, "kept");
    await rm(join(directory, "ballast"));
    await store.commit({ put: [{ key: "a/2", value: "after" }] });
    const { revision } = await store.list("");
    await store.close();

    const again = await openSqliteStore(join(directory, "store"));
    assert.equal((await again.list("")).revision, revision);
    assert.equal((await again.get("a/2"))?.value, "after");
    await again.close();
  } finally {
    await run("umount", [directory]);
  }
});

test("after the disk failed nothing is answered any more, until the store is opened again with all that was acknowledged", async (t) => {
  const directory = join(await temporaryDirectory(t), "store");
  const program = fileURLToPath(new URL("./failing-disk-program.ts", import.meta.url));
  const { stdout } = await run("prlimit", ["--fsize=1000000", process.execPath, program, directory]);
  for (const end of stdout.trim().split("\n")) assert.match(end, /^StoreUnavailable: .*disk I\/O error/);

  const store = await openSqliteStore(directory);
  const { revision, entries } = await store.list("");
  assert.ok(revision > 1);
  assert.equal(entries.length, revision);
  await store.close();
});
