import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { tooManySnapshots, volumeInState } from "../errors.ts";
import { findVolume } from "../volume/find-volume.ts";
import { sizeToBe } from "../volume/volume-modification.ts";
import { attachmentState, attachmentTo, type VolumeRecord, volumeState } from "../volume/volume.ts";
import { isPending, type SnapshotRecord } from "./snapshot.ts";

/** A snapshot of each of the volumes, all of one moment. Throws IncorrectState and ConcurrentSnapshotLimitExceeded. */
export function newSnapshots(
  volumes: readonly VolumeRecord[],
  told: (volume: VolumeRecord) => Pick<SnapshotRecord, "description" | "tags" | "whileOff">,
  context: Ec2Context,
): { readonly snapshots: readonly SnapshotRecord[]; readonly transaction: Transaction } {
  const { records } = context;
  const ids = volumes.map(() => context.newId("snap"));
  const createdAt = context.now().toISOString();
  const snapshots = volumes.map((volume, n): SnapshotRecord => {
    checkVolume(volume, context);
    return {
      id: ids[n] ?? "snap-",
      hostId: volume.hostId,
      of: { volumeId: volume.id },
      sizeGiB: sizeToBe(volume),
      ...(volume.image && { image: volume.image }),
      ...(volume.encryption && { encryption: volume.encryption }),
      together: ids[0] ?? "",
      createdAt,
      ...told(volume),
      so: {},
    };
  });
  return {
    transaction: {
      // A volume that is deleted meanwhile is none to make a snapshot of.
      expect: [
        ...snapshots.map(({ id }) => ({ absent: records.key("snapshot", id) })),
        ...volumes.flatMap(({ id }) => records.rewrite("volume", findVolume(id, context)).expect),
      ],
      put: snapshots.map((value) => ({ key: records.key("snapshot", value.id), value })),
    },
    snapshots,
  };
}

/** Those that an instance has, neither on their way to it nor from it, in the order of their devices. */
export const attachedVolumes = (instanceId: string, { records }: Ec2Context): VolumeRecord[] =>
  records
    .volumesOf(instanceId)
    .filter((it) => {
      const attachment = attachmentTo(instanceId, it);
      return attachment && attachmentState(it, attachment) === "attached";
    })
    .toSorted((a, b) => (deviceIn(instanceId, a) < deviceIn(instanceId, b) ? -1 : 1));

const deviceIn = (instanceId: string, volume: VolumeRecord) => attachmentTo(instanceId, volume)?.device ?? "";

function checkVolume(volume: VolumeRecord, { records }: Ec2Context): void {
  const state = volumeState(volume);
  if (state !== "available" && state !== "in-use") throw volumeInState(volume.id, state);
  const pending = records.snapshotsOf(volume.id).filter(isPending).length;
  if (pending >= (["st1", "sc1"].includes(volume.type) ? mostPendingOfHardDisk : mostPending))
    throw tooManySnapshots();
}

/** Of one volume. Follows "Quotas for Amazon EBS". */
const mostPending = 5;
const mostPendingOfHardDisk = 1;
