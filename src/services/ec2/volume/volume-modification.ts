import type { VolumeModification, VolumeModificationState } from "@aws-sdk/client-ec2";
import { matchingNothing, type FilterTable } from "../filters.ts";
import type { VolumeShape } from "./volume-types.ts";
import type { VolumeRecord } from "./volume.ts";

/** The last change of a volume's size, type or rates. */
export interface VolumeModificationRecord {
  readonly from: VolumeShape;
  readonly to: VolumeShape;
  readonly startedAt: string;
  /** Written by the reconciler: it is so; or could not be made so, and why. */
  readonly endedAt?: string;
  readonly failed?: string;
}

export interface ModifiedVolume extends VolumeRecord {
  readonly modification: VolumeModificationRecord;
}

export const isModified = (volume: VolumeRecord): volume is ModifiedVolume =>
  volume.modification !== undefined;

/** Once what it is being changed to is so. */
export const sizeToBe = (volume: VolumeRecord): number =>
  isModified(volume) && modificationState(volume.modification) === "modifying"
    ? Math.max(volume.sizeGiB, volume.modification.to.sizeGiB)
    : volume.sizeGiB;

/** It becomes one that several instances may have, or no longer is, or such a one becomes larger: nobody may have it meanwhile. */
export const isChangedAlone = (volume: VolumeRecord): boolean => {
  if (!isModified(volume) || modificationState(volume.modification) !== "modifying") return false;
  const { from, to } = volume.modification;
  return from.multiAttach !== to.multiAttach || (to.multiAttach === true && from.sizeGiB !== to.sizeGiB);
};

/** There is nothing to optimize: what is changed has its new rates at once. */
export function modificationState({ failed, endedAt }: VolumeModificationRecord): VolumeModificationState {
  if (failed !== undefined) return "failed";
  return endedAt === undefined ? "modifying" : "completed";
}

export function describeModification({ id, modification }: ModifiedVolume): VolumeModification {
  const { from, to, startedAt, endedAt, failed } = modification;
  const state = modificationState(modification);
  return {
    VolumeId: id,
    ModificationState: state,
    StatusMessage: failed,
    OriginalSize: from.sizeGiB,
    OriginalVolumeType: from.type,
    OriginalIops: from.iops,
    OriginalThroughput: from.throughputMiBps,
    OriginalMultiAttachEnabled: from.multiAttach ?? false,
    TargetSize: to.sizeGiB,
    TargetVolumeType: to.type,
    TargetIops: to.iops,
    TargetThroughput: to.throughputMiBps,
    TargetMultiAttachEnabled: to.multiAttach ?? false,
    Progress: state === "completed" ? 100 : 0,
    StartTime: new Date(startedAt),
    EndTime: endedAt === undefined ? undefined : new Date(endedAt),
  };
}

const text = (number: number | undefined) => (number === undefined ? undefined : String(number));

export const modificationFilters: FilterTable<ModifiedVolume> = {
  ...matchingNothing("operator.managed", "operator.principal"),
  "modification-state": (it) => modificationState(it.modification),
  "original-iops": (it) => text(it.modification.from.iops),
  "original-size": (it) => text(it.modification.from.sizeGiB),
  "original-volume-type": (it) => it.modification.from.type,
  originalMultiAttachEnabled: (it) => String(it.modification.from.multiAttach ?? false),
  "start-time": (it) => it.modification.startedAt,
  "target-iops": (it) => text(it.modification.to.iops),
  "target-size": (it) => text(it.modification.to.sizeGiB),
  "target-volume-type": (it) => it.modification.to.type,
  targetMultiAttachEnabled: (it) => String(it.modification.to.multiAttach ?? false),
  "volume-id": (it) => it.id,
};
