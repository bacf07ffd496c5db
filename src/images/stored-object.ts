import { type FileHandle } from "node:fs/promises";
import { ImportRefused } from "./import-refused.ts";
import type { FilePart } from "./image-bytes.ts";

/**
 * One file of several: what describes them, and then each of them, as they are:
 *
 *     "croft object 1\n\0"   bytes of the head, u32   number of parts, u32   bytes of each part, u64   the head, UTF-8
 *     each part from the next multiple of 64 KiB on; the file ends with the last
 *
 * Numbers are big-endian.
 */
export interface StoredObject {
  readonly head: string;
  readonly parts: readonly FilePart[];
}

/** What a file of these begins with, and where in it each part is. */
export function storedBeginning(
  head: string,
  sizes: readonly number[],
): { readonly beginning: Buffer; readonly parts: readonly FilePart[] } {
  const text = Buffer.from(head);
  const numbers = Buffer.alloc(8 + 8 * sizes.length);
  numbers.writeUInt32BE(text.length, 0);
  numbers.writeUInt32BE(sizes.length, 4);
  for (const [n, size] of sizes.entries()) numbers.writeBigUInt64BE(BigInt(size), 8 + 8 * n);
  const beginning = Buffer.concat([MAGIC, numbers, text]);
  return { beginning, parts: partsAfter(beginning.length, sizes) };
}

/** Anyone may have made the file: nothing is followed that does not lie in it. Throws `ImportRefused`. */
export async function readStored(file: FileHandle): Promise<StoredObject> {
  const refused = () => new ImportRefused("it is no whole object that an image was stored as");
  const { size } = await file.stat();
  const take = async (at: number, bytes: number): Promise<Buffer> => {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
    if (bytesRead < bytes) throw refused();
    return buffer;
  };
  const fixed = await take(0, MAGIC.length + 8);
  const [headBytes, count] = [fixed.readUInt32BE(MAGIC.length), fixed.readUInt32BE(MAGIC.length + 4)];
  if (!fixed.subarray(0, MAGIC.length).equals(MAGIC) || headBytes > MOST_HEAD_BYTES || count > MOST_PARTS)
    throw refused();
  const numbers = await take(fixed.length, 8 * count);
  const sizes = Array.from({ length: count }, (_, n) => Number(numbers.readBigUInt64BE(8 * n)));
  const begin = fixed.length + numbers.length;
  const parts = partsAfter(begin + headBytes, sizes);
  const { offset, bytes } = parts.at(-1) ?? { offset: begin, bytes: headBytes };
  if (sizes.some((it) => it === 0) || offset + bytes !== size) throw refused();
  return { head: (await take(begin, headBytes)).toString(), parts };
}

function partsAfter(end: number, sizes: readonly number[]): FilePart[] {
  let at = end;
  return sizes.map((bytes) => {
    const offset = Math.ceil(at / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    at = offset + bytes;
    return { offset, bytes };
  });
}

const MAGIC = Buffer.from("croft object 1\n\0");
const ALIGNMENT_BYTES = 65_536;
const MOST_HEAD_BYTES = 1024 ** 2;
/** An instance has fewer volumes. */
const MOST_PARTS = 128;
