import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface HostMemory {
  readonly totalMiB: number;
  /** What new programs can have without others losing theirs. */
  readonly availableMiB: number;
}

/** This host's memory, or that of the container it is: by control groups of version 2, or of version 1. */
export const hostMemory = (root = "/"): HostMemory => {
  const info = numbersIn(read(root, "proc/meminfo"));
  const host = { total: (info["MemTotal"] ?? 0) * 1024, available: (info["MemAvailable"] ?? 0) * 1024 };
  const all = [host, limitOf(root, version2), limitOf(root, version1)].filter((it) => it !== undefined);
  const least = (what: "total" | "available") =>
    Math.max(0, Math.floor(Math.min(...all.map((it) => it[what])) / 2 ** 20));
  return { totalMiB: least("total"), availableMiB: least("available") };
};

const version2 = {
  limit: "sys/fs/cgroup/memory.max",
  usage: "sys/fs/cgroup/memory.current",
  statistics: "sys/fs/cgroup/memory.stat",
  /** What of the usage the kernel gives up when others need it. */
  spare: ["active_file", "inactive_file", "slab_reclaimable"],
} as const;
const version1 = {
  limit: "sys/fs/cgroup/memory/memory.limit_in_bytes",
  usage: "sys/fs/cgroup/memory/memory.usage_in_bytes",
  statistics: "sys/fs/cgroup/memory/memory.stat",
  spare: ["total_active_file", "total_inactive_file"],
} as const;

/** In bytes; undefined when there is no limit. */
const limitOf = (root: string, files: typeof version1 | typeof version2) => {
  const total = Number(read(root, files.limit) || Number.NaN); // "max": none
  if (!Number.isFinite(total)) return undefined;
  const statistics = numbersIn(read(root, files.statistics));
  const spare = files.spare.reduce((sum, name) => sum + (statistics[name] ?? 0), 0);
  return { total, available: total - Number(read(root, files.usage)) + spare };
};

/** Of lines such as `MemTotal:  2048 kB` or `active_file 4096`. */
const numbersIn = (text: string): Record<string, number> =>
  Object.fromEntries(
    [...text.matchAll(/^(\w+):?\s+(\d+)/gm)].map(([, name = "", value]) => [name, Number(value)]),
  );

/** Nothing when there is no such file. */
const read = (root: string, path: string): string => {
  try {
    return readFileSync(join(root, path), "utf8").trim();
  } catch {
    return "";
  }
};
