import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { volumeNotFound } from "../errors.ts";
import { describeVolume, volumeFilters, type VolumeRecord } from "./volume.ts";

export const volumeOperations = {
  DescribeVolumes: {
    resolve: (input, context) =>
      describe(context.records.named("volume", input.VolumeIds), input, {
        ids: input.VolumeIds,
        parameter: "volumeIds",
        missing: volumeNotFound,
        filters: volumeFilters(context),
        bounds: { min: 5, max: 1000 },
      }),
    answer: ({ items, nextToken }: { items: readonly VolumeRecord[]; nextToken?: string }, context) => ({
      Volumes: items.map((volume) => describeVolume(volume, context)),
      NextToken: nextToken,
    }),
  },

  GetEbsEncryptionByDefault: {
    resolve: () => ({ touches: [] }),
    answer: () => ({ EbsEncryptionByDefault: false, SseType: "none" }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;
