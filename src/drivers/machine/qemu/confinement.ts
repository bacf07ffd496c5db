import { jailed } from "#drivers/linux/jail.ts";
import type { Acceleration } from "./acceleration.ts";
import type { CommandLine } from "./command-line.ts";

/** Most threads a QEMU of this many CPUs may have: it aborts when it cannot make one, and keeps up to 64 for disk I/O. */
export const threadLimit = (cpus: number): number => 128 + cpus;

/** The command that becomes QEMU in its jail. Run as root; the process keeps its id, and its open descriptors, all along. */
export const confined = (
  { argv, shows }: Pick<CommandLine, "argv" | "shows">,
  {
    uid,
    cpus,
    acceleration,
  }: { readonly uid: number; readonly cpus: number; readonly acceleration: Acceleration["kind"] },
): readonly string[] => {
  const limits = ["--nofile=4096", `--nproc=${threadLimit(cpus)}`];
  const device = acceleration === "kvm" ? [{ outside: "/dev/kvm", inside: "/dev/kvm" }] : [];
  return jailed(argv, { uid, limits, shows: [...shows, ...device] });
};
