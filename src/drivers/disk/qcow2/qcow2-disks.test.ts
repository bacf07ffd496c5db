import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { diskConformance } from "../disk-conformance.ts";
import type { DiskDriver } from "../disk-driver.ts";
import { openQcow2Disks } from "./qcow2-disks.ts";
import { chainOf, imagesOfDisks } from "./qcow2-layout.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-disks-"));
const directory = join(scratch, "disks");
const image = join(scratch, "image.qcow2");
let disks: DiskDriver;

before(async () => {
  const raw = join(scratch, "image.raw");
  writeFileSync(raw, Buffer.alloc(1024 * 1024, "image "));
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, image]);
  disks = await openQcow2Disks(directory, { uid: 65_534 });
});
after(() => rmSync(scratch, { recursive: true }));

const opened = async (id: string): Promise<string> => {
  const { path, below } = await disks.locate(id);
  return chainOf([path, ...below]);
};

const firstBytes = async (id: string, bytes: number): Promise<Buffer> => {
  const raw = join(scratch, `${id}.raw`);
  rmSync(raw, { force: true });
  const source = await opened(id);
  await run("qemu-img", ["dd", "-U", "-O", "raw", `bs=${bytes}`, "count=1", `if=${source}`, `of=${raw}`]);
  return readFileSync(raw);
};

diskConformance("qcow2 disks", {
  driver: () => disks,
  image,
  write: async (id, text) => {
    const pattern = join(scratch, "pattern");
    writeFileSync(pattern, Buffer.alloc(4096, text.padEnd(16)));
    await run("qemu-io", ["-c", `write -s ${pattern} 0 4096`, await opened(id)]);
  },
  read: async (id) => (await firstBytes(id, 4096)).toString().slice(0, 16).trim(),
});

const from = (source: string) => disks.ensure({ id: "vol-bad", sizeGiB: 1, image: source });

