import { dirname, join } from "node:path";
import { ok, refusal, warning, type Check } from "./check.ts";
import type { Host } from "./host.ts";

/** How much of its host a region may take. */
export const roomChecks: readonly Check[] = [
  {
    name: "open files",
    look({ read }) {
      const most = limitIn(read("/proc/self/limits") ?? "", "Max open files");
      const raise = `raise it: ulimit -Hn ${recommendedFiles}, LimitNOFILE=${recommendedFiles} in a unit, --ulimit nofile=${recommendedFiles} for a container`;
      if (most < filesOfMachine)
        return refusal(
          `a process may have ${most} files open at once, and a machine needs up to ${filesOfMachine}`,
          raise,
        );
      return most < recommendedFiles
        ? warning(`a process may have ${most} files open at once, which is little for many instances`, raise)
        : ok(`a process may have ${shown(most)} open`);
    },
  },
  {
    name: "processes",
    look(host) {
      const most = limitIn(host.read("/proc/self/limits") ?? "", "Max processes");
      if (most < threadsOfMachine)
        return refusal(
          `a user may have ${most} processes and threads, and a machine's needs up to ${threadsOfMachine}`,
          `raise it: ulimit -Hu ${threadsOfMachine * 4}, LimitNPROC= in a unit, --ulimit nproc= for a container`,
        );
      const room = Math.min(
        ...groupsOf(host, "pids").map(
          (group) => numberIn(host, join(group, "pids.max")) - numberIn(host, join(group, "pids.current"), 0),
        ),
        Infinity,
      );
      const raise = "raise TasksMax= of its unit, or --pids-limit of its container";
      if (room < threadsOfPrograms)
        return refusal(
          `the control group this runs in has room for ${room} more processes and threads, and Croft's own need ${threadsOfPrograms}`,
          raise,
        );
      return room < fewProcesses
        ? warning(
            `the control group this runs in has room for ${room} more processes and threads, and a machine takes ten or so`,
            raise,
          )
        : ok(room === Infinity ? "not limited in number" : `room for ${room} more, with threads`);
    },
  },
  {
    name: "memory",
    look(host, { capacity: { keptMemoryMiB, memoryOvercommit } }) {
      const total = memoryTotalMiB(host.read("/proc/meminfo") ?? "");
      const allowed = Math.min(
        ...groupsOf(host, "memory").flatMap((group) =>
          ["memory.max", "memory.limit_in_bytes"].map((file) => numberIn(host, join(group, file)) / 2 ** 20),
        ),
        Infinity,
      );
      const promised = Math.max(0, Math.floor((total - keptMemoryMiB) * memoryOvercommit));
      if (allowed < Math.min(promised, total))
        return warning(
          `the control group this runs in may use ${Math.floor(allowed)} MiB, and instances are promised ${promised} MiB`,
          `--keep-memory ${Math.ceil(total - allowed + keptMemoryMiB)}, or allow it more`,
        );
      return promised < leastMemoryMiB
        ? warning(
            `of ${total} MiB, instances are promised ${promised}: no t3.nano fits`,
            "--keep-memory MIB at the next start, so that the host keeps less for itself",
          )
        : ok(`of ${total} MiB, instances are promised ${promised}`);
    },
  },
  {
    name: "data disk",
    look: (host, { dataDir }) => diskRoom(host, dataDir, "instances' disks grow"),
  },
  {
    name: "cache disk",
    look: (host, { cacheDir }) => diskRoom(host, cacheDir, "images are baked"),
  },
];

const diskRoom = ({ freeBytes }: Host, directory: string, where: string) => {
  const free = freeBytes(directory);
  const gib = (free / 2 ** 30).toFixed(1);
  return free < leastDiskBytes
    ? warning(
        `${gib} GiB are free at ${directory}, where ${where}`,
        "make room; guests that write to a full disk fail",
      )
    : ok(`${gib} GiB are free at ${directory}`);
};

/** "Max open files  1024  524288  files": the second, up to which a program may raise the first. */
const limitIn = (limits: string, name: string): number => {
  const hard = new RegExp(`^${name}\\s+\\S+\\s+(\\S+)`, "m").exec(limits)?.[1];
  return hard === undefined || hard === "unlimited" ? Infinity : Number(hard);
};

const memoryTotalMiB = (meminfo: string): number =>
  Math.floor(Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) / 1024);

/** The control groups that this process is in, the nearest first, as far as they are to be seen here. */
const groupsOf = ({ read }: Host, controller: "pids" | "memory"): string[] =>
  (read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, names, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (names === "") return upwards("/sys/fs/cgroup", path);
    return names?.split(",").includes(controller) ? upwards(`/sys/fs/cgroup/${controller}`, path) : [];
  });

const upwards = (mount: string, path: string): string[] =>
  path === "/" ? [mount] : [join(mount, path), ...upwards(mount, dirname(path))];

/** "max", and what is not there, is no limit. */
const numberIn = ({ read }: Host, file: string, otherwise = Infinity): number => {
  const text = read(file)?.trim() ?? "";
  return /^\d+$/.test(text) ? Number(text) : otherwise;
};

const shown = (limit: number) => (limit === Infinity ? "any number" : String(limit));

/** What QEMU's jail allows it (`confinement.ts`), which only a privileged process could raise. */
const filesOfMachine = 1024;
const recommendedFiles = 4096;
const threadsOfMachine = 256;
const threadsOfPrograms = 128;
const fewProcesses = 512;
/** A t3.nano's. */
const leastMemoryMiB = 512;
/** What a bake takes at its height. */
const leastDiskBytes = 3 * 2 ** 30;
