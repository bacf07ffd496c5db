import {
  type Changes,
  type Expectation,
  type Transaction,
  TransactionTooLarge,
  transactionLimits,
} from "./store.ts";

/** A transaction on its way to the disk: checked, its values as JSON text. */
export interface CheckedTransaction {
  readonly expect: readonly Expectation[];
  readonly put: readonly { readonly key: string; readonly json: string }[];
  readonly delete: readonly string[];
  readonly bytes: number;
}

/** Throws `TransactionTooLarge`, and `TypeError` for what no store could hold. */
export function checkTransaction(transaction: Transaction): CheckedTransaction {
  const { expect = [], delete: deleted = [] } = transaction;
  const put = (transaction.put ?? []).map(({ key, value }) => ({ key, json: toJson(key, value) }));

  const written = [...put.map(({ key }) => key), ...deleted];
  written.forEach(checkKey);
  const expected = expect.map(subject);
  expected.forEach(checkPrefix);
  if (new Set(written).size < written.length) throw new TypeError("a transaction writes one key twice");

  const { entries, bytes: mostBytes } = transactionLimits;
  if (written.length > entries || expect.length > entries)
    throw new TransactionTooLarge(
      `${written.length} writes, ${expect.length} expectations; at most ${entries} each`,
    );
  const keyBytes = [...expected, ...written].reduce((sum, { length }) => sum + length, 0);
  const bytes = put.reduce((sum, { json }) => sum + Buffer.byteLength(json), keyBytes);
  if (bytes > mostBytes) throw new TransactionTooLarge(`${bytes} bytes; at most ${mostBytes}`);
  return { expect, put, delete: deleted, bytes };
}

/** ASCII only, so that SQLite, JavaScript and etcd agree on the order. */
export function checkKey(key: string): void {
  if (!/^[\x20-\x7e]{1,1024}$/.test(key)) throw new TypeError(`not a key: ${JSON.stringify(key)}`);
}

export function checkPrefix(prefix: string): void {
  if (prefix !== "") checkKey(prefix);
}

/** Just after every key that starts with `prefix`. */
export const endOf = (prefix: string) => `${prefix}\x7f`;

/** What of `changes` lies under `prefix`; undefined when nothing does. */
export function changesUnder(prefix: string, changes: Changes): Changes | undefined {
  if (prefix === "") return changes;
  const put = changes.put.filter(({ key }) => key.startsWith(prefix));
  const deleted = changes.deleted.filter((key) => key.startsWith(prefix));
  return put.length + deleted.length === 0 ? undefined : { revision: changes.revision, put, deleted };
}

function toJson(key: string, value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`no JSON to put at ${key}`);
  return json;
}

function subject(expectation: Expectation): string {
  if ("exists" in expectation) return expectation.exists;
  if ("absent" in expectation) return expectation.absent;
  if ("at" in expectation) return expectation.at[0];
  if ("fewer" in expectation) return expectation.fewer[0];
  return expectation.empty;
}
