import { chown, rm, stat, writeFile } from "node:fs/promises";
import type { DiskPlace } from "../disk-driver.ts";
import { run } from "../../linux/commands.ts";
import { jailedQemuImg } from "./jailed-qemu-img.ts";

/**
 * Copies a disk that no machine has open to the new file `to`, which then needs no other. Throws when one wrote it meanwhile. What
 * its bytes lead to is followed by `uid` alone, in a jail.
 */
export const copyDisk = async ({ path, backing }: DiskPlace, to: string, uid: number): Promise<void> => {
  const [disk, image] = [`${to}.source`, `${to}.image`];
  try {
    const writtenMs = (await stat(path)).mtimeMs;
    await copyFor(uid, path, disk);
    if ((await stat(path)).mtimeMs !== writtenMs) throw new Error(`${path} was written while it was copied`);
    // A baked image is for everyone to read, an imported one is not.
    const readable = backing !== undefined && ((await stat(backing)).mode & 0o004) !== 0;
    if (backing !== undefined && !readable) await copyFor(uid, backing, image);
    await writeFile(to, "", { mode: 0o600, flag: "wx" });
    await chown(to, uid, uid);
    const below = backing === undefined ? null : layer("/image", null);
    const source = `json:${JSON.stringify(layer("/disk", below))}`;
    const shows = [
      { outside: disk, inside: "/disk" },
      ...(backing === undefined ? [] : [{ outside: readable ? backing : image, inside: "/image" }]),
      { outside: to, inside: "/copy", writable: true },
    ];
    await jailedQemuImg(
      ["convert", "-O", "qcow2", source, "/copy"],
      { uid, shows, memoryBytes: 2 * 1024 ** 3 },
      { timeoutMs: LIMIT_MS },
    );
    await chown(to, 0, 0);
  } finally {
    for (const file of [disk, image]) await rm(file, { force: true });
  }
};

const layer = (filename: string, backing: object | null) => ({
  driver: "qcow2",
  file: { driver: "file", filename },
  backing,
});

/** As fast as the file system can: where it shares blocks, at once. */
const copyFor = async (uid: number, from: string, to: string): Promise<void> => {
  await run("cp", ["--reflink=auto", "--sparse=always", "--", from, to], { timeoutMs: LIMIT_MS });
  await chown(to, uid, uid);
};

const LIMIT_MS = 24 * 3_600_000;
