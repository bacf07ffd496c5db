import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { keyRefusal, type OpenKey } from "#drivers/open-key.ts";
import type { DiskFormat } from "./disk-format.ts";
import type { SourceGuard } from "./guarded-source.ts";
import type { FilePart } from "./image-bytes.ts";
import { importedDisk, importImage, removeImported } from "./import-image.ts";
import { ImportRefused } from "./import-refused.ts";

/** Imports that go on while nobody waits for them. Every verb may be repeated. */
export interface DiskImports {
  /** What has become of the import of this id, which begins when it has not. */
  look(id: string, disk: ImportedSource): Promise<DiskImport>;
  /** The read-only qcow2 file of one that is done, encrypted with its key. */
  file(id: string): string;
  /** Ends it, if it has not ended; then nothing of it is left. */
  remove(id: string): Promise<void>;
}

export interface ImportedSource {
  /** A `file:`, `s3:`, `http:` or `https:` URL. */
  readonly source: string;
  /** Of an object. */
  readonly part?: FilePart;
  /** Absent: told by its first bytes. */
  readonly format?: DiskFormat;
  /** What the file is to be encrypted with; absent: it lies open. */
  readonly key?: string | undefined;
}

export type DiskImport =
  /** `fraction`: 0 to 1. */
  | { readonly state: "running"; readonly fraction: number; readonly what: string }
  | { readonly state: "done"; readonly sizeGiB: number }
  | { readonly state: "failed"; readonly reason: string; readonly isKeyRefused?: boolean };

interface DiskImportOptions {
  readonly imagesDir: string;
  /** The user that handles the bytes. */
  readonly uid: number;
  readonly guard: SourceGuard;
  readonly openKey: OpenKey;
  /** What is left to all others of the file system that holds `imagesDir`. */
  readonly keptBytes: number;
  /** For the operator: what nobody is to blame for but this host. */
  readonly log: (line: string) => void;
}

/** Those that a killed program left unfinished begin anew. */
export const openDiskImports = (options: DiskImportOptions): DiskImports => {
  const begun = new Map<string, Begun>();
  return {
    async look(id, disk) {
      const one = begun.get(id) ?? begin(id, disk, options);
      begun.set(id, one);
      return one.now;
    },
    file: (id) => importedDisk(options.imagesDir, id),
    async remove(id) {
      const one = begun.get(id);
      one?.ending.abort();
      await one?.ended;
      begun.delete(id);
      await removeImported(options.imagesDir, id);
    },
  };
};

interface Begun {
  now: DiskImport;
  readonly ending: AbortController;
  readonly ended: Promise<void>;
}

function begin(
  id: string,
  { key, ...disk }: ImportedSource,
  { imagesDir, uid, guard, openKey, keptBytes, log }: DiskImportOptions,
): Begun {
  const ending = new AbortController();
  const one: Begun = {
    now: { state: "running", fraction: 0, what: "pending" },
    ending,
    ended: run().catch((error: unknown) => {
      one.now = failure(error);
      if (one.now.reason === internal && !ending.signal.aborted) log(`${id}: ${String(error)}`);
    }),
  };
  return one;

  async function run(): Promise<void> {
    let done: DiskImport | undefined;
    const { bavail, bsize } = await statfs(dirname(imagesDir));
    await importImage(
      imagesDir,
      {
        id,
        uid,
        guard,
        ...disk,
        secret: key === undefined ? undefined : openKey(key),
        maxBytes: Math.max(0, bavail * bsize - keptBytes),
        progress: (fraction, what) => void (one.now = { state: "running", fraction, what }),
        signal: ending.signal,
      },
      async ({ sizeGiB }) => void (done = { state: "done", sizeGiB }),
    );
    if (done) one.now = done;
  }
}

function failure(error: unknown): Extract<DiskImport, { state: "failed" }> {
  if (error instanceof ImportRefused) return { state: "failed", reason: `ClientError: ${error.message}` };
  const refused = keyRefusal(error);
  if (!refused) return { state: "failed", reason: internal };
  const reason = `ClientError: it is to be encrypted, and the key cannot be used: ${refused.message}`;
  return { state: "failed", reason, isKeyRefused: true };
}

const internal = "ServerError: an internal error";
