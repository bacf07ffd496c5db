import type { DatabaseSync } from "node:sqlite";

/** Watchers of before must list again: what a migration changed is of the revision that this returns, and nothing is told of it. */
export function listAgain(db: DatabaseSync): number {
  const newest = Number(
    db.prepare("SELECT ifnull(max(revision), 0) AS newest FROM change").get()?.["newest"],
  );
  const revision = newest + 2;
  db.exec("DELETE FROM change");
  db.prepare("INSERT INTO change (revision, changes) VALUES (?, ?)").run(
    revision,
    JSON.stringify({ revision, put: [], deleted: [] }),
  );
  return revision;
}
