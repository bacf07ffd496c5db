import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
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
import { until } from "../until.ts";
import { bakeCountingGuest } from "./tiny-guest.ts";

/** A guest counts on two disks, a real QEMU under it, and snapshots are made of both meanwhile. */
const scratch = mkdtempSync(join(tmpdir(), "croft-snapshots-"));
const options = {
  directory: join(scratch, "machines"),
  uids: { first: 0x5100_0000, count: 2 },
  cgroup: `croft-test-snapshots-${process.pid}`,
  acceleration: "tcg",
  warn: () => {},
} as const;
const id = "i-counts";
const [first, second] = ["vol-0123456789abcdef0", "vol-0123456789abcdef1"] as const;
let disks: DiskDriver;
let driver: QemuMachines;

before(async () => {
  const image = join(scratch, "image.qcow2");
  await bakeCountingGuest(image);
  disks = await openDisks();
  driver = await openQemuMachines(options);
  await disks.ensure({ id: first, sizeGiB: 1, image });
  await disks.ensure({ id: second, sizeGiB: 1 });
  await start();
});
after(async () => {
  await driver[Symbol.asyncDispose]();
  await destroyMachines(options);
  await rm(scratch, { recursive: true });
});

test("snapshots of two disks of a running machine are of one moment, and it writes on; again and again", async () => {
  let last = -1;
  for (let n = 0; n < 3; n++) {
    const made = await snapshots(`snap-${n}`);
    await layer();
    const [a, b] = await counted(made);
    assert.ok(a === b || a === b + 1, `${a} on the first and ${b} on the second`);
    assert.ok(a > last, `${a} after ${last}`);
    last = a;
    await countsOn(`snap-${n}`);
  }
  assert.ok((await counted(await snapshots("snap-end", layer)))[0] > last);
});

test("what is a snapshot now, the machine cannot write any more", () => {
  const files = held().filter(({ path }) => path.startsWith(join(scratch, "disks")));
  const paths = (of: typeof files) => [...new Set(of.map(({ path }) => path))];
  // By the names that it was handed them by, and that are gone.
  const frozen = paths(files.filter(({ path }) => path.endsWith(" (deleted)")));
  assert.ok(frozen.length >= 2 * 4, frozen.join("\n"));
  const written = paths(files.filter(({ writes }) => writes));
  assert.deepEqual(
    written.toSorted(),
    [first, second].map((disk, n) => join(scratch, "disks", disk, `snap-end-${n === 0 ? "a" : "b"}.qcow2`)),
  );
});

test("drivers that end between any two steps leave a machine that counts on, and the next ones make the snapshot", async () => {
  const made = await snapshots("snap-cut");
  await reopen();
  await made.again();
  await reopen();
  await layer();
  await reopen();
  await layer();
  const [a, b] = await counted(made);
  assert.ok(a === b || a === b + 1, `${a} on the first and ${b} on the second`);
  await countsOn("snap-cut");
});

test("a snapshot of which the machine hears with the next one is made before it", async () => {
  const one = await snapshots("snap-one");
  const other = await snapshots("snap-other");
  await layer();
  const [[a, b], [later]] = [await counted(one), await counted(other)];
  assert.ok((a === b || a === b + 1) && a <= later, `${a} and ${b}, then ${later}`);
  await countsOn("snap-other");
});

test("layers are merged under a machine that counts on; it reads the new ones when it is told, and lets go of the old", async () => {
  const ours = (path: string) => path.startsWith(join(scratch, "disks"));
  const files = () => new Set(held().flatMap(({ path }) => (ours(path) ? [path] : [])));
  for (const snapshot of ["snap-0", "snap-2", "snap-one"])
    for (const one of ["a", "b"]) await disks.removeSnapshot(`${snapshot}-${one}`);
  const heldBefore = files().size;
  while (await disks.merge(new Set()));
  // Nobody has told it.
  await countsOn("snap-end");
  await reopen();
  for (let n = 0; n < 2; n++) await driver.rebaseDisks(id, await placed());
  const below = (await placed()).flatMap((disk) => disk.below.filter(ours));
  assert.ok(below.length + 2 < heldBefore, `${below.length} below, ${heldBefore} held before`);
  assert.equal(files().size, below.length + 2);
  await countsOn("snap-end");
  const [a, b] = await counted(await snapshots("snap-merged", layer));
  assert.ok(a === b || a === b + 1, `${a} on the first and ${b} on the second`);
});

test("a machine that has not heard of a snapshot yet writes on where it did when layers are merged under it", async () => {
  const made = await snapshots("snap-untold");
  for (const one of ["a", "b"]) await disks.removeSnapshot(`snap-cut-${one}`);
  while (await disks.merge(new Set(made.ids)));
  await driver.rebaseDisks(id, await placed());
  const [then] = await counted(made);
  await until(
    () => counted(made),
    ([now]) => now > then,
    60_000,
  );
  await layer();
  const [a, b] = await counted(made);
  assert.ok(a === b || a === b + 1, `${a} on the first and ${b} on the second`);
  await countsOn("snap-untold");
});

