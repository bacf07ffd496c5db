import type { VolumeStatusInfo, VolumeStatusItem } from "@aws-sdk/client-ec2";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { matchingNothing, type FilterTable } from "../filters.ts";
import type { Ec2Records } from "../records.ts";
import { volumeTypes } from "./volume-types.ts";
import type { VolumeRecord } from "./volume.ts";

/** What a volume's status checks have come to. Follows "Amazon EBS volume status checks". */
export const describeVolumeStatus = (
  volume: VolumeRecord,
  records: Ec2Records,
  region: string,
): VolumeStatusItem => ({
  VolumeId: volume.id,
  AvailabilityZone: volume.zone,
  AvailabilityZoneId: zoneId(region, volume.zone),
  VolumeStatus: statusOf(volume, records),
  Actions: [],
  Events: [],
  AttachmentStatuses: volume.attachments.map((it) => ({ InstanceId: it.instanceId })),
});

/** `impaired`: its host takes nothing that an instance of its writes, which stands still until it does. */
function statusOf(volume: VolumeRecord, records: Ec2Records): VolumeStatusInfo {
  if (!volume.so.ready) return { Status: "insufficient-data", Details: [] };
  const stalled = volume.attachments.some(
    ({ instanceId }) => records.get("instance", instanceId)?.so.paused !== undefined,
  );
  const performance = volumeTypes[volume.type].iops ? "normal" : "not-applicable";
  return {
    Status: stalled ? "impaired" : "ok",
    Details: [
      { Name: "io-enabled", Status: "passed" },
      { Name: "io-performance", Status: stalled ? "stalled" : performance },
    ],
  };
}

export const volumeStatusFilters = (records: Ec2Records): FilterTable<VolumeRecord> => ({
  ...matchingNothing(
    "action.code",
    "action.description",
    "action.event-id",
    "attachment-status.io-performance",
    "event.description",
    "event.event-id",
    "event.event-type",
    "event.not-after",
    "event.not-before",
  ),
  "attachment-status.instance-id": ({ attachments }) => attachments.map((it) => it.instanceId),
  "availability-zone": (it) => it.zone,
  "volume-status.details-name": (it) => statusOf(it, records).Details?.map(({ Name }) => Name),
  "volume-status.details-status": (it) => statusOf(it, records).Details?.map(({ Status }) => Status),
  "volume-status.status": (it) => statusOf(it, records).Status,
});
