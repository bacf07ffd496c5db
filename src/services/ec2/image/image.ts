import type {
  ArchitectureValues,
  BootModeValues,
  Image,
  ImageState,
  LaunchPermission,
} from "@aws-sdk/client-ec2";
import type { Expectation } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { matchingNothing, type FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord } from "../records.ts";
import type { InBin } from "../recycle-bin/recycle-bin.ts";
import type { StoreDevices } from "../instance/instance-store.ts";
import { isPending, type SnapshotRecord } from "../snapshot/snapshot.ts";
import { describeTags } from "../tag/tag.ts";
import { devicesOf, isEncrypted, mappingsOf, type ImageDevice } from "./image-device.ts";

/**
 * A machine image: baked by Croft or imported, with files under `cacheEntry` that every host finds; or one of the account's own, whose
 * devices begin as its snapshots.
 */
export interface ImageRecord extends ResourceRecord {
  readonly id: `ami-${string}`;
  /** Account of who imported it; absent: Croft provides it, to everyone. */
  readonly ownerId?: string;
  readonly name: string;
  readonly description: string;
  readonly architecture: ArchitectureValues;
  /** Absent: as its instances' types do by default. */
  readonly bootMode?: BootModeValues;
  /** What its root volume begins as. One that has files has no such snapshot, and only shows this id. */
  readonly snapshotId: string;
  /** Least size of a root volume made from it. */
  readonly sizeGiB: number;
  readonly rootDevice: string;
  /** Root first. Absent: that alone. */
  readonly devices?: readonly ImageDevice[];
  /** Where its instances have instance stores, by their names. */
  readonly storeDevices?: StoreDevices;
  readonly cacheEntry?: string;
  /** What it was made of, by CreateImage or CopyImage. */
  readonly source?: { readonly imageId: string; readonly region: string; readonly instanceId?: string };
  /** Of the copy that made it. */
  readonly clientToken?: string;
  /** Absent: true. */
  readonly enaSupport?: boolean;
  /** Who else may see and launch it. */
  readonly launchPermissions?: readonly LaunchPermission[];
  /** Of an account's own: when an instance was last launched from it, to the hour. ISO 8601, UTC. */
  readonly lastLaunchedAt?: string;
  /** From then on, to the minute, only its owner is shown it unasked. ISO 8601, UTC. */
  readonly deprecationTime?: string;
  /** Nothing is launched from it, and nobody is shown it unasked. */
  readonly disabled?: true;
  readonly deregistrationProtection?: DeregistrationProtection;
  /** Instances of it have IMDSv2 only, where their launch does not say otherwise. */
  readonly imdsSupport?: "v2.0";
  readonly bin?: InBin;
  /** For its owner it is gone; its files go with the last volume or snapshot that was made of it. */
  readonly deregistered?: true;
}

export interface DeregistrationProtection {
  /** It goes on for a day after it was switched off. */
  readonly cooldown: boolean;
  /** When that day is over; absent: it is on. ISO 8601, UTC. */
  readonly until?: string;
}

/** The account's own, and those that Croft provides. */
export const ownImages = (records: Pick<Ec2Records, "all">): ImageRecord[] =>
  records.all("image").filter(isOffered);

/** Neither deregistered for good, nor in the recycle bin. */
export const isOffered = ({ deregistered, bin }: ImageRecord): boolean => !deregistered && !bin;

/** The images that may be described and launched: also those that others share. */
export const offeredImages = (records: Ec2Records): ImageRecord[] => [
  ...ownImages(records),
  ...sharedImages(records),
];

/** Of other accounts. What they have for tags, and with whom else they share it, is theirs to know. */
export const sharedImages = (records: Ec2Records): ImageRecord[] =>
  records
    .shared("image")
    .filter(({ value }) => isOffered(value))
    .map(({ value: { source, launchPermissions = [], lastLaunchedAt: _, ...image } }) => ({
      ...image,
      ...(source && { source: { imageId: source.imageId, region: source.region } }),
      launchPermissions: launchPermissions.filter(
        ({ UserId, Group }) => Group !== undefined || UserId === records.accountId,
      ),
      tags: {},
    }));