test("a machine that is killed before it heard of a snapshot, or after, starts again with all that was written", async () => {
  const made = await snapshots("snap-kill");
  await kill();
  const [a, b] = await counted(made);
  assert.ok(a === b || a === b + 1, `${a} on the first and ${b} on the second`);
  await start();
  // Its guest counts from the beginning.
  await until(
    () => counted(`check-${(checks += 1)}`, snapshots),
    ([now]) => now !== a,
    60_000,
  );
  await snapshots("snap-after", layer);
  await kill();
  // A kill may leave clusters that nothing names; `leaks` takes them away, and damage would remain.
  for (const disk of [first, second])
    await run("qemu-img", ["check", "-r", "leaks", (await disks.locate(disk)).path]);
  await start();
});

test("a disk that was made larger meanwhile is as large on top of its snapshot", async () => {
  await snapshots("snap-small");
  const limits = {};
  assert.equal(await driver.changeDisk(id, second, { sizeGiB: 3, limits }), true);
  await layer();
  const { path } = await disks.locate(second);
  assert.match(await run("qemu-img", ["info", "-U", path]), /virtual size: 3 GiB/);
});

test("a disk with snapshots leaves the machine by force, with all its files", async () => {
  assert.equal(await driver.unplugDisk(id, second, { force: true }), true);
  assert.deepEqual(
    held().filter(({ path }) => path.includes(second)),
    [],
  );
  const [disk] = (await placed()).filter((it) => it.id === second);
  assert.ok(disk);
  assert.equal((await driver.observe(id)).state, "running");
});

test("all snapshots but one are removed, and the machine counts on", async () => {
  for (const snapshot of await disks.snapshots())
    if (snapshot !== "snap-1-a") await disks.removeSnapshot(snapshot);
  assert.deepEqual(await disks.snapshots(), ["snap-1-a"]);
  await disks.remove(second);
  await driver.stop(id);
  await disks.remove(first);
  const left = readdirSync(join(scratch, "disks")).filter((name) => !name.startsWith("check-"));
  assert.deepEqual(left.toSorted(), ["snap-1-a"]);
  await disks.removeSnapshot("snap-1-a");
  assert.deepEqual(readdirSync(join(scratch, "disks")), []);
});

let checks = 0;

const openDisks = () => openQcow2Disks(join(scratch, "disks"), { uid: options.uids.first + 1 });

async function reopen(): Promise<void> {
  await driver[Symbol.asyncDispose]();
  disks = await openDisks();
  driver = await openQemuMachines(options);
}

const placed = (): Promise<MachineDisk[]> =>
  Promise.all([first, second].map(async (disk) => ({ id: disk, ...(await disks.locate(disk)) })));

const layer = async () => driver.layerDisks(id, await placed());

const start = async () =>
  driver.ensure({
    id,
    cpus: 1,
    threadsPerCore: 1,
    memoryMiB: 64,
    identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "t3.nano" },
    boot: { by: "bios" },
    disks: await placed(),
    ports: [],
  });

async function kill(): Promise<void> {
  const life = readRecord(join(options.directory, id))?.life;
  assert.ok(life?.state === "running");
  process.kill(life.process.pid, "SIGKILL");
  await until(
    async () => driver.observe(id),
    ({ state }) => state === "off",
    20_000,
  );
}

interface Made {
  readonly ids: readonly [string, string];
  readonly again: () => Promise<void>;
}

/** Of both disks; the machine has yet to hear of it, unless `then` tells it. */
async function snapshots(name: string, then: () => Promise<void> = async () => {}): Promise<Made> {
  const ids = [`${name}-a`, `${name}-b`] as const;
  const again = async () => {
    await disks.snapshot(ids[0], first);
    await disks.snapshot(ids[1], second);
  };
  await again();
  await then();
  return { ids, again };
}

/** What was counted by then: by snapshots that are there, or that are made now. */
async function counted(
  of: Made | string,
  make?: (name: string, then: () => Promise<void>) => Promise<Made>,
): Promise<readonly [number, number]> {
  const { ids } = typeof of === "string" ? await (make ?? snapshots)(of, layer) : of;
  const counts: number[] = [];
  for (const snapshot of ids) {
    const volume = `vol-of-${snapshot}`;
    await disks.ensure({ id: volume, sizeGiB: 3, snapshot });
    const { path, below } = await disks.locate(volume);
    const raw = join(scratch, "sector");
    await rm(raw, { force: true });
    const range = ["bs=512", "skip=2048", "count=2049"];
    const source = `if=${chainOf([path, ...below])}`;
    await run("qemu-img", ["dd", "-U", "-O", "raw", ...range, source, `of=${raw}`]);
    counts.push(readFileSync(raw).readUInt32LE());
    await disks.remove(volume);
  }
  const [a = NaN, b = NaN] = counts;
  return [a, b];
}

/** Until its disks hold more than the snapshot. */
async function countsOn(name: string): Promise<void> {
  const [then] = await counted({ ids: [`${name}-a`, `${name}-b`], again: async () => {} });
  const look = async () => (await counted(`check-${(checks += 1)}`))[0];
  assert.ok((await until(look, (now) => now > then, 60_000)) > then);
}

function held(): { readonly path: string; readonly writes: boolean }[] {
  const life = readRecord(join(options.directory, id))?.life;
  assert.ok(life?.state === "running");
  const { pid } = life.process;
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
      return [{ path: readlinkSync(`/proc/${pid}/fd/${fd}`), writes: (parseInt(flags, 8) & 3) !== 0 }];
    } catch {
      return []; // it was closed meanwhile
    }
  });
}
