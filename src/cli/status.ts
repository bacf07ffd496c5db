import { readdirSync, readFileSync, statSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { layout } from "#config.ts";
import { ageMs, isAlive, type HostProcess } from "#drivers/linux/host-process.ts";
import type { RegionActivity } from "#services/host/region-activity.ts";
import { apiEndpoint } from "#setup/api-endpoint.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { readOptions, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { statusText } from "./status-text.ts";
import { answerOf, health, type Health } from "./supervise/health.ts";
import { programNames, readRunning } from "./supervise/programs-file.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `status [options]

Says which programs are up and how they fare, what they are working on, which instances there are, and what of this host is
promised and used. As root it says more. Exits 0 when the region is ready, else 3.

${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    const status = await regionStatus(readDataDir(values["data-dir"]));
    if (values.json) printJson(status);
    else process.stdout.write(statusText(status));
    return status.health?.status === "ready" ? 0 : 3;
  },
};

export interface RegionStatus {
  readonly api: string;
  /** The pid of each program that is up, else null. */
  readonly programs: Readonly<Record<string, number | null>>;
  /** Of those that are up. */
  readonly processes: Readonly<Record<string, ProcessStatus>>;
  /** Null when the API does not answer. */
  readonly health: Health | null;
  /** Null when the API does not answer callers on loopback. */
  readonly activity: RegionActivity | null;
  readonly disk: DiskStatus;
}

export interface ProcessStatus {
  readonly since: string;
  /** Resident. */
  readonly memoryMiB: number | null;
  /** Null when this user may not see. */
  readonly openFiles: number | null;
  /** When it last ended by itself, and how, as far as its log goes back. */
  readonly lastEnd: { readonly at: string; readonly how: string } | null;
}

export interface DiskStatus {
  /** What instances' disks take now; null when this user may not see, or there are none. */
  readonly usedBytes: number | null;
  /** Free in the data directory's file system. */
  readonly freeBytes: number;
}

const regionStatus = async (dataDir: string): Promise<RegionStatus> => {
  const settings = requireSettings(dataDir);
  const { url, localUrl } = apiEndpoint(dataDir, settings);
  const running = readRunning(dataDir);
  const alive = (settings.machines === "fake" ? ["croft"] : programNames).map((name) => {
    const process = running?.programs[name];
    return [name, process && isAlive(process) ? process : null] as const;
  });
  const programs = Object.fromEntries(alive.map(([name, process]) => [name, process?.pid ?? null]));
  // With no program of ours up, whatever answers at the port is another's.
  const [healthy, activity] = programs["croft"]
    ? await Promise.all([health(localUrl), answerOf<RegionActivity>(localUrl, "status")])
    : [];
  return {
    api: url,
    programs,
    processes: Object.fromEntries(
      alive.flatMap(([name, process]) => (process ? [[name, processStatus(dataDir, name, process)]] : [])),
    ),
    health: healthy ?? null,
    activity: activity ?? null,
    disk: diskStatus(dataDir),
  };
};

const processStatus = (dataDir: string, name: string, process: HostProcess): ProcessStatus => ({
  since: new Date(Date.now() - ageMs(process)).toISOString(),
  memoryMiB: attempt(() => residentMiB(readFileSync(`/proc/${process.pid}/status`, "utf8"))),
  openFiles: attempt(() => readdirSync(`/proc/${process.pid}/fd`).length),
  lastEnd: attempt(() => lastEnd(readFileSync(join(layout(dataDir).logDir, `${name}.log`), "utf8"))),
});

const residentMiB = (status: string): number | null => {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : Math.round(Number(kib) / 1024);
};

/** The supervisor writes "TIME ended: HOW". */
const lastEnd = (log: string): ProcessStatus["lastEnd"] => {
  const [, at, how] = [...log.matchAll(/^(\S+) ended: (.*)$/gm)].at(-1) ?? [];
  return at === undefined || how === undefined ? null : { at, how };
};

const diskStatus = (dataDir: string): DiskStatus => {
  const { dir, disksDir } = layout(dataDir);
  const { bavail, bsize } = statfsSync(dir);
  return {
    // A file with holes takes what its blocks do, of 512 bytes each.
    usedBytes: attempt(() =>
      readdirSync(disksDir, { recursive: true, withFileTypes: true })
        .filter((it) => it.isFile())
        .reduce((sum, it) => sum + statSync(join(it.parentPath, it.name)).blocks * 512, 0),
    ),
    freeBytes: bavail * bsize,
  };
};

/** Null for what is not there, not any more, or not for this user. */
const attempt = <T>(look: () => T): T | null => {
  try {
    return look();
  } catch {
    return null;
  }
};