describe("a qcow2 disk", () => {
  test("begins with its image's bytes and goes on with zeros", async () => {
    await disks.ensure({ id: "vol-bytes", sizeGiB: 1, image });
    const bytes = await firstBytes("vol-bytes", 2 * 1024 * 1024);
    assert.deepEqual(bytes.subarray(0, 1024 * 1024), Buffer.alloc(1024 * 1024, "image "));
    assert.ok(bytes.subarray(1024 * 1024).every((byte) => byte === 0));
    await disks.remove("vol-bytes");
  });

  test("is for its owner's eyes only, as is all around it", async () => {
    await disks.ensure({ id: "vol-mode", sizeGiB: 1 });
    const { path } = await disks.locate("vol-mode");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    await disks.remove("vol-mode");
  });

  test("keeps its image though its own header is rewritten to name another file", async () => {
    await disks.ensure({ id: "vol-forged", sizeGiB: 1, image });
    const { path } = await disks.locate("vol-forged");
    await run("qemu-img", ["rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/shadow", path]);
    assert.deepEqual((await disks.locate("vol-forged")).below, [image]);
    await disks.remove("vol-forged");
  });

  test("is known by its image to whoever looks, though it is not finished; looking changes nothing", async () => {
    await disks.ensure({ id: "vol-made", sizeGiB: 1, image });
    await disks.ensure({ id: "vol-empty", sizeGiB: 1 });
    const unfinished = join(directory, "vol-begun.1");
    mkdirSync(unfinished);
    symlinkSync(image, join(unfinished, "image"));
    const found = await imagesOfDisks(directory);
    assert.deepEqual(
      ["vol-made", "vol-begun", "vol-empty"].map((id) => found.get(id)),
      [image, image, undefined],
    );
    assert.ok(existsSync(unfinished));
    await assert.rejects(imagesOfDisks(`${directory}-away`), { code: "ENOENT" });
    rmSync(unfinished, { recursive: true });
    for (const id of ["vol-made", "vol-empty"]) await disks.remove(id);
  });

  test("is not made from an image that depends on another file, is too large, or is none; nothing stays of it", async () => {
    const chained = join(scratch, "chained.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", chained]);
    const large = join(scratch, "large.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", large, "2G"]);
    const outside = join(scratch, "outside.qcow2");
    const data = `data_file=${join(scratch, "data.raw")}`;
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-o", data, outside, "1G"]);
    await assert.rejects(from(chained), /depends on another file/);
    await assert.rejects(from(outside), /depends on another file/);
    await assert.rejects(from(large), /2147483648 bytes/);
    await assert.rejects(from(join(scratch, "image.raw")), /qcow2/);
    await assert.rejects(from(join(scratch, "nowhere")), /nowhere/);
    assert.deepEqual(readdirSync(directory), []);
  });

  test("that was half made when its driver died is no disk, and goes when the next one opens", async () => {
    mkdirSync(join(directory, "vol-half.0b5c"));
    assert.deepEqual(await disks.list(), []);
    await openQcow2Disks(directory, { uid: 65_534 });
    assert.deepEqual(readdirSync(directory), []);
  });

  test("whose snapshot was cut short is the disk it was, or is the difference to it already; none is lost", async () => {
    const place = join(directory, "vol-cut");
    const files = () => readdirSync(directory).toSorted();
    await disks.ensure({ id: "vol-cut", sizeGiB: 1, image });
    await disks.snapshot("snap-cut", "vol-cut");
    const whole = { vol: readdirSync(place), all: files() };
    // Its link still leads to the image, and its file has both names.
    rmSync(place, { recursive: true });
    mkdirSync(place);
    linkSync(join(directory, "snap-cut", "snapshot.qcow2"), join(place, "disk.qcow2"));
    symlinkSync(image, join(place, "image"));
    writeFileSync(join(place, "snap-cut.qcow2"), "half of one");
    symlinkSync("../snap-cut/snapshot.qcow2", join(place, "image.next"));
    disks = await openQcow2Disks(directory, { uid: 65_534 });
    assert.deepEqual((await disks.locate("vol-cut")).below, [image]);
    await disks.snapshot("snap-cut", "vol-cut");
    assert.deepEqual({ vol: readdirSync(place), all: files() }, whole);
    assert.equal((await disks.locate("vol-cut")).below.length, 2);
    // It was moved, and the old name stayed.
    linkSync(join(directory, "snap-cut", "snapshot.qcow2"), join(place, "disk.qcow2"));
    await disks.snapshot("snap-cut", "vol-cut");
    assert.deepEqual(readdirSync(place), whole.vol);
    assert.deepEqual((await imagesOfDisks(directory)).get("snap-cut"), image);
    // Both were let go of by a driver that ended place they were gone.
    writeFileSync(join(directory, "snap-cut", "removed"), "");
    rmSync(place, { recursive: true });
    disks = await openQcow2Disks(directory, { uid: 65_534 });
    assert.deepEqual(readdirSync(directory), []);
  });

  test("has no snapshot any more once it stands on as many files as a machine may hold open; it is as it was", async () => {
    const few = await openQcow2Disks(directory, { uid: 65_534, mostLayers: 2 });
    await few.ensure({ id: "vol-deep", sizeGiB: 1, image });
    await few.snapshot("snap-1", "vol-deep");
    const place = await few.locate("vol-deep");
    await assert.rejects(
      few.snapshot("snap-2", "vol-deep"),
      /vol-deep stands on 2 files, which are yet to be merged/,
    );
    assert.deepEqual([await few.locate("vol-deep"), await few.snapshots()], [place, ["snap-1"]]);
    await few.remove("vol-deep");
    await few.removeSnapshot("snap-1");
  });

  test("has an id that is no path", async () => {
    await assert.rejects(disks.ensure({ id: "../vol", sizeGiB: 1 }), /not a disk's id/);
    await assert.rejects(disks.remove(".."), /not a disk's id/);
    await assert.rejects(disks.snapshot("snap-1", "../vol"), /not a disk's id/);
    await assert.rejects(disks.removeSnapshot("../snap"), /not a disk's id/);
  });
});
