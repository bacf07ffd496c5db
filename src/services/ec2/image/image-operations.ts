import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { imageNotFound } from "../errors.ts";
import { describeImage, imageFilters, imageOwner, type ImageRecord } from "./image.ts";

export const imageOperations = {
  DescribeImages: {
    resolve: (input, context) =>
      describe(
        input.Owners?.length && !ownedByAmazon(input.Owners) ? [] : context.records.all("image"),
        input,
        {
          ids: input.ImageIds,
          parameter: "imageIds",
          missing: imageNotFound,
          filters: imageFilters,
          bounds: { min: 1, max: 1000 },
        },
      ),
    answer: ({ items, nextToken }: { items: readonly ImageRecord[]; nextToken?: string }) => ({
      Images: items.map(describeImage),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const ownedByAmazon = (owners: readonly string[]) =>
  owners.some((owner) => owner === imageOwner.alias || owner === imageOwner.id);
