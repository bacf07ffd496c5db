import type * as ec2 from "@aws-sdk/client-ec2";
import type { DiskImageFormat, ExportImageRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { ExportFormat } from "#images/export-disk.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  exportTaskNotFound,
  exportTaskOver,
  encryptedNotExported,
  imageNotExportable,
  imageNotFound,
  imageNotLaunchable,
  invalidParameter,
  missingParameter,
} from "../errors.ts";
import { devicesOf, isEncrypted } from "../image/image-device.ts";
import { imageArn, imageState, offeredImages, type ImageRecord } from "../image/image.ts";
import { oneOf } from "../instance/launch-parameters.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { objectNamed } from "./bucket-parameters.ts";
import {
  describeImageExport,
  exportedDisks,
  exportStatus,
  exportTaskArn,
  exportTaskFilters,
  findExportTask,
  isImageExport,
  newExportTask,
  type ExportTaskRecord,
} from "./export-task.ts";

export const exportImageOperations = {
  /** Its first device as AWS documents the object's name, each further one with a number after it. */
  ExportImage: {
    resolve: (input, context): MakingPlan =>
      once("ExportImage", input, context, () => imageExport(input, context)),
    answer({ made }: MakingPlan, { records }) {
      const task = findExportTask(made, records);
      return {
        ...describeImageExport(task),
        DiskImageFormat: task.told?.format,
        RoleName: task.told?.roleName,
      };
    },
  },

  DescribeExportImageTasks: {
    resolve: (input, { records }): TasksPlan =>
      describe(records.all("export-task").filter(isImageExport), input, {
        ids: input.ExportImageTaskIds,
        parameter: "exportImageTaskIds",
        missing: exportTaskNotFound,
        filters: exportTaskFilters,
        bounds: { min: 1, max: 500 },
      }),
    answer: ({ items, nextToken }: TasksPlan) => ({
      ExportImageTasks: items.map(describeImageExport),
      NextToken: nextToken,
    }),
  },

  /** What it has made goes. */
  CancelExportTask: {
    resolve({ ExportTaskId: id }, context): OperationPlan {
      if (!id) throw missingParameter("exportTaskId");
      const task = findExportTask(id, context.records);
      if (exportStatus(task) !== "active") throw exportTaskOver(id, exportStatus(task));
      return {
        touches: [{ arn: exportTaskArn(id, context), tags: task.tags }],
        transaction: context.records.rewrite("export-task", { ...task, canceled: true }),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface TasksPlan extends OperationPlan {
  readonly items: readonly ExportTaskRecord[];
  readonly nextToken?: string;
}

type ExportRequest = ExportImageRequest & { DiskImageFormat: DiskImageFormat; ImageId: string };

function imageExport(input: ExportRequest, context: Ec2Context): MakingPlan {
  const { Description: description = "", RoleName: roleName = "vmimport", S3ExportLocation: to } = input;
  onlyTags(["export-image-task"], input.TagSpecifications);
  if (description.length > 255) throw invalidParameter("Descriptions have at most 255 characters.");
  const format = oneOf(["VMDK", "RAW", "VHD"], input.DiskImageFormat, "diskImageFormat");
  if (!to?.S3Bucket) throw missingParameter("s3ExportLocation.s3Bucket");
  const { S3Bucket: bucket, S3Prefix: prefix } = to;
  const id = context.newId("export-ami");
  const keys = (n: number) =>
    objectNamed(
      { bucket, key: `${prefix ?? ""}${id}${n === 0 ? "" : `-${n}`}.${format.toLowerCase()}` },
      context,
    ).key;
  keys(0);
  const image = exportable(input.ImageId, context);
  const objects = exportedDisks(image)
    .flatMap((disk) => disk ?? [])
    .map((disk, n) => ({ key: keys(n), format: format.toLowerCase() as ExportFormat, disks: [disk] }));
  const { transaction, task } = newExportTask(
    {
      id,
      description,
      wanted: { bucket, objects, named: true },
      told: { format, ...(prefix !== undefined && { prefix }), roleName },
      tags: tagsFor("export-image-task", input.TagSpecifications),
    },
    image,
    context,
  );
  return {
    touches: [
      { arn: exportTaskArn(id, context), tags: task.tags },
      { arn: imageArn(image.id, context), tags: image.tags },
    ],
    transaction,
    made: id,
  };
}

/** Throws InvalidAMIID.NotFound, InvalidAMIID.Unavailable, and NotExportable for an image that is not the account's own. */
function exportable(id: string, { records, accountId }: Ec2Context): ImageRecord {
  const image = offeredImages(records).find((it) => it.id === id);
  if (!image) throw imageNotFound([id]);
  if (image.ownerId !== accountId) throw imageNotExportable(id);
  if (devicesOf(image).some((it) => isEncrypted(it, records))) throw encryptedNotExported(id);
  if (imageState(image, records) !== "available") throw imageNotLaunchable(id);
  return image;
}
