import type { Changes } from "../store.ts";

/**
 * The latest transactions, in memory, shared by all watches: each is only a cursor into it, so a slow watch costs nothing
 * and catches up from the database when it has fallen out of the back.
 */
export class RecentChanges {
  #kept: { readonly changes: Changes; readonly bytes: number }[] = [];
  #bytes = 0;
  #newest: number;
  #arrival = Promise.withResolvers<void>();
  readonly #mostBytes: number;

  constructor(newest: number, mostBytes: number) {
    this.#newest = newest;
    this.#mostBytes = mostBytes;
  }

  /** `contentBytes`: of its keys and values. */
  add(changes: Changes, contentBytes: number): void {
    const bytes = contentBytes + objectBytes;
    this.#kept.push({ changes, bytes });
    this.#newest = changes.revision;
    this.#bytes += bytes;
    while (this.#bytes > this.#mostBytes && this.#kept.length > 1)
      this.#bytes -= this.#kept.shift()?.bytes ?? 0;
    this.wake();
  }

  /** In order, empty when there is nothing newer; undefined when they are not all here. */
  after(revision: number): Changes[] | undefined {
    const first = this.#kept.length - (this.#newest - revision);
    if (first < 0 || revision > this.#newest) return undefined;
    return this.#kept.slice(first).map(({ changes }) => changes);
  }

  /** Resolves at the next `add` or `wake`. */
  arrival(): Promise<void> {
    return this.#arrival.promise;
  }

  wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }
}

/** About what a transaction without content takes. */
const objectBytes = 200;
