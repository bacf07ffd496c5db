import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreateVolumeRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { zonesOf } from "../availability-zone/availability-zone.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import {
  exclusiveParameters,
  missingParameter,
  noRoomForVolume,
  smallerThanSnapshot,
  snapshotNotFound,
  unsupportedParameter,
  volumeInState,
  volumeInUse,
  volumeNotFound,
  zoneNotFound,
} from "../errors.ts";
import { imageStays, offeredImages, type ImageRecord } from "../image/image.ts";
import { diskShortage } from "../instance/capacity.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { findVolume } from "./find-volume.ts";
import { knownType, volumeShape } from "./volume-types.ts";
import { describeVolume, volumeArn, volumeState, type VolumeRecord } from "./volume.ts";

export const newVolumeOperations = {
  CreateVolume: {
    resolve: (input, context) => once("CreateVolume", input, context, () => creation(input, context)),
    answer({ made }: MakingPlan, context) {
      const volume = context.records.get("volume", made);
      if (!volume) throw volumeNotFound([made]);
      return describeVolume(volume, context);
    },
  },

  DeleteVolume: {
    resolve({ VolumeId: id }, context): OperationPlan {
      const volume = findVolume(id, context);
      const state = volumeState(volume);
      const touches = [{ arn: volumeArn(id, context), tags: volume.tags }];
      if (state === "deleting") return { touches };
      if (volume.attachment) throw volumeInUse(id, volume.attachment.instanceId);
      if (state === "creating") throw volumeInState(id, state);
      return { touches, transaction: context.records.rewrite("volume", { ...volume, deleting: true }) };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function creation(input: CreateVolumeRequest, context: Ec2Context): MakingPlan {
  const { records } = context;
  for (const name of unserved) if (input[name]) throw unsupportedParameter(name);
  const zone = zoneOf(input, context);
  onlyTags(["volume"], input.TagSpecifications);
  const image = sourceOf(input, context);
  const sizeGiB = input.Size ?? image?.sizeGiB;
  if (sizeGiB === undefined) throw missingParameter("size or snapshotId");
  if (image && sizeGiB < image.sizeGiB)
    throw smallerThanSnapshot("InvalidParameterValue", sizeGiB, image.snapshotId, image.sizeGiB);
  const volume: VolumeRecord = {
    id: context.newId("vol"),
    hostId: hostFor(zone, context),
    zone,
    ...volumeShape(knownType(input.VolumeType ?? "gp2"), sizeGiB, input),
    ...(image && { image: { imageId: image.id, snapshotId: image.snapshotId } }),
    ...(input.ClientToken && { clientToken: input.ClientToken }),
    tags: tagsFor("volume", input.TagSpecifications),
    createdAt: context.now().toISOString(),
    so: { ready: false },
  };
  const key = records.key("volume", volume.id);
  return {
    touches: [{ arn: volumeArn("*", context), tags: volume.tags }],
    transaction: {
      expect: [{ absent: key }, ...(image ? imageStays(image.id, records) : [])],
      put: [{ key, value: volume }],
    },
    made: volume.id,
  };
}

const unserved = [
  "Encrypted",
  "KmsKeyId",
  "MultiAttachEnabled",
  "Operator",
  "OutpostArn",
  "VolumeInitializationRate",
] as const satisfies (keyof CreateVolumeRequest)[];

function zoneOf(
  { AvailabilityZone: name, AvailabilityZoneId: id }: CreateVolumeRequest,
  { region }: Ec2Context,
): string {
  if (!name && !id) throw missingParameter("availabilityZone");
  if (name && id) throw exclusiveParameters("availabilityZone", "availabilityZoneId");
  const zone = zonesOf(region).find((it) => (name ? it.name === name : it.id === id));
  if (!zone) throw zoneNotFound(name ?? id ?? "");
  return zone.name;
}

/** Of the snapshots that there are: those that images are launched from. */
function sourceOf({ SnapshotId: id }: CreateVolumeRequest, { records }: Ec2Context): ImageRecord | undefined {
  if (!id) return undefined;
  const image = offeredImages(records).find(({ snapshotId }) => snapshotId === id);
  if (!image) throw snapshotNotFound(id);
  return image;
}

/** One that serves the zone and has room. Throws InsufficientVolumeCapacity. */
function hostFor(zone: string, { records, region, now }: Ec2Context): string {
  const near = records.hosts(now()).filter((host) => host.zones.some((letter) => region + letter === zone));
  const host = near.find((it) => diskShortage(it) === undefined);
  if (host) return host.id;
  const [why = "No host serves the zone."] = near.flatMap((it) => diskShortage(it) ?? []);
  throw noRoomForVolume(why);
}
