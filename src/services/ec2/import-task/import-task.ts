import type { ImportImageTask, ImportSnapshotTask, SnapshotDetail } from "@aws-sdk/client-ec2";
import type { DiskFormat } from "#images/disk-format.ts";
import { objectOf } from "#images/object-name.ts";
import { importTaskNotFound } from "../errors.ts";
import type { FilterTable } from "../filters.ts";
import type { ImageRecord } from "../image/image.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import type { Encryption } from "../volume/encryption.ts";

/**
 * What ImportImage or ImportSnapshot began. Operations write what is wanted; the reconciler on its host makes it so.
 *
 *     active → completed      active → deleted: it failed, or was canceled by way of deleting
 */
export interface ImportTaskRecord extends ResourceRecord {
  readonly id: `import-ami-${string}` | `import-snap-${string}`;
  /** The host that keeps the bytes. */
  readonly hostId: string;
  readonly description: string;
  /** Root first. */
  readonly disks: readonly ImportedDisk[];
  /** What the snapshots become; absent: they are all that is asked for. */
  readonly image?: ImportedImage;
  /** As the request had them; only shown. */
  readonly told: Pick<ImportImageTask, "Platform" | "LicenseType" | "UsageOperation">;
  /** Why, or "". */
  readonly canceled?: string;
  /** Written by the reconciler. */
  readonly so: {
    /** 0 to 100. */
    readonly percent?: number;
    /** What is being done now. */
    readonly doing?: string;
    /** GiB of each disk: the snapshots, and the image, are recorded. */
    readonly sizesGiB?: readonly number[];
    readonly over?:
      | { readonly status: "completed" }
      | { readonly status: "deleted"; readonly reason: string };
  };
}

type ImportedImage = Pick<ImageRecord, "id" | "architecture" | "bootMode">;

export interface ImportedDisk {
  /** Of the snapshot that it becomes, which is there once its bytes are. */
  readonly snapshotId: `snap-${string}`;
  readonly description: string;
  readonly device: string;
  /** A `file:`, `s3:`, `http:` or `https:` URL. */
  readonly source: string;
  /** Absent: told by its first bytes. */
  readonly format?: DiskFormat;
  readonly encryption?: Encryption;
}

export const isImageImport = ({ id }: ImportTaskRecord): boolean => id.startsWith("import-ami-");

export function importStatus({
  canceled,
  so,
}: ImportTaskRecord): "active" | "completed" | "deleting" | "deleted" {
  if (so.over) return so.over.status;
  return canceled === undefined ? "active" : "deleting";
}

/** Throws InvalidConversionTaskId. */
export function findImportTask(id: string, records: Ec2Records): ImportTaskRecord {
  const task = records.get("import-task", id);
  if (!task) throw importTaskNotFound([id]);
  return task;
}

export const importTaskArn = (id: string, { accountId, region }: Scope): string =>
  `arn:aws:ec2:${region}:${accountId}:import-${id.startsWith("import-ami-") ? "image" : "snapshot"}-task/${id}`;

export const importTaskFilters: FilterTable<ImportTaskRecord> = { "task-state": importStatus };

export const describeImageImport = (task: ImportTaskRecord): ImportImageTask => ({
  ImportTaskId: task.id,
  Description: task.description,
  ...task.told,
  Architecture: task.image?.architecture,
  BootMode: task.image?.bootMode,
  ...describeEncryption(task),
  Hypervisor: "xen",
  ImageId: task.so.sizesGiB && task.image?.id,
  ...progressOf(task),
  SnapshotDetails: task.disks.map((_, n) => describeDisk(task, n)),
  Tags: describeTags(task.tags),
});

export const describeSnapshotImport = (task: ImportTaskRecord): ImportSnapshotTask => {
  const { DeviceName: _, ...detail } = describeDisk(task, 0);
  return {
    ImportTaskId: task.id,
    Description: task.description,
    SnapshotTaskDetail: { ...detail, ...progressOf(task), ...describeEncryption(task) },
    Tags: describeTags(task.tags),
  };
};

function describeDisk(task: ImportTaskRecord, n: number): SnapshotDetail {
  const { description, device, source, format, snapshotId } = task.disks[n] ?? {};
  const sizeGiB = task.so.sizesGiB?.[n];
  const object = objectOf(source ?? "");
  return {
    Description: description,
    DeviceName: device,
    DiskImageSize: sizeGiB === undefined ? undefined : sizeGiB * 1024 ** 3,
    Format: format?.toUpperCase(),
    SnapshotId: sizeGiB === undefined ? undefined : snapshotId,
    Status: sizeGiB === undefined ? importStatus(task) : "completed",
    ...(object ? { UserBucket: { S3Bucket: object.bucket, S3Key: object.key } } : { Url: source }),
  };
}

const describeEncryption = ({ disks: [first] }: ImportTaskRecord) => ({
  Encrypted: first?.encryption !== undefined,
  KmsKeyId: first?.encryption?.keyArn,
});

/** A task that is completed says no more of it. */
function progressOf(task: ImportTaskRecord): Pick<ImportImageTask, "Status" | "StatusMessage" | "Progress"> {
  const { percent = 0, doing = "pending", over } = task.so;
  const Status = importStatus(task);
  if (over?.status === "completed") return { Status };
  if (over?.status === "deleted") return { Status, StatusMessage: over.reason };
  return { Status, StatusMessage: doing, Progress: String(percent) };
}
