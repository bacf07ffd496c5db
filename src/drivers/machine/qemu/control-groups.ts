import { access, constants, mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
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
  /** The machine's group is gone, and with the last one the region's. */
  remove(id: string): Promise<void>;
}

/**
 * Control groups under `name` with the memory and pids controllers of cgroup v2, or else of v1. `warn` is told when this
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
      await hierarchy.prepare(join(hierarchy.root, name));
      await removeGroup(join(hierarchy.root, name), 0);
      usable.push(hierarchy);
    } catch (error) {
      warn(`machines are not limited by control groups under ${hierarchy.root}: ${String(error)}`);
    }
  }
  return {
    enter: async (id, pid, limits) => {
      for (const hierarchy of usable) {
        const region = join(hierarchy.root, name);
        await hierarchy.prepare(region);
        const group = join(region, id);
        await mkdir(group, { recursive: true });
        for (const [file, value] of hierarchy.settings(limits)) await writeFile(join(group, file), value);
        await writeFile(join(group, "cgroup.procs"), String(pid));
      }
    },
    remove: async (id) => {
      for (const { root } of usable) {
        await removeGroup(join(root, name, id));
        await removeGroup(join(root, name), 0);
      }
    },
  };
};

interface Hierarchy {
  readonly root: string;
  /** Makes the region's group. */
  prepare(group: string): Promise<void>;
  settings(limits: GroupLimits): readonly (readonly [file: string, value: string])[];
}

const version2 = (root: string): Hierarchy => ({
  root,
  prepare: async (group) => {
    await makeGroup(group);
    for (const parent of [dirname(group), group])
      await writeFile(join(parent, "cgroup.subtree_control"), "+memory +pids");
  },
  settings: ({ memoryBytes, threads }) => [
    ["memory.max", String(memoryBytes)],
    ["pids.max", String(threads)],
  ],
});

const version1 = (mount: string): readonly Hierarchy[] => [
  {
    root: join(mount, "memory"),
    prepare: makeGroup,
    settings: ({ memoryBytes }) => [["memory.limit_in_bytes", String(memoryBytes)]],
  },
  {
    root: join(mount, "pids"),
    prepare: makeGroup,
    settings: ({ threads }) => [["pids.max", String(threads)]],
  },
];

const makeGroup = async (group: string): Promise<void> => {
  await mkdir(group, { recursive: true });
};

/** A group stays busy for a moment after its last process died. `retries` of 0: it may go on being used. */
const removeGroup = async (group: string, retries = 100): Promise<void> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await rmdir(group);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENOENT" || (retries === 0 && (code === "EBUSY" || code === "ENOTEMPTY"))) return;
      if (code !== "EBUSY" || attempt >= retries)
        throw new Error(`control group ${group} stays: ${await processesOf(group)}`, { cause: error });
    }
    await sleep(10);
  }
};

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
