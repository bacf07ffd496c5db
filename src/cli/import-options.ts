import { ApiError } from "#api/error.ts";
import { diskFormats, type DiskFormat } from "#images/disk-format.ts";
import { ImportRefused } from "#images/import-refused.ts";
import { Refusal } from "./command.ts";

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

export const formatOf = (given: string | undefined): DiskFormat | undefined =>
  oneOf("--format", formats, given);

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

export const bytesOf = (gib: string): number => {
  if (!/^\d{1,5}$/.test(gib) || gib === "0") throw new Refusal(`--max-size is a number of GiB, not "${gib}"`);
  return Number(gib) * 1024 ** 3;
};

/** What came of the operator's request, when it is no fault of Croft's. */
export const refusedImport = (source: string, error: unknown): unknown => {
  if (error instanceof ImportRefused) return new Refusal(`${source} is not imported: ${error.message}`, 1);
  return error instanceof ApiError ? new Refusal(error.message, 1) : error;
};
