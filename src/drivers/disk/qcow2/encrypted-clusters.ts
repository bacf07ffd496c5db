import type { FileHandle } from "node:fs/promises";
import { CLUSTER } from "./encrypted-file.ts";
import type { Extent } from "./snapshot-extents.ts";

/** What an encrypted qcow2 file says of some of its disk's bytes: where in the file they lie, or that they are zeros. */
export interface Piece {
  readonly start: number;
  readonly length: number;
  /** Absent: zeros. */
  readonly offset?: number;
}

/**
 * The pieces of one that Croft made, in order; of what is in none, the file below knows. Read here, since `qemu-img map` does not tell where
 * encrypted bytes lie. A guest that broke out of its QEMU could have written the tables: they are taken as places in this file alone, and no
 * more of them than fit in it. Numbers follow QEMU's docs/interop/qcow2.txt.
 */
export async function encryptedClusters(file: FileHandle): Promise<Piece[]> {
  const { buffer: header } = await file.read(Buffer.alloc(112), 0, 112, 0);
  const fits = Math.ceil((await file.stat()).size / CLUSTER);
  const entries = header.readUInt32BE(36);
  const isOurs =
    header.readUInt32BE(4) === 3 &&
    header.readUInt32BE(20) === clusterBits &&
    (header.readBigUInt64BE(72) & unknownFeatures) === 0n;
  if (!isOurs || entries > fits * entriesIn) throw new Error("the encrypted file is not as it was made");
  const first = await tableAt(file, header.readBigUInt64BE(40), entries);
  const pieces: Piece[] = [];
  let left = fits;
  for (const [n, entry] of first.entries()) {
    const at = entry & place;
    if (at === 0n) continue;
    for (const [m, cluster] of (await tableAt(file, at, entriesIn)).entries()) {
      if ((cluster & compressed) !== 0n) throw new Error("the encrypted file is not as it was made");
      const isZeros = (cluster & zeros) !== 0n;
      if (!isZeros && (cluster & place) === 0n) continue;
      if (!isZeros && left-- <= 0) throw new Error("the encrypted file is not as it was made");
      const start = (n * entriesIn + m) * CLUSTER;
      add(pieces, { start, length: CLUSTER, ...(!isZeros && { offset: Number(cluster & place) }) });
    }
  }
  return pieces;
}

/** What the pieces hide of what lies below, and show themselves. */
export function laidOver(pieces: readonly Piece[], layer: number, below: readonly Extent[]): Extent[] {
  const all: Extent[] = [];
  let n = 0;
  /** What lies below from one byte until another. */
  const show = (from: number, end: number): void => {
    for (; n < below.length; n++) {
      const { start, length, ...it } = below[n] ?? { start: Infinity, length: 0, layer, offset: 0 };
      if (start >= end) return;
      const [first, last] = [Math.max(start, from), Math.min(start + length, end)];
      if (last > first)
        all.push({ ...it, start: first, length: last - first, offset: it.offset + first - start });
      if (start + length > end) return;
    }
  };
  let from = 0;
  for (const { start, length, offset } of pieces) {
    show(from, start);
    if (offset !== undefined) all.push({ start, length, layer, offset });
    from = start + length;
  }
  show(from, Infinity);
  return all;
}

/** Pieces that go on where the last ended are one. */
function add(pieces: Piece[], next: Piece): void {
  const last = pieces.at(-1);
  const goesOn =
    last &&
    last.start + last.length === next.start &&
    (last.offset === undefined ? next.offset === undefined : last.offset + last.length === next.offset);
  if (goesOn) pieces[pieces.length - 1] = { ...last, length: last.length + next.length };
  else pieces.push(next);
}

async function tableAt(file: FileHandle, at: bigint, entries: number): Promise<BigUint64Array> {
  const bytes = Buffer.alloc(entries * 8);
  await file.read(bytes, 0, bytes.length, Number(at));
  return new BigUint64Array(bytes.swap64().buffer, bytes.byteOffset, entries);
}

const clusterBits = 16;
const entriesIn = CLUSTER / 8;
/** Dirty and corrupt are not of the format. */
const unknownFeatures = ~3n;
const place = 0x00ff_ffff_ffff_fe00n;
const compressed = 1n << 62n;
const zeros = 1n;
