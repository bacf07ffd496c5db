import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { openQcow2Disks, type Qcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { run } from "#drivers/linux/commands.ts";
import { KeyRefused } from "#drivers/open-key.ts";
import { openDiskExports, type DiskExports, type WantedExport } from "#images/disk-exports.ts";
import { openDiskImports, type DiskImports } from "#images/disk-imports.ts";
import type { ExportFormat } from "#images/export-disk.ts";
import { storedBeginning } from "#images/stored-object.ts";

const mebibyte = 1024 ** 2;
const scratch = mkdtempSync(join(tmpdir(), "croft-export-"));
const at = (...names: string[]) => join(scratch, ...names);
const uid = 0x5400_0000;
const [disksDir, buckets, workDir] = [at("disks"), at("buckets"), at("exporting")];
const options = { workDir, buckets, keptBytes: 0 };
let disks: Qcow2Disks;
let exports: DiskExports;
let imports: DiskImports;

const openExports = (
  more: { readonly buckets?: undefined; readonly keptBytes?: number } = {},
  log: (line: string) => void = (line) => assert.fail(line),
): DiskExports =>
  openDiskExports({
    ...options,
    ...more,
    uid,
    lend: (disk, use) =>
      "snapshotId" in disk ? disks.lendSnapshot(disk.snapshotId, use) : disks.lendImage(disk.cacheEntry, use),
    log,
  });

/** A snapshot of two layers and another of one, with bytes that no compression makes small. */
const [random, zeros] = [randomFillSync(Buffer.alloc(24 * mebibyte)), Buffer.alloc(mebibyte)];
before(async () => {
  mkdirSync(at("buckets", "mine"), { recursive: true });
  disks = await openQcow2Disks(disksDir, { uid, openKey });
  exports = openExports();
  imports = openDiskImports({
    imagesDir: at("images"),
    uid,
    guard: { buckets, networks: [] },
    openKey,
    keptBytes: 0,
    log: (line) => assert.fail(line),
  });
  writeFileSync(at("random"), random);
  await disks.ensure({ id: "vol-1", sizeGiB: 1 });
  await write("vol-1", `write -s ${at("random")} ${mebibyte} ${random.length}`);
  await disks.snapshot("snap-0", "vol-1");
  await write("vol-1", `write -z ${2 * mebibyte} ${mebibyte}`, `write -P 7 ${500 * mebibyte} 64k`);
  await disks.snapshot("snap-1", "vol-1");
  await disks.ensure({ id: "vol-2", sizeGiB: 1 });
  await write("vol-2", "write -P 9 4096 4096");
  await disks.snapshot("snap-2", "vol-2");
});
after(() => rm(scratch, { recursive: true }));

function openKey(key: string): string {
  if (key !== "key") throw new KeyRefused("it is disabled");
  return "1".repeat(128);
}
const opened = async (id: string) => {
  const { path, below } = await disks.locate(id);
  return chainOf([path, ...below]);
};
const write = async (id: string, ...commands: string[]) =>
  run("qemu-io", [...commands.flatMap((it) => ["-c", it]), await opened(id)]);
/** Whether a file, as qemu-img reads it in its format, holds what a snapshot does: its whole size. */
async function holds(file: string, format: string, snapshot: string): Promise<void> {
  const volume = `vol-of-${snapshot}`;
  await disks.ensure({ id: volume, sizeGiB: 1, snapshot });
  const source = JSON.stringify({ driver: format, file: { driver: "file", filename: file } });
  const info = JSON.parse(await run("qemu-img", ["info", "--output=json", `json:${source}`]));
  assert.equal(info["virtual-size"], 1024 ** 3);
  await run("qemu-img", ["compare", `json:${source}`, await opened(volume)], { timeoutMs: 120_000 });
}
const of = (snapshotId: string, format: ExportFormat, key: string): WantedExport => ({
  bucket: "mine",
  objects: [{ key, format, disks: [{ snapshotId }] }],
  named: true,
});
async function over(id: string, wanted: WantedExport, opener = exports) {
  for (;;) {
    const now = await opener.look(id, wanted);
    if (now.state !== "running") return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
async function until(id: string, wanted: WantedExport, what: string): Promise<void> {
  for (;;) {
    const now = await exports.look(id, wanted);
    if (now.state !== "running" || now.what === what) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
/** A program exports it, and is killed when it says this. */
async function killedWhile(what: string, wanted: WantedExport): Promise<void> {
  const program = join(import.meta.dirname, "exporting-program.ts");
  const told = [disksDir, String(uid), JSON.stringify(options), "export-killed", JSON.stringify(wanted)];
  const child = spawn(process.execPath, [program, ...told], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) if (line === what) child.kill("SIGKILL");
  await ended;
}
async function imported(id: string, source: string, part: { offset: number; bytes: number }) {
  for (;;) {
    const now = await imports.look(id, { source, part, format: "qcow2" });
    if (now.state !== "running") return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("an export", { timeout: 300_000 }, () => {
  for (const [format, driver] of [
    ["raw", "raw"],
    ["vmdk", "vmdk"],
    ["vhd", "vpc"],
  ] as const)
    test(`as ${format} is one file of its owner's that qemu-img reads, with the snapshot's bytes`, async () => {
      const key = `vm/export-${format}.${format}`;
      assert.deepEqual(await over(`export-${format}`, of("snap-1", format, key)), { state: "done" });
      const file = at("buckets", "mine", key);
      await holds(file, driver, "snap-1");
      const { mode, size, blocks } = statSync(file);
      assert.equal(mode & 0o777, 0o600);
      if (format === "raw") assert.ok(size === 1024 ** 3 && blocks * 512 < 64 * mebibyte, "holes stay holes");
      assert.deepEqual(readdirSync(at("buckets", "mine", "vm")), [`export-${format}.${format}`]);
      assert.ok(!existsSync(workDir));
      await exports.remove(`export-${format}`, of("snap-1", format, key));
      assert.deepEqual(readdirSync(at("buckets", "mine", "vm")), []);
    });

  test("of an image's files is the same, and the files are root's again", async () => {
    const image = at("image.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", image, "1G"]);
    await run("qemu-io", ["-c", "write -P 9 4096 4096", image]);
    const objects = [{ key: "image.raw", format: "raw" as const, disks: [{ cacheEntry: image }] }];
    const wanted = { bucket: "mine", objects, named: true };
    assert.deepEqual(await over("export-image", wanted), { state: "done" });
    await holds(at("buckets", "mine", "image.raw"), "raw", "snap-2");
    for (const file of [image, join(disksDir, "snap-0", "snapshot.qcow2")])
      assert.equal(statSync(file).uid, 0);
    await exports.remove("export-image", wanted);
  });

  test("of what is encrypted is decrypted, and no key or plain file stays; by a key that is refused it fails and says so", async () => {
    const block = Buffer.alloc(524_288, "MARKER-of-encrypted-bytes ");
    for (const key of ["key", "disabled"])
      await disks.ensure({ id: `vol-by-${key}`, sizeGiB: 1, key: "key" });
    await disks.writeBlock("vol-by-key", 7, block);
    await disks.snapshot("snap-by-key", "vol-by-key");
    await disks.snapshot("snap-by-disabled", "vol-by-disabled");
    writeFileSync(join(disksDir, "snap-by-disabled", "key"), "disabled");
    const wanted = of("snap-by-key", "raw", "open.raw");
    assert.deepEqual(await over("export-encrypted", wanted), { state: "done" });
    const bytes = Buffer.alloc(block.length);
    await using file = await open(at("buckets", "mine", "open.raw"));
    await file.read(bytes, 0, bytes.length, 7 * block.length);
    assert.ok(bytes.equals(block));
    await exports.remove("export-encrypted", wanted);
    assert.deepEqual(await over("export-refused", of("snap-by-disabled", "raw", "no.raw")), {
      state: "failed",
      reason: "ClientError: the disk is encrypted, and its key cannot be used: it is disabled",
    });
    assert.deepEqual([readdirSync(at("buckets", "mine")), existsSync(workDir)], [["vm"], false]);
    assert.deepEqual(
      readdirSync("/dev/shm").filter((name) => name.startsWith("croft-key-")),
      [],
    );
    for (const id of ["snap-by-key", "snap-by-disabled"]) await disks.removeSnapshot(id);
    for (const id of ["vol-by-key", "vol-by-disabled"]) await disks.remove(id);
  });

  test("that cannot be made says why, and nothing is left of it", async () => {
    const unheard: string[] = [];
    const small = openExports({ keptBytes: 2 ** 60 });
    const none = openExports({ buckets: undefined });
    const quiet = openExports({}, (line) => unheard.push(line));
    for (const [n, [opener, wanted, sentence]] of (
      [
        [none, of("snap-1", "raw", "a"), /^ClientError: there is no bucket mine/],
        [quiet, { ...of("snap-1", "raw", "a"), bucket: "none" }, /^ClientError: there is no bucket none/],
        [quiet, of("snap-none", "raw", "a"), /^ServerError: an internal error$/],
        [
          small,
          of("snap-1", "raw", "a"),
          /^ClientError: it takes up to \d+ bytes on its way, and this host has room for 0/,
        ],
      ] as const
    ).entries()) {
      const now = await over(`export-bad-${n}`, wanted, opener);
      assert.match(now.state === "failed" ? now.reason : now.state, sentence);
    }
    assert.deepEqual(unheard, ["export-bad-2: Error: there is no snapshot snap-none"]);
    assert.deepEqual([readdirSync(at("buckets", "mine")), existsSync(workDir)], [["vm"], false]);
  });

  test("that is ended stops, and leaves nothing", async () => {
    const wanted = of("snap-1", "vmdk", "ended.vmdk");
    await until("export-ended", wanted, "converting");
    await exports.remove("export-ended", wanted);
    assert.deepEqual([readdirSync(at("buckets", "mine")), existsSync(workDir)], [["vm"], false]);
  });

  test("that is ended after its program was killed leaves nothing either", async () => {
    const wanted = of("snap-1", "vmdk", "killed.vmdk");
    await killedWhile("converting", wanted);
    assert.ok(existsSync(workDir));
    await exports.remove("export-killed", wanted);
    assert.deepEqual([readdirSync(at("buckets", "mine")), existsSync(workDir)], [["vm"], false]);
  });

  for (const what of ["validating", "converting", "writing", "done"])
    test(`is whole at last when its program is killed while it is ${what}, and never half before`, async () => {
      const wanted = of("snap-1", "vmdk", "killed.vmdk");
      const file = at("buckets", "mine", "killed.vmdk");
      await killedWhile(what, wanted);
      if (what !== "done" && existsSync(file)) await holds(file, "vmdk", "snap-1");
      assert.deepEqual(await over("export-killed", wanted), { state: "done" });
      await holds(file, "vmdk", "snap-1");
      assert.deepEqual(
        [readdirSync(at("buckets", "mine")), existsSync(workDir)],
        [["killed.vmdk", "vm"], false],
      );
      await exports.remove("export-killed", wanted);
    });
});

describe("a stored object", { timeout: 300_000 }, () => {
  const name = { bucket: "mine", key: "ami-1.bin" };
  const source = "s3://mine/ami-1.bin";
  const wanted: WantedExport = {
    bucket: "mine",
    objects: [
      {
        key: name.key,
        format: "qcow2",
        head: "the head",
        disks: [{ snapshotId: "snap-1" }, { snapshotId: "snap-2" }],
      },
    ],
    named: false,
  };

  test("gives back, through the jail, the bytes of each snapshot that went into it", async () => {
    assert.deepEqual(await over("store-1", wanted), { state: "done" });
    const { head, parts } = await exports.stored(name);
    assert.equal(head, "the head");
    for (const [n, part] of parts.entries()) {
      const [stored, restored] = [`snap-${n + 1}`, `snap-restored-${n + 1}`];
      assert.deepEqual(await imported(restored, source, part), { state: "done", sizeGiB: 1 });
      await disks.importSnapshot(restored, imports.file(restored), 1);
      await imports.remove(restored);
      const raw = at("whole.raw");
      await disks.ensure({ id: `vol-of-${restored}`, sizeGiB: 1, snapshot: restored });
      const opener = await opened(`vol-of-${restored}`);
      await run("qemu-img", ["convert", "-O", "raw", opener, raw], { timeoutMs: 120_000 });
      await holds(raw, "raw", stored);
    }
    const bytes = Buffer.alloc(random.length);
    await using file = await open(at("whole.raw"));
    await file.read(bytes, 0, 4096, 4096);
    assert.deepEqual(bytes.subarray(0, 4096), Buffer.alloc(4096, 9));
  });

  test("stays when a later store of the same name is ended", async () => {
    const whole = readFileSync(at("buckets", "mine", "ami-1.bin"));
    await until("store-2", wanted, "converting");
    await exports.remove("store-2", wanted);
    assert.ok(whole.equals(readFileSync(at("buckets", "mine", "ami-1.bin"))));
  });

  test("of another's making leads to no file of this host, and is refused when it is damaged", async () => {
    const refusals: string[] = [];
    const refusal = async (parts: readonly Buffer[], cut = 0) => {
      const { beginning, parts: places } = storedBeginning(
        "{}",
        parts.map((it) => it.length),
      );
      await using file = await open(at("buckets", "mine", "bad"), "w");
      await file.write(beginning, 0, beginning.length, 0);
      for (const [n, it] of parts.entries()) await file.write(it, 0, it.length, places[n]?.offset);
      const [part = { offset: 0, bytes: 0 }] = places;
      if (cut > 0) await truncate(at("buckets", "mine", "bad"), part.offset + part.bytes - cut);
      const now = await imported("snap-bad", "s3://mine/bad", part);
      await imports.remove("snap-bad");
      refusals.push(now.state === "failed" ? now.reason : now.state);
    };
    const made = async (...args: string[]) => {
      await run("qemu-img", ["create", "-q", "-f", "qcow2", ...args]);
      return readFileSync(args.find((it) => it.startsWith(scratch)) ?? "");
    };
    const good = await made(at("good.qcow2"), "1G");
    await refusal([await made("-b", "/etc/passwd", "-F", "raw", at("backed.qcow2"), "1G")]);
    await refusal([await made("-o", `data_file=${at("data")}`, at("data.qcow2"), "1G")]);
    await refusal([good.subarray(0, 70_000)]);
    await refusal([zeros]);
    await refusal([good], 1000);
    for (const [n, sentence] of [
      /it needs another file beside it/,
      /it needs another file beside it/,
      /it is no whole qcow2 disk/,
      /it is no whole qcow2 disk/,
      /the object bad was cut short/,
    ].entries())
      assert.match(refusals[n] ?? "", sentence, String(n));
    await assert.rejects(exports.stored({ ...name, key: "bad" }), { name: "ImportRefused" });
    assert.deepEqual(readdirSync(at("images")), []);
  });
});
