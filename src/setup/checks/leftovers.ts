import { join } from "node:path";
import { hostNames, layout } from "#config.ts";
import type { RegionPlace } from "./check.ts";
import type { Host } from "./host.ts";

export interface Leftover {
  readonly name: string;
  /** The command that removes it. */
  readonly removal: string;
}

/** Namespaces and links named as a region's are, of none that this cache knows or that has a process. */
export const leftovers = (host: Host, region: RegionPlace): Leftover[] => {
  const known = new Set([
    hostNames(region.dataDir).tag,
    ...regionsOfCache(host, region.cacheDir),
    ...regionsWithProcesses(host),
  ]);
  const strays = (directory: string, pattern: RegExp) =>
    host.list(directory).filter((name) => {
      const tag = pattern.exec(name)?.[1];
      return tag !== undefined && !known.has(tag);
    });
  return [
    ...strays("/run/netns", /^croft-([0-9a-f]{4})-/).map((name) => ({
      name,
      removal: `ip netns del ${name}`,
    })),
    ...strays("/sys/class/net", /^croft-([0-9a-f]{4})$/).map((name) => ({
      name,
      removal: `ip link del ${name}`,
    })),
  ];
};

/** `CACHE/regions/TAG` names the data directory. */
const regionsOfCache = ({ list, read, stat }: Host, cacheDir: string): string[] => {
  const registry = join(cacheDir, "regions");
  return list(registry).filter((tag) => {
    const dataDir = read(join(registry, tag))?.trim();
    return dataDir !== undefined && stat(layout(dataDir).settings) !== undefined;
  });
};

/** By the user ids that only one region has, and by the data directory that its programs are told. */
const regionsWithProcesses = ({ list, read }: Host): string[] =>
  list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const uid = Number(/^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1] ?? 0);
      const words = (read(`/proc/${pid}/cmdline`) ?? "").split("\0");
      const dataDir = words[words.indexOf("--data-dir") + 1];
      return [
        ...(uid >= firstUid
          ? [
              Math.floor((uid - firstUid) / 4096)
                .toString(16)
                .padStart(4, "0"),
            ]
          : []),
        ...(words.includes("--data-dir") && dataDir ? [hostNames(dataDir).tag] : []),
      ];
    });

const firstUid = 0x4000_0000;
