import type * as ec2 from "@aws-sdk/client-ec2";
import type { DeleteSnapshotReturnCode, SnapshotReturnCodes } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { imageNotFound, imageProtected } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import { isLocked } from "../snapshot/snapshot-lock.ts";
import { deleted, snapshotArn, type SnapshotRecord } from "../snapshot/snapshot.ts";
import { together } from "../together.ts";
import { imageNamed } from "./image-alias.ts";
import { deregistered } from "./image-in-bin.ts";
import { imageParameters, type ImageParameter } from "./image-parameter.ts";
import { isAllowed, isUsable } from "./image-settings.ts";
import {
  describeImage,
  imageArn,
  imageFilters,
  imagesMadeOf,
  isProtected,
  isPublic,
  offeredImages,
  ownerOf,
  snapshotsOf,
  type ImageRecord,
} from "./image.ts";
import { ownImage } from "./own-image.ts";

export const imageOperations = {
  DescribeImages: {
    resolve(input, context) {
      const images = [...offeredImages(context.records), ...standIns(input.ImageIds, context)];
      return describe(images, input, {
        ids: input.ImageIds,
        shows: (it) =>
          isOwned(it, input.Owners, context) &&
          isExecutable(it, input.ExecutableUsers, context) &&
          isUsable(it, context) &&
          (input.IncludeDisabled || !it.disabled) &&
          (input.IncludeDeprecated || input.ImageIds?.includes(it.id) || !isHidden(it, context)),
        parameter: "imageIds",
        missing: imageNotFound,
        filters: {
          ...imageFilters(context.records),
          "image-allowed": (it) => String(isAllowed(it, context) ?? true),
          "public-ssm-parameter-name": parameterNames(context.records),
        },
        bounds: { min: 1, max: 1000 },
      });
    },
    answer: ({ items, nextToken }: { items: readonly ImageRecord[]; nextToken?: string }, context) => ({
      Images: items.map((it) => ({
        ...describeImage(it, context),
        ImageAllowed: isAllowed(it, context),
      })),
      NextToken: nextToken,
    }),
  },

  /** Instances made of it run on, and start again. */
  DeregisterImage: {
    resolve({ ImageId: id, DeleteAssociatedSnapshots: withSnapshots = false }, context): Deregistration {
      const { records, now } = context;
      const image = ownImage(id, context);
      if (isProtected(image.deregistrationProtection, now())) throw imageProtected(id);
      const snapshots = withSnapshots ? snapshotsOf(image, records) : [];
      const fates = snapshots.map((it) => [it, fateOf(it, context)] as const);
      const going = fates.filter(([, fate]) => fate === "success").map(([it]) => it);
      return {
        touches: [
          { arn: imageArn(id, context), tags: image.tags },
          ...snapshots.map((it) => ({
            arn: snapshotArn(it.id, context),
            tags: it.tags,
            action: "ec2:DeleteSnapshot",
          })),
        ],
        transaction: together(
          deregistered(image, context),
          ...going.map((it) => records.rewrite("snapshot", deleted(it, context))),
        ),
        ...(withSnapshots && {
          results: fates.map(([it, ReturnCode]) => ({ SnapshotId: it.id, ReturnCode })),
        }),
      };
    },
    answer: ({ results }: Deregistration) => ({ Return: true, DeleteSnapshotResults: results }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface Deregistration extends OperationPlan {
  readonly results?: DeleteSnapshotReturnCode[];
}

/** What becomes of a snapshot of an image that is deregistered with them. */
function fateOf(snapshot: SnapshotRecord, { records, now }: Ec2Context): SnapshotReturnCodes {
  if (imagesMadeOf(snapshot.id, records).length > 1) return "skipped";
  return isLocked(snapshot, now()) ? "client-error" : "success";
}

/** Looked up once, when the first image is asked for them. */
function parameterNames(records: Ec2Records): (image: ImageRecord) => string[] {
  let named: Map<string, ImageParameter[]> | undefined;
  return ({ id }) => {
    named ??= Map.groupBy(imageParameters(records.all("image")), ({ imageId }) => imageId);
    return (named.get(id) ?? []).map(({ name }) => name);
  };
}

/** For ids that the region has no image of: what their aliases put in their place, under the name they were asked by. */
const standIns = (ids: readonly string[] | undefined, context: Ec2Context) =>
  (ids ?? []).flatMap((id): ImageRecord[] => {
    const image = imageNamed(id, context);
    return image && image.id !== id ? [{ ...image, id: id as ImageRecord["id"] }] : [];
  });

const isOwned = (image: ImageRecord, owners: readonly string[] | undefined, { accountId }: Ec2Context) => {
  const { id, alias } = ownerOf(image);
  const names = [id, alias, ...(id === accountId ? ["self"] : [])];
  return !owners?.length || owners.some((owner) => names.includes(owner));
};

/** A deprecated image is told to others who ask for it only. */
const isHidden = ({ ownerId, deprecationTime }: ImageRecord, { accountId, now }: Ec2Context): boolean =>
  ownerId !== accountId && deprecationTime !== undefined && deprecationTime <= now().toISOString();

/** `self`: what others share with the account itself. */
function isExecutable(image: ImageRecord, users: readonly string[] | undefined, { accountId }: Ec2Context) {
  if (!users?.length) return true;
  const sharedWith = (user: string) => (image.launchPermissions ?? []).some(({ UserId }) => UserId === user);
  return users.some((it) => (it === "all" ? isPublic(image) : sharedWith(it === "self" ? accountId : it)));
}
