import { BLOCK_BYTES, type BlockRun } from "../disk-driver.ts";

/** Where some of a snapshot's bytes are. Extents are in order and do not overlap; what is in none is zeros. */
export interface Extent {
  /** Bytes. */
  readonly start: number;
  readonly length: number;
  /** Which of the snapshot's files, by its place among them. */
  readonly layer: number;
  /** Where in that file `start` is. */
  readonly offset: number;
}

export interface Mapped {
  readonly extents: readonly Extent[];
  /** What each file is known by, also when another snapshot has it too. */
  readonly files: readonly string[];
}

/** What `qemu-img map --output=json` printed of a chain of so many files, by its manual. Throws when it is not that. */
export function extentsOf(printed: string, layers: number): Extent[] {
  const rows: readonly Partial<MapRow>[] = JSON.parse(printed);
  let end = 0;
  return rows.flatMap(({ start = -1, length = 0, depth: layer = -1, data, zero, offset = -1 }) => {
    if (data !== true || zero === true) return [];
    const numbers = [start, length, layer, offset];
    if (!numbers.every((it) => Number.isSafeInteger(it) && it >= 0) || start < end || layer >= layers)
      throw new Error(`bytes at ${start} cannot be found`); // compressed ones, too, which Croft never writes
    end = start + length;
    return [{ start, length, layer, offset }];
  });
}

interface MapRow {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset: number;
}

/** The blocks that any of the extents is in. */
export const blocksOf = (extents: readonly Extent[]): BlockRun[] =>
  runsOver(extents.map(({ start, length }) => [start, start + length]));

/** The blocks of which any byte is at another place. */
export function differingBlocks(one: Mapped, other: Mapped): BlockRun[] {
  const differing: Range[] = [];
  for (const { start, end, here, there } of overlaid(one.extents, other.extents)) {
    const isSame =
      here !== undefined &&
      there !== undefined &&
      one.files[here.layer] === other.files[there.layer] &&
      here.offset - here.start === there.offset - there.start;
    if (!isSame) differing.push([start, end]);
  }
  return runsOver(differing);
}

interface Overlay {
  readonly start: number;
  readonly end: number;
  readonly here: Extent | undefined;
  readonly there: Extent | undefined;
}

/** Both at once: each range that neither begins nor ends anything within, unless it is in no extent at all. */
function* overlaid(one: readonly Extent[], other: readonly Extent[]): Generator<Overlay> {
  let [i, j, at] = [0, 0, 0];
  for (;;) {
    const [a, b] = [one[i], other[j]];
    if (!a && !b) return;
    at = Math.max(at, Math.min(a?.start ?? Infinity, b?.start ?? Infinity));
    const [here, there] = [a && a.start <= at ? a : undefined, b && b.start <= at ? b : undefined];
    const end = Math.min(
      here ? endOf(here) : (a?.start ?? Infinity),
      there ? endOf(there) : (b?.start ?? Infinity),
    );
    yield { start: at, end, here, there };
    if (here && endOf(here) === end) i++;
    if (there && endOf(there) === end) j++;
    at = end;
  }
}

const endOf = ({ start, length }: Extent): number => start + length;

type Range = readonly [startByte: number, endByte: number];

/** Ranges are in order. */
function runsOver(ranges: readonly Range[]): BlockRun[] {
  const runs: [first: number, count: number][] = [];
  for (const [start, end] of ranges) {
    if (end <= start) continue;
    const [first, next] = [Math.floor(start / BLOCK_BYTES), Math.ceil(end / BLOCK_BYTES)];
    const last = runs.at(-1);
    if (last && first <= last[0] + last[1]) last[1] = Math.max(last[1], next - last[0]);
    else runs.push([first, next - first]);
  }
  return runs;
}
