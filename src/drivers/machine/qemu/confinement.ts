import { fileURLToPath } from "node:url";
import type { Acceleration } from "./acceleration.ts";
import type { CommandLine } from "./command-line.ts";

/** Most threads a QEMU of this many CPUs may have: it aborts when it cannot make one, and keeps up to 64 for disk I/O. */
export const threadLimit = (cpus: number): number => 128 + cpus;

/**
 * The command that becomes QEMU in its jail: its own user, no capability and no way to one, its own empty network, nothing
 * of this host in sight but `/usr`, and limits. Run as root; the process keeps its id, and its open descriptors, all along.
 */
export const confined = (
  { argv, shows }: Pick<CommandLine, "argv" | "shows">,
  {
    uid,
    cpus,
    acceleration,
  }: { readonly uid: number; readonly cpus: number; readonly acceleration: Acceleration["kind"] },
): readonly string[] => {
  const limits = ["--core=0", "--nofile=1024", `--nproc=${threadLimit(cpus)}`];
  const namespaces = ["--net", "--ipc", "--uts", "--mount", "--propagation", "private"];
  const shown = shows.flatMap(({ outside, inside }) => [outside, inside]);
  const device = acceleration === "kvm" ? ["/dev/kvm", "/dev/kvm"] : [];
  const jail = ["sh", script, String(uid), ...shown, ...device];
  return ["prlimit", ...limits, "--", "unshare", ...namespaces, "--", ...jail, "--", ...argv];
};

const script = fileURLToPath(new URL("confine.sh", import.meta.url));
