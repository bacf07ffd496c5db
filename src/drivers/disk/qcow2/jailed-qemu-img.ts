import { jailed, type Jail } from "../../linux/jail.ts";
import { run } from "../../linux/commands.ts";

/** What `qemu-img` prints of files that it is shown, as `uid` and in a jail: it follows whatever their bytes lead to. */
export const jailedQemuImg = (
  args: readonly string[],
  { uid, shows, memoryBytes }: Pick<Jail, "uid" | "shows"> & { readonly memoryBytes: number },
  options: { readonly timeoutMs?: number } = {},
): Promise<string> => {
  const limits = ["--nofile=512", "--nproc=64", `--as=${memoryBytes}`];
  const command = jailed(["qemu-img", ...args], { uid, limits, shows });
  return run("env", ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", ...command], options);
};
