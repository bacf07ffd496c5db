import { ApiError } from "#api/error.ts";
import { NoSuchObject } from "#images/bucket-folder.ts";
import type { DiskExports } from "#images/disk-exports.ts";
import { ImportRefused } from "#images/import-refused.ts";
import { objectUrl } from "#images/object-name.ts";
import type { StoredObject } from "#images/stored-object.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { bucketNotFound, keyNotFound, notStored } from "../errors.ts";
import { readStoredImage } from "../export-task/stored-image.ts";
import type { ImageRecord } from "../image/image.ts";
import { imageMade, toldOf } from "../image/new-image.ts";
import type { Ec2Records, Scope } from "../records.ts";
import type { SnapshotRecord } from "../snapshot/snapshot.ts";
import { describeTags, withTags } from "../tag/tag.ts";
import { together } from "../together.ts";
import type { RestoreTaskRecord } from "./restore-task.ts";

export interface RestoreHost {
  readonly hostId: string;
  readonly exports: Pick<DiskExports, "stored">;
  readonly newId: Ec2Context["newId"];
  readonly now: () => Date;
}

/** Puts the image, and its snapshots that are yet to be fetched, into the place of the record; or says why it cannot be. */
export async function reconcileRestoreTask(
  id: string,
  scope: Scope,
  records: Ec2Records,
  host: RestoreHost,
): Promise<Outcome> {
  const entry = records.entry("restore-task", id);
  if (entry?.value.hostId !== host.hostId) return settled;
  const { key, revision, value: task } = entry;
  const expect = [{ at: [key, revision] as const }];
  const leftMs = Date.parse(task.until) - host.now().getTime();
  if (leftMs <= 0) return moved({ expect, delete: [key] });
  if (task.so.refused) return wait(leftMs);
  try {
    const stored = await host.exports.stored({ bucket: task.bucket, key: task.key });
    return moved(together({ expect, delete: [key] }, restored(task, stored, scope, records, host)));
  } catch (error) {
    const { code, message, status } = refusalOf(error);
    return moved({ expect, put: [{ key, value: { ...task, so: { refused: { code, message, status } } } }] });
  }
}

/** Anything else is tried again. */
function refusalOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof NoSuchObject) return error.lacks === "bucket" ? bucketNotFound() : keyNotFound();
  if (error instanceof ImportRefused) return notStored(error.message);
  throw error;
}

/** Tags stay, as AWS has it, and the request's come to them. */
function restored(
  task: RestoreTaskRecord,
  stored: StoredObject,
  { accountId }: Scope,
  records: Ec2Records,
  { hostId, newId, now }: RestoreHost,
): Transaction {
  const snapshotIds = stored.parts.map(() => newId("snap"));
  const { image: told, devices, snapshots } = readStoredImage(stored, snapshotIds);
  const createdAt = now().toISOString();
  const [root] = devices;
  const image: ImageRecord = {
    ...told,
    ...toldOf({ Name: task.name ?? told.name, Description: told.description }, { records }),
    id: task.id,
    ownerId: accountId,
    snapshotId: root?.snapshotId ?? "",
    sizeGiB: root?.sizeGiB ?? 0,
    rootDevice: root?.device ?? "",
    devices,
    tags: withTags(told.tags, describeTags(task.imageTags)),
    createdAt,
  };
  const puts = snapshots.map(({ sizeGiB, description, tags }, n) => {
    const id = snapshotIds[n] ?? "snap-";
    const value: SnapshotRecord = {
      id,
      hostId,
      of: {
        stored: {
          source: objectUrl({ bucket: task.bucket, key: task.key }),
          part: stored.parts[n] ?? { offset: 0, bytes: 0 },
        },
      },
      sizeGiB,
      description,
      ...(task.encryption && { encryption: task.encryption }),
      together: id,
      tags: withTags(tags, describeTags(task.snapshotTags)),
      createdAt,
      so: {},
    };
    return { key: records.key("snapshot", id), value };
  });
  return together(
    { expect: puts.map(({ key }) => ({ absent: key })), put: puts },
    imageMade(image, { records }),
  );
}
