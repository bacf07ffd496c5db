import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, readdir, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import type { DiskDriver, DiskPlace, DiskSpec } from "../disk-driver.ts";
import { growDisk } from "./grow-disk.ts";
import { readQcow2Header } from "./qcow2-header.ts";

/**
 * Disks as qcow2 files that only root may open, each in a directory `ID` with a link to the image it is a difference to.
 * The link counts, not the file's own header: a machine could rewrite that to name any file of this host. The image's file
 * must stay, and stay as it is. `uid` has no other use for its files: it follows what a disk's bytes lead to.
 */
export const openQcow2Disks = async (
  directory: string,
  { uid }: { readonly uid: number },
): Promise<DiskDriver> => {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  for (const name of await readdir(directory))
    if (isUnfinished(name)) await rm(join(directory, name), { recursive: true });

  const list = async () => (await readdir(directory)).filter((name) => !isUnfinished(name));

  return {
    ensure: async (disk) => {
      const place = placeOf(directory, disk.id);
      if (await isThere(place)) return;
      const unfinished = unfinishedName(place);
      await mkdir(unfinished, { mode: 0o700 });
      try {
        await create(unfinished, disk);
        // Fails when someone was faster, since a directory with files in it is never replaced.
        await rename(unfinished, place).catch(unless("ENOTEMPTY"));
        await sync(directory);
      } finally {
        await rm(unfinished, { recursive: true, force: true });
      }
    },
    grow: async (id, sizeGiB) => {
      const { path } = await locateDisk(directory, id);
      const bytes = sizeGiB * 1024 ** 3;
      if (((await readQcow2Header(path))?.virtualBytes ?? 0n) < bytes) await growDisk(path, bytes, uid);
    },
    locate: (id) => locateDisk(directory, id),
    remove: async (id) => {
      const unfinished = unfinishedName(placeOf(directory, id));
      await rename(placeOf(directory, id), unfinished).catch(unless("ENOENT"));
      await sync(directory);
      await rm(unfinished, { recursive: true, force: true });
    },
    list,
  };
};

/** `DiskDriver.locate`, also beside a driver. */
export const locateDisk = async (directory: string, id: string): Promise<DiskPlace> => {
  const place = placeOf(directory, id);
  if (!(await isThere(place))) throw new Error(`there is no disk ${id}`);
  const backing = await readlink(join(place, IMAGE)).catch(unless("ENOENT"));
  const path = join(place, DISK);
  return backing === undefined ? { path } : { path, backing };
};

/** The image that each disk in `directory` is a difference to, by the disk's id; changes nothing, so the region may run or not. */
export const imagesOfDisks = async (directory: string): Promise<Map<string, string>> => {
  const links = (await readdir(directory)).map(async (name) => {
    const image = await readlink(join(directory, name, IMAGE)).catch(unless("ENOENT"));
    return image === undefined ? [] : ([[name.replace(/\..*/, ""), image]] as const);
  });
  return new Map((await Promise.all(links)).flat());
};

/** Whole on the disk when this returns. */
const create = async (place: string, { sizeGiB, image }: DiskSpec): Promise<void> => {
  const path = join(place, DISK);
  const bytes = sizeGiB * 1024 ** 3;
  if (image === undefined) await run("qemu-img", ["create", "-q", "-f", "qcow2", path, String(bytes)]);
  else {
    const source = resolve(image);
    await checkImage(source, bytes);
    // Unchecked (-u): it would be opened by root, and an image's bytes may be anyone's.
    const onTopOf = ["-u", "-b", source, "-F", "qcow2"];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", ...onTopOf, path, String(bytes)]);
    await symlink(source, join(place, IMAGE));
  }
  await chmod(path, 0o600);
  await sync(path);
  await sync(place);
};

/** An image that leads on to other files could show its disks any file of this host. */
const checkImage = async (image: string, diskBytes: number): Promise<void> => {
  const header = await readQcow2Header(image);
  if (header === undefined) throw new Error(`image ${image} is no qcow2 file`);
  if (header.dependsOnAnother) throw new Error(`image ${image} depends on another file`);
  if (header.virtualBytes > diskBytes)
    throw new Error(`image ${image} has ${header.virtualBytes} bytes, its disk only ${diskBytes}`);
};

const placeOf = (directory: string, id: string): string => {
  if (!/^[\w-]+$/.test(id)) throw new Error(`not a disk's id: ${id}`);
  return join(directory, id);
};

/** Asked of the one directory: a host with many disks answers as fast. */
const isThere = async (place: string): Promise<boolean> =>
  (await stat(place).catch(unless("ENOENT"))) !== undefined;

const sync = async (path: string): Promise<void> => {
  await using file = await open(path, "r");
  await file.sync();
};

/** Ids have no dot. */
const unfinishedName = (place: string): string => `${place}.${randomUUID()}`;
const isUnfinished = (name: string): boolean => name.includes(".");

/** Swallows this one error; any other goes on. */
const unless =
  (code: string) =>
  (error: unknown): undefined => {
    if (!(error instanceof Error && "code" in error && error.code === code)) throw error;
  };

const DISK = "disk.qcow2";
const IMAGE = "image";
