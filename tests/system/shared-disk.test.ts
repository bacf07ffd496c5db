import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { run } from "#drivers/linux/commands.ts";
import type { MachineDisk } from "#drivers/machine/machine-driver.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { destroyMachines, openQemuMachines, type QemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { Qmp } from "#drivers/machine/qemu/qmp.ts";
import { until } from "../until.ts";
import { bakeRecordingGuest, recordAt, recordOf } from "./tiny-guest.ts";

/**
 * A guest keeps a log on a disk of its own and on one that is served to it, each record first there and then here, and tells the number
 * of each that both have. Meanwhile that one becomes larger, and snapshots are made of both.
 */
const scratch = mkdtempSync(join(tmpdir(), "croft-shared-"));
const options = {
  directory: join(scratch, "machines"),
  uids: { first: 0x5400_0000, count: 4 },
  cgroup: `croft-test-shared-${process.pid}`,
  acceleration: "tcg",
  warn: () => {},
} as const;
const id = "i-records";
const [own, shared] = ["vol-0123456789abcdef0", "vol-0123456789abcdef1"] as const;
const server = shared;
let disks: DiskDriver;
let driver: QemuMachines;

before(async () => {
  const image = join(scratch, "image.qcow2");
  await bakeRecordingGuest(image);
  disks = await openDisks();
  driver = await openQemuMachines(options);
  await disks.ensure({ id: own, sizeGiB: 1, image });
  await disks.ensure({ id: shared, sizeGiB: 1 });
  await serve();
  await driver.ensure({
    ...machine,
    id,
    disks: [await placed(own), { id: shared, servedBy: server, path: "", below: [] }],
  });
  await recordsOn();
});
after(async () => {
  await driver[Symbol.asyncDispose]();
  await destroyMachines(options);
  await rm(scratch, { recursive: true });
});

test("a served disk becomes larger again and again under a guest that writes to it without end", async () => {
  const tookMs: number[] = [];
  for (let sizeGiB = 2; sizeGiB <= 20; sizeGiB++) {
    const from = performance.now();
    assert.equal(await driver.changeDisk(server, shared, { sizeGiB, limits: {} }), true);
    tookMs.push(performance.now() - from);
    assert.equal(await driver.changeDisk(id, shared, { sizeGiB, limits: {} }), true);
    assert.equal(await shownGiB(), sizeGiB);
    await recordsOn();
  }
  assert.ok(Math.max(...tookMs) < 2_000, `it stood still for ${tookMs.map(Math.round).join(", ")} ms`);
});

test("it becomes larger when what serves it was just killed, too", async () => {
  for (const sizeGiB of [21, 22]) {
    process.kill(pidOf(server), "SIGKILL");
    await until(
      async () => driver.observe(server),
      ({ state }) => state === "off",
    );
    await serve();
    for (const it of [server, id])
      assert.equal(await driver.changeDisk(it, shared, { sizeGiB, limits: {} }), true);
    assert.equal(await shownGiB(), sizeGiB);
    await recordsOn();
  }
});

test("whatever a driver that ended left half done, the guest goes on with the next, and the disk becomes larger", async () => {
  const stop = () => ask(id, "stop");
  const takeBack = () => ask(server, "block-export-del", { id: `${shared}-export`, mode: "hard" });
  const resize = (sizeGiB: number) =>
    ask(server, "block_resize", { "node-name": shared, size: sizeGiB * 1024 ** 3 });
  let sizeGiB = 22;
  for (const steps of [[stop], [stop, takeBack], [stop, takeBack, () => resize(sizeGiB)]]) {
    sizeGiB++;
    for (const step of steps) await step();
    await reopen();
    await serve();
    await recordsOn();
    for (const it of [server, id])
      assert.equal(await driver.changeDisk(it, shared, { sizeGiB, limits: {} }), true);
    assert.equal(await shownGiB(), sizeGiB);
    await recordsOn();
  }
});

test("a guest that somebody's program left standing still goes on within moments under the same driver too", async () => {
  await ask(id, "stop");
  await until(
    async () => ask(id, "query-status"),
    (it) => (it as { readonly status: string }).status === "running",
    5_000,
  );
  await recordsOn();
});

test("snapshots of both disks are of one moment of the guest, again and again", async () => {
  let last = 0;
  for (let n = 0; n < 5; n++) {
    const count = await moment(`snap-${n}`);
    assert.ok(count > last, `${count} after ${last}`);
    last = count;
    await recordsOn();
  }
});

