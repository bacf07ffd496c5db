import { readFileSync, unwatchFile, watchFile } from "node:fs";
import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { Resolver } from "./guest-snapshot.ts";

const resolvConf = "/etc/resolv.conf";

/** The name servers this host itself asks (resolv.conf(5)); its own where the file names none, or is not there. */
export const readResolvers = (file = resolvConf): Resolver[] => {
  const named = [...textOf(file).matchAll(/^nameserver[ \t]+([^\s#;]+)/gm)]
    .map(([, address = ""]) => address)
    .filter((address) => isIP(address) !== 0);
  return (named.length > 0 ? named : ["127.0.0.1"]).map((address) => ({ address, port: 53 }));
};

/**
 * Looks every `everyMs` whether they are others: the file is often a link to one that programs replace, which no event tells.
 * Answers how to stop.
 */
export const watchResolvers = (
  onChange: (resolvers: readonly Resolver[]) => void,
  { file = resolvConf, everyMs = 2000 } = {},
): (() => void) => {
  let last = readResolvers(file);
  const look = () => {
    const now = readResolvers(file);
    if (isDeepStrictEqual(now, last)) return;
    last = now;
    onChange(now);
  };
  watchFile(file, { interval: everyMs, persistent: false }, look);
  return () => unwatchFile(file, look);
};

const textOf = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};
