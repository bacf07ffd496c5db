import type { DiskImageFormat, ExportImageTask, StoreImageTaskResult } from "@aws-sdk/client-ec2";
import type { ExportedDisk, WantedExport } from "#images/disk-exports.ts";
import { exportTaskNotFound, noRoomForVolume } from "../errors.ts";
import type { FilterTable } from "../filters.ts";
import { devicesOf } from "../image/image-device.ts";
import { imageStays, snapshotsOf, type ImageRecord } from "../image/image.ts";
import type { Ec2Context } from "../context.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { snapshotStays } from "../snapshot/snapshot.ts";
import { describeTags } from "../tag/tag.ts";
import type { MakingPlan } from "../client-token.ts";

/**
 * What ExportImage or CreateStoreImageTask began. Operations write what is wanted; the reconciler on its host makes it so.
 *
 *     active → completed      active → deleted: it failed, or was canceled by way of deleting
 */
export interface ExportTaskRecord extends ResourceRecord {
  /** That of a store task is told to nobody. */
  readonly id: `export-ami-${string}` | `store-ami-${string}`;
  /** The host that has the bytes. */
  readonly hostId: string;
  readonly imageId: string;
  readonly description: string;
  readonly wanted: WantedExport;
  /** As ExportImage's request had them; only shown. */
  readonly told?: {
    readonly format: DiskImageFormat;
    readonly prefix?: string;
    readonly roleName: string;
  };
  readonly canceled?: true;
  /** Written by the reconciler. */
  readonly so: {
    /** 0 to 100. */
    readonly percent?: number;
    /** What is being done now. */
    readonly doing?: string;
    readonly over?:
      | { readonly status: "completed" }
      | { readonly status: "deleted"; readonly reason: string };
  };
}

export const isImageExport = ({ id }: ExportTaskRecord): boolean => id.startsWith("export-ami-");

export function exportStatus({
  canceled,
  so,
}: ExportTaskRecord): "active" | "completed" | "deleting" | "deleted" {
  if (so.over) return so.over.status;
  return canceled ? "deleting" : "active";
}

/** Throws InvalidExportTaskID.Malformed and InvalidExportTaskID.NotFound. */
export function findExportTask(id: string, records: Ec2Records): ExportTaskRecord {
  const task = records.get("export-task", id);
  if (!task || !isImageExport(task)) throw exportTaskNotFound([id]);
  return task;
}

export const exportTaskArn = (id: string, { accountId, region }: Scope): string =>
  `arn:aws:ec2:${region}:${accountId}:export-image-task/${id}`;

/** What each of an image's devices begins as; undefined: blank. */
export const exportedDisks = (image: ImageRecord): readonly (ExportedDisk | undefined)[] =>
  devicesOf(image).map(({ snapshotId }) => {
    if (image.cacheEntry !== undefined) return { cacheEntry: image.cacheEntry };
    return snapshotId === undefined ? undefined : { snapshotId };
  });

/** Writes the task, on the host that has the image's bytes. Throws InsufficientVolumeCapacity. */
export function newExportTask(
  wanted: Pick<ExportTaskRecord, "id" | "description" | "wanted" | "told" | "tags">,
  image: ImageRecord,
  { records, now }: Ec2Context,
): Required<Pick<MakingPlan, "transaction">> & { readonly task: ExportTaskRecord } {
  const snapshots = snapshotsOf(image, records);
  const hostId = image.cacheEntry === undefined ? snapshots[0]?.hostId : records.hosts(now())[0]?.id;
  if (hostId === undefined) throw noRoomForVolume("No host is there.");
  const task: ExportTaskRecord = {
    ...wanted,
    hostId,
    imageId: image.id,
    createdAt: now().toISOString(),
    so: {},
  };
  const key = records.key("export-task", task.id);
  const stays = [
    ...imageStays(image.id, records),
    ...snapshots.flatMap(({ id }) => snapshotStays(id, records)),
  ];
  return {
    transaction: { expect: [{ absent: key }, ...stays], put: [{ key, value: task }] },
    task,
  };
}

export const exportTaskFilters: FilterTable<ExportTaskRecord> = { "task-state": exportStatus };

export function describeImageExport(task: ExportTaskRecord): ExportImageTask {
  const { id, description, imageId, wanted, told, so, tags } = task;
  return {
    ExportImageTaskId: id,
    Description: description,
    ImageId: imageId,
    S3ExportLocation: { S3Bucket: wanted.bucket, S3Prefix: told?.prefix },
    Status: exportStatus(task),
    ...(so.over?.status === "deleted" && { StatusMessage: so.over.reason }),
    ...(!so.over && { StatusMessage: so.doing ?? "validating", Progress: String(so.percent ?? 0) }),
    Tags: describeTags(tags),
  };
}

export const storeTaskFilters: FilterTable<ExportTaskRecord> = {
  "task-state": storeState,
  bucket: (it) => it.wanted.bucket,
};

export const describeStore = (task: ExportTaskRecord): StoreImageTaskResult => ({
  AmiId: task.imageId,
  TaskStartTime: new Date(task.createdAt),
  Bucket: task.wanted.bucket,
  S3objectKey: task.wanted.objects[0]?.key,
  ProgressPercentage: task.so.over?.status === "completed" ? 100 : (task.so.percent ?? 0),
  StoreTaskState: storeState(task),
  StoreTaskFailureReason: task.so.over?.status === "deleted" ? task.so.over.reason : undefined,
});

function storeState({ so }: ExportTaskRecord): "InProgress" | "Completed" | "Failed" {
  if (!so.over) return "InProgress";
  return so.over.status === "completed" ? "Completed" : "Failed";
}
