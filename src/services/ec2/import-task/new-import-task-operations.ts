import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  ImageDiskContainer,
  ImportImageRequest,
  ImportSnapshotRequest,
  UserBucket,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { diskFormats, type DiskFormat } from "#images/disk-format.ts";
import { objectOf, objectUrl } from "#images/object-name.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import {
  invalidCombination,
  invalidParameter,
  missingParameter,
  noRoomForVolume,
  unsupportedParameter,
} from "../errors.ts";
import { objectNamed } from "../export-task/bucket-parameters.ts";
import { imageArn } from "../image/image.ts";
import { oneOf } from "../instance/launch-parameters.ts";
import { snapshotArn } from "../snapshot/snapshot.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { together } from "../together.ts";
import { encryptionPlan, type AskedEncryption, type EncryptionPlan } from "../volume/encryption.ts";
import {
  describeImageImport,
  describeSnapshotImport,
  findImportTask,
  importTaskArn,
  type ImportedDisk,
  type ImportTaskRecord,
} from "./import-task.ts";

interface ImportPlan extends MakingPlan {
  /** Absent: an earlier request with its token made it. */
  readonly task?: ImportTaskRecord;
}

export const newImportTaskOperations = {
  /** Of one disk or several, each of which becomes a snapshot. */
  ImportImage: {
    resolve: (input, context): ImportPlan =>
      once("ImportImage", input, context, () => imageImport(input, context)),
    answer: (plan: ImportPlan, { records }) => describeImageImport(taskOf(plan, records)),
  },

  ImportSnapshot: {
    resolve: (input, context): ImportPlan =>
      once("ImportSnapshot", input, context, () => snapshotImport(input, context)),
    answer: (plan: ImportPlan, { records }) => describeSnapshotImport(taskOf(plan, records)),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const taskOf = ({ task, made }: ImportPlan, records: Ec2Context["records"]) =>
  task ?? findImportTask(made, records);

function imageImport(input: ImportImageRequest, context: Ec2Context): ImportPlan {
  for (const name of ["ClientData", "LicenseSpecifications"] as const)
    if (input[name]) throw unsupportedParameter(name);
  onlyTags(["import-image-task"], input.TagSpecifications);
  if (!input.DiskContainers?.length) throw missingParameter("diskContainers");
  oneOf(["xen"], input.Hypervisor ?? "xen", "hypervisor");
  const architecture = oneOf(["x86_64", "arm64", "i386"], input.Architecture ?? "x86_64", "architecture");
  const bootMode =
    (input.BootMode && oneOf(["legacy-bios", "uefi", "uefi-preferred"], input.BootMode, "bootMode")) ??
    (architecture === "arm64" ? "uefi" : undefined);
  if (architecture === "arm64" && bootMode !== "uefi")
    throw invalidCombination(`The boot mode '${bootMode}' is not supported for the architecture arm64.`);
  const disks = input.DiskContainers.map((it, n) => diskOf(it, n, context));
  if (new Set(disks.map(({ device }) => device)).size < disks.length)
    throw invalidParameter("Two disk containers have the same device name.");
  const { Platform, LicenseType, UsageOperation } = input;
  const encryptions = encryptionPlan(context);
  return newTask(
    {
      id: context.newId("import-ami"),
      description: input.Description ?? "",
      ...encrypted(disks, input, encryptions),
      image: { id: context.newId("ami"), architecture, ...(bootMode && { bootMode }) },
      told: {
        Platform: oneOf(["Linux", "Windows"], Platform ?? "Linux", "platform"),
        ...(LicenseType && { LicenseType }),
        ...(UsageOperation && { UsageOperation }),
      },
      tags: tagsFor("import-image-task", input.TagSpecifications),
    },
    [imageArn("*", context), ...disks.map(() => snapshotArn("*", context))],
    encryptions,
    context,
  );
}

function snapshotImport(input: ImportSnapshotRequest, context: Ec2Context): ImportPlan {
  if (input.ClientData) throw unsupportedParameter("ClientData");
  onlyTags(["import-snapshot-task"], input.TagSpecifications);
  if (!input.DiskContainer) throw missingParameter("diskContainer");
  const encryptions = encryptionPlan(context);
  return newTask(
    {
      id: context.newId("import-snap"),
      description: input.Description ?? "",
      ...encrypted([diskOf(input.DiskContainer, 0, context)], input, encryptions),
      told: {},
      tags: tagsFor("import-snapshot-task", input.TagSpecifications),
    },
    [snapshotArn("*", context)],
    encryptions,
    context,
  );
}

function newTask(
  { failed, ...wanted }: Omit<ImportTaskRecord, "hostId" | "createdAt" | "so"> & { readonly failed?: string },
  makes: readonly string[],
  encryptions: EncryptionPlan,
  context: Ec2Context,
): ImportPlan {
  const { records } = context;
  const [host] = records.hosts(context.now());
  if (!host) throw noRoomForVolume("No host is there.");
  const task: ImportTaskRecord = {
    ...wanted,
    hostId: host.id,
    createdAt: context.now().toISOString(),
    so: failed === undefined ? {} : { over: { status: "deleted", reason: failed } },
  };
  const ofKeys = encryptions.parts();
  const key = records.key("import-task", task.id);
  const touches: OperationPlan["touches"] = [
    { arn: importTaskArn(task.id, context), tags: task.tags },
    ...[...new Set(makes)].map((arn) => ({ arn })),
    ...ofKeys.touches,
  ];
  return {
    touches,
    transaction: together(ofKeys.transaction, { expect: [{ absent: key }], put: [{ key, value: task }] }),
    made: task.id,
    task,
  };
}

/** A key that cannot be used fails the task. */
function encrypted(disks: readonly ImportedDisk[], asked: AskedEncryption, encryptions: EncryptionPlan) {
  const chosen = disks.map((disk) => ({ disk, ...encryptions.of(disk.snapshotId, asked) }));
  const failed = chosen.flatMap((it) => it.failed ?? [])[0];
  return {
    disks: chosen.map(({ disk, encryption }) => ({ ...disk, ...(encryption && { encryption }) })),
    ...(failed !== undefined && { failed }),
  };
}

function diskOf(container: ImageDiskContainer, n: number, context: Ec2Context): ImportedDisk {
  const { UserBucket, Format, SnapshotId, DeviceName, Description = "" } = container;
  if (SnapshotId) throw unsupportedParameter("DiskContainer.SnapshotId");
  const url = UserBucket ? bucketUrl(UserBucket) : container.Url;
  if (!url) throw missingParameter("diskContainer.url");
  const format = Format === undefined ? undefined : formatOf(Format);
  const device = DeviceName ?? (n === 0 ? "/dev/sda1" : `/dev/sd${String.fromCodePoint(0x61 + n)}`);
  return {
    snapshotId: context.newId("snap"),
    description: Description,
    device,
    source: sourceOf(url, context),
    ...(format && { format }),
  };
}

function formatOf(text: string): DiskFormat {
  const format = text.toLowerCase();
  if (!Object.hasOwn(diskFormats, format))
    throw invalidParameter(`Value (${text}) for parameter format is invalid.`);
  return format as DiskFormat;
}

function bucketUrl({ S3Bucket: bucket, S3Key: key }: UserBucket): string {
  if (!bucket) throw missingParameter("diskContainer.userBucket.s3Bucket");
  if (!key) throw missingParameter("diskContainer.userBucket.s3Key");
  return objectUrl({ bucket, key });
}

/** What a URL says of who may read it would be shown to everyone who may describe the task. */
function sourceOf(text: string, context: Ec2Context): string {
  const object = objectOf(text);
  if (object) return objectUrl(objectNamed(object, context));
  const url = URL.parse(text);
  const known = url && ["file:", "http:", "https:"].includes(url.protocol);
  if (!known || url.username || url.password || text.length > 2048)
    throw invalidParameter(
      `Value (${url && !url.username && !url.password ? text.slice(0, 200) : "…"}) for parameter url is invalid: it is an s3, http, https or file URL without a password.`,
    );
  return text;
}
