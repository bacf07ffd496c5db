import { setTimeout as delay } from "node:timers/promises";
import { ApiError } from "#api/error.ts";
import { hostNames, layout } from "#config.ts";
import { diskFormats, type DiskFormat } from "#images/disk-format.ts";
import { importImage } from "#images/import-image.ts";
import { ImportRefused } from "#images/import-refused.ts";
import type { SnapshotRecord } from "#services/ec2/snapshot/snapshot.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import type { Store } from "#store/store.ts";
import { interruption, Refusal } from "./command.ts";
import { progress } from "./terminal.ts";

/** Of every word that imports a disk. */
export const importOptions = {
  format: { type: "string" },
  "max-size": { type: "string", default: "64" },
  yes: { type: "boolean", default: false },
} as const;

const formats = Object.keys(diskFormats) as DiskFormat[];

export const importUsage = `  --format FORMAT    ${formats.join(", ")} (told by its first bytes)
  --max-size GIB     most that is read, and most that the disk may take here (64)
  --yes              install missing Debian packages without asking`;

/** What the options say of the disk. Throws `Refusal`. */
export const checkedImport = (values: { format?: string | undefined; "max-size": string }) => {
  const format = oneOf("--format", formats, values.format);
  return { maxBytes: bytesOf(values["max-size"]), ...(format && { format }) };
};

export const oneOf = <Value extends string>(
  option: string,
  known: readonly Value[],
  given: string | undefined,
): Value | undefined => {
  const found = known.find((it) => it === given);
  if (given !== undefined && found === undefined)
    throw new Refusal(`${option} is one of ${known.join(", ")}, not "${given}"`);
  return found;
};

const bytesOf = (gib: string): number => {
  if (!/^\d{1,5}$/.test(gib) || gib === "0") throw new Refusal(`--max-size is a number of GiB, not "${gib}"`);
  return Number(gib) * 1024 ** 3;
};

/**
 * Shows its progress, and takes an interruption, while `work` imports the disk into the running region: `importAs` calls what
 * records it once its bytes are there, under this id and encrypted with the secret. Throws `Refusal` for what is no fault of Croft's.
 */
export async function importDisk(
  source: string,
  options: ReturnType<typeof checkedImport>,
  dataDir: string,
  work: (store: Store, importAs: ImportAs) => Promise<void>,
): Promise<void> {
  const { imagesDir, storeSocket } = layout(dataDir);
  const interrupted = interruption();
  const shown = progress(`importing ${source}`);
  const store = connectStore(storeSocket);
  const disk = {
    source,
    uid: hostNames(dataDir).uids.image,
    progress: shown.show,
    signal: interrupted,
    ...options,
  };
  try {
    await work(store, (id, secret, record) => importImage(imagesDir, { ...disk, id, secret }, record));
  } catch (error) {
    if (interrupted.aborted) throw new Refusal("interrupted: nothing is imported", 1);
    if (error instanceof ImportRefused) throw new Refusal(`${source} is not imported: ${error.message}`, 1);
    throw error instanceof ApiError ? new Refusal(error.message, 1) : error;
  } finally {
    shown.end();
    await store.close();
  }
}

type ImportAs = (
  id: string,
  secret: string | undefined,
  record: Parameters<typeof importImage>[2],
) => Promise<void>;

/** croft-host takes the file for the snapshot's own. Throws `Refusal` when it cannot. */
export const completed = async (key: string, store: Store): Promise<void> => {
  for (;;) {
    const snapshot = (await store.get(key))?.value as SnapshotRecord | undefined;
    const { so } = snapshot ?? { so: { failed: "it was deleted meanwhile" } };
    if (so.failed !== undefined) throw new Refusal(`the snapshot could not be made: ${so.failed}`, 1);
    if (snapshot?.so.completedAt !== undefined) return;
    await delay(100);
  }
};
