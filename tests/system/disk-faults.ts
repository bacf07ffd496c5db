import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { isAlive } from "#drivers/linux/host-process.ts";
import { run } from "#drivers/linux/commands.ts";
import type { MachineDisk, MachineSpec } from "#drivers/machine/machine-driver.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { destroyMachines, openQemuMachines, type QemuOptions } from "#drivers/machine/qemu/qemu-machines.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { bakeRecordingGuest, recordAt, recordOf } from "./tiny-guest.ts";

export interface FaultsScene {
  readonly machines: QemuOptions;
  readonly disks: string;
  readonly uid: number;
}

export const recording = "i-records";
export const diskIds = ["vol-0123456789abcdef0", "vol-0123456789abcdef1"] as const;
export const specOn = (disks: readonly MachineDisk[]): MachineSpec => ({
  id: recording,
  cpus: 1,
  threadsPerCore: 1,
  memoryMiB: 64,
  identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "t3.nano" },
  boot: { by: "bios" },
  disks,
  ports: [],
});

/** The number of the last record that the guest printed. */
export const acknowledged = (console: Buffer): number =>
  Number.parseInt(/.*^([\dA-F]{8})$/ms.exec(console.toString("latin1"))?.[1] ?? "0", 16);

/**
 * A guest adds records to a log on its first disk and, when each is acknowledged, to one on its second, and prints its number, while the
 * program that makes, removes and merges snapshots under it is killed at a random moment of each round, and QEMU with it in every third.
 * After that every record that was printed is on both disks, whole; each disk, and each snapshot, holds the log up to a record and
 * nothing behind it, what was printed before the snapshot with it; and wherever the second holds so many, the first holds those or one
 * more. `seed`: of all chances.
 */
export async function diskFaults(rounds: number, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const scratch = mkdtempSync(join(tmpdir(), "croft-faults-"));
  const machines = {
    directory: join(scratch, "machines"),
    uids: { first: 0x5500_0000, count: 2 },
    cgroup: `croft-test-faults-${process.pid}`,
    acceleration: "tcg",
  } as const;
  const scene: FaultsScene = { machines, disks: join(scratch, "disks"), uid: 0x5500_0001 };
  const made = new Map<string, number>();
  let printed = 0;
  try {
    const image = join(scratch, "image.qcow2");
    await bakeRecordingGuest(image);
    const disks = await openQcow2Disks(scene.disks, scene);
    await disks.ensure({ id: diskIds[0], sizeGiB: 1, image });
    await disks.ensure({ id: diskIds[1], sizeGiB: 1 });
    for (let round = 0; round < rounds; round++) {
      const when = `round ${round} of seed ${seed}`;
      for (const [name, least] of await oneLife(scene, made, random(1500), round % 2 === 0))
        made.set(name, least);
      if (round % 3 === 2) {
        printed = Math.max(printed, await lastPrinted(machines));
        await killQemu(machines.directory);
        await checkDisks(scene, printed, when);
      }
      await checkSnapshots(scene, made, when);
    }
    assert.ok(made.size >= rounds / 2, `${made.size} snapshots in ${rounds} rounds`);
    assert.ok(printed >= rounds, `${printed} records in ${rounds} rounds`);
  } finally {
    await killQemu(machines.directory);
    await destroyMachines(machines);
    await rm(scratch, { recursive: true });
  }
}

/**
 * The snapshots that the program made until it was killed, so many milliseconds after it began, or after it made one; and what each
 * holds at least.
 */
async function oneLife(
  scene: FaultsScene,
  made: ReadonlyMap<string, number>,
  ms: number,
  makesOne: boolean,
): Promise<[name: string, least: number][]> {
  const program = join(import.meta.dirname, "disk-faults-program.ts");
  const args = [program, JSON.stringify(scene), JSON.stringify([...made.keys()])];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, (error, stdout, stderr) => {
      const lines = stdout.matchAll(/^(\S+) (\d+)\n/gm);
      if (child.signalCode === "SIGKILL")
        resolve([...lines].map(([, name = "", least]) => [name, Number(least)]));
      else reject(new Error(`the program ended by itself: ${error?.message ?? ""} ${stderr}`));
    });
    const killSoon = () => void setTimeout(() => child.kill("SIGKILL"), ms);
    if (makesOne) child.stdout?.once("data", killSoon);
    else killSoon();
  });
}

