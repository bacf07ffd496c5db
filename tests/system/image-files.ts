import { mkdir, rm } from "node:fs/promises";
import { run } from "#drivers/linux/commands.ts";

/** Puts the files of a baked disk's root file system into the new folder `dir`. Needs root. */
export const takeImageFiles = async (disk: string, dir: string): Promise<void> => {
  const raw = `${dir}.raw`;
  await run("qemu-img", ["convert", "-O", "raw", disk, raw], { timeoutMs: 300_000 });
  await mkdir(dir);
  const rootPartition = `${raw}?offset=${10 * 1024 ** 2}`;
  await run("debugfs", ["-R", `rdump / ${dir}`, rootPartition], { timeoutMs: 300_000 });
  await rm(raw);
};