/** The account's own whose instances begin with what this snapshot, or one that only shows its id, holds. */
export const imagesMadeOf = (snapshot: string, records: Pick<Ec2Records, "all">): ImageRecord[] =>
  ownImages(records).filter(
    (it) => !isProvided(it) && devicesOf(it).some(({ snapshotId }) => snapshotId === snapshot),
  );

/** What is made of an image expects this; else the image's files could go before there is a volume that needs them. */
export const imageStays = (id: string, records: Ec2Records): Expectation[] => {
  const entry = records.whosever("image", id);
  return entry ? [{ at: [entry.key, entry.revision] }] : [];
};

/** What becomes of an image's snapshots becomes of the image; it stands apart from them nowhere. */
export function imageState(image: ImageRecord, records: Ec2Records): ImageState {
  if (image.disabled) return "disabled";
  const snapshots = snapshotsOf(image, records);
  if (snapshots.some(({ so }) => so.failed !== undefined)) return "failed";
  return snapshots.some(isPending) ? "pending" : "available";
}

/** Each once. One that has files has none. */
export const snapshotsOf = (image: ImageRecord, records: Ec2Records): SnapshotRecord[] =>
  [...new Set(devicesOf(image).map(({ snapshotId = "" }) => snapshotId))].flatMap(
    (id) => records.whosever("snapshot", id)?.value ?? [],
  );

/** Why an image failed. */
function failureOf(image: ImageRecord, records: Ec2Records) {
  const { id, so } = snapshotsOf(image, records).find((it) => it.so.failed !== undefined) ?? {};
  const code = "Server.InternalError";
  return id === undefined
    ? undefined
    : { Code: code, Message: `${code}: the snapshot ${id} could not be made: ${so?.failed ?? ""}` };
}

/** Nobody's, so it has files. */
export const isProvided = (image: ImageRecord): image is ProvidedImage => image.ownerId === undefined;
export type ProvidedImage = ImageRecord & { readonly cacheEntry: string };

/** Names are unique among an account's own. */
export const imageNameClaim = (name: string) => `image-name/${name}`;

/** Provided images belong to Amazon, as scripts that look for `--owners amazon` expect. */
const amazon = { alias: "amazon", id: "137112412989" } as const;

export const ownerOf = ({ ownerId }: ImageRecord): { readonly id: string; readonly alias?: string } =>
  ownerId === undefined ? amazon : { id: ownerId };

export const imageArn = (id: string, { region }: { readonly region: string }): string =>
  `arn:aws:ec2:${region}::image/${id}`;

/** What policies may ask about an image beside its tags. */
export const imageKeys = (image: ImageRecord): Readonly<Record<string, string>> => ({
  "ec2:ImageID": image.id,
  "ec2:ImageType": "machine",
  "ec2:Owner": ownerOf(image).alias ?? ownerOf(image).id,
  "ec2:Public": String(isPublic(image)),
  "ec2:RootDeviceType": "ebs",
});

export const isPublic = (image: ImageRecord): boolean =>
  isProvided(image) || (image.launchPermissions ?? []).some(({ Group }) => Group === "all");

export function describeProtection({ deregistrationProtection: it }: ImageRecord, now: Date): string {
  if (!isProtected(it, now)) return "disabled";
  return it?.cooldown ? "enabled-with-cooldown" : "enabled-without-cooldown";
}

export const isProtected = (it: DeregistrationProtection | undefined, now: Date): boolean =>
  it !== undefined && (it.until === undefined || now.toISOString() < it.until);

const locationOf = (image: ImageRecord) => `${ownerOf(image).alias ?? ownerOf(image).id}/${image.name}`;

