import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { BLOCK_BYTES } from "#drivers/disk/disk-driver.ts";
import { openQcow2Disks, type Qcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { run } from "#drivers/linux/commands.ts";
import { KeyRefused } from "#drivers/open-key.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { copyEncryptedDisk, copySnapshots } from "./copy-snapshots.ts";

/** Snapshots of an encrypted disk of an image, with one that was removed between them, and the disk; then copied without any key. */
const uid = 65_534;
const options = { uid, signal: new AbortController().signal };
const [marker, written] = ["MARKER-in-no-file", (n: number) => Buffer.alloc(BLOCK_BYTES, `${marker} ${n}. `)];
const scratch = await temporaryDirectory({ after });
const [from, to] = [join(scratch, "from"), join(scratch, "to")];
const openKey = (key: string): string => {
  if (key !== "key") throw new KeyRefused("the key may not be used");
  return "1".repeat(128);
};
let disks: Qcow2Disks;
before(async () => {
  mkdirSync(to);
  const [raw, image] = [join(scratch, "image.raw"), join(scratch, "image.qcow2")];
  writeFileSync(raw, randomFillSync(Buffer.alloc(BLOCK_BYTES)));
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, image]);
  disks = await openQcow2Disks(from, { uid, openKey });
  await disks.ensure({ id: "vol-a", sizeGiB: 1, image, key: "key" });
  for (const n of [1, 2, 3]) {
    await disks.writeBlock("vol-a", n, written(n));
    await disks.snapshot(`snap-${n}`, "vol-a");
  }
  await disks.removeSnapshot("snap-2");
  await copySnapshots(["snap-1", "snap-3"], from, to, options);
  await copyEncryptedDisk("vol-a", from, to, options);
});

test("what is encrypted is copied as it lies, with its wrapped key, on the image it stood on", () => {
  assert.deepEqual(
    readdirSync(to).map((name) => name.replace(/^image-\w{17}$/, "image")),
    ["image", "snap-1", "snap-2", "snap-3", "vol-a"],
  );
  for (const [id, file] of [1, 2, 3].map((n) => [`snap-${n}`, "snapshot.qcow2"] as const))
    assert.ok(readFileSync(join(to, id, file)).equals(readFileSync(join(from, id, file))), id);
  const files = readdirSync(to, { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
  for (const it of files) {
    const path = join(it.parentPath, it.name);
    assert.ok(!readFileSync(path).includes(marker), path);
    assert.equal(statSync(path).mode & 0o077, 0, path);
  }
});

test("by the same keys all of it can be read there, also once its layers are merged, and the image goes with the last", async () => {
  const there = await openQcow2Disks(to, { uid, openKey });
  assert.deepEqual(await there.snapshots(), ["snap-1", "snap-3"]);
  assert.deepEqual(await there.list(), ["vol-a"]);
  assert.deepEqual((await there.locate("vol-a")).encrypted, { key: "key", files: 4 });
  const isWhole = async (now: string) => {
    await there.snapshot(now, "vol-a");
    const image = readFileSync(join(scratch, "image.raw"));
    assert.equal(Buffer.compare(await there.readBlock(now, 0), image), 0);
    for (const n of [1, 2, 3])
      assert.equal(Buffer.compare(await there.readBlock(now, n), written(n)), 0, String(n));
    assert.equal(Buffer.compare(await there.readBlock("snap-1", 2), Buffer.alloc(BLOCK_BYTES)), 0);
    await there.removeSnapshot(now);
  };
  await isWhole("snap-4");
  while (await there.merge(new Set()));
  assert.ok(!existsSync(join(to, "snap-2")));
  await isWhole("snap-5");
  const again = join(scratch, "again");
  mkdirSync(again);
  await copySnapshots(["snap-3"], to, again, options);
  const copied = await openQcow2Disks(again, { uid, openKey });
  assert.equal(Buffer.compare(await copied.readBlock("snap-3", 2), written(2)), 0);
  await there.remove("vol-a");
  for (const id of ["snap-1", "snap-3"]) await there.removeSnapshot(id);
  assert.deepEqual(readdirSync(to), []);
});

test("by another key nothing of it is read, and nothing is lost", async () => {
  const other = join(scratch, "other");
  mkdirSync(other);
  await copySnapshots(["snap-3"], from, other, options);
  const wrong = await openQcow2Disks(other, { uid, openKey: () => "2".repeat(128) });
  await assert.rejects(wrong.readBlock("snap-3", 1), /the key is not that of the file/);
  const none = await openQcow2Disks(other, { uid });
  await assert.rejects(none.readBlock("snap-3", 1), KeyRefused);
  const right = await openQcow2Disks(other, { uid, openKey });
  assert.equal(Buffer.compare(await right.readBlock("snap-3", 1), written(1)), 0);
});

test("a disk that is written while it is copied is not taken for one that was", async () => {
  const late = join(scratch, "late");
  mkdirSync(late);
  const { path } = await disks.locate("vol-a");
  const writing = setInterval(() => utimesSync(path, new Date(), new Date()), 1);
  const copying = copyEncryptedDisk("vol-a", from, late, options);
  await assert.rejects(copying, /vol-a was written while it was copied/);
  clearInterval(writing);
});
