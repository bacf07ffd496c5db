import type { DiskImports } from "#images/disk-imports.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Entry, Transaction } from "#store/store.ts";
import type { ImageDevice } from "../image/image-device.ts";
import { imageMade } from "../image/new-image.ts";
import type { Ec2Records, Scope } from "../records.ts";
import { isPending, type SnapshotRecord } from "../snapshot/snapshot.ts";
import { together } from "../together.ts";
import type { ImportTaskRecord } from "./import-task.ts";

export interface ImportHost {
  readonly hostId: string;
  readonly imports: DiskImports;
  /** Milliseconds that this program has worked on `what` since it first asked; asked anew after `forget`. */
  readonly worked: { since(what: string): number; forget(what: string): void };
  readonly now: () => Date;
}

/** Milliseconds of work after which an import is given up. */
const patienceMs = 24 * 3_600_000;
const lookMs = 1000;

/**
 * Imports a task's disks one after the other, then records what comes of them in one transaction, then waits until that is complete. What
 * a crash left of an import begins anew, or is found whole.
 */
export async function reconcileImportTask(
  id: string,
  scope: Scope,
  records: Ec2Records,
  host: ImportHost,
): Promise<Outcome> {
  const entry = records.entry("import-task", id);
  if (entry?.value.hostId !== host.hostId || entry.value.so.over) return settled;
  const { disks, canceled, so } = entry.value;
  if (so.sizesGiB) return complete(entry, records);
  if (canceled !== undefined) return give(entry, canceled || "User canceled import task", host);
  if (host.worked.since(id) > patienceMs) return give(entry, "ServerError: it took more than a day", host);
  const sizesGiB: number[] = [];
  for (const disk of disks) {
    const { source, format, encryption } = disk;
    const now = await host.imports.look(disk.snapshotId, {
      source,
      ...(format && { format }),
      key: encryption?.dataKey,
    });
    if (now.state === "failed") return give(entry, now.reason, host);
    if (now.state === "running") {
      const percent = Math.floor((95 * (sizesGiB.length + now.fraction)) / disks.length);
      const doing = now.what;
      if (percent === so.percent && doing === so.doing) return wait(lookMs);
      return moved(rewritten(entry, { percent, doing }));
    }
    sizesGiB.push(now.sizeGiB);
  }
  host.worked.forget(id);
  const made = recorded(entry.value, sizesGiB, scope, records, host.now());
  return moved(together(rewritten(entry, { percent: 95, doing: "preparing", sizesGiB }), made));
}

const rewritten = (
  { key, revision, value }: Entry<ImportTaskRecord>,
  so: ImportTaskRecord["so"],
): Transaction => ({ expect: [{ at: [key, revision] }], put: [{ key, value: { ...value, so } }] });

async function give(entry: Entry<ImportTaskRecord>, reason: string, host: ImportHost): Promise<Outcome> {
  for (const { snapshotId } of entry.value.disks) await host.imports.remove(snapshotId);
  host.worked.forget(entry.value.id);
  return moved(rewritten(entry, { over: { status: "deleted", reason } }));
}

/** A snapshot that somebody has deleted by now was there. */
function complete(entry: Entry<ImportTaskRecord>, records: Ec2Records): Outcome {
  const { disks, so } = entry.value;
  const snapshots = disks.flatMap(({ snapshotId }) => records.get("snapshot", snapshotId) ?? []);
  if (snapshots.some(isPending)) return wait(lookMs);
  const failed = snapshots.find((it) => it.so.failed !== undefined);
  const reason = `ServerError: the snapshot ${failed?.id} could not be made: ${failed?.so.failed}`;
  const over = failed ? ({ status: "deleted", reason } as const) : ({ status: "completed" } as const);
  const { sizesGiB } = so;
  return moved(rewritten(entry, { ...(sizesGiB && { sizesGiB }), over }));
}

function recorded(
  task: ImportTaskRecord,
  sizesGiB: readonly number[],
  scope: Scope,
  records: Ec2Records,
  now: Date,
): Transaction {
  const createdAt = now.toISOString();
  const snapshots = task.disks.map(({ snapshotId: id }, n): SnapshotRecord => ({
    ...importedSnapshot(id, sizesGiB[n] ?? 0, task.hostId, now),
    description: `Created by AWS-VMImport service for ${task.id}`,
    ...(task.disks[n]?.encryption && { encryption: task.disks[n].encryption }),
  }));
  const puts = snapshots.map((value) => ({ key: records.key("snapshot", value.id), value }));
  const made = { expect: puts.map(({ key }) => ({ absent: key })), put: puts };
  if (!task.image) return made;
  const devices = task.disks.map(({ device, snapshotId }, n): ImageDevice => ({
    device,
    snapshotId,
    type: "gp2",
    sizeGiB: sizesGiB[n] ?? 0,
    deleteOnTermination: true,
  }));
  const [root] = devices;
  const image = {
    ...task.image,
    ownerId: scope.accountId,
    name: task.id,
    description: task.description,
    snapshotId: root?.snapshotId ?? "",
    sizeGiB: root?.sizeGiB ?? 0,
    rootDevice: root?.device ?? "",
    devices,
    tags: {},
    createdAt,
  };
  return together(made, imageMade(image, { records }));
}

/** Whose bytes are in an import's file of the same id. */
export const importedSnapshot = (
  id: `snap-${string}`,
  sizeGiB: number,
  hostId: string,
  now: Date,
): SnapshotRecord => ({
  id,
  hostId,
  of: { file: id },
  sizeGiB,
  description: "",
  together: id,
  tags: {},
  createdAt: now.toISOString(),
  so: {},
});
