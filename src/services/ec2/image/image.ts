import type {
  ArchitectureValues,
  BlockDeviceMapping,
  BootModeValues,
  Image,
  LaunchPermission,
} from "@aws-sdk/client-ec2";
import type { Expectation } from "#store/store.ts";
import { matchingNothing, type FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** A machine image, baked by Croft or imported; every host finds its files under `cacheEntry`. */
export interface ImageRecord extends ResourceRecord {
  readonly id: `ami-${string}`;
  /** Account of who imported it; absent: Croft provides it, to everyone. */
  readonly ownerId?: string;
  readonly name: string;
  readonly description: string;
  readonly architecture: ArchitectureValues;
  /** Absent: as its instances' types do by default. */
  readonly bootMode?: BootModeValues;
  readonly snapshotId: `snap-${string}`;
  /** Least size of a root volume made from it. */
  readonly sizeGiB: number;
  readonly rootDevice: string;
  readonly cacheEntry: string;
  /** Who else may see and launch it. */
  readonly launchPermissions?: readonly LaunchPermission[];
  /** From then on, to the minute, only its owner is shown it unasked. ISO 8601, UTC. */
  readonly deprecationTime?: string;
  /** Nothing is launched from it, and nobody is shown it unasked. */
  readonly disabled?: true;
  readonly deregistrationProtection?: DeregistrationProtection;
  /** Instances of it have IMDSv2 only, where their launch does not say otherwise. */
  readonly imdsSupport?: "v2.0";
  /** For its owner it is gone; its files go with the last volume or snapshot that was made of it. */
  readonly deregistered?: true;
}

export interface DeregistrationProtection {
  /** It goes on for a day after it was switched off. */
  readonly cooldown: boolean;
  /** When that day is over; absent: it is on. ISO 8601, UTC. */
  readonly until?: string;
}

/** The images that may be described and launched. */
export const offeredImages = (records: Pick<Ec2Records, "all">): ImageRecord[] =>
  records.all("image").filter((it) => !it.deregistered);

/** What is made of an image expects this; else the image's files could go before there is a volume that needs them. */
export const imageStays = (id: string, records: Pick<Ec2Records, "entry">): Expectation[] => {
  const entry = records.entry("image", id);
  return entry ? [{ at: [entry.key, entry.revision] }] : [];
};

export const isProvided = ({ ownerId }: ImageRecord): boolean => ownerId === undefined;

/** Names are unique among an account's own. */
export const imageNameClaim = (name: string) => `image-name/${name}`;

/** Provided images belong to Amazon, as scripts that look for `--owners amazon` expect. */
const amazon = { alias: "amazon", id: "137112412989" } as const;

export const ownerOf = ({ ownerId }: ImageRecord): { readonly id: string; readonly alias?: string } =>
  ownerId === undefined ? amazon : { id: ownerId };

export const imageArn = (id: string, { region }: { readonly region: string }): string =>
  `arn:aws:ec2:${region}::image/${id}`;

export const isPublic = (image: ImageRecord): boolean =>
  isProvided(image) || (image.launchPermissions ?? []).some(({ Group }) => Group === "all");

export function describeProtection({ deregistrationProtection: it }: ImageRecord, now: Date): string {
  if (!isProtected(it, now)) return "disabled";
  return it?.cooldown ? "enabled-with-cooldown" : "enabled-without-cooldown";
}

export const isProtected = (it: DeregistrationProtection | undefined, now: Date): boolean =>
  it !== undefined && (it.until === undefined || now.toISOString() < it.until);

const locationOf = (image: ImageRecord) => `${ownerOf(image).alias ?? ownerOf(image).id}/${image.name}`;

const stateOf = ({ disabled }: ImageRecord) => (disabled ? "disabled" : "available");

export const describeImage = (image: ImageRecord, now: Date): Image => ({
  ImageId: image.id,
  Name: image.name,
  Description: image.description,
  ImageLocation: locationOf(image),
  ImageOwnerAlias: ownerOf(image).alias,
  OwnerId: ownerOf(image).id,
  ImageType: "machine",
  State: stateOf(image),
  Public: isPublic(image),
  DeprecationTime: image.deprecationTime,
  DeregistrationProtection: isProvided(image) ? undefined : describeProtection(image, now),
  ImdsSupport: image.imdsSupport,
  Architecture: image.architecture,
  CreationDate: image.createdAt,
  Hypervisor: "xen",
  VirtualizationType: "hvm",
  EnaSupport: true,
  SriovNetSupport: "simple",
  BootMode: image.bootMode,
  PlatformDetails: "Linux/UNIX",
  UsageOperation: "RunInstances",
  RootDeviceName: image.rootDevice,
  RootDeviceType: "ebs",
  BlockDeviceMappings: mappingsOf(image),
  ProductCodes: [],
  Tags: describeTags(image.tags),
});

export const mappingsOf = (image: ImageRecord): BlockDeviceMapping[] => [
  {
    DeviceName: image.rootDevice,
    Ebs: {
      SnapshotId: image.snapshotId,
      VolumeSize: image.sizeGiB,
      VolumeType: "gp3",
      Iops: 3000,
      Throughput: 125,
      DeleteOnTermination: true,
      Encrypted: false,
    },
  },
];

export const imageFilters: FilterTable<ImageRecord> = {
  architecture: (it) => it.architecture,
  "block-device-mapping.delete-on-termination": () => "true",
  "block-device-mapping.device-name": (it) => it.rootDevice,
  "block-device-mapping.encrypted": () => "false",
  "block-device-mapping.snapshot-id": (it) => it.snapshotId,
  "block-device-mapping.volume-size": (it) => String(it.sizeGiB),
  "block-device-mapping.volume-type": () => "gp3",
  "boot-mode": (it) => it.bootMode,
  "creation-date": (it) => it.createdAt,
  description: (it) => it.description,
  "ena-support": () => "true",
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
  "source-image-id": () => undefined,
  "source-image-region": () => undefined,
  "source-instance-id": () => undefined,
  state: stateOf,
  "state-reason-code": () => undefined,
  "state-reason-message": () => undefined,
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
    "public-ssm-parameter-name",
    "scan-result.critical-fix-available-since",
    "scan-result.finding-scan-date",
    "scan-result.high-fix-available-since",
    "scan-result.highest-finding-severity-label",
    "scan-result.informational-fix-available-since",
    "scan-result.low-fix-available-since",
    "scan-result.medium-fix-available-since",
  ),
};
