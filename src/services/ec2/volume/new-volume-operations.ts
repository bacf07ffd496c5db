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
  unsupportedParameter,
  volumeInState,
  volumeInUse,
  zoneNotFound,
} from "../errors.ts";
import { diskShortage } from "../instance/capacity.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { findVolume } from "./find-volume.ts";
import { together } from "../together.ts";
import { encryptionPlan } from "./encryption.ts";
import { sourceOf } from "./volume-source.ts";
import { knownType, volumeShape } from "./volume-types.ts";
import {
  deletedVolume,
  describeVolume,
  volumeArn,
  volumeKeys,
  volumeState,
  type VolumeRecord,
} from "./volume.ts";

export const newVolumeOperations = {
  CreateVolume: {
    resolve: (input, context) => once("CreateVolume", input, context, () => creation(input, context)),
    answer({ made }: MakingPlan, context) {
      return describeVolume(findVolume(made, context), context);
    },
  },

  DeleteVolume: {
    resolve({ VolumeId: id }, context): OperationPlan {
      const volume = findVolume(id, context);
      const state = volumeState(volume);
      const touches = [{ arn: volumeArn(id, context), tags: volume.tags }];
      if (state === "deleting") return { touches };
      const [attachment] = volume.attachments;
      if (attachment) throw volumeInUse(id, attachment.instanceId);
      if (state === "creating") throw volumeInState(id, state);
      const { records, now } = context;
      return { touches, transaction: records.rewrite("volume", deletedVolume(volume, records, now())) };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function creation(input: CreateVolumeRequest, context: Ec2Context): MakingPlan {
  const { records } = context;
  for (const name of unserved) if (input[name]) throw unsupportedParameter(name);
  const zone = zoneOf(input, context);
  onlyTags(["volume"], input.TagSpecifications);
  const source = input.SnapshotId ? sourceOf(input.SnapshotId, context) : undefined;
  const sizeGiB = input.Size ?? source?.sizeGiB;
  if (sizeGiB === undefined) throw missingParameter("size or snapshotId");
  if (source && sizeGiB < source.sizeGiB)
    throw smallerThanSnapshot("InvalidParameterValue", sizeGiB, input.SnapshotId ?? "", source.sizeGiB);
  const id = context.newId("vol");
  const encryptions = encryptionPlan(context);
  const { encryption, failed } = encryptions.of(id, input, source?.encrypted);
  const { touches, transaction } = encryptions.parts();
  const volume: VolumeRecord = {
    id,
    hostId: hostFor(zone, source?.hostId, context),
    zone,
    ...volumeShape(knownType(input.VolumeType ?? "gp2"), sizeGiB, input),
    ...source?.of,
    ...(encryption && { encryption }),
    ...(input.ClientToken && { clientToken: input.ClientToken }),
    attachments: [],
    tags: tagsFor("volume", input.TagSpecifications),
    createdAt: context.now().toISOString(),
    so: { ready: false, ...(failed !== undefined && { failed }) },
  };
  const key = records.key("volume", volume.id);
  return {
    touches: [
      {
        arn: volumeArn("*", context),
        tags: volume.tags,
        keys: volumeKeys(volume, context),
      },
      ...touches,
    ],
    transaction: together(transaction, {
      expect: [{ absent: key }, ...(source?.stays ?? [])],
      put: [{ key, value: volume }],
    }),
    made: volume.id,
  };
}

const unserved = [
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

/** One that serves the zone and has room, and the bytes when they are on one. Throws InsufficientVolumeCapacity. */
function hostFor(zone: string, only: string | undefined, { records, region, now }: Ec2Context): string {
  const near = records
    .hosts(now())
    .filter((host) => host.zones.some((letter) => region + letter === zone))
    .filter(({ id }) => (only ?? id) === id);
  const host = near.find((it) => diskShortage(it) === undefined);
  if (host) return host.id;
  const [why = "No host serves the zone."] = near.flatMap((it) => diskShortage(it) ?? []);
  throw noRoomForVolume(why);
}
