import { randomUUID } from "node:crypto";
import { chmod, link, mkdir, readdir, rename, rm, stat, statfs, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exchangeNames } from "#drivers/linux/libc.ts";
import { noKeys, type OpenKey } from "#drivers/open-key.ts";
import type { DiskDriver, DiskPlace } from "../disk-driver.ts";
import { nextMerge, type Layer } from "../next-merge.ts";
import { copyEncrypted } from "./encrypted-copy.ts";
import { growDisk } from "./grow-disk.ts";
import { withKeyFiles, type ShownKeys } from "./key-file.ts";
import { LentFiles } from "./lent-files.ts";
import { mergeLayers } from "./merge-layers.ts";
import { newFile } from "./new-file.ts";
import { OpenSnapshot } from "./open-snapshot.ts";
import {
  diskFile,
  imageLink,
  isUnfinished,
  KEY,
  keyOf,
  LINK,
  linkOf,
  linkTo,
  locateDisk,
  locateSnapshot,
  missing,
  REMOVED,
  SNAPSHOT,
  snapshotOf,
  sync,
  unless,
} from "./qcow2-layout.ts";
import { readQcow2Header } from "./qcow2-header.ts";
import { Qcow2SnapshotReader } from "./qcow2-snapshot-reader.ts";
import { bringIn, writeBlock, writtenBlocks } from "./written-blocks.ts";

/**
 * Disks and snapshots as qcow2 files that only root may open, laid out as `qcow2-layout.ts` says. An image's file must stay, and stay
 * as it is. A disk stands on `mostLayers` files at most, since a machine holds each of them open. `uid` has no other use for its files:
 * it follows what a disk's bytes lead to. Without `openKey` nothing that is encrypted is made or read.
 */
