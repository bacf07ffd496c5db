import { constants } from "node:fs";
import { mkdir, open, rename, statfs, unlink, type FileHandle } from "node:fs/promises";
import { ImportRefused } from "./import-refused.ts";
import { isBucketName, isObjectKey, unfinishedPrefix, type ObjectName } from "./object-name.ts";

/** There is no such bucket, or no such object in it. */
export class NoSuchObject extends ImportRefused {
  readonly lacks: "bucket" | "key";
  constructor(lacks: "bucket" | "key", { bucket, key }: ObjectName) {
    super(
      lacks === "bucket"
        ? `there is no bucket ${bucket}: it is a folder of the directory of croft start --export-dir, which its operator makes`
        : `there is no object ${key} in the bucket ${bucket}`,
    );
    this.lacks = lacks;
  }
}

/**
 * Until S3 is served, a bucket is a folder of the directory that the operator names, and an object a file in it, by its key. Whoever
 * owns the folder may change it at any moment, so every step is taken from the open folder before it, and no link is followed.
 */
export async function openObject(directory: string | undefined, name: ObjectName): Promise<FileHandle> {
  const { folders, file } = placeOf(name);
  await using way = new Way();
  await way.enter(directory, name, folders);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const opened = await open(way.at(file), flags).catch(() => {
    throw new NoSuchObject("key", name);
  });
  if ((await opened.stat()).isFile()) return opened;
  await opened.close();
  throw new NoSuchObject("key", name);
}

/** Throws `NoSuchObject` when there is none. */
export async function requireBucket(directory: string | undefined, bucket: string): Promise<void> {
  const name = { bucket, key: "" };
  if (!isBucketName(bucket)) throw new NoSuchObject("bucket", name);
  await using way = new Way();
  await way.enter(directory, name, []);
}

/**
 * What `write` puts into a new file is the object from then on, whole or not at all, for the eyes of the folder's owner. `id`: of which
 * there is one at a time; what it was killed at goes. `bytes`: how much room it needs at least.
 */
export async function putObject(
  directory: string | undefined,
  name: ObjectName,
  { id, bytes }: { readonly id: string; readonly bytes: number },
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const { folders, file } = placeOf(name);
  await using way = new Way();
  const owner = await way.enter(directory, name, folders, "made");
  const { bavail, bsize } = await statfs(way.at("."));
  if (bytes > bavail * bsize)
    throw new ImportRefused(
      `it takes ${bytes} bytes, and the bucket ${name.bucket} has room for ${bavail * bsize}`,
    );
  const unfinished = way.at(`${unfinishedPrefix}${id}`);
  await remove(unfinished);
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    await using made = await open(unfinished, flags, 0o600);
    await write(made);
    await made.chown(owner.uid, owner.gid);
    await made.sync();
    await rename(unfinished, way.at(file)).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EISDIR"
        ? new ImportRefused(`${name.key} is a folder in the bucket ${name.bucket}`)
        : error;
    });
    await way.sync();
  } finally {
    await remove(unfinished);
  }
}

/** Removes what a killed `putObject` of this id left, and the object too when it is `whole` ones that go. */
export async function removeObject(
  directory: string | undefined,
  name: ObjectName,
  { id, whole }: { readonly id: string; readonly whole: boolean },
): Promise<void> {
  const { folders, file } = placeOf(name);
  await using way = new Way();
  try {
    await way.enter(directory, name, folders);
  } catch (error) {
    if (error instanceof ImportRefused) return;
    throw error;
  }
  await remove(way.at(`${unfinishedPrefix}${id}`));
  if (whole) await remove(way.at(file));
  await way.sync();
}

/** A walk down folders, with a hand on the last one. */
class Way implements AsyncDisposable {
  #here: FileHandle | undefined;

  /** Goes to the last of the folders, and tells whose the bucket is. */
  async enter(
    directory: string | undefined,
    name: ObjectName,
    folders: readonly string[],
    absent: "refused" | "made" = "refused",
  ) {
    if (directory === undefined) throw new NoSuchObject("bucket", name);
    const lacks = (what: "bucket" | "key") => () => {
      throw new NoSuchObject(what, name);
    };
    // The operator's own word, which may be a link.
    this.#here = await open(directory, DIRECTORY).catch(lacks("bucket"));
    await this.#step(name.bucket).catch(lacks("bucket"));
    const { uid, gid } = await this.#handle.stat();
    for (const folder of folders) {
      const isNew = absent === "made" && (await mkdir(this.at(folder), 0o700).then(yes, unlessThere));
      await this.#step(folder).catch(
        absent === "made"
          ? () => {
              throw new ImportRefused(`${folder} is no folder in the bucket ${name.bucket}`);
            }
          : lacks("key"),
      );
      if (isNew) await this.#handle.chown(uid, gid);
    }
    return { uid, gid };
  }

  /** A path that leads from this folder, wherever it was moved to. */
  at(name: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  /** The names in it are on the disk when this returns. */
  sync(): Promise<void> {
    return this.#handle.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#here?.close();
  }

  async #step(name: string): Promise<void> {
    const before = this.#handle;
    this.#here = await open(this.at(name), DIRECTORY | constants.O_NOFOLLOW);
    await before.close();
  }

  get #handle(): FileHandle {
    if (!this.#here) throw new Error("no folder is open");
    return this.#here;
  }
}

/** A folder that has the name is no file of ours. */
const remove = (path: string): Promise<void> =>
  unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "EISDIR") throw error;
  });

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY;

const yes = () => true;
const unlessThere = (error: NodeJS.ErrnoException): false => {
  if (error.code !== "EEXIST") throw error;
  return false;
};

function placeOf(name: ObjectName): { readonly folders: readonly string[]; readonly file: string } {
  if (!isBucketName(name.bucket)) throw new NoSuchObject("bucket", name);
  if (!isObjectKey(name.key)) throw new NoSuchObject("key", name);
  const names = name.key.split("/");
  return { folders: names.slice(0, -1), file: names.at(-1) ?? "" };
}
