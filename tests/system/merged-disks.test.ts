import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import {
  diskBlockConformance,
  diskMergeConformance,
  diskWriteConformance,
  type DiskSubject,
} from "#drivers/disk/disk-conformance.ts";
import { BLOCK_BYTES, type DiskDriver } from "#drivers/disk/disk-driver.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { CommandFailed, run } from "#drivers/linux/commands.ts";

/** Layers are merged by the real `qemu-storage-daemon` in its jail. */
const scratch = mkdtempSync(join(tmpdir(), "croft-merged-"));
const directory = join(scratch, "disks");
const image = join(scratch, "image.qcow2");
const uid = 0x5300_0000;
let disks: DiskDriver;
before(async () => {
  await run("qemu-img", ["create", "-q", "-f", "qcow2", image, "1G"]);
  await run("qemu-io", ["-c", `write -P 0xee 0 ${RECORDS * CLUSTER}`, image]);
  await open();
});
after(() => rmSync(scratch, { recursive: true }));

const open = async () => void (disks = await openQcow2Disks(directory, { uid }));
const opened = async (id: string): Promise<string> => {
  const { path, below } = await disks.locate(id);
  return chainOf([path, ...below]);
};
const qemuIo = async (id: string, ...commands: readonly string[]) =>
  run("qemu-io", [...commands.flatMap((it) => ["-c", it]), await opened(id)]);

const subject: DiskSubject = {
  driver: () => disks,
  image,
  write: async (id, text, block = 0) => {
    const pattern = join(scratch, "pattern");
    writeFileSync(pattern, Buffer.alloc(4096, text.padEnd(16)));
    await qemuIo(id, `write -s ${pattern} ${block * BLOCK_BYTES} 4096`);
  },
  read: async (id) => {
    const raw = join(scratch, "read.raw");
    await run("qemu-img", ["dd", "-O", "raw", "bs=16", "count=1", `if=${await opened(id)}`, `of=${raw}`]);
    return readFileSync(raw).toString().slice(0, 16).trim();
  },
};
diskMergeConformance("qcow2 disks", subject);
diskBlockConformance("qcow2 disks", subject);
diskWriteConformance("qcow2 disks", subject);

/** Snapshot n has record n where the image had its own bytes, and each third record is erased again by the next. */
const RECORDS = 12;
const CLUSTER = 64 * 1024;
const names = Array.from({ length: RECORDS }, (_, n) => `snap-${n}`);
const isErased = (record: number, by: number) => record % 3 === 0 && by > record;

async function makeRecords(): Promise<void> {
  await disks.ensure({ id: "vol-log", sizeGiB: 1, image });
  for (const [n, id] of names.entries()) {
    const erase = n % 3 === 1 ? [`write -z ${(n - 1) * CLUSTER} ${CLUSTER}`] : [];
    await qemuIo("vol-log", `write -P ${n + 1} ${n * CLUSTER} ${CLUSTER}`, ...erase);
    await disks.snapshot(id, "vol-log");
  }
}

/** It holds the records up to its own, and after them the image's bytes; its files are sound. */
async function isPrefix(snapshot: string): Promise<void> {
  const own = names.indexOf(snapshot);
  const volume = `vol-of-${snapshot}`;
  await disks.ensure({ id: volume, sizeGiB: 1, snapshot });
  const reads = names.map((_, n) => {
    const byte = n > own ? 0xee : isErased(n, own) ? 0 : n + 1;
    return `read -P ${byte} ${n * CLUSTER} ${CLUSTER}`;
  });
  assert.doesNotMatch(await qemuIo(volume, ...reads), /verification failed/, snapshot);
  await disks.remove(volume);
}

async function isSound(): Promise<void> {
  for (const id of readdirSync(directory))
    for (const file of readdirSync(join(directory, id)).filter((name) => name.endsWith(".qcow2")))
      await run("qemu-img", ["check", "-q", join(directory, id, file)]);
}

async function destroyRecords(): Promise<void> {
  await disks.remove("vol-log");
  for (const id of await disks.snapshots()) await disks.removeSnapshot(id);
  assert.deepEqual(readdirSync(directory), []);
}

test("what was written and what was erased is in a merged layer, and nothing else; its file is root's alone", async () => {
  await makeRecords();
  for (const id of names.slice(3, 8)) await disks.removeSnapshot(id);
  while (await disks.merge(new Set()));
  for (const id of [...names.slice(0, 3), ...names.slice(8)]) await isPrefix(id);
  await isSound();
  const { uid: owner, mode } = statSync(join(directory, "snap-8", "snapshot.qcow2"));
  assert.deepEqual([owner, mode & 0o777], [0, 0o600]);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.includes(".")),
    [],
  );
  assert.ok(!readdirSync(directory).includes("snap-5"), "it was needed by nothing any more");
  await destroyRecords();
});

