import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { addAttachmentLists } from "./attachment-lists.ts";
import { addVpcParts } from "./vpc-parts.ts";

export type Migration = (db: DatabaseSync) => void;

/**
 * What a store goes through, in this order; the first makes it. Its format is how many of them it has had. Those that were in a
 * release stay as they are: a change of the tables, or of records that the next version cannot read as they are, is one more.
 */
export const migrations: readonly Migration[] = [
  (db) =>
    db.exec(`
      CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
      CREATE TABLE change (revision INTEGER PRIMARY KEY, changes TEXT NOT NULL) STRICT;
    `),
  addVpcParts,
  addAttachmentLists,
];

/**
 * Brings the store to the last format, all of the way or not at all. What held records before is first copied to
 * `FILE.format-N`. Throws for a store of a later format, and leaves it as it is.
 */
export function migrate(db: DatabaseSync, file: string, all: readonly Migration[]): void {
  const found = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (found > all.length) throw new Error(laterFormat(found, all.length));
  if (found === all.length) return;
  if (found > 0) keepCopy(db, file, `${file}.format-${found}`);
  db.exec("BEGIN IMMEDIATE");
  try {
    for (const migration of all.slice(found)) migration(db);
    db.exec(`PRAGMA user_version = ${all.length}; COMMIT`);
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK");
  }
  // From the log into the file itself, where `formatOf` reads it.
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

/**
 * The format of the store in `file`, whether a program has it open or not; 0 when there is none yet. Of SQLite's file format: four
 * bytes at 60.
 */
export function formatOf(file: string): number {
  try {
    const fd = openSync(file, "r");
    try {
      const version = Buffer.alloc(4);
      return readSync(fd, version, 0, 4, 60) === 4 ? version.readUInt32BE() : 0;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
}

export const laterFormat = (found: number, known = migrations.length): string =>
  `the records have format ${found}, of a later version of Croft: this one knows formats up to ${known}`;

function keepCopy(db: DatabaseSync, file: string, copy: string): void {
  if (file === ":memory:") return;
  const unfinished = `${copy}.unfinished`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, "", { mode: 0o600 });
  db.prepare("VACUUM INTO ?").run(unfinished);
  const fd = openSync(unfinished, "r");
  fsyncSync(fd);
  closeSync(fd);
  renameSync(unfinished, copy);
}
