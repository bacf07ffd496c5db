import { appendFile, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";

/** How much of a console is kept for its readers. */
const KEPT_BYTES = 64 * 1024;

/**
 * Adds what a machine's serial console printed. It is kept in two files of the machine's directory that take turns, so that
 * the last 64 KiB are always there and, with them, at most 64 KiB and one `printed` more.
 */
export const appendConsole = async (directory: string, printed: Buffer): Promise<void> => {
  const current = join(directory, CURRENT);
  await appendFile(current, printed, { mode: 0o600 });
  if ((await stat(current)).size >= KEPT_BYTES) await rename(current, join(directory, PREVIOUS));
};

/** The last 64 KiB that were printed, across all starts of the machine. */
export const readConsole = async (directory: string): Promise<Buffer> => {
  const parts = await Promise.all([PREVIOUS, CURRENT].map((name) => readIfPresent(join(directory, name))));
  return Buffer.concat(parts).subarray(-KEPT_BYTES);
};

const CURRENT = "console";
const PREVIOUS = "console.previous";

const readIfPresent = async (path: string): Promise<Buffer> => {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
};
