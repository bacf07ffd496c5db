import type { Entry, Store } from "./store.ts";

/**
 * The whole store in memory, following its watch: what Describe and the reconcilers read. Entries keep their identity
 * while unchanged. `index` must be declared before `start`.
 */
export interface Feed {
  readonly revision: number;
  get<Value>(key: string): Entry<Value> | undefined;
  /** In key order. `prefix` is a kind or more, ending with "/". */
  list<Value>(prefix: string): Entry<Value>[];
  /** Entries of `kind` whose `by(value)` names `term`. Kept current; a look-up costs what it returns. */
  index<Value>(kind: string, by: (value: Value) => readonly string[]): (term: string) => Entry<Value>[];
  /** Called with each changed entry (value undefined: deleted) after the feed holds it. */
  onChange(listener: (key: string, now: Entry | undefined, before: Entry | undefined) => void): void;
  /** Resolves once the feed holds `revision`. */
  reached(revision: number): Promise<void>;
}

export type StartFeed = (store: Store, signal: AbortSignal) => Promise<Feed>;
