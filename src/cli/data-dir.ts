import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { defaults } from "#config.ts";
import { Refusal } from "./command.ts";

export const dataDirOption = { "data-dir": { type: "string" } } as const;
export const cacheDirOption = { "cache-dir": { type: "string" } } as const;

export const dataDirUsage = `  --data-dir DIR     where the region is kept (${defaults.dataDir})`;
export const cacheDirUsage = `  --cache-dir DIR    where baked images are kept (${defaults.cacheDir})`;

/** Checked, the default when not given. */
export const readDataDir = (text: string | undefined): string =>
  readDir("--data-dir", text ?? defaults.dataDir);
export const readCacheDir = (text: string | undefined): string =>
  readDir("--cache-dir", text ?? defaults.cacheDir);

/** The programs' own users pass through every folder above the region's. Throws `Refusal` where one lets nobody else in. */
export const requireWayIn = (dataDir: string): void => {
  let above = dirname(dataDir);
  while (!existsSync(above)) above = dirname(above);
  const ancestors = [realpathSync(above)];
  for (let [at = "/"] = ancestors; at !== "/"; ancestors.push(at)) at = dirname(at);
  const closed = ancestors.find((path) => (statSync(path).mode & 0o001) === 0);
  if (closed !== undefined)
    throw new Refusal(
      `${dataDir} is out of reach for the region's programs, whose users may not enter ${closed}: ` +
        `choose another --data-dir, or let them in with chmod o+x ${closed}`,
    );
};

/** For commands that pass on what they do not know: a leading `--data-dir DIR` is ours, the rest is not. */
export const takeDataDir = (args: readonly string[]): { dataDir: string; rest: readonly string[] } => {
  const [first = "", second, ...further] = args;
  if (first === "--data-dir") return { dataDir: readDataDir(second ?? ""), rest: further };
  if (first.startsWith("--data-dir=")) {
    return { dataDir: readDataDir(first.slice("--data-dir=".length)), rest: args.slice(1) };
  }
  return { dataDir: readDataDir(undefined), rest: args };
};

/** Sockets lie below it, and a socket's path ends at 107 bytes. */
const longest = 64;

const readDir = (option: string, text: string): string => {
  // Commas, spaces and colons mean something in QEMU's arguments.
  if (!isAbsolute(text) || !/^[\w./-]+$/.test(text) || resolve(text) === "/") {
    throw new Refusal(`${option} is an absolute path of letters, digits and . _ - /, not "${text}"`);
  }
  if (text.length > longest)
    throw new Refusal(`${option} has at most ${longest} characters, and "${text}" has ${text.length}`);
  return resolve(text);
};