export const openQcow2Disks = async (
  directory: string,
  {
    uid,
    mostLayers = 100,
    openKey = noKeys,
  }: { readonly uid: number; readonly mostLayers?: number; readonly openKey?: OpenKey },
): Promise<Qcow2Disks> => {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  for (const name of await readdir(directory))
    if (isUnfinished(name)) await rm(join(directory, name), { recursive: true });

  const place = (id: string): string => {
    if (!/^[\w-]+$/.test(id)) throw new Error(`not a disk's id: ${id}`);
    return join(directory, id);
  };
  const names = async () => (await readdir(directory)).filter((name) => !isUnfinished(name));
  const isSnapshot = (id: string) => isThere(join(place(id), SNAPSHOT));
  const isRemoved = (id: string) => isThere(join(place(id), REMOVED));
  const requireSnapshot = async (id: string): Promise<void> => {
    if (!(await isSnapshot(id)) || (await isRemoved(id))) throw new Error(`there is no snapshot ${id}`);
  };

  /** What `fill` puts into a directory is there under this id at once and whole, or not at all. */
  const make = async (id: string, fill: (into: string) => Promise<void>): Promise<void> => {
    const unfinished = `${place(id)}.${randomUUID()}`;
    await mkdir(unfinished, { mode: 0o700 });
    try {
      await fill(unfinished);
      await sync(unfinished);
      // Fails when someone was faster, since a directory with files in it is never replaced.
      await rename(unfinished, place(id)).catch(unless("ENOTEMPTY"));
      await sync(directory);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  };

  /** Then what was a snapshot only for its sake goes too. */
  const destroy = async (id: string): Promise<void> => {
    const parent = snapshotOf(await linkOf(place(id)));
    const unfinished = `${place(id)}.${randomUUID()}`;
    await rename(place(id), unfinished).catch(unless("ENOENT"));
    await sync(directory);
    await rm(unfinished, { recursive: true, force: true });
    if (parent !== undefined) await collect(parent);
  };
  const collect = async (id: string): Promise<void> => {
    if ((await isRemoved(id)) && !(await parents()).has(id)) await destroy(id);
  };
  /** The ids of the snapshots that anything is a difference to. */
  const parents = async (): Promise<ReadonlySet<string | undefined>> => {
    const links = (await names()).map((name) => linkOf(join(directory, name)));
    return new Set((await Promise.all(links)).map(snapshotOf));
  };

  /** Those that look at, or change, what is a difference to what. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const mine = turn.then(act);
    turn = mine.catch(() => {});
    return mine;
  };

  const lent = new LentFiles(uid);
  const secretOf = (key: string | undefined) => (key === undefined ? undefined : openKey(key));
  const createFile = async (path: string, bytes: number, key: string | undefined): Promise<void> =>
    newFile(path, bytes, secretOf(key));
  /** Without it the file in this new directory is lost. */
  const noteKey = async (into: string, key: string | undefined): Promise<void> => {
    if (key === undefined) return;
    await writeFile(join(into, KEY), key, { mode: 0o600, flag: "wx" });
    await sync(join(into, KEY));
  };
  /** The new file holds what is at `from` does, and needs no other. */
  const copyWhole = async (from: DiskPlace, file: string, bytes: number, key: string): Promise<void> => {
    await createFile(file, bytes, key);
    await copyEncrypted(from, file, { from: secretOf(from.encrypted?.key), to: openKey(key) }, lent);
    await sync(file);
  };
  const reader = new Qcow2SnapshotReader((id) =>
    inTurn(async () => {
      await requireSnapshot(id);
      const found = await locateSnapshot(directory, id);
      return OpenSnapshot.open(found, secretOf(found.encrypted?.key), lent);
    }),
  );

  /** From now on the disk is a difference to `id`, which is its file under another name. */
  const moveOnto = async (id: string, disk: string): Promise<void> => {
    const file = join(disk, diskFile(await linkOf(disk)));
    if (await isSameFile(file, join(place(id), SNAPSHOT))) {
      const next = join(disk, `${LINK}.next`);
      await createFile(join(disk, diskFile(linkTo(id))), await virtualBytes(file), await keyOf(disk));
      await rm(next, { force: true });
      await symlink(linkTo(id), next);
      await rename(next, join(disk, LINK));
      await sync(disk);
    }
    // Whoever still knows the old place must not find it.
    const current = diskFile(await linkOf(disk));
    for (const name of await readdir(disk))
      if (name.endsWith(".qcow2") && name !== current) await rm(join(disk, name));
    await sync(disk);
  };

  const usedBytes = async (id: string): Promise<number> => {
    const file = (await isSnapshot(id)) ? SNAPSHOT : diskFile(await linkOf(place(id)));
    const found = await stat(join(place(id), file)).catch(unless("ENOENT"));
    if (!found) throw missing(id);
    return found.blocks * 512;
  };
  const layers = async (): Promise<Layer[]> =>
    Promise.all(
      (await names()).map(async (id) => {
        const kind = (await isRemoved(id)) ? "removed" : (await isSnapshot(id)) ? "snapshot" : "disk";
        const below = snapshotOf(await linkOf(place(id)));
        // What is encrypted is not merged with what is open.
        const isSameKey = below !== undefined && (await keyOf(place(below))) === (await keyOf(place(id)));
        const parent = isSameKey ? below : undefined;
        return { id, kind, parent, bytes: kind === "disk" ? 0 : await usedBytes(id) };
      }),
    );
  /** The last of `merged` is from now on the file that holds what they all do, and a difference to what the first is one to. */
  const merge = async (merged: readonly string[], last: string): Promise<void> => {
    const unfinished = `${place(last)}.${randomUUID()}`;
    const [file, files] = [join(unfinished, SNAPSHOT), merged.map((id) => join(place(id), SNAPSHOT))];
    await mkdir(unfinished, { mode: 0o700 });
    try {
      const key = await keyOf(place(last));
      await noteKey(unfinished, key);
      await createFile(file, await virtualBytes(join(place(last), SNAPSHOT)), key);
      const replace = async () => {
        const [first, ...others] = await Promise.all(merged.map(async (id) => linkOf(place(id))));
        if (others.some((it, index) => snapshotOf(it) !== merged[index]))
          throw new Error(`${last} is a difference to another by now`);
        if (first !== undefined) await symlink(first, join(unfinished, LINK));
        if (await isRemoved(last)) await writeFile(join(unfinished, REMOVED), "");
        await sync(file);
        await sync(unfinished);
        exchangeNames(unfinished, place(last));
        reader.forget();
        await sync(directory);
      };
      await mergeLayers(files, file, lent, () => inTurn(replace), secretOf(key));
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    for (const id of merged.slice(-2, -1)) await inTurn(() => collect(id));
  };
  /** The last of what could not be merged, until all else is. */
  const refused = new Set<string>();

  // What was let go of, but not to its end.
  for (const name of await names()) await collect(name);

  return {
    ensure: async ({ id, sizeGiB, image, snapshot, key: asked }) => {
      const bytes = Math.round(sizeGiB * 1024 ** 3);
      const create = async () => {
        if (await isThere(place(id))) return;
        if (snapshot !== undefined) await requireSnapshot(snapshot);
        const parent = snapshot === undefined ? image && imageLink(image) : linkTo(snapshot);
        const first = snapshot === undefined ? image : join(place(snapshot), SNAPSHOT);
        if (first !== undefined) await checkSize(first, bytes, snapshot === undefined);
        const has = snapshot === undefined ? undefined : await keyOf(place(snapshot));
        const key = asked ?? has;
        await make(id, async (into) => {
          await noteKey(into, key);
          if (snapshot !== undefined && key !== undefined && key !== has)
            return copyWhole(
              await locateSnapshot(directory, snapshot),
              join(into, diskFile(undefined)),
              bytes,
              key,
            );
          await createFile(join(into, diskFile(parent)), bytes, key);
          if (parent !== undefined) await symlink(parent, join(into, LINK));
        });
      };
      await (snapshot === undefined ? create() : inTurn(create));
    },
    grow: (id, sizeGiB) =>
      inTurn(async () => {
        const { path, encrypted } = await locateDisk(directory, id);
        const bytes = sizeGiB * 1024 ** 3;
        if ((await virtualBytes(path)) < bytes) await growDisk(path, bytes, uid, secretOf(encrypted?.key));
      }),
    locate: (id) => locateDisk(directory, id),
    remove: (id) => inTurn(() => destroy(id)),
    list: async () => {
      const all = await names();
      const snapshots = await Promise.all(all.map(isSnapshot));
      return all.filter((_, index) => !snapshots[index]);
    },
    snapshot: async (id, diskId) => {
      // They may take long, and nobody else has the disk.
      if (!(await isThere(place(id))) && (await isThere(place(diskId))))
        await bringIn(
          place(diskId),
          (await locateDisk(directory, diskId)).path,
          secretOf(await keyOf(place(diskId))),
        );
      await inTurn(async () => {
        const disk = place(diskId);
        const gone = !(await isThere(disk));
        if (!(await isThere(place(id)))) {
          if (gone) throw missing(diskId);
          const { below } = await locateDisk(directory, diskId);
          if (below.length >= mostLayers)
            throw new Error(`${diskId} stands on ${below.length} files, which are yet to be merged`);
          const parent = await linkOf(disk);
          const key = await keyOf(disk);
          await make(id, async (into) => {
            await link(join(disk, diskFile(parent)), join(into, SNAPSHOT));
            await noteKey(into, key);
            if (parent !== undefined) await symlink(parent, join(into, LINK));
          });
        }
        if (!gone) await moveOnto(id, disk);
      });
    },
    copySnapshot: (id, from, asked) =>
      inTurn(async () => {
        if (await isThere(place(id))) return;
        await requireSnapshot(from);
        const bytes = await virtualBytes(join(place(from), SNAPSHOT));
        const has = await keyOf(place(from));
        const key = asked ?? has;
        await make(id, async (into) => {
          await noteKey(into, key);
          if (key !== undefined && key !== has)
            return copyWhole(await locateSnapshot(directory, from), join(into, SNAPSHOT), bytes, key);
          await createFile(join(into, SNAPSHOT), bytes, key);
          await symlink(linkTo(from), join(into, LINK));
        });
      }),
    importSnapshot: (id, file, sizeGiB, key) =>
      inTurn(async () => {
        if (await isThere(place(id))) return;
        const bytes = sizeGiB * 1024 ** 3;
        await checkSize(file, bytes, true);
        await make(id, async (into) => {
          const kept = join(into, SNAPSHOT);
          await noteKey(into, key);
          if (key !== undefined && !(await readQcow2Header(file))?.isEncrypted)
            return copyWhole({ path: file, below: [] }, kept, bytes, key);
          await link(file, kept);
          await chmod(kept, 0o600);
          if ((await virtualBytes(kept)) < bytes) await growDisk(kept, bytes, uid, secretOf(key));
          await sync(kept);
        });
      }),
    removeSnapshot: (id) =>
      inTurn(async () => {
        if (!(await isSnapshot(id))) return;
        reader.forget();
        await writeFile(join(place(id), REMOVED), "");
        await sync(place(id));
        await collect(id);
      }),
    snapshots: async () => {
      const all = await names();
      const there = await Promise.all(
        all.map(async (id) => (await isSnapshot(id)) && !(await isRemoved(id))),
      );
      return all.filter((_, index) => there[index]);
    },
    merge: async (written) => {
      const next = nextMerge(await inTurn(layers), (id) => written.has(id) || refused.has(id));
      const last = next?.at(-1)?.id;
      if (!next || last === undefined) {
        refused.clear();
        return false;
      }
      const { bavail, bsize } = await statfs(directory);
      if (bavail * bsize < next.reduce((sum, { bytes }) => sum + bytes, ROOM_LEFT_BYTES)) return false;
      refused.add(last);
      await merge(
        next.map(({ id }) => id),
        last,
      );
      refused.delete(last);
      return true;
    },
    usedBytes,
    blocks: reader.blocks,
    difference: reader.difference,
    readBlock: reader.readBlock,
    writeBlock: async (diskId, index, bytes) => {
      await locateDisk(directory, diskId);
      await writeBlock(place(diskId), index, bytes, secretOf(await keyOf(place(diskId))));
    },
    written: async (diskId) => writtenBlocks(place(diskId), secretOf(await keyOf(place(diskId)))),
    lendSnapshot: async (id, use) => {
      const { path, below, encrypted } = await inTurn(async () => {
        await requireSnapshot(id);
        return locateSnapshot(directory, id);
      });
      const files = [path, ...below];
      return withKeyFiles({ [KEY]: secretOf(encrypted?.key) }, uid, (keys) =>
        lent.during(files, () => use({ files, encrypted: encrypted?.files ?? 0, keys })),
      );
    },
    lendImage: (file, use) => lent.during([file], () => use({ files: [file] })),
  };
};

/** Both verbs have `uid` read files, each a difference to the next, while they are used; a merge may put others in their places meanwhile. */
export interface Qcow2Disks extends DiskDriver {
  /** Of a snapshot that is complete. */
  lendSnapshot<Result>(id: string, use: (disk: LentDisk) => Promise<Result>): Promise<Result>;
  /** Of an image. */
  lendImage<Result>(file: string, use: (disk: LentDisk) => Promise<Result>): Promise<Result>;
}

export interface LentDisk {
  /** Each a difference to the next. */
  readonly files: readonly string[];
  /** So many of the first open with the secret that `keys` show as `KEY`, for as long as they are lent. */
  readonly encrypted?: number;
  readonly keys?: ShownKeys;
}

/** Merging waits while what it writes would leave less to what machines write. */
const ROOM_LEFT_BYTES = 1024 ** 3;

/** An image that leads on to other files could show its disks any file of this host; snapshots are our own. */
const checkSize = async (file: string, diskBytes: number, isImage: boolean): Promise<void> => {
  const what = `${isImage ? "image" : "snapshot"} ${file}`;
  const header = await readQcow2Header(file);
  if (header === undefined) throw new Error(`${what} is no qcow2 file`);
  if (isImage && header.dependsOnAnother) throw new Error(`${what} depends on another file`);
  if (header.virtualBytes > diskBytes)
    throw new Error(`${what} has ${header.virtualBytes} bytes, its disk only ${diskBytes}`);
};

const virtualBytes = async (path: string): Promise<number> =>
  Number((await readQcow2Header(path))?.virtualBytes ?? 0n);

/** Asked of the one directory: a host with many disks answers as fast. */
const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(unless("ENOENT"))) !== undefined;

const isSameFile = async (a: string, b: string): Promise<boolean> => {
  const [one, other] = await Promise.all([stat(a), stat(b)]);
  return one.ino === other.ino && one.dev === other.dev;
};
