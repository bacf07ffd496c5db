import type { Entry } from "./store.ts";
import { endOf } from "./transaction.ts";

/**
 * Entries in key order, each key once. What was added is put in its place when somebody looks: most tables are written far more
 * often than they are looked through. Placing costs a binary search for each, and one pass over what is behind the first of them,
 * some microseconds among 10,000, which a tree would not beat.
 */
export class SortedEntries<E extends Pick<Entry, "key">> {
  readonly #placed: E[] = [];
  #added: E[] = [];

  get size(): number {
    return this.#placed.length + this.#added.length;
  }

  /** Its key must not be here yet. */
  add(entry: E): this {
    this.#added.push(entry);
    return this;
  }

  delete(key: string): void {
    this.#placeAdded();
    const at = this.#firstFrom(key);
    if (this.#placed[at]?.key === key) this.#placed.splice(at, 1);
  }

  list(prefix: string): E[] {
    this.#placeAdded();
    return this.#placed.slice(this.#firstFrom(prefix), this.#firstFrom(endOf(prefix)));
  }

  #placeAdded(): void {
    if (this.#added.length === 0) return;
    const added = this.#added.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    this.#added = [];
    let end = this.#placed.length;
    for (const entry of added) this.#placed.push(entry); // makes room, one by one: as arguments there may be too many
    for (let before = added.length - 1; before >= 0; before--) {
      const entry = added[before]!;
      const at = this.#firstFrom(entry.key, end);
      for (let from = end - 1; from >= at; from--) this.#placed[from + before + 1] = this.#placed[from]!;
      this.#placed[at + before] = entry;
      end = at;
    }
  }

  #firstFrom(key: string, end = this.#placed.length): number {
    let low = 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#placed[middle]?.key ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
