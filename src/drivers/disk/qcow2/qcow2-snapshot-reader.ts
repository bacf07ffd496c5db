import type { BlockRun, SnapshotReader } from "../disk-driver.ts";
import type { OpenSnapshot } from "./open-snapshot.ts";
import { blocksOf, differingBlocks } from "./snapshot-extents.ts";

/** Reads snapshots, of which the last few stay open for a while, or until their files are changed. */
export class Qcow2SnapshotReader implements SnapshotReader {
  readonly #open: (id: string) => Promise<OpenSnapshot>;
  readonly #kept = new Map<string, Held>();
  /** How often files were changed. */
  #changes = 0;

  readonly #idleMs: number;

  constructor(openSnapshot: (id: string) => Promise<OpenSnapshot>, { idleMs = 60_000 } = {}) {
    this.#open = openSnapshot;
    this.#idleMs = idleMs;
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
    this.#changes++;
    for (const id of this.#kept.keys()) this.#letGo(id);
  }

  /** All of them are opened between two changes, and stay open meanwhile. */
  async #with<Result>(
    ids: readonly string[],
    use: (opened: readonly OpenSnapshot[]) => Promise<Result>,
  ): Promise<Result> {
    for (;;) {
      const changes = this.#changes;
      const held = ids.map((id) => this.#hold(id));
      try {
        const opened = await Promise.all(held.map(({ opening }) => opening));
        if (changes === this.#changes) return await use(opened);
      } finally {
        for (const [n, it] of held.entries()) this.#release(ids[n] ?? "", it);
      }
    }
  }

  #hold(id: string): Held {
    const known = this.#kept.get(id);
    const held = known ?? { opening: this.#open(id), users: 0, kept: true, idle: undefined };
    held.users++;
    clearTimeout(held.idle);
    // The last in order is the one that was used last.
    this.#kept.delete(id);
    this.#kept.set(id, held);
    if (!known) {
      held.opening.catch(() => this.#kept.get(id) === held && this.#letGo(id));
      for (const oldest of [...this.#kept.keys()].slice(0, -MOST_KEPT)) this.#letGo(oldest);
    }
    return held;
  }

  #release(id: string, held: Held): void {
    if (--held.users > 0) return;
    if (held.kept) held.idle = setTimeout(() => this.#letGo(id), this.#idleMs).unref();
    else close(held);
  }

  #letGo(id: string): void {
    const held = this.#kept.get(id);
    if (!held) return;
    this.#kept.delete(id);
    held.kept = false;
    clearTimeout(held.idle);
    if (held.users === 0) close(held);
  }
}

interface Held {
  readonly opening: Promise<OpenSnapshot>;
  users: number;
  kept: boolean;
  /** Lets it go; set while it has no users. */
  idle: NodeJS.Timeout | undefined;
}

/** Whoever waited for it to be opened was told if it could not be. */
const close = ({ opening }: Held): void => void opening.then((it) => it.close()).catch(() => {});

const MOST_KEPT = 16;

/** Those of the blocks whose bytes are not alike. */
async function unequal(
  runs: readonly BlockRun[],
  one: OpenSnapshot,
  other: OpenSnapshot,
): Promise<BlockRun[]> {
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
