import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
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
import { destroyMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { bakeCountingGuest } from "./tiny-guest.ts";

export interface FaultsScene {
  readonly machines: {
    readonly directory: string;
    readonly uids: { readonly first: number; readonly count: number };
    readonly cgroup: string;
    readonly acceleration: "tcg";
  };
  readonly disks: string;
  readonly uid: number;
}

export const counting = "i-counts";
export const diskIds = ["vol-0123456789abcdef0", "vol-0123456789abcdef1"] as const;
export const specOn = (disks: readonly MachineDisk[]): MachineSpec => ({
  id: counting,
  cpus: 1,
  threadsPerCore: 1,
  memoryMiB: 64,
  identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "t3.nano" },
  boot: { by: "bios" },
  disks,
  ports: [],
});

/**
 * A guest writes each number to its first disk and, when that is acknowledged, to its second, while the program that makes, removes and
 * merges snapshots under it is killed at a random moment of each round, and QEMU with it in every third. So wherever the second disk
 * holds a number, the first holds that or the next one: on the disks after QEMU was killed, and in every snapshot.
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
  const made = new Set<string>();
  try {
    const image = join(scratch, "image.qcow2");
    await bakeCountingGuest(image);
    const disks = await openQcow2Disks(scene.disks, scene);
    await disks.ensure({ id: diskIds[0], sizeGiB: 1, image });
    await disks.ensure({ id: diskIds[1], sizeGiB: 1 });
    for (let round = 0; round < rounds; round++) {
      for (const name of await oneLife(scene, made, random(3000), round % 2 === 0)) made.add(name);
      const qemuToo = round % 3 === 2;
      if (qemuToo) await killQemu(machines.directory);
      await check(scene, made, `round ${round} of seed ${seed}`, qemuToo);
    }
    assert.ok(made.size >= rounds / 2, `${made.size} snapshots in ${rounds} rounds`);
  } finally {
    await killQemu(machines.directory);
    await destroyMachines(machines);
    await rm(scratch, { recursive: true });
  }
}

/** The snapshots that the program made until it was killed, so many milliseconds after it began, or after it made one. */
async function oneLife(
  scene: FaultsScene,
  made: ReadonlySet<string>,
  ms: number,
  makesOne: boolean,
): Promise<string[]> {
  const program = join(import.meta.dirname, "disk-faults-program.ts");
  const args = [program, JSON.stringify(scene), JSON.stringify([...made])];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, (error, stdout, stderr) => {
      if (child.signalCode === "SIGKILL") resolve(stdout.split("\n").filter((line) => line !== ""));
      else reject(new Error(`the program ended by itself: ${error?.message ?? ""} ${stderr}`));
    });
    const killSoon = () => void setTimeout(() => child.kill("SIGKILL"), ms);
    if (makesOne) child.stdout?.once("data", killSoon);
    else killSoon();
  });
}

async function killQemu(directory: string): Promise<void> {
  const life = readRecord(join(directory, counting))?.life;
  if (life?.state !== "running" || !isAlive(life.process)) return;
  process.kill(life.process.pid, "SIGKILL");
  while (isAlive(life.process)) await delay(20);
}

async function check(
  scene: FaultsScene,
  made: ReadonlySet<string>,
  when: string,
  atRest: boolean,
): Promise<void> {
  const disks = await openQcow2Disks(scene.disks, scene);
  const there = await disks.snapshots();
  const pairs = [...made].filter((name) => ["a", "b"].every((one) => there.includes(`${name}-${one}`)));
  for (const name of pairs.slice(-4)) {
    const counts: number[] = [];
    for (const one of ["a", "b"]) {
      const id = `vol-of-${name}-${one}`;
      await disks.ensure({ id, sizeGiB: 1, snapshot: `${name}-${one}` });
      counts.push(await counted(disks, id, scene));
      await disks.remove(id);
    }
    isOneMoment(counts, `${when}: ${name}`);
  }
  if (!atRest) return;
  isOneMoment([await counted(disks, diskIds[0], scene), await counted(disks, diskIds[1], scene)], when);
  for (const id of diskIds) {
    const { path } = await disks.locate(id);
    // A kill may leave clusters that nothing names; damage would remain.
    await run("qemu-img", ["check", "-q", "-r", "leaks", path]);
  }
  for (const id of there)
    await run("qemu-img", ["check", "-q", "-r", "leaks", join(scene.disks, id, "snapshot.qcow2")]);
}

/** One that has just been started again begins at 1. */
function isOneMoment([a = NaN, b = NaN]: readonly number[], when: string): void {
  assert.ok(a === b || a === b + 1 || a === 1, `${when}: ${a} on the first and ${b} on the second`);
}

async function counted(disks: DiskDriver, id: string, scene: FaultsScene): Promise<number> {
  const { path, below } = await disks.locate(id);
  const raw = join(scene.disks, "..", "sector");
  await rm(raw, { force: true });
  const range = ["bs=512", "skip=2048", "count=2049"];
  await run("qemu-img", ["dd", "-U", "-O", "raw", ...range, `if=${chainOf([path, ...below])}`, `of=${raw}`]);
  return readFileSync(raw).readUInt32LE();
}
