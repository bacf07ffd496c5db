/**
 * The store contract. Keys are `kind/account/region/id`, up to 1,024 printable ASCII characters, in ASCII order; values are
 * JSON. A transaction is data, all or nothing. One store-wide revision grows by one with each transaction; every key
 * remembers the revision that last wrote it. Any call throws `StoreUnavailable` when the store is closed or has failed.
 */
export interface Store {
  get(key: string): Promise<Entry | undefined>;
  /** Everything under `prefix`, in key order, as it was at `revision`. An empty prefix is the whole store. */
  list(prefix: string): Promise<{ revision: number; entries: Entry[] }>;
  /**
   * Every transaction after revision `from` that touches `prefix`, in order, each exactly once; an empty prefix sees all,
   * also those that changed nothing. Ends when `signal` aborts or the store is closed. Throws `Compacted` when `from` is
   * not a revision the store still remembers: list again and go on from there.
   */
  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<Changes>;
  /**
   * Durable when it returns. Throws `ExpectationFailed`; `TransactionTooLarge` when over the limits; `TypeError` for what
   * is no transaction; `StoreFull`. After `StoreUnavailable` it may have happened or not: look again.
   */
  commit(transaction: Transaction): Promise<{ revision: number }>;
  /** A lease on `name`: undefined while another holds it. `revision` fences: use it as `{ at: [lease.key, lease.revision] }`. */
  acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined>;
  close(): Promise<void>;
}

export interface Entry<Value = unknown> {
  readonly key: string;
  readonly value: Value;
  /** The revision that wrote this value. */
  readonly revision: number;
}

export interface Transaction {
  readonly expect?: readonly Expectation[];
  readonly put?: readonly { readonly key: string; readonly value: unknown }[];
  readonly delete?: readonly string[];
}

export type Expectation =
  | { readonly exists: string }
  | { readonly absent: string }
  | { readonly at: readonly [key: string, revision: number] }
  /** No key has this prefix. */
  | { readonly empty: string }
  /** Fewer keys than so many have this prefix. */
  | { readonly fewer: readonly [prefix: string, than: number] };

/** What one transaction did under the watched prefix. */
export interface Changes {
  readonly revision: number;
  readonly put: readonly Entry[];
  readonly deleted: readonly string[];
}

export interface Lease {
  readonly key: string;
  readonly revision: number;
}

/** Bounds of one transaction: puts and deletes together, expectations by themselves; bytes of its keys and of its values as JSON. */
export const transactionLimits = { entries: 100, bytes: 1024 * 1024 } as const;

export class ExpectationFailed extends Error {
  override readonly name = "ExpectationFailed";
  readonly expectation: Expectation;
  /** Where the store was when it failed: a reader that has reached it sees why. */
  readonly revision: number;
  constructor(expectation: Expectation, revision = 0) {
    super(`expected ${JSON.stringify(expectation)}`);
    this.expectation = expectation;
    this.revision = revision;
  }
}

export class TransactionTooLarge extends Error {
  override readonly name = "TransactionTooLarge";
}

export class Compacted extends Error {
  override readonly name = "Compacted";
}

export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

/** The disk has no room for a transaction that makes something new: nothing was changed, and the store goes on. */
export class StoreFull extends Error {
  override readonly name = "StoreFull";
}
