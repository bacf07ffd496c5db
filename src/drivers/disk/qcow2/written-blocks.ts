import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import { BLOCK_BYTES, type WrittenBlocks } from "../disk-driver.ts";
import { readQcow2Header } from "./qcow2-header.ts";
import { sync, unless } from "./qcow2-layout.ts";

/**
 * The blocks that are put on the disk at `place`, a directory, until they are brought into its file: each in a file of its own, called by
 * its index, so that it is there whole or not at all.
 */
export const writeBlock = async (place: string, index: number, bytes: Buffer): Promise<void> => {
  if (bytes.length !== BLOCK_BYTES) throw new Error(`a block has ${bytes.length} bytes`);
  const blocks = join(place, BLOCKS);
  await mkdir(blocks, 0o700).catch(unless("EEXIST"));
  const unfinished = join(blocks, `${index}.${++writes}`);
  try {
    await using file = await open(unfinished, "wx", 0o600);
    await file.writeFile(bytes);
    await file.datasync();
    await rename(unfinished, join(blocks, String(index)));
  } finally {
    await rm(unfinished, { force: true });
  }
  await sync(blocks);
  await sync(place);
};

/** Of this program; what an earlier one left unfinished is not found by its name. */
let writes = process.hrtime.bigint();

export const writtenBlocks = async (place: string): Promise<WrittenBlocks> => {
  const blocks = join(place, BLOCKS);
  const indexes = await indexesIn(blocks);
  const sums = createHash("sha256");
  for (const index of indexes)
    sums.update(
      createHash("sha256")
        .update(await readFile(join(blocks, String(index))))
        .digest(),
    );
  const last = indexes.length > 0 ? await stat(blocks) : undefined;
  return {
    count: indexes.length,
    ...(last && { lastAt: last.mtime.toISOString() }),
    checksum: sums.digest("base64"),
  };
};

/**
 * Brings them into the qcow2 file of the disk, which no machine has had: its metadata is our own. Ended at any moment, it goes on where it
 * was when it is called again.
 */
export const bringIn = async (place: string, file: string): Promise<void> => {
  const blocks = join(place, BLOCKS);
  const indexes = await indexesIn(blocks);
  if (indexes.length > 0 && (await readQcow2Header(file))?.dependsOnAnother !== false)
    throw new Error(`${file} is not as it was made`);
  // Whole clusters are written, so what the disk is a difference to is not read.
  const image = JSON.stringify({ driver: "qcow2", file: { driver: "file", filename: file }, backing: null });
  for (let from = 0; from < indexes.length; from += AT_ONCE) {
    const some = indexes.slice(from, from + AT_ONCE);
    const commands = some.flatMap((it) => ["-c", `write -q -s ${it} ${it * BLOCK_BYTES} ${BLOCK_BYTES}`]);
    // In that directory, since qemu-io takes no path with a space in it.
    await run("qemu-io", [...commands, "-c", "flush", `json:${image}`], {
      directory: blocks,
      timeoutMs: 120_000,
    });
    await sync(file);
    for (const index of some) await rm(join(blocks, String(index)));
  }
  await rm(blocks, { recursive: true, force: true });
};

/** In order. */
const indexesIn = async (blocks: string): Promise<number[]> => {
  const names = (await readdir(blocks).catch(unless("ENOENT"))) ?? [];
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b);
};

const BLOCKS = "blocks";
const AT_ONCE = 256;
