import { DatabaseSync } from "node:sqlite";
import type { Expectation } from "../store.ts";
import { type CheckedTransaction, endOf } from "../transaction.ts";
import { migrate, migrations } from "./migrations.ts";
import { isDiskFull, keepReserve } from "./reserve.ts";

/**
 * The tables, and every statement on them. Synchronous: `store-thread.ts` keeps it off the main thread. What it answers is
 * JSON text, so that a value is parsed once, by whoever wants it.
 */
export interface Database {
  /**
   * Applies the transactions in order, each all or nothing, and makes them durable with one wait for the disk. Without room on the
   * disk, one by one, and only those that make nothing new: they change or delete what is there.
   */
  apply(group: readonly CheckedTransaction[]): Verdict[];
  /** The entry, as JSON. */
  get(key: string): string | undefined;
  /** The entries, as JSON arrays of at most `pageSize`. */
  list(prefix: string): { readonly revision: number; readonly pages: readonly string[] };
  /** The next transactions after `revision`, each as JSON of `Changes`; "compacted" when that is no longer known. */
  changesAfter(revision: number): readonly string[] | "compacted";
  readonly revision: number;
  /** Makes the reserve. To be called once, soon after the opening. */
  makeReserve(): void;
  /** Does, while nobody waits, what else the next transactions would have to wait for. */
  tidy(): void;
  close(): void;
}

export type Verdict =
  | { readonly revision: number; readonly deleted: readonly string[] }
  | { readonly revision: number; readonly failed: Expectation }
  /** There was no room for it. */
  | { readonly revision: number; readonly full: true };

