import type {
  AttachmentStatus,
  Volume,
  VolumeAttachment,
  VolumeAttachmentState,
  VolumeState,
} from "@aws-sdk/client-ec2";
import { zoneId } from "../availability-zone/availability-zone.ts";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { snapshotArn } from "../snapshot/snapshot.ts";
import { inBin, type InBin } from "../recycle-bin/recycle-bin.ts";
import { describeTags } from "../tag/tag.ts";
import type { Encryption } from "./encryption.ts";
import type { VolumeModificationRecord } from "./volume-modification.ts";
import type { VolumeShape } from "./volume-types.ts";

/**
 * One EBS volume. Operations write what is wanted; the reconciler on its host makes it so.
 *
 *     creating → available ⇄ in-use (until its last attachment goes)        creating → error
 *     available, error → deleting → gone
 */
export interface VolumeRecord extends ResourceRecord, VolumeShape {
  readonly id: `vol-${string}`;
  /** The host that keeps its bytes. */
  readonly hostId: string;
  readonly zone: string;
  /** The image that it is made of, or that what it is made of was; absent for what began blank. */
  readonly image?: { readonly imageId: string; readonly snapshotId: string };
  /** Of the account's own, whose bytes it begins with. */
  readonly snapshotId?: string;
  /** Absent: its bytes are as its guest wrote them. */
  readonly encryption?: Encryption;
  readonly attachments: readonly VolumeAttachmentRecord[];
  /** Of the request that made it, without an instance. */
  readonly clientToken?: string;
  readonly autoEnableIo?: boolean;
  readonly bin?: InBin;
  readonly deleting?: true;
  readonly modification?: VolumeModificationRecord;
  /** Written by the reconciler: its bytes exist; or could not be made, and why. */
  readonly so: { readonly ready: boolean; readonly failed?: string };
}

export interface VolumeAttachmentRecord {
  readonly instanceId: `i-${string}`;
  /** As the request named it, e.g. /dev/xvda. */
  readonly device: string;
  readonly attachedAt: string;
  readonly deleteOnTermination: boolean;
  /** Its instance ran when it was attached, and the machine may not have it yet. */
  readonly plugging?: true;
  /** It was asked to go; by force, whether its guest lets go of it or not. `busy`: it was asked long ago, and has not. */
  readonly detaching?: { readonly force: boolean; readonly busy?: true };
}

/** For all but the recycle bin what is in there is on its way out. */
export function volumeState({ so, attachments, bin, deleting }: VolumeRecord): VolumeState {
  if (deleting || bin) return "deleting";
  if (!so.ready) return so.failed === undefined ? "creating" : "error";
  return attachments.length > 0 ? "in-use" : "available";
}

export function attachmentState(
  { so }: VolumeRecord,
  { detaching, plugging }: VolumeAttachmentRecord,
): VolumeAttachmentState {
  if (detaching) return detaching.busy ? "busy" : "detaching";
  return so.ready && !plugging ? "attached" : "attaching";
}

/** Undefined: it is not attached to the instance. */
export const attachmentTo = (
  instanceId: string,
  { attachments }: VolumeRecord,
): VolumeAttachmentRecord | undefined => attachments.find((it) => it.instanceId === instanceId);

/** The machines that have its files open, if they run: that which serves it, or its instance's. */
export const machinesWith = ({ id, multiAttach, attachments }: VolumeRecord): readonly string[] =>
  multiAttach && attachments.length > 0 ? [id] : attachments.map(({ instanceId }) => instanceId);

/** In place of how it was attached to that instance before. */
export const attachedTo = (volume: VolumeRecord, attachment: VolumeAttachmentRecord): VolumeRecord => {
  const { attachments } = volume;
  const at = attachments.findIndex(({ instanceId }) => instanceId === attachment.instanceId);
  return {
    ...volume,
    attachments: at < 0 ? [...attachments, attachment] : attachments.with(at, attachment),
  };
};

export const detachedFrom = (instanceId: string, volume: VolumeRecord): VolumeRecord => ({
  ...volume,
  attachments: volume.attachments.filter((it) => it.instanceId !== instanceId),
});

