import type { DiskExports } from "#images/disk-exports.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Entry } from "#store/store.ts";
import type { Ec2Records } from "../records.ts";
import type { ExportTaskRecord } from "./export-task.ts";

export interface ExportHost {
  readonly hostId: string;
  readonly exports: DiskExports;
  /** Milliseconds that this program has worked on `what` since it first asked; asked anew after `forget`. */
  readonly worked: { since(what: string): number; forget(what: string): void };
}

/** Milliseconds of work after which an export is given up. */
const patienceMs = 24 * 3_600_000;
const lookMs = 1000;

/** Makes a task's objects, and says how far that is. What a crash left of an export begins anew. */
export async function reconcileExportTask(
  id: string,
  records: Ec2Records,
  host: ExportHost,
): Promise<Outcome> {
  const entry = records.entry("export-task", id);
  if (entry?.value.hostId !== host.hostId) return settled;
  const { wanted, canceled, so } = entry.value;
  if (so.over) {
    await host.exports.forget(id);
    return settled;
  }
  if (canceled) return give(entry, "User canceled export task", host);
  if (host.worked.since(id) > patienceMs) return give(entry, "ServerError: it took more than a day", host);
  const now = await host.exports.look(id, wanted);
  if (now.state === "failed") return give(entry, now.reason, host);
  if (now.state === "running") {
    const [percent, doing] = [Math.floor(100 * now.fraction), now.what];
    if (percent === so.percent && doing === so.doing) return wait(lookMs);
    return moved(rewritten(entry, { percent, doing }));
  }
  host.worked.forget(id);
  return moved(rewritten(entry, { over: { status: "completed" } }));
}

const rewritten = ({ key, revision, value }: Entry<ExportTaskRecord>, so: ExportTaskRecord["so"]) => ({
  expect: [{ at: [key, revision] as const }],
  put: [{ key, value: { ...value, so } }],
});

async function give(entry: Entry<ExportTaskRecord>, reason: string, host: ExportHost): Promise<Outcome> {
  const { id, wanted } = entry.value;
  await host.exports.remove(id, wanted);
  host.worked.forget(id);
  return moved(rewritten(entry, { over: { status: "deleted", reason } }));
}
