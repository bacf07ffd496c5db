import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { copyDisk } from "#drivers/disk/qcow2/copy-disk.ts";
import {
  diskFile,
  KEY,
  keyOf,
  LINK,
  linkOf,
  linkTo,
  REMOVED,
  SNAPSHOT,
  snapshotOf,
} from "#drivers/disk/qcow2/qcow2-layout.ts";
import { unlessMerged } from "#drivers/disk/qcow2/unless-merged.ts";
import { run } from "#drivers/linux/commands.ts";

export interface CopyOptions {
  /** The user that follows what the bytes of a disk lead to. */
  readonly uid: number;
  readonly signal: AbortSignal;
}

/**
 * Copies snapshots, with those that they are differences to, from one directory of disks to another. Nobody writes them any more, so
 * each file is copied as it is, encrypted bytes as they lie, with the wrapped key. What is a difference to an image and open comes to stand
 * alone, which `uid` sees to; below what is encrypted the image is copied, and lies there as a snapshot does that was removed.
 */
export const copySnapshots = async (
  ids: readonly string[],
  from: string,
  to: string,
  options: CopyOptions,
): Promise<void> => {
  for (const id of ids) await unlessMerged(() => copySnapshot(id, from, to, options), options.signal);
};

/** The same for an encrypted disk, which nobody has open. Throws when it was written meanwhile. */
export const copyEncryptedDisk = async (
  id: string,
  from: string,
  to: string,
  options: CopyOptions,
): Promise<void> => {
  const source = join(from, id);
  const link = await linkOf(source);
  const file = join(source, diskFile(link));
  const writtenMs = (await stat(file)).mtimeMs;
  const below = await copyBelow(link, from, to, options);
  await made(join(to, id), async (into) => {
    await copyAsItIs(file, join(into, diskFile(below)));
    await copyAsItIs(join(source, KEY), join(into, KEY));
    if (below !== undefined) await symlink(below, join(into, LINK));
  });
  if ((await stat(file)).mtimeMs !== writtenMs) throw new Error(`${id} was written while it was copied`);
};

const copySnapshot = async (id: string, from: string, to: string, options: CopyOptions): Promise<void> => {
  options.signal.throwIfAborted();
  const [source, target] = [join(from, id), join(to, id)];
  if (existsSync(target)) return;
  // Before its file: a merged one holds more, and is as good on what it stood on before.
  const link = await linkOf(source);
  const isEncrypted = (await keyOf(source)) !== undefined;
  const standsAlone = link === undefined || (isAbsolute(link) && !isEncrypted);
  const below = standsAlone ? undefined : await copyBelow(link, from, to, options);
  await made(target, async (into) => {
    const [file, copy] = [join(source, SNAPSHOT), join(into, SNAPSHOT)];
    if (standsAlone && link !== undefined) await copyDisk({ path: file, below: [link] }, copy, options.uid);
    else await copyAsItIs(file, copy);
    if (isEncrypted) await copyAsItIs(join(source, KEY), join(into, KEY));
    if (existsSync(join(source, REMOVED))) await writeFile(join(into, REMOVED), "", { mode: 0o600 });
    if (below !== undefined) await symlink(below, join(into, LINK));
  });
};

/** Where a link that was `link` leads to there. */
const copyBelow = async (
  link: string | undefined,
  from: string,
  to: string,
  options: CopyOptions,
): Promise<string | undefined> => {
  if (link === undefined) return undefined;
  const parent = snapshotOf(link);
  if (parent !== undefined) {
    await copySnapshot(parent, from, to, options);
    return link;
  }
  const image = `image-${hash("sha256", link).slice(0, 17)}`;
  if (!existsSync(join(to, image)))
    await made(join(to, image), async (into) => {
      await copyAsItIs(link, join(into, SNAPSHOT));
      await chmod(join(into, SNAPSHOT), 0o600);
      await writeFile(join(into, REMOVED), "", { mode: 0o600 });
    });
  return linkTo(image);
};

/** The directory is there whole, or not at all. */
const made = async (target: string, fill: (into: string) => Promise<void>): Promise<void> => {
  const unfinished = `${target}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  await fill(unfinished);
  await rename(unfinished, target);
};

const copyAsItIs = async (from: string, to: string): Promise<void> => {
  await run("cp", ["--reflink=auto", "--sparse=always", "--", from, to], { timeoutMs: LIMIT_MS });
};

const LIMIT_MS = 24 * 3_600_000;
