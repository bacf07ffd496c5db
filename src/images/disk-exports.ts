import { createReadStream } from "node:fs";
import { mkdir, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LentDisk } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { unlessMerged } from "#drivers/disk/qcow2/unless-merged.ts";
import { readQcow2Header } from "#drivers/disk/qcow2/qcow2-header.ts";
import { keyRefusal } from "#drivers/open-key.ts";
import { openObject, putObject, removeObject, requireBucket } from "./bucket-folder.ts";
import { exclusively } from "./exclusively.ts";
import { exportDisk, measureDisk, type ExportFormat } from "./export-disk.ts";
import { pour, type FilePart } from "./image-bytes.ts";
import { ImportRefused } from "./import-refused.ts";
import type { ObjectName } from "./object-name.ts";
import { readStored, storedBeginning, type StoredObject } from "./stored-object.ts";

/** Exports that go on while nobody waits for them. Every verb may be repeated. */
export interface DiskExports {
  /** What has become of the export of this id, which begins when it has not. */
  look(id: string, wanted: WantedExport): Promise<DiskExport>;
  /** One that is over need not be remembered. */
  forget(id: string): Promise<void>;
  /** Ends it, if it has not ended; then nothing of it is left, and no object that is called after it. */
  remove(id: string, wanted: WantedExport): Promise<void>;
  /** What is in an object that was made with a head. Throws `ImportRefused`, and `NoSuchObject` of those. */
  stored(name: ObjectName): Promise<StoredObject>;
}

export interface WantedExport {
  readonly bucket: string;
  /** The last first: whoever sees the first sees them all. */
  readonly objects: readonly WantedObject[];
  /** Whether the objects are called after the export: nobody else's have their names. */
  readonly named: boolean;
}

export interface WantedObject {
  readonly key: string;
  readonly format: ExportFormat;
  /** With this before them the disks make one object (`stored`); absent: the one disk is the object. */
  readonly head?: string;
  readonly disks: readonly ExportedDisk[];
}

/** What a complete snapshot holds, or the files of an image. */
export type ExportedDisk = { readonly snapshotId: string } | { readonly cacheEntry: string };

export type DiskExport =
  /** `fraction`: 0 to 1. */
  | { readonly state: "running"; readonly fraction: number; readonly what: string }
  | { readonly state: "done" }
  | { readonly state: "failed"; readonly reason: string };

export interface DiskExportOptions {
  /** Where disks are converted, one export after the other. */
  readonly workDir: string;
  /** Whose folders are the buckets; absent: there is none. */
  readonly buckets?: string | undefined;
  /** The user that handles the bytes. */
  readonly uid: number;
  /** Has that user read a disk's files while it is used. */
  readonly lend: <Result>(disk: ExportedDisk, use: (lent: LentDisk) => Promise<Result>) => Promise<Result>;
  /** What is left to all others of the file system that holds `workDir`. */
  readonly keptBytes: number;
  /** For the operator: what nobody is to blame for but this host. */
  readonly log: (line: string) => void;
}

/** Those that a killed program left unfinished begin anew. */
export const openDiskExports = (options: DiskExportOptions): DiskExports => {
  const begun = new Map<string, Begun>();
  return {
    async look(id, wanted) {
      const one = begun.get(id) ?? begin(id, wanted, options);
      begun.set(id, one);
      return one.now;
    },
    async forget(id) {
      begun.delete(id);
    },
    async remove(id, { bucket, objects, named }) {
      const one = begun.get(id);
      one?.ending.abort();
      await one?.ended;
      begun.delete(id);
      // What one of a killed program was at.
      if ([...begun.values()].every(({ now }) => now.state !== "running"))
        await rm(options.workDir, { recursive: true, force: true });
      for (const { key } of objects)
        await removeObject(options.buckets, { bucket, key }, { id, whole: named });
    },
    async stored(name) {
      await using file = await openObject(options.buckets, name);
      return await readStored(file);
    },
  };
};

interface Begun {
  now: DiskExport;
  readonly ending: AbortController;
  readonly ended: Promise<void>;
}

function begin(id: string, wanted: WantedExport, options: DiskExportOptions): Begun {
  const ending = new AbortController();
  const { signal } = ending;
  const tell = (fraction: number, what: string) => void (one.now = { state: "running", fraction, what });
  const work = () => make(id, wanted, { ...options, signal, tell });
  const one: Begun = {
    now: { state: "running", fraction: 0, what: "pending" },
    ending,
    ended: exclusively(`croft-export:${options.workDir}`, { waiting: () => tell(0, "pending"), signal }, work)
      .then(() => void (one.now = { state: "done" }))
      .catch((error: unknown) => {
        const isOurs = !(error instanceof ImportRefused) && !keyRefusal(error);
        if (isOurs && !signal.aborted) options.log(`${id}: ${String(error)}`);
        one.now = { state: "failed", reason: reasonOf(error) };
      }),
  };
  return one;
}

