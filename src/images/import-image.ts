import { chmod, chown, mkdir, open, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { newFile } from "#drivers/disk/qcow2/new-file.ts";
import { QCOW2_HEADER_BYTES, qcow2Header, readQcow2Header } from "#drivers/disk/qcow2/qcow2-header.ts";
import { probeFormat, type DiskFormat } from "./disk-format.ts";
import { exclusively } from "./exclusively.ts";
import { convertDisk, inspectDisk, needsOther } from "./foreign-disk.ts";
import { copyBytes, type FilePart } from "./image-bytes.ts";
import type { SourceGuard } from "./guarded-source.ts";
import { ImportRefused } from "./import-refused.ts";
import { newSeal, openSource, type Seal } from "./import-source.ts";

export interface ImportOptions {
  /** A file, or an http(s) URL. */
  readonly source: string;
  /** Absent: the operator named the source. */
  readonly guard?: SourceGuard;
  /** Of an object; absent: all of the source. */
  readonly part?: FilePart;
  /** Absent: told by its first bytes. */
  readonly format?: DiskFormat;
  /** Most bytes that are read, and most that the disk may come to here. */
  readonly maxBytes: number;
  /** What its bytes are encrypted with here, and lie nowhere else open; absent: they lie open. */
  readonly secret?: string | undefined;
  /** What the image is to be known by; no other one has it, unless an import of it was killed. */
  readonly id: string;
  /** The user that handles the bytes; nothing else on this host has it. */
  readonly uid: number;
  readonly progress: (fraction: number, what: string) => void;
  /** Ends the import, which then throws and leaves nothing. */
  readonly signal: AbortSignal;
}

/**
 * Makes a disk of others a read-only qcow2 file of the region's own, for `importedDisk`, and has `record` write down that it
 * is there; when that throws, it is not. One at a time. Throws `ImportRefused`.
 */
export const importImage = async (
  imagesDir: string,
  options: ImportOptions,
  record: (image: { readonly sizeGiB: number }) => Promise<void>,
): Promise<void> => {
  const waiting = () => options.progress(0, "waiting for another import");
  await mkdir(imagesDir, { recursive: true, mode: 0o700 });
  await exclusively(`croft-import:${imagesDir}`, { waiting, signal: options.signal }, async () => {
    const [unfinished, place] = [join(imagesDir, UNFINISHED), join(imagesDir, options.id)];
    // An import that was killed left it.
    await rm(unfinished, { recursive: true, force: true });
    const whole = await readQcow2Header(join(place, DISK)).catch(() => undefined);
    if (whole) return record({ sizeGiB: Math.ceil(Number(whole.virtualBytes) / 1024 ** 3) });
    await mkdir(unfinished, { mode: 0o700 });
    try {
      const image = await importInto(unfinished, options);
      await rename(unfinished, place);
      await sync(imagesDir);
      await record(image).catch(async (error: unknown) => {
        await rm(place, { recursive: true });
        throw error;
      });
      options.progress(1, "done");
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  });
};

/** The file of an imported image, of a region that keeps them in `imagesDir`. */
export const importedDisk = (imagesDir: string, id: string): string => join(imagesDir, id, DISK);

/** Removes an imported image. The file goes on to be read by whoever has it open. */
export const removeImported = (imagesDir: string, id: string): Promise<void> =>
  rm(join(imagesDir, id), { recursive: true, force: true });

const importInto = async (
  dir: string,
  { source, guard, part, format: given, maxBytes, secret, uid, progress, signal }: ImportOptions,
): Promise<{ sizeGiB: number }> => {
  const [path, target] = [join(dir, "source"), join(dir, DISK)];
  const seal = secret === undefined ? undefined : newSeal();
  const reading = (fraction: number) => progress(0.45 * fraction, "reading");
  await copyBytes(source, path, {
    seal,
    maxBytes,
    progress: reading,
    signal,
    ...(guard && { guard }),
    ...(part && { part }),
  });
  await chmod(path, 0o444); // seen by nobody but root, and in the jail

  progress(0.45, "checking");
  const disk = { path, format: await formatOf(path, seal, given), seal, uid, signal };
  const bytes = await inspectDisk(disk);
  const sizeGiB = Math.ceil(bytes / 1024 ** 3);
  if (sizeGiB < 1) throw new ImportRefused("it is a disk of no bytes");
  if (sizeGiB > MAX_GIB)
    throw new ImportRefused(`it is a disk of ${sizeGiB} GiB, and no volume has more than ${MAX_GIB} GiB`);

  progress(0.5, "converting");
  await newFile(target, sizeGiB * 1024 ** 3, secret);
  await chown(target, uid, uid);
  await convertDisk(disk, target, {
    secret,
    maxBytes: Math.min(maxBytes, await roomIn(dir)),
    progress: (fraction) => progress(0.5 + 0.5 * fraction, "converting"),
  });
  await chown(target, 0, 0);
  await chmod(target, 0o400);
  const made = await readQcow2Header(target);
  const isAsMade = made?.virtualBytes === BigInt(sizeGiB) * 1024n ** 3n && !made.dependsOnAnother;
  if (!isAsMade || made.isEncrypted !== (secret !== undefined))
    throw new Error("qemu-img made something else than it was told to");
  await sync(target);
  await rm(path);
  return { sizeGiB };
};

/** Throws `ImportRefused`. */
const formatOf = async (path: string, seal: Seal | undefined, given: DiskFormat | undefined) => {
  await using source = await openSource(path, seal);
  const format = given ?? (await probeFormat(source));
  if (format === "qcow2" && qcow2Header(await source.read(0, QCOW2_HEADER_BYTES))?.dependsOnAnother)
    throw needsOther();
  return format;
};

/** Bytes that may be written here; a little is left for all others. */
const roomIn = async (dir: string): Promise<number> => {
  const { bavail, bsize } = await statfs(dir);
  return Math.max(0, bavail * bsize - 1024 ** 3);
};

const sync = async (path: string): Promise<void> => {
  await using file = await open(path, "r");
  await file.sync();
};

/** Of EBS's largest volumes. */
const MAX_GIB = 65_536;
const UNFINISHED = ".importing";
const DISK = "disk.qcow2";
