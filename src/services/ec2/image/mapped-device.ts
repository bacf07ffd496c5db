import type { BlockDeviceMapping, EbsBlockDevice, VolumeType } from "@aws-sdk/client-ec2";
import { invalidMapping, missingParameter, smallerThanSnapshot, unsupportedParameter } from "../errors.ts";
import { isStore } from "../instance/instance-store.ts";
import { oneOf } from "../instance/launch-parameters.ts";
import type { VolumeSource } from "../volume/volume-source.ts";
import { volumeShape, volumeTypes } from "../volume/volume-types.ts";
import { chosenRates, type ImageDevice } from "./image-device.ts";

/** A request's mappings to volumes by their devices, in its order; those to instance stores are none. Throws InvalidBlockDeviceMapping. */
export function mappingsByDevice(
  mappings: readonly BlockDeviceMapping[] = [],
  rootDevice: string | undefined,
): ReadonlyMap<string, BlockDeviceMapping> {
  const byDevice = new Map<string, BlockDeviceMapping>();
  const ofStores = mappings.filter(isStore).map(({ DeviceName }) => DeviceName);
  const taken = new Set<string | undefined>(ofStores);
  if (taken.size < ofStores.length || taken.has(rootDevice)) throw deviceTwice();
  for (const mapping of mappings) {
    const { DeviceName: device, Ebs: ebs = {} } = mapping;
    if (!device) throw invalidMapping("A block device mapping needs a device name.");
    if (isStore(mapping)) continue;
    if (taken.has(device)) throw deviceTwice();
    taken.add(device);
    for (const name of unserved) if (ebs[name]) throw unsupportedParameter(`BlockDeviceMappings.Ebs.${name}`);
    byDevice.set(device, mapping);
  }
  return byDevice;
}

const deviceTwice = () => invalidMapping("A device name occurs more than once in the block device mapping.");

const unserved = [
  "AvailabilityZone",
  "AvailabilityZoneId",
  "OutpostArn",
  "VolumeInitializationRate",
] as const satisfies (keyof EbsBlockDevice)[];

/** Which snapshot a device that `has` what an image or instance says begins as, when a request says this of it. */
export const mappedSnapshot = (
  { Ebs: ebs }: BlockDeviceMapping = {},
  has?: Pick<ImageDevice, "snapshotId">,
): string | undefined => ebs?.SnapshotId || has?.snapshotId;

/** A device as a request changes what there is of it, or asks for it anew. Throws for what its type and snapshot do not allow. */
export function mappedDevice(
  device: string,
  mapping: BlockDeviceMapping | undefined,
  has: ImageDevice | undefined,
  source: VolumeSource | undefined,
): ImageDevice {
  const { Ebs: ebs = {} } = mapping ?? {};
  const snapshotId = mappedSnapshot(mapping, has);
  const type = oneOf(
    Object.keys(volumeTypes) as VolumeType[],
    ebs.VolumeType ?? has?.type ?? "gp2",
    "VolumeType",
  );
  const sizeGiB = ebs.VolumeSize ?? Math.max(has?.sizeGiB ?? 0, source?.sizeGiB ?? 0);
  if (sizeGiB === 0) throw missingParameter(`size or snapshotId of the block device '${device}'`);
  if (source && sizeGiB < source.sizeGiB)
    throw smallerThanSnapshot("InvalidBlockDeviceMapping", sizeGiB, snapshotId ?? "", source.sizeGiB);
  const rates = has?.type === type ? chosenRates(has) : {};
  return {
    device,
    ...(snapshotId !== undefined && { snapshotId }),
    ...volumeShape(type, sizeGiB, {
      Iops: ebs.Iops ?? rates.Iops,
      Throughput: ebs.Throughput ?? rates.Throughput,
    }),
    ...encryptionOf(ebs, has),
    deleteOnTermination: ebs.DeleteOnTermination ?? has?.deleteOnTermination ?? true,
  };
}

/** As it is asked for; whether it can be so is told when volumes are made of it. */
function encryptionOf(
  { Encrypted, KmsKeyId }: EbsBlockDevice,
  has: ImageDevice | undefined,
): Pick<ImageDevice, "encrypted" | "kmsKeyId"> {
  const [encrypted, kmsKeyId] = [Encrypted ?? has?.encrypted, KmsKeyId || has?.kmsKeyId];
  return { ...(encrypted !== undefined && { encrypted }), ...(kmsKeyId !== undefined && { kmsKeyId }) };
}
