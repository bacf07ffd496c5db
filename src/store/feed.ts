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
  /** `never` fits wherever a reader says what it expects to find. */
  readonly #entries = new Map<string, Entry<never>>();
  readonly #kinds = new Map<string, SortedEntries<Entry<never>>>();
  readonly #changedAt = new Map<string, number>();
  readonly #indexes: Index[] = [];
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
    return this.#entries.get(key);
  }

  list<Value>(prefix: string): Entry<Value>[] {
    if (!prefix.includes("/")) throw new TypeError(`not a kind or more: "${prefix}"`);
    return this.#kinds.get(kindOf(prefix))?.list(prefix) ?? [];
  }

  index<Value>(kind: string, by: (value: Value) => readonly string[]): (term: string) => Entry<Value>[] {
    const index = new Index(kind, by);
    for (const entry of this.list<never>(`${kind}/`)) index.change(entry, undefined);
    this.#indexes.push(index);
    return (term) => index.list(term);
  }

  changedAt(kind: string): number {
    return this.#changedAt.get(kind) ?? 0;
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
      ...put.map(toEntry).map((now) => ({ key: now.key, now, before: this.#entries.get(now.key) })),
      ...deleted.map((key) => ({ key, now: undefined, before: this.#entries.get(key) })),
    ];
    for (const { key, now, before } of changed) {
      this.#hold(key, now, before);
      this.#changedAt.set(kindOf(key), revision);
    }
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
    const put = entries.filter((entry) => this.#entries.get(entry.key)?.revision !== entry.revision);
    this.apply({ revision, put, deleted: [...this.#entries.keys()].filter((key) => !listed.has(key)) });
  }

  #hold(key: string, now: Entry<never> | undefined, before: Entry<never> | undefined): void {
    const kind = kindOf(key);
    const table = this.#kinds.get(kind) ?? new SortedEntries<Entry<never>>();
    this.#kinds.set(kind, table);
    if (now) {
      this.#entries.set(key, now);
      table.set(now);
    } else {
      this.#entries.delete(key);
      table.delete(key);
    }
    for (const index of this.#indexes) if (index.kind === kind) index.change(now, before);
  }
}

type Listener = Parameters<Feed["onChange"]>[0];

class Index {
  readonly kind: string;
  readonly #by: (value: never) => readonly string[];
  readonly #terms = new Map<string, SortedEntries<Entry<never>>>();

  constructor(kind: string, by: (value: never) => readonly string[]) {
    this.kind = kind;
    this.#by = by;
  }

  list(term: string): Entry<never>[] {
    return this.#terms.get(term)?.list("") ?? [];
  }

  change(now: Entry<never> | undefined, before: Entry<never> | undefined): void {
    const terms = now ? this.#by(now.value) : [];
    for (const term of before ? this.#by(before.value) : []) {
      if (terms.includes(term)) continue;
      const entries = this.#terms.get(term);
      entries?.delete(before?.key ?? "");
      if (entries?.size === 0) this.#terms.delete(term);
    }
    for (const term of terms) {
      const entries = this.#terms.get(term) ?? new SortedEntries<Entry<never>>();
      this.#terms.set(term, entries);
      if (now) entries.set(now);
    }
  }
}

const kindOf = (key: string) => key.split("/", 1)[0] ?? "";

// see LiveFeed
const toEntry = (entry: Entry) => entry as Entry<never>;