/** `remember`: how many transactions a watch can go back. `reserveBytes`: for the day the disk is full. */
export function openDatabase(
  file: string,
  remember: number,
  { reserveBytes = 0, formats = migrations } = {},
): Database {
  const db = new DatabaseSync(file);
  try {
    // Write-ahead log, synced at every commit: one wait for the disk, and nothing acknowledged is lost to a power cut. The
    // exclusive lock, taken first, keeps a second opener out and the log's index in memory.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    migrate(db, file, formats);
  } catch (error) {
    db.close();
    throw error;
  }
  const reserve = keepReserve(db, file, reserveBytes);

  const written = db.prepare("SELECT revision FROM entry WHERE key = ?");
  const length = db.prepare("SELECT length(value) AS length FROM entry WHERE key = ?");
  const entry = db.prepare(`SELECT ${entryJson} AS json FROM entry WHERE key = ?`);
  const entries = db.prepare(
    `SELECT ${entryJson} AS json FROM entry WHERE key >= ? AND key < ? ORDER BY key`,
  );
  const any = db.prepare("SELECT 1 FROM entry WHERE key >= ? AND key < ? LIMIT 1");
  /** The first key after so many; a quota looks at no more. */
  const beyond = db.prepare("SELECT 1 FROM entry WHERE key >= ? AND key < ? LIMIT 1 OFFSET ?");
  const put = db.prepare(
    `INSERT INTO entry (key, value, revision) VALUES (?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision`,
  );
  const remove = db.prepare("DELETE FROM entry WHERE key = ?");
  const record = db.prepare("INSERT INTO change (revision, changes) VALUES (?, ?)");
  const recorded = db.prepare(
    `SELECT changes FROM change WHERE revision > ? ORDER BY revision LIMIT ${pageSize}`,
  );
  const forget = db.prepare("DELETE FROM change WHERE revision <= ?");
  const bounds = db.prepare(
    "SELECT ifnull(min(revision), 1) AS oldest, ifnull(max(revision), 0) AS newest FROM change",
  );

  let revision = Number(bounds.get()?.["newest"]);

  function holds(expectation: Expectation): boolean {
    if ("exists" in expectation) return written.get(expectation.exists) !== undefined;
    if ("absent" in expectation) return written.get(expectation.absent) === undefined;
    if ("at" in expectation) return written.get(expectation.at[0])?.["revision"] === expectation.at[1];
    if ("fewer" in expectation) {
      const [prefix, than] = expectation.fewer;
      return than > 0 && beyond.get(prefix, endOf(prefix), than - 1) === undefined;
    }
    return any.get(expectation.empty, endOf(expectation.empty)) === undefined;
  }

  /** Nothing is written before every expectation holds, so a refused transaction leaves nothing to undo. */
  function applyOne(transaction: CheckedTransaction, at: number): Verdict {
    const failed = transaction.expect.find((expectation) => !holds(expectation));
    if (failed) return { revision: at - 1, failed };
    for (const { key, json } of transaction.put) put.run(key, json, at);
    const deleted = transaction.delete.filter((key) => remove.run(key).changes > 0);
    record.run(at, changesJson(at, transaction, deleted));
    return { revision: at, deleted };
  }

  function applyGroup(group: readonly CheckedTransaction[], remembered: number): Verdict[] {
    let reached = revision;
    db.exec("BEGIN IMMEDIATE");
    try {
      const verdicts = group.map((transaction) => {
        const verdict = applyOne(transaction, reached + 1);
        reached = verdict.revision;
        return verdict;
      });
      forget.run(reached - remembered);
      db.exec("COMMIT");
      revision = reached;
      return verdicts;
    } finally {
      if (db.isTransaction) db.exec("ROLLBACK");
    }
  }

  const makesMore = (transaction: CheckedTransaction) =>
    transaction.put.some(({ key, json }) => {
      const before = length.get(key)?.["length"];
      return before === undefined || json.length > Number(before) + scarce.growth;
    });

  function applyWithoutRoom(transaction: CheckedTransaction): Verdict[] {
    const failed = transaction.expect.find((expectation) => !holds(expectation));
    if (failed) return [{ revision, failed }];
    if (makesMore(transaction)) return [{ revision, full: true }];
    return (
      unlessFull(() => applyGroup([transaction], Math.min(remember, scarce.remembered))) ?? [
        { revision, full: true },
      ]
    );
  }

  return {
    get revision() {
      return revision;
    },
    apply(group) {
      const applied = reserve.isWhole() ? unlessFull(() => applyGroup(group, remember)) : undefined;
      return applied ?? group.flatMap(applyWithoutRoom);
    },
    get(key) {
      const row = entry.get(key);
      return row && String(row["json"]);
    },
    list(prefix) {
      const pages: string[] = [];
      let page: string[] = [];
      for (const row of entries.iterate(prefix, endOf(prefix))) {
        page.push(String(row["json"]));
        if (page.length === pageSize) pages.push(`[${page.splice(0).join()}]`);
      }
      if (page.length > 0) pages.push(`[${page.join()}]`);
      return { revision, pages };
    },
    changesAfter(seen) {
      if (seen < Number(bounds.get()?.["oldest"]) - 1 || seen > revision) return "compacted";
      return recorded.all(seen).map((row) => String(row["changes"]));
    },
    makeReserve: () => reserve.make(),
    tidy() {
      if (reserve.isRunningLow()) reserve.make();
    },
    close: () => db.close(),
  };
}

/** What a transaction may do without room: by how many characters an entry may grow, and how many transactions are remembered. */
const scarce = { growth: 16 * 1024, remembered: 10 } as const;

function unlessFull<Result>(act: () => Result): Result | undefined {
  try {
    return act();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    return undefined;
  }
}

/** Entries in one message or one parse, so that no big listing holds up the event loop. */
const pageSize = 500;

const entryJson = `'{"key":' || json_quote(key) || ',"value":' || value || ',"revision":' || revision || '}'`;

function changesJson(revision: number, { put }: CheckedTransaction, deleted: readonly string[]): string {
  const puts = put.map(
    ({ key, json }) => `{"key":${JSON.stringify(key)},"value":${json},"revision":${revision}}`,
  );
  return `{"revision":${revision},"put":[${puts.join()}],"deleted":${JSON.stringify(deleted)}}`;
}