function reasonOf(error: unknown): string {
  if (error instanceof ImportRefused) return `ClientError: ${error.message}`;
  const refused = keyRefusal(error);
  if (refused) return `ClientError: the disk is encrypted, and its key cannot be used: ${refused.message}`;
  const isFull =
    error instanceof Error && "code" in error && ["ENOSPC", "EDQUOT"].includes(String(error.code));
  return isFull ? "ServerError: no room is left" : "ServerError: an internal error";
}

interface Making extends DiskExportOptions {
  readonly signal: AbortSignal;
  readonly tell: (fraction: number, what: string) => void;
}

async function make(id: string, { bucket, objects }: WantedExport, making: Making): Promise<void> {
  const { workDir, buckets, signal, tell } = making;
  // An export that was killed left it.
  await rm(workDir, { recursive: true, force: true });
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  try {
    tell(0, "validating");
    await requireBucket(buckets, bucket);
    const disks = objects.flatMap((object) => object.disks.map((disk) => ({ object, disk })));
    await requireRoom(disks, making);
    const files = new Map<WantedObject, string[]>();
    for (const [n, { object, disk }] of disks.entries()) {
      const file = join(workDir, String(n));
      const converting = (fraction: number) => tell((0.7 * (n + fraction)) / disks.length, "converting");
      await converted(disk, file, object.format, converting, making);
      files.set(object, [...(files.get(object) ?? []), file]);
    }
    for (const [n, object] of objects.toReversed().entries()) {
      const written = await writtenObject(object, files.get(object) ?? []);
      const writing = (bytes: number) => {
        signal.throwIfAborted();
        tell(0.7 + (0.3 * (n + bytes / written.bytes)) / objects.length, "writing");
      };
      await putObject(buckets, { bucket, key: object.key }, { id, bytes: written.taken }, (file) =>
        write(written, file, writing),
      );
    }
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** Before anything is written. */
async function requireRoom(disks: readonly { readonly disk: ExportedDisk }[], making: Making): Promise<void> {
  const { workDir, keptBytes, uid, signal } = making;
  let needed = 0;
  for (const { disk } of disks)
    needed += await lent(disk, making, (it) => measureDisk({ ...it, uid, signal }));
  const { bavail, bsize } = await statfs(dirname(workDir));
  const room = Math.max(0, bavail * bsize - keptBytes);
  if (needed > room)
    throw new ImportRefused(`it takes up to ${needed} bytes on its way, and this host has room for ${room}`);
}

async function converted(
  disk: ExportedDisk,
  to: string,
  format: ExportFormat,
  progress: (fraction: number) => void,
  making: Making,
): Promise<void> {
  const { uid, signal } = making;
  await lent(disk, making, async (it) => {
    const virtualBytes = Number((await readQcow2Header(it.files[0] ?? ""))?.virtualBytes ?? 0n);
    await exportDisk({ ...it, uid, signal }, to, format, {
      maxBytes: 2 * virtualBytes + SLACK_BYTES,
      progress,
    });
  });
}

const lent = <Result>(
  disk: ExportedDisk,
  { lend, signal }: Making,
  use: (lent: LentDisk) => Promise<Result>,
): Promise<Result> => unlessMerged(() => lend(disk, use), signal);

/** More than what any format needs for itself. */
const SLACK_BYTES = 64 * 1024 ** 2;

interface WrittenObject {
  readonly bytes: number;
  /** What it takes on a file system that knows holes. */
  readonly taken: number;
  readonly beginning: Buffer;
  readonly files: readonly { readonly path: string; readonly part: FilePart }[];
}

async function writtenObject({ head }: WantedObject, paths: readonly string[]): Promise<WrittenObject> {
  const stats = await Promise.all(paths.map((path) => stat(path)));
  const sizes = stats.map(({ size }) => size);
  const { beginning, parts } =
    head === undefined
      ? { beginning: Buffer.alloc(0), parts: sizes.map((bytes) => ({ offset: 0, bytes })) }
      : storedBeginning(head, sizes);
  const last = parts.at(-1);
  return {
    bytes: last ? last.offset + last.bytes : beginning.length,
    taken: beginning.length + stats.reduce((sum, { blocks }) => sum + blocks * 512, 0),
    beginning,
    files: paths.map((path, n) => ({ path, part: parts[n] ?? { offset: 0, bytes: 0 } })),
  };
}

async function write(
  { bytes, beginning, files }: WrittenObject,
  target: FileHandle,
  writing: (bytes: number) => void,
): Promise<void> {
  await target.writeFile(beginning);
  for (const { path, part } of files)
    await pour(createReadStream(path, { highWaterMark: 1024 ** 2 }), target, part.offset, (poured) =>
      writing(part.offset + poured),
    );
  await target.truncate(bytes);
}
