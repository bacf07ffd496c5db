import { readFileSync, readdirSync, statSync, statfsSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { CommandFailed, run } from "#drivers/linux/commands.ts";
import { openControlGroups } from "#drivers/machine/qemu/control-groups.ts";

/** All that checks see of the machine they run on. */
export interface Host {
  readonly platform: NodeJS.Platform;
  /** A file's text; undefined when it is not there, or not for this user. */
  readonly read: (path: string) => string | undefined;
  /** The names in a directory; none when it cannot be listed. */
  readonly list: (path: string) => readonly string[];
  readonly stat: (path: string) => Pick<Stats, "mode" | "uid" | "mtimeMs"> | undefined;
  /** Free for anyone, in the file system that holds the path or would. */
  readonly freeBytes: (path: string) => number;
  /** What the command complained of, in one line; undefined when it did its work. */
  readonly trial: (command: readonly [string, ...string[]], input?: string) => Promise<string | undefined>;
  /** What the command printed; "" when it failed. */
  readonly printed: (command: readonly [string, ...string[]]) => Promise<string>;
  /** Why machines cannot have control groups; none when they can. */
  readonly controlGroupTroubles: () => Promise<readonly string[]>;
  readonly now: () => Date;
}

export const thisHost: Host = {
  platform: process.platform,
  read: (path) => unlessFailed(() => readFileSync(path, "utf8")),
  list: (path) => unlessFailed(() => readdirSync(path)) ?? [],
  stat: (path) => statSync(path, { throwIfNoEntry: false }),
  freeBytes: (path) => freeBytes(path),
  trial: ([file, ...args], input) =>
    run(file, args, { timeoutMs: 10_000, ...(input !== undefined && { input }) }).then(
      () => undefined,
      complaint,
    ),
  printed: ([file, ...args]) => run(file, args, { timeoutMs: 10_000 }).catch(() => ""),
  async controlGroupTroubles() {
    const troubles: string[] = [];
    await openControlGroups("croft-trial", (trouble) => void troubles.push(trouble));
    return troubles;
  },
  now: () => new Date(),
};

const unlessFailed = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined;
  }
};

const freeBytes = (path: string): number => {
  const free = unlessFailed(() => statfsSync(path));
  if (free) return free.bavail * free.bsize;
  return dirname(path) === path ? 0 : freeBytes(dirname(path));
};

const complaint = (error: unknown): string => {
  if (!(error instanceof CommandFailed)) return String(error);
  const [line = ""] = error.stderr.trim().split("\n");
  return line === "" ? `${error.command[0]}: ${error.exitCode}` : line;
};
