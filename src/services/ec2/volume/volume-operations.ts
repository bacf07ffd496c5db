import type * as ec2 from "@aws-sdk/client-ec2";
import type { VolumeAttributeName } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { invalidCombination, volumeNotFound } from "../errors.ts";
import { findVolume } from "./find-volume.ts";
import { describeVolumeStatus, volumeStatusFilters } from "./volume-status.ts";
import { describeVolume, volumeArn, volumeFilters, volumesThere, type VolumeRecord } from "./volume.ts";

interface Page {
  readonly items: readonly VolumeRecord[];
  readonly nextToken?: string;
}

export const volumeOperations = {
  DescribeVolumes: {
    resolve: (input, context) =>
      describe(volumesThere(context.records, input.VolumeIds), input, {
        ids: input.VolumeIds,
        parameter: "volumeIds",
        missing: volumeNotFound,
        filters: volumeFilters(context),
        bounds: { min: 5, max: 1000 },
      }),
    answer: ({ items, nextToken }: Page, context) => ({
      Volumes: items.map((volume) => describeVolume(volume, context)),
      NextToken: nextToken,
    }),
  },

  DescribeVolumeStatus: {
    resolve: (input, context) =>
      describe(volumesThere(context.records, input.VolumeIds), input, {
        ids: input.VolumeIds,
        parameter: "volumeIds",
        missing: volumeNotFound,
        filters: volumeStatusFilters(context.records),
        bounds: { min: 5, max: 1000 },
      }),
    answer: ({ items, nextToken }: Page, { records, region }) => ({
      VolumeStatuses: items.map((volume) => describeVolumeStatus(volume, records, region)),
      NextToken: nextToken,
    }),
  },

  DescribeVolumeAttribute: {
    resolve({ VolumeId: id, Attribute: attribute }, context) {
      const volume = findVolume(id, context);
      if (attribute === undefined) throw invalidCombination("No attributes specified.");
      return { touches: [{ arn: volumeArn(id, context), tags: volume.tags }], volume, attribute };
    },
    answer: ({ volume, attribute }: { volume: VolumeRecord; attribute: VolumeAttributeName }) => ({
      VolumeId: volume.id,
      ...(attribute === "autoEnableIO"
        ? { AutoEnableIO: { Value: volume.autoEnableIo ?? false } }
        : { ProductCodes: [] }),
    }),
  },

  ModifyVolumeAttribute: {
    resolve({ VolumeId: id, AutoEnableIO }, context): OperationPlan {
      const volume = findVolume(id, context);
      if (AutoEnableIO?.Value === undefined) throw invalidCombination("No attributes specified.");
      return {
        touches: [{ arn: volumeArn(id, context), tags: volume.tags }],
        transaction: context.records.rewrite("volume", { ...volume, autoEnableIo: AutoEnableIO.Value }),
      };
    },
    answer: () => ({}),
  },

  /** Nothing here ever takes a volume's I/O away, so it is enabled already. */
  EnableVolumeIO: {
    resolve: ({ VolumeId: id }, context) => ({
      touches: [{ arn: volumeArn(id, context), tags: findVolume(id, context).tags }],
    }),
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;
