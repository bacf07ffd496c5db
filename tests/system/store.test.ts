import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, chown, cp, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import { ExpectationFailed, StoreFull } from "#store/store.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";

const run = promisify(execFile);

test("a program that gave up root, and with it its own code, opens the store as its new self", async (t) => {
  const directory = await temporaryDirectory(t);
  await chmod(directory, 0o755);
  const checkout = join(directory, "checkout");
  await mkdir(checkout, { mode: 0o700 });
  const needed = [
    "package.json",
    "src/checkout.ts",
    "src/clock.ts",
    "src/store",
    "tests/system/unprivileged-store-program.ts",
  ];
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

describe("on a full disk the store", () => {
  const onDisk = async (t: TestContext, sizeMiB: number, act: (directory: string) => Promise<void>) => {
    const directory = await temporaryDirectory(t);
    await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "croft-test", directory]);
    try {
      await act(directory);
    } finally {
      await run("umount", ["--lazy", directory]);
    }
  };
  /** As others on the same disk do: to the last byte. */
  const fill = (directory: string) =>
    run("dd", ["if=/dev/zero", `of=${join(directory, "ballast")}`, "bs=64k"]).catch(() => {});
  const record = (n: number, more = "") => ({
    put: [{ key: `a/${n}`, value: `${more}${"x".repeat(2000)}` }],
  });
  const full = (error: unknown) => error instanceof StoreFull && /no room/.test(error.message);

  test("refuses what is new, takes changes and deletions for long, and everything when there is room", (t) =>
    onDisk(t, 48, async (directory) => {
      const store = await openSqliteStore(join(directory, "store"));
      for (let n = 0; n < 1000; n++) void store.commit(record(n));
      await store.commit({ put: [{ key: "lease/one", value: 0 }] });
      await sleep(1500); // it has its reserve
      await fill(directory);

      let taken = 1000;
      const more = async () => {
        for (; taken < 3000; taken++) await store.commit(record(taken));
      };
      await assert.rejects(more(), full);
      await assert.rejects(store.commit({ put: [{ key: "a/1", value: "x".repeat(20_000) }] }), full);
      for (let n = 0; n < 1000; n++) await store.commit(record(n, "terminated"));
      for (let n = 0; n < 2000; n++) await store.commit({ put: [{ key: "lease/one", value: n }] });
      await store.commit({ expect: [{ exists: "a/0" }], delete: ["a/0"] });
      await assert.rejects(store.commit({ expect: [{ exists: "a/0" }] }), ExpectationFailed);
      assert.equal((await store.list("a/")).entries.length, taken - 1);

      await rm(join(directory, "ballast"));
      await sleep(1100); // it looks for room once a second
      await store.commit(record(taken));
      const { revision } = await store.list("");
      await store.close();
      const again = await openSqliteStore(join(directory, "store"));
      assert.equal((await again.list("")).revision, revision);
      assert.match(String((await again.get("a/999"))?.value), /^terminated/);
      await again.close();
    }));

  test("makes room for more growth while nobody waits for it", (t) =>
    onDisk(t, 48, async (directory) => {
      const store = await openSqliteStore(join(directory, "store"));
      await sleep(1500);
      let taken = 0;
      for (; taken < 500; taken++) void store.commit(record(taken));
      await store.commit(record(taken++));
      await sleep(3000);
      await fill(directory);
      for (; taken < 1000; taken++) await store.commit(record(taken));
      await store.close();
    }));

  test("opens and answers, and takes what it can, when it comes anew", (t) =>
    onDisk(t, 32, async (directory) => {
      const before = await openSqliteStore(join(directory, "store"));
      for (let n = 0; n < 100; n++) void before.commit(record(n));
      await sleep(1500);
      await before.close();
      await fill(directory);

      const store = await openSqliteStore(join(directory, "store"));
      assert.equal((await store.list("a/")).entries.length, 100);
      await assert.rejects(store.commit({ put: [{ key: "a/big", value: "x".repeat(500_000) }] }), full);
      await rm(join(directory, "ballast"));
      await store.commit(record(101));
      await store.close();
    }));

  test("loses nothing that it acknowledged and keeps nothing that it refused, when it is killed there", (t) =>
    onDisk(t, 8, async (directory) => {
      const store = await openSqliteStore(join(directory, "store"));
      const kept: string[] = [];
      const refused: string[] = [];
      for (let n = 0; refused.length < 3; n++) {
        const key = `a/${String(n).padStart(6, "0")}`;
        await store.commit({ put: [{ key, value: "x".repeat(50_000) }] }).then(
          () => kept.push(key),
          (error: unknown) => (assert.ok(full(error), String(error)), refused.push(key)),
        );
      }
      // What the disk holds at this moment is what a kill, or a power cut, leaves.
      const copy = await temporaryDirectory(t);
      await cp(join(directory, "store"), copy, { recursive: true });
      await store.close();
      const found = await openSqliteStore(copy);
      assert.deepEqual(
        (await found.list("a/")).entries.map(({ key }) => key),
        kept,
      );
      await found.close();
    }));
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
