import type * as ec2 from "@aws-sdk/client-ec2";
import type { CopyImageRequest, ImageAncestryEntry } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import {
  imageNotFound,
  imageNotLaunchable,
  imageStorageNotShared,
  noRoomForVolume,
  unsupportedParameter,
} from "../errors.ts";
import {
  keyNotAccessible,
  sharedSnapshots,
  snapshotArn,
  snapshotStays,
  type SnapshotRecord,
} from "../snapshot/snapshot.ts";
import { sourceRegion } from "../source-region.ts";
import { copiedTags, describeTags, onlyTags, tagsFor, withTags } from "../tag/tag.ts";
import { together } from "../together.ts";
import { encryptionPlan, type AskedEncryption, type EncryptionPlan } from "../volume/encryption.ts";
import { sourceOfSnapshot } from "../volume/volume-source.ts";
import { imageNamed } from "./image-alias.ts";
import { devicesOf, type ImageDevice } from "./image-device.ts";
import { isUsable } from "./image-settings.ts";
import { imageArn, imageStays, imageState, isProvided, ownerOf, type ImageRecord } from "./image.ts";
import { imageMade, toldOf } from "./new-image.ts";

export const copyImageOperations = {
  /** With snapshots of its own, also of an image that Croft provides: it stays when that goes. */
  CopyImage: {
    resolve: (input, context) => once("CopyImage", input, context, () => copy(input, context)),
    answer: ({ made }: MakingPlan) => ({ ImageId: made }),
  },

  /** As far as the images that it came of are still there. */
  GetImageAncestry: {
    resolve: ({ ImageId: id }, context) => ({
      touches: [],
      ancestry: ancestryOf(usable(id, context), context),
    }),
    answer: ({ ancestry }: { ancestry: ImageAncestryEntry[] }) => ({ ImageAncestryEntries: ancestry }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function copy(
  input: CopyImageRequest & { SourceImageId: string; SourceRegion: string; Name: string },
  context: Ec2Context,
): MakingPlan {
  const { records } = context;
  for (const name of unserved) if (input[name]) throw unsupportedParameter(name);
  const from = sourceRegion(input.SourceRegion, context);
  onlyTags(["image", "snapshot"], input.TagSpecifications);
  const source = usable(input.SourceImageId, from);
  if (imageState(source, from.records) !== "available") throw imageNotLaunchable(input.SourceImageId);
  if (!isCopyable(source, from)) throw imageStorageNotShared();
  const told = toldOf(input, context);
  const id = context.newId("ami");
  const tags = tagsFor("snapshot", input.TagSpecifications);
  const encryptions = encryptionPlan(context);
  const copies = devicesOf(source).map((device) => {
    const snapshot = snapshotOf(device, source, from, input, encryptions, context);
    if (!snapshot) return { device };
    const description = `Copied for DestinationAmi ${id} from SourceAmi ${source.id} for SourceSnapshot ${device.snapshotId}.`;
    return { device: { ...device, snapshotId: snapshot.id }, snapshot: { ...snapshot, description, tags } };
  });
  const devices = copies.map(({ device }) => device);
  const { launchPermissions: _, deprecationTime: _d, cacheEntry: _c, ...kept } = source;
  const { deregistrationProtection: _p, source: _s, clientToken: _t, lastLaunchedAt: _l, ...like } = kept;
  const image: ImageRecord = {
    ...like,
    ...told,
    id,
    ownerId: context.accountId,
    snapshotId: devices[0]?.snapshotId ?? "",
    devices,
    source: { imageId: input.SourceImageId, region: from.region },
    ...(input.ClientToken && { clientToken: input.ClientToken }),
    tags: withTags(
      input.CopyImageTags ? copiedTags(source.tags) : {},
      describeTags(tagsFor("image", input.TagSpecifications)),
    ),
    createdAt: context.now().toISOString(),
  };
  const snapshots = copies.flatMap(({ snapshot }) => snapshot ?? []);
  return {
    touches: [
      { arn: imageArn(source.id, from), tags: source.tags },
      { arn: imageArn("*", context), tags: image.tags },
      { arn: snapshotArn("*", context), tags },
      ...encryptions.parts().touches,
    ],
    transaction: together(
      encryptions.parts().transaction,
      {
        expect: [
          ...imageStays(source.id, from.records),
          ...snapshots.flatMap(({ of }) => ("copy" in of ? snapshotStays(of.copy, from.records) : [])),
        ],
        put: snapshots.map((value) => ({ key: records.key("snapshot", value.id), value })),
      },
      imageMade(image, context),
    ),
    made: id,
  };
}

const unserved = [
  "DestinationAvailabilityZone",
  "DestinationAvailabilityZoneId",
  "DestinationOutpostArn",
  "SnapshotCopyCompletionDurationMinutes",
] as const satisfies (keyof CopyImageRequest)[];

/** The copy of what a device begins as; undefined: it begins blank. */
function snapshotOf(
  device: ImageDevice,
  source: ImageRecord,
  from: Ec2Context,
  asked: AskedEncryption,
  encryptions: EncryptionPlan,
  context: Ec2Context,
): Omit<SnapshotRecord, "description" | "tags"> | undefined {
  if (device.snapshotId === undefined) return undefined;
  const id = context.newId("snap");
  const snapshot = from.records.whosever("snapshot", device.snapshotId)?.value;
  const of = source.cacheEntry === undefined ? snapshot : undefined;
  const encrypted = of && sourceOfSnapshot(of, context.records).encrypted;
  const { encryption, failed } = encryptions.of(id, asked, encrypted);
  const made = {
    id,
    together: id,
    createdAt: context.now().toISOString(),
    ...(encryption && { encryption }),
    so: failed === undefined ? {} : { failed: keyNotAccessible },
  };
  if (of)
    return {
      ...made,
      hostId: of.hostId,
      of: { copy: of.id },
      sizeGiB: of.sizeGiB,
      ...(of.image && { image: of.image }),
    };
  const [host] = context.records.hosts(context.now());
  if (!host) throw noRoomForVolume("No host is there.");
  return {
    ...made,
    hostId: host.id,
    of: { imageId: source.id },
    sizeGiB: source.sizeGiB,
    image: { imageId: source.id, snapshotId: source.snapshotId },
  };
}

/** Another's is when he shares its snapshots too; there are none to share of an image that was imported. */
export function isCopyable(image: ImageRecord, { accountId, records }: Ec2Context): boolean {
  if (isProvided(image) || image.ownerId === accountId) return true;
  const readable = new Set<string | undefined>(sharedSnapshots(records).map(({ id }) => id));
  return devicesOf(image).every(({ snapshotId }) => snapshotId === undefined || readable.has(snapshotId));
}

/** Throws InvalidAMIID.NotFound. */
function usable(id: string, context: Ec2Context): ImageRecord {
  const image = imageNamed(id, context);
  if (!image || !isUsable(image, context)) throw imageNotFound([id]);
  return image;
}

function ancestryOf(image: ImageRecord | undefined, context: Ec2Context): ImageAncestryEntry[] {
  if (!image) return [];
  const { id, createdAt, source } = image;
  const entry: ImageAncestryEntry = {
    CreationDate: new Date(createdAt),
    ImageId: id,
    ImageOwnerAlias: ownerOf(image).alias,
    SourceImageId: source?.imageId,
    SourceImageRegion: source?.region,
  };
  if (!source) return [entry];
  const from = sourceRegion(source.region, context);
  return [entry, ...ancestryOf(imageNamed(source.imageId, from), from)];
}
