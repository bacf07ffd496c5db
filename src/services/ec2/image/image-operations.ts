import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { imageNotFound } from "../errors.ts";
import { imageNamed } from "./image-alias.ts";
import { describeImage, imageFilters, imageOwner, type ImageRecord } from "./image.ts";

export const imageOperations = {
  DescribeImages: {
    resolve(input, context) {
      const asked = ownedByAmazon(input.Owners) && forEveryone(input.ExecutableUsers);
      const images = [...context.records.all("image"), ...standIns(input.ImageIds, context)];
      return describe(asked ? images : [], input, {
        ids: asked ? input.ImageIds : undefined,
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
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** For ids that the region has no image of: what their aliases put in their place, under the name they were asked by. */
const standIns = (ids: readonly string[] | undefined, context: Ec2Context) =>
  (ids ?? []).flatMap((id): ImageRecord[] => {
    const image = imageNamed(id, context);
    return image && image.id !== id ? [{ ...image, id: id as ImageRecord["id"] }] : [];
  });

/** All images are Amazon's, and public. */
const ownedByAmazon = (owners: readonly string[] | undefined) =>
  !owners?.length || owners.some((owner) => owner === imageOwner.alias || owner === imageOwner.id);
const forEveryone = (users: readonly string[] | undefined) => !users?.length || users.includes("all");
