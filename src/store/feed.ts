import { SortedEntries } from "./sorted-entries.ts";
import { type Changes, Compacted, type Entry, type Store } from "./store.ts";

/**
 * The whole store in memory, following its watch: what Describe and the reconcilers read. Entries keep their identity
 * while unchanged. When its store fails for good it ends the program: whatever restarts it finds out what was written.
 */
export interface Feed {
  readonly revision: number;
  get<Value>(key: string): Entry<Value> | undefined;
  /** In key order. `prefix` is a kind or more, ending with "/". */
  list<Value>(prefix: string): Entry<Value>[];
  /** Entries of `kind` whose `by(value)` names `term`, in key order. Kept current; a look-up costs what it returns. */
  index<Value>(kind: string, by: (value: Value) => readonly string[]): (term: string) => Entry<Value>[];
  /** The revision that last wrote or deleted an entry of this kind; 0: none that the feed has seen. */
  changedAt(kind: string): number;
  /** Called with each changed entry (`now` undefined: deleted) after the feed holds its whole transaction. */
  onChange(listener: (key: string, now: Entry | undefined, before: Entry | undefined) => void): void;
  /** Resolves once the feed holds `revision`; rejects when the feed's signal aborts first. */
  reached(revision: number): Promise<void>;
}

/** Resolves when the feed holds what the store held at the call or later. It follows until `signal` aborts. */
export const startFeed = async (store: Store, signal: AbortSignal): Promise<Feed> => {
  const feed = new LiveFeed(signal);
  feed.replaceAll(await store.list(""));
  void follow(store, feed, signal);
  return feed;
};

async function follow(store: Store, feed: LiveFeed, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const changes of store.watch("", feed.revision, signal)) feed.apply(changes);
      return;
    } catch (error) {
      if (!(error instanceof Compacted)) throw error;
      feed.replaceAll(await store.list(""));
    }
  }
}

class LiveFeed implements Feed {
  revision = 0;
  readonly #cells = new Map<string, Cell>();
  readonly #kinds = new Map<string, Kind>();
  readonly #listeners: Listener[] = [];
  readonly #waiting = new Set<{ revision: number; resolve: () => void; reject: (reason: unknown) => void }>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => {
      for (const { reject } of this.#waiting) reject(signal.reason);
    });
  }

  get<Value>(key: string): Entry<Value> | undefined {
    return this.#cells.get(key)?.entry;
  }

  list<Value>(prefix: string): Entry<Value>[] {
    if (!prefix.includes("/")) throw new TypeError(`not a kind or more: "${prefix}"`);
    return entriesOf(this.#kinds.get(kindOf(prefix))?.cells.list(prefix));
  }

  index<Value>(kind: string, by: (value: Value) => readonly string[]): (term: string) => Entry<Value>[] {
    const index = new Index(by);
    const { cells, indexes } = this.#kind(kind);
    for (const cell of cells.list("")) index.change(cell, cell.entry, undefined);
    indexes.push(index);
    return (term) => index.list(term);
  }

  changedAt(kind: string): number {
    return this.#kinds.get(kind)?.changedAt ?? 0;
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  async reached(revision: number): Promise<void> {
    if (revision <= this.revision) return;
    this.#signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.add({ revision, resolve, reject });
    await promise;
  }

  apply({ revision, put, deleted }: Changes): void {
    const changed = [
      ...put.map(toEntry).map((now) => this.#hold(now.key, now, revision)),
      ...deleted.map((key) => this.#hold(key, undefined, revision)),
    ];
    this.revision = revision;
    for (const { key, now, before } of changed)
      for (const listener of this.#listeners) listener(key, now, before);
    for (const waiter of this.#waiting) {
      if (waiter.revision > revision) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** Takes a listing as the one transaction that leads to it: what it does not change stays the same entry. */
  replaceAll({ revision, entries }: { revision: number; entries: readonly Entry[] }): void {
    const listed = new Set(entries.map(({ key }) => key));
    const put = entries.filter((entry) => this.get(entry.key)?.revision !== entry.revision);
    this.apply({ revision, put, deleted: [...this.#cells.keys()].filter((key) => !listed.has(key)) });
  }

  #hold(key: string, now: Entry<never> | undefined, revision: number): Change {
    const held = this.#cells.get(key);
    const before = held?.entry;
    const cell = held ?? (now && this.#newCell(now));
    if (cell) {
      const { kind } = cell;
      kind.changedAt = revision;
      if (now) cell.entry = now;
      else {
        this.#cells.delete(key);
        kind.cells.delete(key);
      }
      for (const index of kind.indexes) index.change(cell, now, before);
    }
    return { key, now, before };
  }

  #newCell(entry: Entry<never>): Cell {
    const kind = this.#kind(kindOf(entry.key));
    const cell = { key: entry.key, kind, entry };
    this.#cells.set(entry.key, cell);
    kind.cells.add(cell);
    return cell;
  }

  #kind(name: string): Kind {
    const kind = this.#kinds.get(name) ?? { cells: new SortedEntries<Cell>(), indexes: [], changedAt: 0 };
    this.#kinds.set(name, kind);
    return kind;
  }
}

interface Change {
  readonly key: string;
  readonly now: Entry<never> | undefined;
  readonly before: Entry<never> | undefined;
}

type Listener = Parameters<Feed["onChange"]>[0];

/**
 * The place of one key in every table that names it: a changed value is put there once, and no table need be searched for it.
 * `never` fits wherever a reader says what it expects to find.
 */
interface Cell {
  readonly key: string;
  readonly kind: Kind;
  entry: Entry<never>;
}

interface Kind {
  readonly cells: SortedEntries<Cell>;
  readonly indexes: Index[];
  changedAt: number;
}

const entriesOf = (cells: readonly Cell[] = []) => cells.map(({ entry }) => entry);

class Index {
  readonly #by: (value: never) => readonly string[];
  readonly #terms = new Map<string, SortedEntries<Cell>>();

  constructor(by: (value: never) => readonly string[]) {
    this.#by = by;
  }

  list(term: string): Entry<never>[] {
    return entriesOf(this.#terms.get(term)?.list(""));
  }

  change(cell: Cell, now: Entry<never> | undefined, before: Entry<never> | undefined): void {
    const terms = now ? this.#by(now.value) : [];
    const earlier = before ? this.#by(before.value) : [];
    for (const term of earlier) {
      if (terms.includes(term)) continue;
      const cells = this.#terms.get(term);
      cells?.delete(cell.key);
      if (cells?.size === 0) this.#terms.delete(term);
    }
    for (const [n, term] of terms.entries()) {
      if (earlier.includes(term) || terms.indexOf(term) < n) continue;
      const cells = this.#terms.get(term) ?? new SortedEntries<Cell>();
      this.#terms.set(term, cells.add(cell));
    }
  }
}

/** All before the first "/". */
export function kindOf(key: string): string {
  const end = key.indexOf("/");
  return end < 0 ? key : key.slice(0, end);
}

// see LiveFeed
const toEntry = (entry: Entry) => entry as Entry<never>;
