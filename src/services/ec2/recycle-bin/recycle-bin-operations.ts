import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { imageNotFound, snapshotNotFound, volumeNotFound } from "../errors.ts";
import { imageArn, type ImageRecord } from "../image/image.ts";
import { restoredImage } from "../image/image-in-bin.ts";
import { describeSnapshot, snapshotArn, type SnapshotRecord } from "../snapshot/snapshot.ts";
import { describeVolume, volumeArn, type VolumeRecord } from "../volume/volume.ts";
import { outOfBin, type InBin } from "./recycle-bin.ts";

/** What is deleted and can be had back. */
export const recycleBinOperations = {
  ListSnapshotsInRecycleBin: {
    resolve: (input, { records }) =>
      describe(records.named("snapshot", input.SnapshotIds).filter(isInBin), input, {
        ids: input.SnapshotIds,
        parameter: "snapshotIds",
        missing: snapshotNotFound,
        filters: {},
        bounds: { min: 5, max: 1000 },
      }),
    answer: ({ items, nextToken }: Page<SnapshotRecord>, context) => ({
      Snapshots: items.map((it) => {
        const { SnapshotId, Description, VolumeId } = describeSnapshot(it, context);
        return { SnapshotId, Description, VolumeId, ...times(it) };
      }),
      NextToken: nextToken,
    }),
  },

  RestoreSnapshotFromRecycleBin: {
    resolve({ SnapshotId: id }, context): OperationPlan & { readonly snapshot: SnapshotRecord } {
      const inside = context.records.get("snapshot", id);
      if (!inside?.bin) throw snapshotNotFound([id]);
      const snapshot = outOfBin(inside);
      return {
        touches: [{ arn: snapshotArn(id, context), tags: inside.tags }],
        transaction: context.records.rewrite("snapshot", snapshot),
        snapshot,
      };
    },
    answer({ snapshot }: { readonly snapshot: SnapshotRecord }, context) {
      const told = describeSnapshot(snapshot, context);
      const { SnapshotId, Description, Encrypted, OwnerId, Progress, StartTime } = told;
      const { State, VolumeId, VolumeSize } = told;
      return {
        SnapshotId,
        Description,
        Encrypted,
        OwnerId,
        Progress,
        StartTime,
        State,
        VolumeId,
        VolumeSize,
        SseType: "none" as const,
      };
    },
  },

  ListImagesInRecycleBin: {
    resolve: (input, { records }) =>
      describe(records.named("image", input.ImageIds).filter(isInBin), input, {
        ids: input.ImageIds,
        parameter: "imageIds",
        missing: imageNotFound,
        filters: {},
        bounds: { min: 1, max: 1000 },
      }),
    answer: ({ items, nextToken }: Page<ImageRecord>) => ({
      Images: items.map((it) => ({
        ImageId: it.id,
        Name: it.name,
        Description: it.description,
        ...times(it),
      })),
      NextToken: nextToken,
    }),
  },

  /** Its snapshots have to be there: those in the bin are restored first. */
  RestoreImageFromRecycleBin: {
    resolve({ ImageId: id }, context): OperationPlan {
      const inside = context.records.get("image", id);
      if (!inside?.bin) throw imageNotFound([id]);
      return {
        touches: [{ arn: imageArn(id, context), tags: inside.tags }],
        transaction: restoredImage(inside, context),
      };
    },
    answer: () => ({ Return: true }),
  },

  ListVolumesInRecycleBin: {
    resolve: (input, { records }) =>
      describe(records.named("volume", input.VolumeIds).filter(isInBin), input, {
        ids: input.VolumeIds,
        parameter: "volumeIds",
        missing: volumeNotFound,
        filters: {},
        bounds: { min: 5, max: 500 },
      }),
    answer: ({ items, nextToken }: Page<VolumeRecord>, context) => ({
      Volumes: items.map((it) => {
        const told = describeVolume(outOfBin(it), context);
        const { VolumeId, VolumeType, State, Size, Iops, Throughput, SnapshotId, CreateTime } = told;
        return {
          VolumeId,
          VolumeType,
          State,
          Size,
          Iops,
          Throughput,
          AvailabilityZone: it.zone,
          AvailabilityZoneId: zoneId(context.region, it.zone),
          SnapshotId,
          Operator: { Managed: false },
          CreateTime,
          ...times(it),
        };
      }),
      NextToken: nextToken,
    }),
  },

  RestoreVolumeFromRecycleBin: {
    resolve({ VolumeId: id }, context): OperationPlan {
      const inside = context.records.get("volume", id);
      if (!inside?.bin) throw volumeNotFound([id]);
      return {
        touches: [{ arn: volumeArn(id, context), tags: inside.tags }],
        transaction: context.records.rewrite("volume", outOfBin(inside)),
      };
    },
    answer: () => ({ Return: true }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextToken?: string;
}

const isInBin = ({ bin }: { readonly bin?: InBin }): boolean => bin !== undefined;

const times = ({ bin }: { readonly bin?: InBin }) => ({
  RecycleBinEnterTime: bin && new Date(bin.enteredAt),
  RecycleBinExitTime: bin && new Date(bin.exitsAt),
});
