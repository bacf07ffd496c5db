import { Refusal } from "#cli/command.ts";
import { layout } from "#config.ts";
import { formatOf, laterFormat, migrations } from "#store/sqlite/migrations.ts";

/** Throws `Refusal` for records that a later version of Croft wrote: programs that cannot read them are not started on them. */
export const requireKnownFormat = (dataDir: string): void => {
  const { dir, store } = layout(dataDir);
  const found = formatOf(store);
  if (found <= migrations.length) return;
  throw new Refusal(`${dir}: ${laterFormat(found)}. Start that version, or restore a backup of before`, 1);
};
