import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { imageNotAuthorized, imageNotFound } from "../errors.ts";
import { imageNamed } from "./image-alias.ts";
import {
  describeImage,
  imageFilters,
  imageNameClaim,
  isProvided,
  offeredImages,
  ownerOf,
  type ImageRecord,
} from "./image.ts";

export const imageOperations = {
  DescribeImages: {
    resolve(input, context) {
      const images = [...offeredImages(context.records), ...standIns(input.ImageIds, context)];
      return describe(images, input, {
        ids: input.ImageIds,
        shows: (it) => isOwned(it, input.Owners, context) && isExecutable(it, input.ExecutableUsers),
        parameter: "imageIds",
        missing: imageNotFound,
        filters: imageFilters,
        bounds: { min: 1, max: 1000 },
      });
    },
    answer: ({ items, nextToken }: { items: readonly ImageRecord[]; nextToken?: string }) => ({
      Images: items.map(describeImage),
      NextToken: nextToken,
    }),
  },

  /** Instances made of it run on, and start again. */
  DeregisterImage: {
    resolve({ ImageId: id }, { records, accountId, region }) {
      const { value: image, revision } = records.entry("image", id) ?? {};
      if (!image || image.deregistered || revision === undefined) throw imageNotFound([id]);
      if (image.ownerId !== accountId) throw imageNotAuthorized(id);
      const key = records.key("image", id);
      return {
        touches: [{ arn: `arn:aws:ec2:${region}::image/${id}`, tags: image.tags }],
        transaction: {
          expect: [{ at: [key, revision] as const }],
          put: [{ key, value: { ...image, tags: {}, deregistered: true } satisfies ImageRecord }],
          delete: [records.key("claim", imageNameClaim(image.name))],
        },
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

/** Those that Croft provides are public; nobody shares others yet. */
const isExecutable = (image: ImageRecord, users: readonly string[] | undefined) =>
  !users?.length || (users.includes("all") && isProvided(image));
