import type { Volume, VolumeState, VolumeType } from "@aws-sdk/client-ec2";
import { zoneId } from "../availability-zone/availability-zone.ts";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** One EBS volume. Operations write what is wanted; the reconciler on its host makes it so. */
export interface VolumeRecord extends ResourceRecord {
  readonly id: `vol-${string}`;
  /** The host that keeps its bytes. */
  readonly hostId: string;
  readonly zone: string;
  readonly sizeGiB: number;
  readonly type: VolumeType;
  readonly iops?: number;
  readonly throughputMiBps?: number;
  /** Where its first bytes come from; absent for a blank volume. */
  readonly image?: { readonly imageId: string; readonly snapshotId: string };
  readonly attachment?: VolumeAttachmentRecord;
  /** Written by the reconciler: its bytes exist. */
  readonly so: { readonly ready: boolean };
}

export interface VolumeAttachmentRecord {
  readonly instanceId: `i-${string}`;
  /** As the request named it, e.g. /dev/xvda. */
  readonly device: string;
  readonly attachedAt: string;
  readonly deleteOnTermination: boolean;
}

export const volumeState = (volume: VolumeRecord): VolumeState =>
  !volume.so.ready ? "creating" : volume.attachment ? "in-use" : "available";
export const attachmentState = (volume: VolumeRecord): "attached" | "attaching" =>
  volume.so.ready ? "attached" : "attaching";

export const describeVolume = (volume: VolumeRecord, { region, accountId }: Scope): Volume => ({
  VolumeId: volume.id,
  VolumeArn: `arn:aws:ec2:${region}:${accountId}:volume/${volume.id}`,
  AvailabilityZone: volume.zone,
  AvailabilityZoneId: zoneId(region, volume.zone),
  CreateTime: new Date(volume.createdAt),
  Size: volume.sizeGiB,
  SnapshotId: volume.image?.snapshotId ?? "",
  State: volumeState(volume),
  VolumeType: volume.type,
  Iops: volume.iops,
  Throughput: volume.throughputMiBps,
  Encrypted: false,
  MultiAttachEnabled: false,
  Attachments: volume.attachment
    ? [
        {
          VolumeId: volume.id,
          InstanceId: volume.attachment.instanceId,
          Device: volume.attachment.device,
          State: attachmentState(volume),
          AttachTime: new Date(volume.attachment.attachedAt),
          DeleteOnTermination: volume.attachment.deleteOnTermination,
        },
      ]
    : [],
  Tags: describeTags(volume.tags),
});

export const volumeFilters = ({ region }: Scope): FilterTable<VolumeRecord> => ({
  "attachment.attach-time": (it) => it.attachment?.attachedAt,
  "attachment.delete-on-termination": (it) => it.attachment && String(it.attachment.deleteOnTermination),
  "attachment.device": (it) => it.attachment?.device,
  "attachment.instance-id": (it) => it.attachment?.instanceId,
  "attachment.status": (it) => it.attachment && attachmentState(it),
  "availability-zone": (it) => it.zone,
  "availability-zone-id": (it) => zoneId(region, it.zone),
  "create-time": (it) => it.createdAt,
  encrypted: () => "false",
  "fast-restored": () => "false",
  "multi-attach-enabled": () => "false",
  "operator.managed": () => "false",
  "operator.principal": () => undefined,
  size: (it) => String(it.sizeGiB),
  "snapshot-id": (it) => it.image?.snapshotId,
  "source-volume-id": () => undefined,
  status: volumeState,
  "volume-id": (it) => it.id,
  "volume-type": (it) => it.type,
});

/** What a type gives when the request does not say, and the sizes it may have. Follows "Amazon EBS volume types". */
export const volumeTypes = {
  gp3: { minGiB: 1, maxGiB: 65_536, iops: () => 3000, throughputMiBps: 125 },
  gp2: { minGiB: 1, maxGiB: 16_384, iops: (gib: number) => Math.min(16_000, Math.max(100, gib * 3)) },
  io1: { minGiB: 4, maxGiB: 16_384 },
  io2: { minGiB: 4, maxGiB: 65_536 },
  st1: { minGiB: 125, maxGiB: 16_384 },
  sc1: { minGiB: 125, maxGiB: 16_384 },
  standard: { minGiB: 1, maxGiB: 1024 },
} as const satisfies Record<
  VolumeType,
  { minGiB: number; maxGiB: number; iops?: (sizeGiB: number) => number; throughputMiBps?: number }
>;
