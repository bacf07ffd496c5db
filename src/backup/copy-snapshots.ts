import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { copyDisk } from "#drivers/disk/qcow2/copy-disk.ts";
import { LINK, linkOf, REMOVED, SNAPSHOT, snapshotOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { run } from "#drivers/linux/commands.ts";

/**
 * Copies snapshots, with those that they are differences to, from one directory of disks to another. Nobody writes them any more, so
 * each file is copied as it is; but what is a difference to an image comes to stand alone, which `uid` sees to.
 */
export const copySnapshots = async (
  ids: readonly string[],
  from: string,
  to: string,
  { uid, signal }: { readonly uid: number; readonly signal: AbortSignal },
): Promise<void> => {
  for (const id of ids) {
    signal.throwIfAborted();
    const [source, target] = [join(from, id), join(to, id)];
    if (existsSync(target)) continue;
    await mkdir(target, { recursive: true, mode: 0o700 });
    const [file, copy] = [join(source, SNAPSHOT), join(target, SNAPSHOT)];
    const link = await linkOf(source);
    if (link !== undefined && isAbsolute(link)) await copyDisk({ path: file, below: [link] }, copy, uid);
    else await run("cp", ["--reflink=auto", "--sparse=always", "--", file, copy], { timeoutMs: LIMIT_MS });
    if (existsSync(join(source, REMOVED))) await writeFile(join(target, REMOVED), "");
    const parent = snapshotOf(link);
    if (link === undefined || parent === undefined) continue;
    await symlink(link, join(target, LINK));
    await copySnapshots([parent], from, to, { uid, signal });
  }
};

const LIMIT_MS = 24 * 3_600_000;
