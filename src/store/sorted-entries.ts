import type { Entry } from "./store.ts";
import { endOf } from "./transaction.ts";

/**
 * Entries in key order. Finding is a binary search; inserting moves the pointers behind it, some microseconds among
 * 10,000, which a tree would not beat.
 */
export class SortedEntries<E extends Pick<Entry, "key">> {
  readonly #entries: E[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Adds it, or puts it in the place of the one with its key. */
  set(entry: E): this {
    const at = this.#firstFrom(entry.key);
    if (this.#entries[at]?.key === entry.key) this.#entries[at] = entry;
    else this.#entries.splice(at, 0, entry);
    return this;
  }

  delete(key: string): void {
    const at = this.#firstFrom(key);
    if (this.#entries[at]?.key === key) this.#entries.splice(at, 1);
  }

  list(prefix: string): E[] {
    return this.#entries.slice(this.#firstFrom(prefix), this.#firstFrom(endOf(prefix)));
  }

  #firstFrom(key: string): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.key ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