/** As its instance tells it, which knows no "busy". */
export function mappingStatus(volume: VolumeRecord, attachment: VolumeAttachmentRecord): AttachmentStatus {
  const state = attachmentState(volume, attachment);
  return state === "busy" ? "detaching" : state;
}

/** Those that may be described and used: not in the recycle bin. */
export const volumesThere = (records: Ec2Records, ids?: readonly string[]): VolumeRecord[] =>
  records.named("volume", ids).filter(({ bin }) => !bin);

/** What deleting makes of it: kept in the recycle bin as the account's rules say, or to go. What has no bytes is not kept. */
export function deletedVolume(attached: VolumeRecord, records: Ec2Records, now: Date): VolumeRecord {
  const volume = { ...attached, attachments: [] };
  const kept = volume.so.ready ? inBin("EBS_VOLUME", volume, records, now) : undefined;
  return kept ?? { ...volume, deleting: true };
}

/** What policies may ask about a volume beside its tags and its id. */
export const volumeKeys = (volume: VolumeRecord, scope: Scope): Readonly<Record<string, string>> => ({
  "ec2:AvailabilityZone": volume.zone,
  "ec2:VolumeSize": String(volume.sizeGiB),
  "ec2:VolumeType": volume.type,
  ...(volume.iops !== undefined && { "ec2:VolumeIops": String(volume.iops) }),
  ...(volume.throughputMiBps !== undefined && { "ec2:VolumeThroughput": String(volume.throughputMiBps) }),
  "ec2:Encrypted": String(volume.encryption !== undefined),
  ...(volume.snapshotId !== undefined && { "ec2:ParentSnapshot": snapshotArn(volume.snapshotId, scope) }),
});

export const volumeArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:volume/${id}`;

export const describeVolume = (volume: VolumeRecord, scope: Scope): Volume => ({
  VolumeId: volume.id,
  VolumeArn: volumeArn(volume.id, scope),
  AvailabilityZone: volume.zone,
  AvailabilityZoneId: zoneId(scope.region, volume.zone),
  CreateTime: new Date(volume.createdAt),
  Size: volume.sizeGiB,
  SnapshotId: sourceOf(volume) ?? "",
  State: volumeState(volume),
  VolumeType: volume.type,
  Iops: volume.iops,
  Throughput: volume.throughputMiBps,
  Encrypted: volume.encryption !== undefined,
  KmsKeyId: volume.encryption?.keyArn,
  MultiAttachEnabled: volume.multiAttach ?? false,
  Attachments: volume.attachments.map((it) => describeAttachment(volume, it)),
  Tags: describeTags(volume.tags),
});

const sourceOf = ({ snapshotId, image }: VolumeRecord) => snapshotId ?? image?.snapshotId;

export const describeAttachment = (
  volume: VolumeRecord,
  attachment: VolumeAttachmentRecord,
): VolumeAttachment => ({
  VolumeId: volume.id,
  InstanceId: attachment.instanceId,
  Device: attachment.device,
  State: attachmentState(volume, attachment),
  AttachTime: new Date(attachment.attachedAt),
  DeleteOnTermination: attachment.deleteOnTermination,
});

export const volumeFilters = ({ region }: Scope): FilterTable<VolumeRecord> => ({
  "attachment.attach-time": ({ attachments }) => attachments.map((it) => it.attachedAt),
  "attachment.delete-on-termination": ({ attachments }) =>
    attachments.map((it) => String(it.deleteOnTermination)),
  "attachment.device": ({ attachments }) => attachments.map((it) => it.device),
  "attachment.instance-id": ({ attachments }) => attachments.map((it) => it.instanceId),
  "attachment.status": (volume) => volume.attachments.map((it) => attachmentState(volume, it)),
  "availability-zone": (it) => it.zone,
  "availability-zone-id": (it) => zoneId(region, it.zone),
  "create-time": (it) => it.createdAt,
  encrypted: (it) => String(it.encryption !== undefined),
  "fast-restored": () => "false",
  "multi-attach-enabled": (it) => String(it.multiAttach ?? false),
  "operator.managed": () => "false",
  "operator.principal": () => undefined,
  size: (it) => String(it.sizeGiB),
  "snapshot-id": sourceOf,
  "source-volume-id": () => undefined,
  status: volumeState,
  "volume-id": (it) => it.id,
  "volume-type": (it) => it.type,
});
