import {
  type Changes,
  Compacted,
  type Entry,
  type Expectation,
  ExpectationFailed,
  type Lease,
  StoreFull,
  StoreUnavailable,
  type Transaction,
  TransactionTooLarge,
} from "../store.ts";

/**
 * The store contract as JSON lines, one `[id, Request]` or `[id, Reply]` each; a reply bears the id of what it answers. A
 * list is told in parts and then answered with its revision. A watch is told until it is ended, and never further ahead
 * than it has been asked for, so that neither side buffers without bound.
 */
export type Request =
  | { readonly call: "get"; readonly key: string }
  | { readonly call: "list"; readonly prefix: string }
  | { readonly call: "commit"; readonly transaction: Transaction }
  | { readonly call: "acquire"; readonly name: string; readonly holder: string; readonly ttlMs: number }
  | { readonly call: "watch"; readonly prefix: string; readonly from: number; readonly more: number }
  /** To the watch of the same id: so many changes more. */
  | { readonly call: "more"; readonly more: number }
  | { readonly call: "end" };

export type Reply =
  | { readonly answer: unknown }
  | { readonly part: readonly Entry[] }
  | { readonly changes: Changes }
  | { readonly error: ToldError };

/** What each call answers; nothing is sent as null. */
export interface Answers {
  readonly get: Entry | undefined;
  readonly list: { readonly revision: number };
  readonly commit: { readonly revision: number };
  readonly acquire: Lease | undefined;
}

export interface ToldError {
  readonly name: string;
  readonly message: string;
  readonly expectation?: Expectation;
  readonly revision?: number;
}

export function tellError(error: unknown): ToldError {
  if (error instanceof ExpectationFailed) {
    const { name, message, expectation, revision } = error;
    return { name, message, expectation, revision };
  }
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: "Error", message: String(error) };
}

export function toldError({ name, message, expectation, revision }: ToldError): Error {
  if (name === "ExpectationFailed" && expectation) return new ExpectationFailed(expectation, revision);
  const Known = [Compacted, StoreFull, StoreUnavailable, TransactionTooLarge, TypeError].find(
    (known) => known.name === name,
  );
  return Known ? new Known(message) : new Error(`${name}: ${message}`);
}
