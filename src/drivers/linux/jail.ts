import { join } from "node:path";
import { checkout } from "#checkout.ts";

export interface Jail {
  readonly uid: number;
  /** As `prlimit` spells them: `--nofile=1024`. No core is ever written. */
  readonly limits: readonly string[];
  /** Files, directories and devices of this host, and where they are inside; `uid` must be allowed to read them, or to write them too. */
  readonly shows: readonly {
    readonly outside: string;
    readonly inside: string;
    readonly writable?: boolean;
  }[];
}

/**
 * The command that becomes `argv` in a jail: its own user, no capability and no way to one, its own empty network, nothing
 * of this host in sight but `/usr` and what is shown, and limits. Run as root; the process keeps its id, and its open
 * descriptors, all along.
 */
export const jailed = (argv: readonly string[], { uid, limits, shows }: Jail): readonly string[] => {
  const namespaces = ["--net", "--ipc", "--uts", "--mount", "--propagation", "private"];
  const shown = shows.flatMap(({ outside, inside, writable }) => [outside, inside, writable ? "rw" : "ro"]);
  const jail = ["sh", script, String(uid), ...shown];
  return ["prlimit", "--core=0", ...limits, "--", "unshare", ...namespaces, "--", ...jail, "--", ...argv];
};

const script = join(checkout, "src/drivers/linux/jail.sh");
