/**
 * The store contract. Keys are `kind/account/region/id`; values are JSON. A transaction is data, all or nothing.
 * One store-wide revision grows by one with each transaction; every key remembers the revision that last wrote it.
 */
export interface Store {
  get(key: string): Promise<Entry | undefined>;
  /** Everything under `prefix`, in key order, as it was at `revision`. An empty prefix is the whole store. */
  list(prefix: string): Promise<{ revision: number; entries: Entry[] }>;
  /**
   * Every transaction after revision `from` that touches `prefix`, in order, each exactly once; ends when `signal`
   * aborts. Throws `Compacted` when `from` is older than the store still remembers: list again and go on from there.
   */
  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<Changes>;
  /** Durable when it returns. Throws `ExpectationFailed`; a transaction over the limits throws `TransactionTooLarge`. */
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
  | { readonly empty: string };

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

/** Bounds of one transaction. */
export const transactionLimits = { entries: 100, bytes: 1024 * 1024 } as const;

export class ExpectationFailed extends Error {
  override readonly name = "ExpectationFailed";
  readonly expectation: Expectation;
  constructor(expectation: Expectation) {
    super(`expected ${JSON.stringify(expectation)}`);
    this.expectation = expectation;
  }
}

export class TransactionTooLarge extends Error {
  override readonly name = "TransactionTooLarge";
}

export class Compacted extends Error {
  override readonly name = "Compacted";
}