test("snapshots are read while their layers are merged, and their files are root's alone afterwards", async () => {
  await makeRecords();
  for (const id of names.slice(3, 8)) await disks.removeSnapshot(id);
  const kept = await disks.snapshots();
  const merged = new AbortController();
  const readAll = async () => {
    for (const id of kept) {
      const own = names.indexOf(id);
      const [block, offset] = [Math.floor((own * CLUSTER) / BLOCK_BYTES), (own * CLUSTER) % BLOCK_BYTES];
      const bytes = (await disks.readBlock(id, block)).subarray(offset, offset + CLUSTER);
      assert.deepEqual(bytes, Buffer.alloc(CLUSTER, own + 1), id);
    }
  };
  const reading = (async () => {
    while (!merged.signal.aborted) await readAll();
  })();
  while (await disks.merge(new Set()));
  merged.abort();
  await reading;
  await readAll();
  for (const id of kept) {
    const { uid: owner, mode } = statSync(join(directory, id, "snapshot.qcow2"));
    assert.deepEqual([owner, mode & 0o777], [0, 0o600], id);
  }
  assert.deepEqual(await disks.difference("snap-11", "snap-2"), { runs: [[0, 2]], related: true });
  assert.deepEqual((await disks.difference("snap-10", "snap-9")).runs, [[1, 1]]);
  await destroyRecords();
});

test("where the bytes of a compressed image are, nobody says, and they are not made up", async () => {
  const compressed = join(scratch, "compressed.qcow2");
  await run("qemu-img", ["convert", "-c", "-O", "qcow2", image, compressed]);
  await disks.ensure({ id: "vol-compressed", sizeGiB: 1, image: compressed });
  await disks.snapshot("snap-compressed", "vol-compressed");
  await assert.rejects(disks.blocks("snap-compressed"), /cannot be found/);
  await disks.remove("vol-compressed");
  await disks.removeSnapshot("snap-compressed");
});

test("a snapshot whose merging is killed, whenever, holds what it held; the next driver goes on with it", async () => {
  await makeRecords();
  for (const id of names.filter((_, n) => n % 2 === 0)) await disks.removeSnapshot(id);
  const kept = await disks.snapshots();
  let merged = false;
  for (let ms = 1; !merged; ms += 150) {
    const program = join(import.meta.dirname, "merging-driver.ts");
    const child = promisify(execFile)(process.execPath, [program, directory, String(uid), String(ms)]);
    merged = (await child.catch(() => undefined))?.stdout === "merged";
    await open();
    assert.deepEqual((await disks.snapshots()).toSorted(), kept.toSorted());
    for (const id of kept.slice(-3)) await isPrefix(id);
  }
  for (const id of kept) await isPrefix(id);
  await isSound();
  await destroyRecords();
});

test("what somebody writes is not merged, and the rest is; it is tried again later", async (t) => {
  await makeRecords();
  for (const id of ["snap-3", "snap-7"]) await disks.removeSnapshot(id);
  const writer = execFile("qemu-io", [join(directory, "snap-7", "snapshot.qcow2")]);
  t.after(() => writer.kill());
  writer.stdin?.write("read 0 512\n");
  await new Promise((resolve) => writer.stdout?.once("data", resolve));
  await assert.rejects(async () => {
    while (await disks.merge(new Set()));
  }, /lock|CommandFailed/);
  while (await disks.merge(new Set()));
  assert.deepEqual(
    ["snap-3", "snap-7"].map((id) => readdirSync(directory).includes(id)),
    [false, true],
  );
  writer.stdin?.end("quit\n");
  await new Promise((resolve) => writer.once("close", resolve));
  while (await disks.merge(new Set()));
  assert.ok(!readdirSync(directory).includes("snap-7"));
  await isPrefix("snap-8");
  await destroyRecords();
});

test("a layer that claims to be a difference to a file of this host leads nowhere", async () => {
  await disks.ensure({ id: "vol-forged", sizeGiB: 1 });
  for (const id of ["snap-a", "snap-b"]) await disks.snapshot(id, "vol-forged");
  const file = join(directory, "snap-b", "snapshot.qcow2");
  await run("qemu-img", ["rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/shadow", file]);
  await disks.removeSnapshot("snap-a");
  assert.equal(await disks.merge(new Set()), true);
  const shown = await run("qemu-img", ["info", file]).catch((error: unknown) =>
    error instanceof CommandFailed ? error.stderr : String(error),
  );
  assert.doesNotMatch(shown, /shadow/);
  await disks.remove("vol-forged");
  await disks.removeSnapshot("snap-b");
});
