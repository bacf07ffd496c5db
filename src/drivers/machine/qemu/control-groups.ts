import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { access, constants, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What all of a machine's process may take together. */
export interface GroupLimits {
  readonly memoryBytes: number;
  readonly threads: number;
}

/** One control group for each machine, all under one of this region's. Where the host has none, nothing is limited. */
export interface ControlGroups {
  /** The process is in its machine's group, which has these limits. */
  enter(id: string, pid: number, limits: GroupLimits): Promise<void>;
  /** All that is in the machine's group uses at most this many of the host's processors; undefined: no limit. */
  limitProcessors(id: string, processors: number | undefined): Promise<void>;
  /** How many processes of the machine's group the kernel has ended because memory had run out, there or on the whole host. */
  memoryKills(id: string): Promise<number>;
  /** The machine's group is gone, and with the last one the region's. */
  remove(id: string): Promise<void>;
}

/**
 * Control groups under `name` with the memory, pids and cpu controllers of cgroup v2, or else of v1. `warn` is told when this
 * host lets nobody make groups, and why.
 */
export const openControlGroups = async (
  name: string,
  warn: (message: string) => void,
  mount = "/sys/fs/cgroup",
): Promise<ControlGroups> => {
  const hierarchies = (await exists(join(mount, "cgroup.controllers"))) ? [version2(mount)] : version1(mount);
  const usable: Hierarchy[] = [];
  for (const hierarchy of hierarchies) {
    try {
      await access(hierarchy.root, constants.W_OK);
      hierarchy.prepare(join(hierarchy.root, name));
      removeUnused(join(hierarchy.root, name));
      usable.push(hierarchy);
    } catch (error) {
      warn(`machines are not limited by control groups under ${hierarchy.root}: ${String(error)}`);
    }
  }
  return {
    enter: async (id, pid, limits) => {
      for (const hierarchy of usable) {
        const region = join(hierarchy.root, name);
        const group = join(region, id);
        // In one go, lest another machine's end removes the region's group in between.
        hierarchy.prepare(region);
        mkdirSync(group, { recursive: true });
        for (const [file, value] of hierarchy.settings(limits)) await writeFile(join(group, file), value);
        await writeFile(join(group, "cgroup.procs"), String(pid));
      }
    },
    limitProcessors: async (id, processors) => {
      for (const hierarchy of usable)
        for (const [file, value] of hierarchy.quota(processors))
          await writeFile(join(hierarchy.root, name, id, file), value);
    },
    memoryKills: async (id) => {
      const files = usable.flatMap(({ root, kills }) =>
        kills === undefined ? [] : [join(root, name, id, kills)],
      );
      const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
      return texts.reduce((sum, text) => sum + Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0), 0);
    },
    remove: async (id) => {
      for (const { root } of usable) {
        await removeGroup(join(root, name, id));
        removeUnused(join(root, name));
      }
    },
  };
};

interface Hierarchy {
  readonly root: string;
  /** Makes the region's group. */
  prepare(group: string): void;
  settings(limits: GroupLimits): Settings;
  quota(processors: number | undefined): Settings;
  /** The file that counts what the kernel ended for want of memory. */
  readonly kills?: string;
}

type Settings = readonly (readonly [file: string, value: string])[];

/** Long enough that a small share is not cut into slivers, short enough that a guest's clock does not notice. */
const PERIOD_US = 100_000;
/** The kernel takes no less than a millisecond. */
const quotaUs = (processors: number) => Math.max(1000, Math.round(processors * PERIOD_US));
const noSettings = (): Settings => [];

const version2 = (root: string): Hierarchy => ({
  root,
  prepare: (group) => {
    makeGroup(group);
    for (const parent of [dirname(group), group])
      writeFileSync(join(parent, "cgroup.subtree_control"), "+memory +pids +cpu");
  },
  settings: ({ memoryBytes, threads }) => [
    ["memory.max", String(Math.ceil(memoryBytes))],
    ["pids.max", String(threads)],
  ],
  kills: "memory.events",
  quota: (processors) => [
    ["cpu.max", `${processors === undefined ? "max" : quotaUs(processors)} ${PERIOD_US}`],
  ],
});

const version1 = (mount: string): readonly Hierarchy[] => [
  {
    root: join(mount, "memory"),
    prepare: makeGroup,
    settings: ({ memoryBytes }) => [["memory.limit_in_bytes", String(Math.ceil(memoryBytes))]],
    quota: noSettings,
    kills: "memory.oom_control",
  },
  {
    root: join(mount, "pids"),
    prepare: makeGroup,
    settings: ({ threads }) => [["pids.max", String(threads)]],
    quota: noSettings,
  },
  {
    root: join(mount, "cpu"),
    prepare: makeGroup,
    settings: noSettings,
    quota: (processors) => [
      ["cpu.cfs_period_us", String(PERIOD_US)],
      ["cpu.cfs_quota_us", processors === undefined ? "-1" : String(quotaUs(processors))],
    ],
  },
];

const makeGroup = (group: string): void => {
  mkdirSync(group, { recursive: true });
};

/** A group stays busy for a moment after its last process died. */
const removeGroup = async (group: string): Promise<void> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return rmdirSync(group);
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || attempt === 100)
        throw new Error(`control group ${group} stays: ${await processesOf(group)}`, { cause: error });
    }
    await sleep(10);
  }
};

/** Unless there are groups in it, or processes. */
const removeUnused = (group: string): void => {
  try {
    rmdirSync(group);
  } catch (error) {
    if (!["ENOENT", "EBUSY", "ENOTEMPTY"].includes(codeOf(error))) throw error;
  }
};

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

const processesOf = async (group: string): Promise<string> =>
  `processes ${(await readFile(join(group, "cgroup.procs"), "utf8")).trim().replaceAll("\n", " ")}`;

const exists = async (path: string): Promise<boolean> => {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
};
