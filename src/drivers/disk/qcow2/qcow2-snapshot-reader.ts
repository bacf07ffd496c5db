import type { BlockRun, SnapshotReader } from "../disk-driver.ts";
import type { OpenSnapshot } from "./open-snapshot.ts";
import { blocksOf, differingBlocks } from "./snapshot-extents.ts";

/** Reads snapshots, of which the last few stay open until their files are changed. */
export class Qcow2SnapshotReader implements SnapshotReader {
  readonly #open: (id: string) => Promise<OpenSnapshot>;
  readonly #opened = new Map<string, Promise<OpenSnapshot>>();
  /** Counts what closes any. */
  #closings = 0;

  constructor(openSnapshot: (id: string) => Promise<OpenSnapshot>) {
    this.#open = openSnapshot;
  }

  blocks = (id: string) => this.#with([id], async ([it]) => (it ? blocksOf(it.extents) : []));

  /**
   * Where one stands on the other, what is between them is what was written. Otherwise layers may have been merged since, and the same
   * bytes lie in two files: then they are compared.
   */
  difference = (id: string, from: string) =>
    this.#with([id, from], async ([one, other]) => {
      if (!one || !other) throw new Error("two snapshots are compared");
      const runs = differingBlocks(one, other);
      const related = one.files.some((file) => other.files.includes(file));
      const [top = "", otherTop = ""] = [one.files[0], other.files[0]];
      const stands = one.files.includes(otherTop) || other.files.includes(top);
      return { runs: stands ? runs : await unequal(runs, one, other), related };
    });

  readBlock = (id: string, index: number) =>
    this.#with([id], async ([it]) => {
      if (!it) throw new Error("a snapshot is read");
      return it.readBlock(index);
    });

  /** To be called when any snapshot has other files, or has gone: those that are open would keep the room of what they were. */
  forget(): void {
    for (const id of this.#opened.keys()) this.#close(id);
  }

  /** Those of one call are opened between two changes; what one cuts short begins anew. */
  async #with<Result>(
    ids: readonly string[],
    use: (opened: readonly OpenSnapshot[]) => Promise<Result>,
  ): Promise<Result> {
    for (;;) {
      const closings = this.#closings;
      try {
        const opened = await Promise.all(ids.map((id) => this.#of(id)));
        if (closings === this.#closings) return await use(opened);
      } catch (error) {
        if (closings === this.#closings) throw error;
      }
    }
  }

  #of(id: string): Promise<OpenSnapshot> {
    const known = this.#opened.get(id);
    const opening = known ?? this.#open(id);
    // The last in order is the one that was used last.
    this.#opened.delete(id);
    this.#opened.set(id, opening);
    if (!known) {
      opening.catch(() => this.#opened.get(id) === opening && this.#opened.delete(id));
      for (const oldest of [...this.#opened.keys()].slice(0, -MOST_OPEN)) this.#close(oldest);
    }
    return opening;
  }

  #close(id: string): void {
    const opening = this.#opened.get(id);
    this.#opened.delete(id);
    this.#closings++;
    opening?.then(
      (it) => it.close(),
      () => {}, // whoever asked for it was told
    ).catch(() => {});
  }
}

const MOST_OPEN = 16;

/** Those of the blocks whose bytes are not alike. */
async function unequal(runs: readonly BlockRun[], one: OpenSnapshot, other: OpenSnapshot): Promise<BlockRun[]> {
  const found: [first: number, count: number][] = [];
  for (const [first, count] of runs)
    for (let index = first; index < first + count; index++) {
      const [bytes, others] = await Promise.all([one.readBlock(index), other.readBlock(index)]);
      if (bytes.equals(others)) continue;
      const last = found.at(-1);
      if (last && last[0] + last[1] === index) last[1]++;
      else found.push([index, 1]);
    }
  return found;
}