test("when one machine was told of a moment and the program ended, it is another moment of which both are told", async () => {
  for (const [first, disk] of [
    [id, own],
    [server, shared],
  ] as const) {
    const name = `snap-cut-${first}`;
    await snapshots(`${name}-0`);
    await driver.layerDisks(first, [await placed(disk)]);
    await reopen();
    await recordsOn();
    assert.equal(await together(), false);
    await moment(`${name}-1`);
    await recordsOn();
  }
});

test("at the end both have all that the guest told", async () => {
  const told = await lastTold();
  await driver.stop(id);
  await driver.stop(server);
  for (const disk of [own, shared]) {
    const { path, below } = await disks.locate(disk);
    assert.ok((await recordsIn([path, ...below])) >= told, `${told} on ${disk}`);
    // A kill may leave clusters that nothing names; damage would remain.
    await run("qemu-img", ["check", "-q", "-r", "leaks", path]);
  }
});

const machine = {
  cpus: 1,
  threadsPerCore: 1,
  memoryMiB: 64,
  identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "t3.nano" },
  boot: { by: "bios" },
  ports: [],
} as const;

const openDisks = () => openQcow2Disks(join(scratch, "disks"), { uid: options.uids.first + 3 });
const placed = async (disk: string): Promise<MachineDisk> => ({ id: disk, ...(await disks.locate(disk)) });
const serve = async () =>
  driver.ensure({ ...machine, id: server, serves: true, memoryMiB: 16, disks: [await placed(shared)] });

async function reopen(): Promise<void> {
  await driver[Symbol.asyncDispose]();
  disks = await openDisks();
  driver = await openQemuMachines(options);
}

async function snapshots(name: string): Promise<void> {
  await disks.snapshot(`${name}-a`, own);
  await disks.snapshot(`${name}-b`, shared);
}

const together = async () =>
  driver.layerTogether(
    [
      { id, disks: [await placed(own)] },
      { id: server, disks: [await placed(shared)] },
    ],
    [id],
  );

/** Snapshots of both disks, which are of one moment; how many records the guest's own had then. */
async function moment(name: string): Promise<number> {
  await snapshots(name);
  assert.equal(await together(), true);
  const counts: number[] = [];
  for (const snapshot of [`${name}-a`, `${name}-b`]) {
    const volume = `vol-of-${snapshot}`;
    await disks.ensure({ id: volume, sizeGiB: 30, snapshot });
    const { path, below } = await disks.locate(volume);
    counts.push(await recordsIn([path, ...below]));
    await disks.remove(volume);
  }
  const [a = NaN, b = NaN] = counts;
  assert.ok(a === b || a === b + 1, `${a} on its own and ${b} on the shared one`);
  return a;
}

/** How many records there are, from the first on. */
async function recordsIn(files: readonly [string, ...string[]]): Promise<number> {
  const raw = join(scratch, "records");
  await rm(raw, { force: true });
  await run("qemu-img", ["dd", "-U", "-O", "raw", "bs=1M", "count=128", `if=${chainOf(files)}`, `of=${raw}`]);
  const bytes = readFileSync(raw);
  let count = 0;
  for (
    let next = recordOf(1);
    bytes
      .subarray(recordAt(count + 1))
      .subarray(0, next.length)
      .equals(next);
  )
    next = recordOf(++count + 1);
  return count;
}

/** The number of the last record that the guest told of. */
async function lastTold(): Promise<number> {
  const lines = (await driver.console(id)).toString("latin1").match(/[\dA-F]{8}(?=\n)/g);
  return Number.parseInt(lines?.at(-1) ?? "0", 16);
}

async function recordsOn(): Promise<void> {
  const then = await lastTold();
  const told = await until(lastTold, (now) => now > then + 2);
  assert.ok(told > then + 2, `${told} after ${then}`);
}

async function shownGiB(): Promise<number> {
  const devices = (await ask(id, "query-block")) as {
    readonly qdev?: string;
    readonly inserted?: { readonly image: { readonly "virtual-size": number } };
  }[];
  const device = devices.find(({ qdev }) => qdev?.includes(`/${shared}/`));
  return (device?.inserted?.image["virtual-size"] ?? NaN) / 1024 ** 3;
}

async function ask(of: string, command: string, args: object = {}): Promise<unknown> {
  const qmp = await Qmp.connect(join(options.directory, of, "qmp-backup"), AbortSignal.timeout(10_000));
  try {
    return await qmp.execute(command, args);
  } finally {
    qmp.close();
  }
}

function pidOf(of: string): number {
  const life = readRecord(join(options.directory, of))?.life;
  assert.ok(life?.state === "running");
  return life.process.pid;
}
