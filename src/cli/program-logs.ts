import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { GrowingLog } from "./logs.ts";
import { plainText } from "./plain-text.ts";
import { programNames } from "./supervise/programs-file.ts";

/** The three programs' logs as one: "TIME PROGRAM what it said", in the order of time. */
export const programLogs = (logDir: string): GrowingLog => {
  const logs = programNames.map((name) => ({ name, file: openEnd(join(logDir, `${name}.log`)) }));
  return {
    intervalMs: 300,
    next: async () =>
      logs
        .flatMap(({ name, file }) => file.next().map((line) => line.replace(" ", ` ${name.padEnd(11)} `)))
        .map(plainText)
        .toSorted((a, b) => (timeOf(a) < timeOf(b) ? -1 : timeOf(a) > timeOf(b) ? 1 : 0)),
  };
};

const timeOf = (line: string): string => line.slice(0, line.indexOf(" "));

/** Reads on in a file that grows, and is replaced when it is full. What it does not take up of a large one is left out. */
const openEnd = (path: string) => {
  let at: { readonly inode: number; readonly bytes: number } | undefined;
  let rest = "";
  return {
    next(): readonly string[] {
      const read = readOn(path, at);
      if (!read) return [];
      if (at?.inode !== read.inode) rest = "";
      const [first = "", ...lines] = read.text.split("\n");
      const whole = [rest + first, ...lines];
      rest = whole.pop() ?? "";
      // What a read in the middle begins with is no whole line.
      if (at === undefined && read.cut) whole.shift();
      at = { inode: read.inode, bytes: read.bytes };
      return whole;
    },
  };
};

const readOn = (path: string, before: { readonly inode: number; readonly bytes: number } | undefined) => {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    // A program that has never said anything.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { ino: inode, size } = fstatSync(fd);
    const known = before?.inode === inode && before.bytes <= size ? before.bytes : 0;
    const from = Math.max(known, size - mostBytes);
    const part = Buffer.alloc(size - from);
    const length = readSync(fd, part, 0, part.length, from);
    return { inode, bytes: from + length, cut: from > known, text: part.toString("utf8", 0, length) };
  } finally {
    closeSync(fd);
  }
};

/** At a time, of each file. */
const mostBytes = 16 * 1024 * 1024;
