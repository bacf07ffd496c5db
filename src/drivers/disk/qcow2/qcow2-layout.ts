import { open, readdir, readFile, readlink, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { DiskPlace, EncryptedFiles } from "../disk-driver.ts";

/**
 * Each disk and snapshot is a directory:
 *
 *     DISK/disk.qcow2                 blank, or with `image -> /the/image's/file`
 *     DISK/SNAPSHOT.qcow2             and `image -> ../SNAPSHOT/snapshot.qcow2`
 *     DISK/blocks/INDEX               blocks that are yet to be brought into its file
 *     SNAPSHOT/snapshot.qcow2         and what its disk had for `image`; `removed`, when it stays for others' sake
 *     DISK/key, SNAPSHOT/key          the wrapped key that its file is encrypted with: that of all snapshots below it, but an open one
 *
 * A disk's file is called after what it is a difference to, so both change in the one moment that the link does, and no file is ever
 * found on top of another than its own. The link counts, not the file's own header: a machine could rewrite that to name any file
 * of this host.
 */

/** `DiskDriver.locate`, also beside a driver. */
export const locateDisk = async (directory: string, id: string): Promise<DiskPlace> => {
  const place = join(directory, id);
  const link = await linkOf(place);
  const path = join(place, diskFile(link));
  if ((await stat(path).catch(unless("ENOENT"))) === undefined) throw missing(id);
  const encrypted = await encryptedFiles(place, link);
  return { path, below: await filesBelow(place, link), ...(encrypted && { encrypted }) };
};

/** Of the disk or snapshot at `place`; undefined: its bytes are not encrypted. */
export const keyOf = (place: string): Promise<string | undefined> =>
  readFile(join(place, KEY), "utf8").catch(unless("ENOENT"));

const encryptedFiles = async (
  place: string,
  link: string | undefined,
): Promise<EncryptedFiles | undefined> => {
  const key = await keyOf(place);
  if (key === undefined) return undefined;
  const below = link === undefined || isAbsolute(link) ? undefined : dirname(resolve(place, link));
  const further = below === undefined ? undefined : await encryptedFiles(below, await linkOf(below));
  return { key, files: 1 + (further?.files ?? 0) };
};

/** Where a snapshot's bytes are. */
export const locateSnapshot = async (directory: string, id: string): Promise<DiskPlace> => {
  const place = join(directory, id);
  const link = await linkOf(place);
  const encrypted = await encryptedFiles(place, link);
  return {
    path: join(place, SNAPSHOT),
    below: await filesBelow(place, link),
    ...(encrypted && { encrypted }),
  };
};

/** The image that each disk or snapshot in `directory` comes from, by its id; changes nothing, so the region may run or not. */
export const imagesOfDisks = async (directory: string): Promise<Map<string, string>> => {
  const images = (await readdir(directory)).map(async (name) => {
    const link = await linkOf(join(directory, name));
    return link !== undefined && isAbsolute(link) ? [[name.replace(/\..*/, ""), link] as const] : [];
  });
  return new Map((await Promise.all(images)).flat());
};

const filesBelow = async (place: string, link: string | undefined): Promise<string[]> => {
  if (link === undefined) return [];
  const file = resolve(place, link);
  return [file, ...(isAbsolute(link) ? [] : await filesBelow(dirname(file), await linkOf(dirname(file))))];
};

/**
 * How QEMU and its tools are told to open a disk: each file, and what it is a difference to, from the top down. The first `encrypted` of them
 * with the secret of the object `secret`.
 */
export const chainOf = (files: readonly string[], encrypted = 0, secret = KEY): string =>
  `json:${JSON.stringify(
    files.reduceRight<object | null>(
      (backing, filename, index) => ({
        driver: "qcow2",
        file: { driver: "file", filename },
        ...(index < encrypted && byLuks(secret)),
        backing,
      }),
      null,
    ),
  )}`;

/** Of a qcow2 file. */
export const byLuks = (secret: string) => ({ encrypt: { format: "luks", "key-secret": secret } });

/** What the disk or snapshot at `place` is a difference to. */
export const linkOf = (place: string): Promise<string | undefined> =>
  readlink(join(place, LINK)).catch(unless("ENOENT"));

export const imageLink = (image: string): string => resolve(image);
export const linkTo = (snapshot: string): string => join("..", snapshot, SNAPSHOT);

/** The id of the snapshot that a link leads to, if it is one's. */
export const snapshotOf = (link: string | undefined): string | undefined =>
  link === undefined || isAbsolute(link) ? undefined : basename(dirname(link));

export const diskFile = (link: string | undefined): string => `${snapshotOf(link) ?? "disk"}.qcow2`;

/** What was written to a file, or which names are in a directory, is on the disk when this returns. */
export const sync = async (path: string): Promise<void> => {
  await using file = await open(path, "r");
  await file.sync();
};

/** Ids have no dot. */
export const isUnfinished = (name: string): boolean => name.includes(".");

export const missing = (id: string) => new Error(`there is no disk ${id}`);

/** Swallows this one error; any other goes on. */
export const unless =
  (code: string) =>
  (error: unknown): undefined => {
    if (!(error instanceof Error && "code" in error && error.code === code)) throw error;
  };

export const KEY = "key";
export const LINK = "image";
export const SNAPSHOT = "snapshot.qcow2";
export const REMOVED = "removed";
