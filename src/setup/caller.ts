import { spawnSync } from "node:child_process";
import type { User } from "#privileges.ts";

/** The ordinary user who had sudo run this. */
export interface Caller extends User {
  /** Absolute path. */
  readonly home: string;
}

/** Undefined when root was not asked for by sudo, or for someone who has no home. */
export const readCaller = (environment = process.env): Caller | undefined => {
  const [uid, gid] = [Number(environment["SUDO_UID"]), Number(environment["SUDO_GID"])];
  if (process.getuid?.() !== 0 || !(uid > 0) || !(gid >= 0)) return undefined;
  const { stdout } = spawnSync("getent", ["passwd", String(uid)], { encoding: "utf8" });
  const home = stdout?.trim().split(":")[5];
  return home?.startsWith("/") ? { uid, gid, home } : undefined;
};
