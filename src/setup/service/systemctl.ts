import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { Refusal } from "#cli/command.ts";

/** Whether systemd is what runs this host now; it may be there without, in a container or an image in the making. */
export const systemdRuns = (): boolean => existsSync("/run/systemd/system");

/** Throws `Refusal` with what systemctl says. Where systemd does not run, only `enable` and `disable` do anything. */
export const systemctl = (verb: string, ...args: readonly string[]): void => {
  if (!systemdRuns() && !["enable", "disable"].includes(verb)) return;
  const { status, stderr } = spawnSync("systemctl", ["--quiet", verb, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Refusal(`systemctl ${[verb, ...args].join(" ")}: ${stderr.trim()}`, 1);
};
