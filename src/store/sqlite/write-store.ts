import { DatabaseSync } from "node:sqlite";
import type { Entry } from "../store.ts";
import { migrate, migrations } from "./migrations.ts";

/** Makes a store in the new file `file` that holds these entries and goes on from `revision`. */
export function writeStore(
  file: string,
  { revision, entries }: { readonly revision: number; readonly entries: readonly Entry[] },
): void {
  const db = new DatabaseSync(file);
  try {
    migrate(db, file, migrations);
    db.exec("BEGIN");
    const put = db.prepare("INSERT INTO entry (key, value, revision) VALUES (?, ?, ?)");
    for (const entry of entries) put.run(entry.key, JSON.stringify(entry.value), entry.revision);
    db.prepare("INSERT INTO change (revision, changes) VALUES (?, ?)").run(
      revision,
      JSON.stringify({ revision, put: [], deleted: [] }),
    );
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}
