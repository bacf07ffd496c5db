import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import koffi from "koffi";
import { hostNames } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { check } from "#drivers/linux/libc.ts";
import { controlGroups, regionProcesses } from "../host-traces.ts";
import { until } from "../until.ts";

/**
 * From now on this process and those it starts see a boot id of their own, as systemd-nspawn's containers do, which another boot
 * of this host then changes. To be called before the region starts.
 */
export const playBoots = async (): Promise<{ reboot(dataDir: string): Promise<void> }> => {
  const scratch = mkdtempSync(join(tmpdir(), "croft-boot-"));
  after(() => rmSync(scratch, { recursive: true }));
  const bootId = join(scratch, "boot-id");
  const newBoot = () => writeFileSync(bootId, `${randomUUID()}\n`);
  newBoot();
  check("unshare", unshare(CLONE_NEWNS));
  await run("mount", ["--make-private", "/proc"]);
  await run("mount", ["--bind", bootId, "/proc/sys/kernel/random/boot_id"]);
  return {
    /** Whatever a region has in the host's memory is gone at once; what it has on disk stays. */
    async reboot(dataDir) {
      const { prefix } = hostNames(dataDir);
      const left = () => regionProcesses(dataDir);
      // Its supervisors first: what they keep running would come back.
      for (const [word] of [["start"], [undefined]])
        for (const { pid, command } of left()) if (word === undefined || command.includes(word)) end(pid);
      await until(
        async () => left(),
        (pids) => pids.length === 0,
      );
      for (const name of readdirSync("/run/netns").filter((it) => it.startsWith(prefix)))
        await run("ip", ["netns", "del", name]);
      // The kernel ends a namespace, and with it the other end of this host's link, after its name is gone.
      await until(
        async () => readdirSync("/sys/class/net").filter((name) => name.startsWith(prefix)),
        (links) => links.length === 0,
      );
      for (const group of controlGroups(prefix).toReversed()) rmdirSync(group);
      newBoot();
    },
  };
};

/** Also one that ended meanwhile, as those of a supervisor do that is gone. */
const end = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
};

const unshare: (flags: number) => number = koffi.load("libc.so.6").func("int unshare(int flags)");
const CLONE_NEWNS = 0x2_0000;
