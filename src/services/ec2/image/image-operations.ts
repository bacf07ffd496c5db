import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { imageNotFound, imageProtected } from "../errors.ts";
import { imageNamed } from "./image-alias.ts";
import { isAllowed, isUsable } from "./image-settings.ts";
import {
  describeImage,
  imageFilters,
  imageNameClaim,
  isProtected,
  isPublic,
  offeredImages,
  ownerOf,
  type ImageRecord,
} from "./image.ts";
import { changedImage, ownImage } from "./own-image.ts";

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
          (input.IncludeDisabled || !it.disabled),
        parameter: "imageIds",
        missing: imageNotFound,
        filters: { ...imageFilters, "image-allowed": (it) => String(isAllowed(it, context) ?? true) },
        bounds: { min: 1, max: 1000 },
      });
    },
    answer: ({ items, nextToken }: { items: readonly ImageRecord[]; nextToken?: string }, context) => ({
      Images: items.map((it) => ({
        ...describeImage(it, context.now()),
        ImageAllowed: isAllowed(it, context),
      })),
      NextToken: nextToken,
    }),
  },

  /** Instances made of it run on, and start again. */
  DeregisterImage: {
    resolve({ ImageId: id }, context) {
      const { records, now } = context;
      const { name, deregistrationProtection } = ownImage(id, context);
      if (isProtected(deregistrationProtection, now())) throw imageProtected(id);
      const { touches, transaction } = changedImage(id, context, (image) => ({
        ...image,
        tags: {},
        deregistered: true,
      }));
      return {
        touches,
        transaction: { ...transaction, delete: [records.key("claim", imageNameClaim(name))] },
      };
    },
    answer: () => ({ Return: true }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

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

/** `self`: what others share with the account itself. */
function isExecutable(image: ImageRecord, users: readonly string[] | undefined, { accountId }: Ec2Context) {
  if (!users?.length) return true;
  const sharedWith = (user: string) => (image.launchPermissions ?? []).some(({ UserId }) => UserId === user);
  return users.some((it) => (it === "all" ? isPublic(image) : sharedWith(it === "self" ? accountId : it)));
}
