import type { RunInstancesRequest, VolumeType } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { Ec2Context } from "../context.ts";
import { smallerThanSnapshot, tooManyVolumes, unsupportedParameter } from "../errors.ts";
import type { ImageRecord } from "../image/image.ts";
import { volumeLimit } from "../instance-type/instance-type.ts";
import { tagsFor } from "../tag/tag.ts";
import type { Expectation } from "#store/store.ts";
import { sourceOf, sourceOfImage } from "../volume/volume-source.ts";
import type { VolumeRecord } from "../volume/volume.ts";
import { volumeShape, volumeTypes, type VolumeShape } from "../volume/volume-types.ts";
import { oneOf } from "./launch-parameters.ts";

interface BlockDevice extends VolumeShape, Pick<VolumeRecord, "image" | "snapshotId"> {
  readonly device: string;
  readonly deleteOnTermination: boolean;
  /** What it is made of expects this. */
  readonly stays: readonly Expectation[];
}

/** The volumes a launch makes: the image's root, changed as the request says, and others beside it, blank or from snapshots. */
export function blockDevices(
  { BlockDeviceMappings: mappings = [] }: RunInstancesRequest,
  image: ImageRecord,
  instanceType: string,
  context: Ec2Context,
): BlockDevice[] {
  const names = mappings.map(({ DeviceName }) => DeviceName);
  if (new Set(names).size < names.length)
    throw invalidMapping("A device name occurs more than once in the block device mapping.");
  const root = mappings.find(({ DeviceName }) => DeviceName === image.rootDevice) ?? {
    DeviceName: image.rootDevice,
  };
  const kept = [root, ...mappings.filter((it) => it !== root && it.NoDevice === undefined)];
  checkCount(kept.length, instanceType);
  return kept.map(({ DeviceName: device, VirtualName, Ebs: ebs = {} }) => {
    if (device === undefined) throw invalidMapping("A block device mapping needs a device name.");
    if (VirtualName !== undefined) throw unsupportedParameter("BlockDeviceMappings.VirtualName");
    if (ebs.Encrypted) throw unsupportedParameter("BlockDeviceMappings.Ebs.Encrypted");
    const isRoot = device === image.rootDevice;
    const snapshotId = ebs.SnapshotId ?? (isRoot ? image.snapshotId : undefined);
    if (isRoot && snapshotId !== image.snapshotId)
      throw unsupportedParameter("BlockDeviceMappings.Ebs.SnapshotId");
    const source = isRoot
      ? sourceOfImage(image, context.records)
      : snapshotId === undefined
        ? undefined
        : sourceOf(snapshotId, context);
    const type = oneOf<VolumeType>(
      Object.keys(volumeTypes) as VolumeType[],
      ebs.VolumeType ?? (isRoot ? "gp3" : "gp2"),
      "VolumeType",
    );
    const sizeGiB = ebs.VolumeSize ?? source?.sizeGiB;
    if (sizeGiB === undefined)
      throw new ApiError("MissingParameter", `The block device '${device}' needs a size or a snapshot.`);
    if (source && sizeGiB < source.sizeGiB)
      throw smallerThanSnapshot("InvalidBlockDeviceMapping", sizeGiB, snapshotId ?? "", source.sizeGiB);
    return {
      device,
      ...source?.of,
      stays: source?.stays ?? [],
      deleteOnTermination: ebs.DeleteOnTermination ?? true,
      ...volumeShape(type, sizeGiB, ebs),
    };
  });
}

export function newVolumes(
  devices: readonly BlockDevice[],
  attachedTo: { readonly instanceId: `i-${string}`; readonly attachedAt: string },
  zone: string,
  hostId: string,
  input: RunInstancesRequest,
  { newId }: Ec2Context,
): VolumeRecord[] {
  return devices.map(({ device, deleteOnTermination, stays: _, ...volume }) => ({
    id: newId("vol"),
    ...volume,
    hostId,
    zone,
    attachment: { ...attachedTo, device, deleteOnTermination },
    tags: tagsFor("volume", input.TagSpecifications),
    createdAt: attachedTo.attachedAt,
    so: { ready: false },
  }));
}

/** Throws AttachmentLimitExceeded. */
function checkCount(count: number, type: string): void {
  const limit = volumeLimit(type);
  if (count > limit) throw tooManyVolumes(limit);
}

const invalidMapping = (message: string) => new ApiError("InvalidBlockDeviceMapping", message);
