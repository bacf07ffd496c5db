import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";

/** Room that the database's own files hold for the day the disk is full. */
export interface Reserve {
  /** False when it could not be made, or was used up and cannot be made again yet. */
  isWhole(): boolean;
  /** Makes it, if the disk has room: a moment's work, so not while somebody waits for the store. */
  make(): void;
  /** True when it should be made before the store has grown so much that somebody must wait for it. */
  isRunningLow(): boolean;
}

/**
 * Keeps `bytes` of free pages in the database, and as much written in its log: SQLite then goes on without a byte from the disk,
 * which others (a guest's disk) may have filled. Both files only grow, and are written over in place.
 */
export function keepReserve(db: DatabaseSync, file: string, bytes: number): Reserve {
  const freePages = db.prepare("PRAGMA freelist_count");
  const pageBytes = Number(db.prepare("PRAGMA page_size").get()?.["page_size"]);
  /** Once, by this process: SQLite removes its log whenever it closes the database. */
  let made = false;
  let tryAgainAtMs = Infinity;

  const holds = (wanted: number) => made && Number(freePages.get()?.["freelist_count"]) * pageBytes >= wanted;
  const isThere = () => holds(bytes);

  function make(): void {
    tryAgainAtMs = performance.now() + retryMs;
    try {
      db.exec("DROP TABLE IF EXISTS reserve"); // of a process that was killed while it made it
      if (!hasRoom(file, 2 * (bytes + spareBytes))) return;
      fill(db, bytes + spareBytes);
      made = true;
      if (isThere()) tryAgainAtMs = 0;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  return {
    isWhole() {
      const untried = tryAgainAtMs === Infinity;
      if (bytes === 0 || untried || isThere()) return true;
      if (performance.now() >= tryAgainAtMs) make();
      return isThere();
    },
    make,
    isRunningLow: () => bytes > 0 && made && !holds(bytes + spareBytes / 2),
  };
}

/** What the store may grow by before the reserve must be filled up again. */
const spareBytes = 4 << 20;
const retryMs = 1000;

/** SQLITE_FULL, of https://sqlite.org/rescode.html. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && Number(error.errcode) % 256 === 13;

/** Pages that are written and then freed are on the disk for good; freed in the transaction that took them, they never were. */
function fill(db: DatabaseSync, bytes: number): void {
  try {
    db.exec("BEGIN IMMEDIATE; CREATE TABLE reserve (bytes BLOB)");
    db.prepare("INSERT INTO reserve VALUES (zeroblob(?))").run(bytes);
    db.exec("COMMIT; PRAGMA wal_checkpoint(RESTART)");
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK");
    db.exec("DROP TABLE IF EXISTS reserve");
  }
}

function hasRoom(file: string, bytes: number): boolean {
  const { bavail, bsize } = statfsSync(dirname(file));
  return bavail * bsize >= bytes;
}
