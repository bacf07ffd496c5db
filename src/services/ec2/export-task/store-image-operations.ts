import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  CreateStoreImageTaskRequest,
  DescribeStoreImageTasksRequest,
  S3ObjectTag,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { imageNotAuthorized, imageNotFound, imageNotLaunchable, invalidParameter } from "../errors.ts";
import { filtered } from "../filters.ts";
import { isCopyable } from "../image/copy-image-operations.ts";
import { imageArn, imageState, offeredImages, snapshotsOf, type ImageRecord } from "../image/image.ts";
import { page, refuseIdsWithPages } from "../pagination.ts";
import type { Tags } from "../tag/tag.ts";
import { useOf } from "../volume/encryption.ts";
import { objectArn, objectNamed } from "./bucket-parameters.ts";
import {
  describeStore,
  exportedDisks,
  isImageExport,
  newExportTask,
  storeTaskFilters,
  type ExportTaskRecord,
} from "./export-task.ts";
import { storedHead } from "./stored-image.ts";

export const storeImageOperations = {
  /**
   * Of an image that is the account's own, or shared with it by name together with its snapshots. What is encrypted is decrypted as it is
   * stored, as AWS has it: the caller must be let use the key. One that cannot be used fails the task.
   */
  CreateStoreImageTask: {
    resolve: store,
    answer: ({ key }: StorePlan) => ({ ObjectKey: key }),
  },

  /** Newest first. With image ids the filters are ignored, as AWS does. */
  DescribeStoreImageTasks: {
    resolve: stores,
    answer: ({ items, nextToken }: StoresPlan) => ({
      StoreImageTaskResults: items.map(describeStore),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface StorePlan extends OperationPlan {
  readonly key: string;
}

function store(
  input: CreateStoreImageTaskRequest & { ImageId: string; Bucket: string },
  context: Ec2Context,
): StorePlan {
  const { bucket, key } = objectNamed({ bucket: input.Bucket, key: `${input.ImageId}.bin` }, context);
  const objectTags = objectTagsOf(input.S3ObjectTags);
  const image = storable(input.ImageId, context);
  const uses = snapshotsOf(image, context.records).flatMap(({ encryption }) =>
    encryption ? useOf(encryption, context).touches : [],
  );
  const { head, disks } = storedHead(image, exportedDisks(image), objectTags, context);
  const { transaction } = newExportTask(
    {
      id: context.newId("store-ami"),
      description: "",
      wanted: { bucket, objects: [{ key, format: "qcow2", head, disks }], named: false },
      tags: {},
    },
    image,
    context,
  );
  return {
    touches: [
      { arn: imageArn(image.id, context), tags: image.tags },
      { arn: objectArn({ bucket, key }), action: "s3:PutObject" },
      ...uses,
    ],
    transaction,
    key,
  };
}

/** Throws InvalidAMIID.NotFound, InvalidAMIID.Unavailable and AuthFailure. */
function storable(id: string, context: Ec2Context): ImageRecord {
  const { records, accountId } = context;
  const image = offeredImages(records).find((it) => it.id === id);
  if (!image) throw imageNotFound([id]);
  const isShared = (image.launchPermissions ?? []).some(({ UserId }) => UserId === accountId);
  if (image.ownerId !== accountId && !(isShared && isCopyable(image, context))) throw imageNotAuthorized(id);
  if (imageState(image, records) !== "available") throw imageNotLaunchable(id);
  return image;
}

/** S3's rules. They are kept in the object, since nothing else has tags there. */
function objectTagsOf(given: readonly S3ObjectTag[] = []): Tags {
  if (given.length > 10) throw invalidParameter("An object has at most 10 tags.");
  const tags = given.map(({ Key = "", Value = "" }) => {
    const isValid = Key !== "" && characters(Key) <= 128 && characters(Value) <= 256;
    if (!isValid || Key.toLowerCase().startsWith("aws:"))
      throw invalidParameter(
        "The key of an object's tag has 1 to 128 characters and does not begin with 'aws:'; its value has at most 256.",
      );
    return [Key, Value] as const;
  });
  if (new Set(tags.map(([key]) => key)).size < tags.length)
    throw invalidParameter("Two tags of the object have the same key.");
  return Object.fromEntries(tags);
}

/** Unicode characters, not UTF-16 units. */
const characters = (text: string) => Array.from(text).length;

interface StoresPlan extends OperationPlan {
  readonly items: readonly ExportTaskRecord[];
  readonly nextToken?: string | undefined;
}

function stores(input: DescribeStoreImageTasksRequest, { records, now }: Ec2Context): StoresPlan {
  const { ImageIds: ids = [], Filters: filters } = input;
  refuseIdsWithPages(ids, input, "imageIds");
  if (ids.length > 20) throw invalidParameter("At most 20 image IDs can be described in one request.");
  const since = new Date(now().getTime() - shownMs).toISOString();
  const all = records.all("export-task").filter((it) => !isImageExport(it) && it.createdAt >= since);
  const unknown = ids.filter((id) => !records.get("image", id) && !all.some(({ imageId }) => imageId === id));
  if (unknown.length > 0) throw imageNotFound(unknown);
  const chosen =
    ids.length > 0
      ? all.filter(({ imageId }) => ids.includes(imageId))
      : filtered(all, filters, storeTaskFilters);
  const newestFirst = chosen.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  return { touches: [], ...page(newestFirst, placeOf, input, { min: 1, max: 200 }) };
}

/** As AWS shows them, for 31 days. */
const shownMs = 31 * 24 * 3_600_000;

const placeOf = ({ id, createdAt }: ExportTaskRecord): string =>
  `${String(Number.MAX_SAFE_INTEGER - Date.parse(createdAt)).padStart(16, "0")} ${id}`;
