import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import { memoryDirectory } from "#drivers/linux/key-files.ts";
import { BLOCK_BYTES, type WrittenBlocks } from "../disk-driver.ts";
import { readQcow2Header } from "./qcow2-header.ts";
import { byLuks, KEY, sync, unless } from "./qcow2-layout.ts";

/**
 * The blocks that are put on the disk at `place`, a directory, until they are brought into its file: each in a file of its own, called by
 * its index, so that it is there whole or not at all. `secret`: what they are encrypted with, as the disk is.
 */
export const writeBlock = async (
  place: string,
  index: number,
  bytes: Buffer,
  secret?: string,
): Promise<void> => {
  if (bytes.length !== BLOCK_BYTES) throw new Error(`a block has ${bytes.length} bytes`);
  const blocks = join(place, BLOCKS);
  await mkdir(blocks, 0o700).catch(unless("EEXIST"));
  const unfinished = join(blocks, `${index}.${++writes}`);
  try {
    await using file = await open(unfinished, "wx", 0o600);
    await file.writeFile(secret === undefined ? bytes : sealed(bytes, index, secret));
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

export const writtenBlocks = async (place: string, secret?: string): Promise<WrittenBlocks> => {
  const blocks = join(place, BLOCKS);
  const indexes = await indexesIn(blocks);
  const sums = createHash("sha256");
  for (const index of indexes)
    sums.update(
      createHash("sha256")
        .update(await readBlock(blocks, index, secret))
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
export const bringIn = async (place: string, file: string, secret?: string): Promise<void> => {
  const blocks = join(place, BLOCKS);
  const indexes = await indexesIn(blocks);
  if (indexes.length > 0 && (await readQcow2Header(file))?.dependsOnAnother !== false)
    throw new Error(`${file} is not as it was made`);
  // Whole clusters are written, so what the disk is a difference to is not read.
  const encryption = secret === undefined ? {} : byLuks(KEY);
  const image = JSON.stringify({
    driver: "qcow2",
    file: { driver: "file", filename: file },
    ...encryption,
    backing: null,
  });
  for (let from = 0; from < indexes.length; from += AT_ONCE) {
    const some = indexes.slice(from, from + AT_ONCE);
    const commands = some.flatMap((it) => ["-c", `write -q -s ${it} ${it * BLOCK_BYTES} ${BLOCK_BYTES}`]);
    await withOpened(blocks, some, secret, (directory, objects) =>
      // In that directory, since qemu-io takes no path with a space in it.
      run("qemu-io", [...objects, ...commands, "-c", "flush", `json:${image}`], {
        directory,
        timeoutMs: 120_000,
      }),
    );
    await sync(file);
    for (const index of some) await rm(join(blocks, String(index)));
  }
  await rm(blocks, { recursive: true, force: true });
};

/** A directory where they are as they were put: where they lie, or in memory when they are encrypted there. */
const withOpened = async (
  blocks: string,
  indexes: readonly number[],
  secret: string | undefined,
  use: (directory: string, objects: readonly string[]) => Promise<unknown>,
): Promise<void> => {
  if (secret === undefined) return void (await use(blocks, []));
  using memory = memoryDirectory();
  const put = (name: string, content: string | Buffer) =>
    writeFile(join(memory.path, name), content, { mode: 0o600 });
  await put(KEY, secret);
  for (const index of indexes) await put(String(index), await readBlock(blocks, index, secret));
  await use(memory.path, ["--object", `secret,id=${KEY},file=${KEY}`]);
};

const readBlock = async (blocks: string, index: number, secret: string | undefined): Promise<Buffer> => {
  const kept = await readFile(join(blocks, String(index)));
  return secret === undefined ? kept : unsealed(kept, index, secret);
};

/** nonce 12 · tag 16 · AES-256-GCM, with a key that nothing else has. */
const sealed = (bytes: Buffer, index: number, secret: string): Buffer => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", blockKey(secret), nonce).setAAD(Buffer.from(String(index)));
  const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
};
const unsealed = (kept: Buffer, index: number, secret: string): Buffer => {
  const decipher = createDecipheriv("aes-256-gcm", blockKey(secret), kept.subarray(0, 12), {
    authTagLength: 16,
  });
  decipher.setAAD(Buffer.from(String(index))).setAuthTag(kept.subarray(12, 28));
  return Buffer.concat([decipher.update(kept.subarray(28)), decipher.final()]);
};
const blockKey = (secret: string) => Buffer.from(hkdfSync("sha256", secret, "", "written blocks", 32));

/** In order. */
const indexesIn = async (blocks: string): Promise<number[]> => {
  const names = (await readdir(blocks).catch(unless("ENOENT"))) ?? [];
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b);
};

const BLOCKS = "blocks";
/** Of 512 KiB, also in memory. */
const AT_ONCE = 64;
