import type { DatabaseSync } from "node:sqlite";
import { listAgain } from "./list-again.ts";

/** Format 3: what a volume is attached to is a list. Watchers must list again. */
export function addAttachmentLists(db: DatabaseSync): void {
  const volumes = "key >= 'volume/' AND key < 'volume0'";
  if (!db.prepare(`SELECT 1 FROM entry WHERE ${volumes} LIMIT 1`).get()) return;
  db.prepare(
    `UPDATE entry SET revision = ?, value = json_remove(json_set(value, '$.attachments',
       CASE WHEN value -> '$.attachment' IS NULL THEN json('[]') ELSE json_array(json(value -> '$.attachment')) END), '$.attachment')
     WHERE ${volumes}`,
  ).run(listAgain(db));
}