async function lastPrinted(options: QemuOptions): Promise<number> {
  await using driver = await openQemuMachines(options);
  return acknowledged(await driver.console(recording));
}

async function killQemu(directory: string): Promise<void> {
  const life = readRecord(join(directory, recording))?.life;
  if (life?.state !== "running" || !isAlive(life.process)) return;
  process.kill(life.process.pid, "SIGKILL");
  while (isAlive(life.process)) await delay(20);
}

async function checkDisks(scene: FaultsScene, printed: number, when: string): Promise<void> {
  const disks = await openQcow2Disks(scene.disks, scene);
  const logs = await Promise.all(diskIds.map((id) => logOn(disks, id, join(scene.disks, ".."))));
  isOneMoment(logs, printed, when);
  await checkFiles(disks, scene.disks);
}

/** Of the two disks, at rest, and all snapshots. Throws for damage; what was cut short may leave clusters that nothing names. */
export async function checkFiles(disks: DiskDriver, directory: string): Promise<void> {
  const places = await Promise.all(diskIds.map((id) => disks.locate(id)));
  const snapshots = (await disks.snapshots()).map((id) => join(directory, id, "snapshot.qcow2"));
  for (const path of [...places.map((it) => it.path), ...snapshots])
    await run("qemu-img", ["check", "-q", "-r", "leaks", path]);
}

async function checkSnapshots(
  scene: FaultsScene,
  made: ReadonlyMap<string, number>,
  when: string,
): Promise<void> {
  const disks = await openQcow2Disks(scene.disks, scene);
  const there = await disks.snapshots();
  const pairs = [...made].filter(([name]) => ["a", "b"].every((one) => there.includes(`${name}-${one}`)));
  for (const [name, least] of pairs.slice(-3)) {
    const logs = ["a", "b"].map(async (one) => {
      const id = `vol-of-${name}-${one}`;
      await disks.ensure({ id, sizeGiB: 1, snapshot: `${name}-${one}` });
      const records = await logOn(disks, id, join(scene.disks, ".."));
      await disks.remove(id);
      return records;
    });
    isOneMoment(await Promise.all(logs), least, `${when}: ${name}`);
  }
}

export function isOneMoment([a = NaN, b = NaN]: readonly number[], least: number, when: string): void {
  assert.ok(a === b || a === b + 1, `${when}: ${a} records on the first and ${b} on the second`);
  assert.ok(b >= least, `${when}: ${b} records, and ${least} were acknowledged`);
}

/** How many records a disk holds, each of them whole, and nothing after them; `scratch` has room for its bytes. */
export async function logOn(disks: DiskDriver, id: string, scratch: string): Promise<number> {
  const { path, below } = await disks.locate(id);
  const raw = join(scratch, `${id}.raw`);
  try {
    await run("qemu-img", ["convert", "-U", "-O", "raw", chainOf([path, ...below]), raw]);
    await using file = await open(raw);
    const read = async (number: number, count: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(count * 512),
        0,
        count * 512,
        recordAt(number),
      );
      return buffer.subarray(0, bytesRead);
    };
    for (let first = 1; ; first += AT_ONCE) {
      const records = await read(first, AT_ONCE);
      for (let n = 0; n < AT_ONCE; n++) {
        if (records.subarray(n * 512, (n + 1) * 512).equals(recordOf(first + n))) continue;
        const rest = await read(first + n, 4 * AT_ONCE);
        assert.ok(rest.equals(Buffer.alloc(rest.length)), `${id}: record ${first + n} is not whole`);
        return first + n - 1;
      }
    }
  } finally {
    await rm(raw, { force: true });
  }
}

const AT_ONCE = 2048;
