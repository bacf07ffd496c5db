import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layout } from "#config.ts";
import type { HostProcess } from "#drivers/linux/host-process.ts";

/** What a supervisor notes in `programs.json` of the region's `runDir`, for `croft status`, `down` and `destroy`, and for the start after it. */
export interface Running {
  readonly supervisor: HostProcess;
  readonly cacheDir: string;
  /** By name; a program that is just being started again shows its last process. */
  readonly programs: Readonly<Record<string, HostProcess>>;
}

export const programNames = ["croft", "croft-host", "croft-guest"] as const;
export type ProgramName = (typeof programNames)[number];

export const pidFile = (dataDir: string): string => join(layout(dataDir).runDir, "croft.pid");

/** Undefined before the first start. */
export const readRunning = (dataDir: string): Running | undefined => {
  try {
    return JSON.parse(readFileSync(programsFile(dataDir), "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};

export const writeRunning = (dataDir: string, running: Running): void => {
  const file = programsFile(dataDir);
  writeFileSync(`${file}.new`, `${JSON.stringify(running, null, 2)}\n`);
  renameSync(`${file}.new`, file);
};

const programsFile = (dataDir: string) => join(layout(dataDir).runDir, "programs.json");
