import type { RunInstancesRequest, VolumeType } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { Ec2Context } from "../context.ts";
import { unsupportedParameter } from "../errors.ts";
import type { ImageRecord } from "../image/image.ts";
import { tagsFor } from "../tag/tag.ts";
import { volumeTypes, type VolumeRecord } from "../volume/volume.ts";
import { oneOf } from "./launch-parameters.ts";

type BlockDevice = Pick<VolumeRecord, "sizeGiB" | "type" | "iops" | "throughputMiBps" | "image"> & {
  readonly device: string;
  readonly deleteOnTermination: boolean;
};

/** The volumes a launch makes: the image's root, changed as the request says, and blank ones beside it. */
export function blockDevices(
  { BlockDeviceMappings: mappings = [] }: RunInstancesRequest,
  image: ImageRecord,
): BlockDevice[] {
  const names = mappings.map(({ DeviceName }) => DeviceName);
  if (new Set(names).size < names.length)
    throw invalidMapping("A device name occurs more than once in the block device mapping.");
  const root = mappings.find(({ DeviceName }) => DeviceName === image.rootDevice) ?? {
    DeviceName: image.rootDevice,
  };
  return [root, ...mappings.filter((it) => it !== root && it.NoDevice === undefined)].map(
    ({ DeviceName: device, VirtualName, Ebs: ebs = {} }) => {
      if (device === undefined) throw invalidMapping("A block device mapping needs a device name.");
      if (VirtualName !== undefined) throw unsupportedParameter("BlockDeviceMappings.VirtualName");
      if (ebs.Encrypted) throw unsupportedParameter("BlockDeviceMappings.Ebs.Encrypted");
      const source = device === image.rootDevice ? image : undefined;
      if (ebs.SnapshotId !== undefined && ebs.SnapshotId !== source?.snapshotId)
        throw unsupportedParameter("BlockDeviceMappings.Ebs.SnapshotId");
      const type = oneOf<VolumeType>(
        Object.keys(volumeTypes) as VolumeType[],
        ebs.VolumeType ?? (source ? "gp3" : "gp2"),
        "VolumeType",
      );
      const sizeGiB = ebs.VolumeSize ?? source?.sizeGiB;
      if (sizeGiB === undefined)
        throw new ApiError("MissingParameter", `The block device '${device}' needs a size or a snapshot.`);
      return {
        device,
        ...(source && { image: { imageId: source.id, snapshotId: source.snapshotId } }),
        deleteOnTermination: ebs.DeleteOnTermination ?? true,
        ...checkedSize(type, sizeGiB, source),
        ...performance(type, sizeGiB, ebs),
        type,
      };
    },
  );
}

export function newVolumes(
  devices: readonly BlockDevice[],
  attachedTo: { readonly instanceId: `i-${string}`; readonly attachedAt: string },
  zone: string,
  hostId: string,
  input: RunInstancesRequest,
  { newId }: Ec2Context,
): VolumeRecord[] {
  return devices.map(({ device, deleteOnTermination, ...volume }) => ({
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

function checkedSize(type: VolumeType, sizeGiB: number, image: ImageRecord | undefined) {
  if (image && sizeGiB < image.sizeGiB)
    throw invalidMapping(
      `Volume of size ${sizeGiB}GB is smaller than snapshot '${image.snapshotId}', expect size >= ${image.sizeGiB}GB`,
    );
  const { minGiB, maxGiB } = volumeTypes[type];
  if (!Number.isInteger(sizeGiB) || sizeGiB < minGiB || sizeGiB > maxGiB)
    throw invalidMapping(
      `Volume size ${sizeGiB} is not in the range ${minGiB} to ${maxGiB} of the type ${type}.`,
    );
  return { sizeGiB };
}

function performance(
  type: VolumeType,
  sizeGiB: number,
  given: { Iops?: number | undefined; Throughput?: number | undefined },
) {
  const known = volumeTypes[type];
  const iops = given.Iops ?? ("iops" in known ? known.iops(sizeGiB) : undefined);
  const throughputMiBps =
    given.Throughput ?? ("throughputMiBps" in known ? known.throughputMiBps : undefined);
  return { ...(iops !== undefined && { iops }), ...(throughputMiBps !== undefined && { throughputMiBps }) };
}

const invalidMapping = (message: string) => new ApiError("InvalidBlockDeviceMapping", message);
