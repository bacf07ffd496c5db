import { chown, rm, stat, writeFile } from "node:fs/promises";
import type { DiskPlace } from "../disk-driver.ts";
import { run } from "../../linux/commands.ts";
import { withKeyFiles, type ShownKeys } from "./key-file.ts";
import { chainOf, KEY } from "./qcow2-layout.ts";
import { jailedQemuImg } from "./jailed-qemu-img.ts";

/**
 * Copies a disk that no machine has open to the new file `to`, of `format`, which then needs no other. Throws when one wrote it meanwhile. What
 * its bytes lead to is followed by `uid` alone, in a jail. `secret`: of an encrypted one; the copy is open.
 */
export const copyDisk = (
  place: DiskPlace,
  to: string,
  uid: number,
  format: "qcow2" | "raw" = "qcow2",
  secret?: string,
): Promise<void> => withKeyFiles({ [KEY]: secret }, uid, (keys) => copied(place, to, uid, format, keys));

const copied = async (
  { path, below, encrypted }: DiskPlace,
  to: string,
  uid: number,
  format: "qcow2" | "raw",
  keys: ShownKeys,
): Promise<void> => {
  const layers: { readonly outside: string; readonly inside: string }[] = [];
  const copies: string[] = [];
  try {
    const writtenMs = (await stat(path)).mtimeMs;
    for (const [index, file] of [path, ...below].entries()) {
      const copy = `${to}.${index}`;
      // A baked image is for everyone to read; a disk, a snapshot or an imported one is not.
      const readable = file !== path && ((await stat(file)).mode & 0o004) !== 0;
      if (!readable) {
        copies.push(copy);
        await copyFor(uid, file, copy);
      }
      layers.push({ outside: readable ? file : copy, inside: `/layer${index}` });
    }
    if ((await stat(path)).mtimeMs !== writtenMs) throw new Error(`${path} was written while it was copied`);
    const source = chainOf(
      layers.map(({ inside }) => inside),
      encrypted?.files,
    );
    await writeFile(to, "", { mode: 0o600, flag: "wx" });
    await chown(to, uid, uid);
    await jailedQemuImg(
      ["convert", ...keys.objects, "-O", format, source, "/copy"],
      {
        uid,
        shows: [...layers, { outside: to, inside: "/copy", writable: true }, ...keys.shows],
        memoryBytes: 2 * 1024 ** 3,
      },
      { timeoutMs: LIMIT_MS },
    );
    await chown(to, 0, 0);
  } finally {
    for (const copy of copies) await rm(copy, { force: true });
  }
};

/** As fast as the file system can: where it shares blocks, at once. */
const copyFor = async (uid: number, from: string, to: string): Promise<void> => {
  await run("cp", ["--reflink=auto", "--sparse=always", "--", from, to], { timeoutMs: LIMIT_MS });
  await chown(to, uid, uid);
};

const LIMIT_MS = 24 * 3_600_000;
