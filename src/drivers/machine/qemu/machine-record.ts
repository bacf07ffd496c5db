import { readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { MachineSpec, MachineState } from "../machine-driver.ts";
import type { HostProcess } from "../../linux/host-process.ts";

/** What outlives the driver's own process: `machine.json` in the machine's directory. */
export interface MachineRecord {
  /** The user the machine's process runs as; no other machine of this host has it. */
  readonly uid: number;
  /** The kernel it was to boot without firmware found its disk changed. */
  readonly refusedKernel?: true;
  readonly life: MachineLife;
}

/**
 * ```
 * off → starting → running → off
 * ```
 * `starting` is written before there is a process: whoever finds it later, alone, undoes the start.
 */
export type MachineLife = Off | { readonly state: "starting" } | Running;

export interface Running {
  readonly state: "running";
  readonly process: HostProcess;
  readonly booted: boolean;
  /** The whole command, as it was started. */
  readonly argv: readonly string[];
  readonly spec?: MachineSpec;
  /** How many processes the kernel had ended in the machine's control group before this one, for want of memory. */
  readonly memoryKills?: number;
}

export type Off = Extract<MachineState, { state: "off" }>;

/** Absent, too, when a power cut left no whole record: its process went with the power. */
export const readRecord = (directory: string): MachineRecord | undefined => {
  try {
    // only root writes it, only by `writeRecord`
    return JSON.parse(readFileSync(join(directory, FILE), "utf8"), withBelow) as MachineRecord;
  } catch (error) {
    if (
      error instanceof SyntaxError ||
      (error instanceof Error && "code" in error && error.code === "ENOENT")
    )
      return undefined;
    throw error;
  }
};

/** Until there were snapshots, a disk was a difference to one file at most. */
const withBelow = (key: string, value: unknown): unknown =>
  key === "disks" && Array.isArray(value)
    ? value.map(({ backing, ...disk }: { readonly backing?: string }) => ({
        below: backing === undefined ? [] : [backing],
        ...disk,
      }))
    : value;

/** All or nothing, also when the power goes. */
export const writeRecord = async (directory: string, record: MachineRecord): Promise<void> => {
  const path = join(directory, FILE);
  const next = `${path}.next`;
  {
    await using file = await open(next, "w", 0o600);
    await file.writeFile(`${JSON.stringify(record, null, 2)}\n`);
    await file.sync();
  }
  await rename(next, path);
};

const FILE = "machine.json";