export const describeImage = (
  image: ImageRecord,
  { records, now }: Pick<Ec2Context, "records" | "now">,
): Image => ({
  ImageId: image.id,
  Name: image.name,
  Description: image.description,
  ImageLocation: locationOf(image),
  ImageOwnerAlias: ownerOf(image).alias,
  OwnerId: ownerOf(image).id,
  ImageType: "machine",
  State: imageState(image, records),
  StateReason: failureOf(image, records),
  Public: isPublic(image),
  DeprecationTime: image.deprecationTime,
  DeregistrationProtection: isProvided(image) ? undefined : describeProtection(image, now()),
  ImdsSupport: image.imdsSupport,
  Architecture: image.architecture,
  CreationDate: image.createdAt,
  Hypervisor: "xen",
  VirtualizationType: "hvm",
  EnaSupport: image.enaSupport ?? true,
  SriovNetSupport: "simple",
  BootMode: image.bootMode,
  PlatformDetails: "Linux/UNIX",
  UsageOperation: "RunInstances",
  RootDeviceName: image.rootDevice,
  RootDeviceType: "ebs",
  BlockDeviceMappings: mappingsOf(image, records),
  ProductCodes: [],
  SourceImageId: image.source?.imageId,
  SourceImageRegion: image.source?.region,
  SourceInstanceId: image.source?.instanceId,
  Tags: describeTags(image.tags),
});

export const imageFilters = (records: Ec2Records): FilterTable<ImageRecord> => ({
  architecture: (it) => it.architecture,
  "block-device-mapping.delete-on-termination": (it) =>
    devicesOf(it).map(({ deleteOnTermination }) => String(deleteOnTermination)),
  "block-device-mapping.device-name": (it) => mappingsOf(it, records).map(({ DeviceName }) => DeviceName),
  "block-device-mapping.encrypted": (it) =>
    devicesOf(it).map((device) => String(isEncrypted(device, records))),
  "block-device-mapping.snapshot-id": (it) => devicesOf(it).map(({ snapshotId }) => snapshotId),
  "block-device-mapping.volume-size": (it) => devicesOf(it).map(({ sizeGiB }) => String(sizeGiB)),
  "block-device-mapping.volume-type": (it) => devicesOf(it).map(({ type }) => type),
  "boot-mode": (it) => it.bootMode,
  "creation-date": (it) => it.createdAt,
  description: (it) => it.description,
  "ena-support": (it) => String(it.enaSupport ?? true),
  "free-tier-eligible": () => "true",
  hypervisor: () => "xen",
  "image-id": (it) => it.id,
  "image-type": () => "machine",
  "is-public": (it) => String(isPublic(it)),
  "kernel-id": () => undefined,
  "manifest-location": locationOf,
  name: (it) => it.name,
  "owner-alias": (it) => ownerOf(it).alias,
  "owner-id": (it) => ownerOf(it).id,
  platform: () => undefined,
  "product-code": () => undefined,
  "product-code.type": () => undefined,
  "ramdisk-id": () => undefined,
  "root-device-name": (it) => it.rootDevice,
  "root-device-type": () => "ebs",
  "source-image-id": (it) => it.source?.imageId,
  "source-image-region": (it) => it.source?.region,
  "source-instance-id": (it) => it.source?.instanceId,
  state: (it) => imageState(it, records),
  "state-reason-code": (it) => failureOf(it, records)?.Code,
  "state-reason-message": (it) => failureOf(it, records)?.Message,
  "sriov-net-support": () => "simple",
  "virtualization-type": () => "hvm",
  ...matchingNothing(
    "image-watermark.source-image-creation-time",
    "image-watermark.source-image-id",
    "image-watermark.source-image-region",
    "image-watermark.watermark-creation-time",
    "image-watermark.watermark-key",
    "instance-type-specification.supported-instance-type",
    "instance-type-specification.unsupported-instance-type",
    "scan-result.critical-fix-available-since",
    "scan-result.finding-scan-date",
    "scan-result.high-fix-available-since",
    "scan-result.highest-finding-severity-label",
    "scan-result.informational-fix-available-since",
    "scan-result.low-fix-available-since",
    "scan-result.medium-fix-available-since",
  ),
});
