import type { RunInstancesRequest } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import { invalidMapping, tooManyVolumes } from "../errors.ts";
import { devicesOf } from "../image/image-device.ts";
import type { ImageRecord } from "../image/image.ts";
import { mappedDevice, mappedSnapshot, mappingsByDevice } from "../image/mapped-device.ts";
import { volumeLimit } from "../instance-type/instance-type.ts";
import { tagsFor } from "../tag/tag.ts";
import { isStore } from "./instance-store.ts";
import type { Expectation } from "#store/store.ts";
import type { AskedEncryption, EncryptedSource, EncryptionPlan } from "../volume/encryption.ts";
import { sourceOf, sourceOfImage } from "../volume/volume-source.ts";
import type { VolumeRecord } from "../volume/volume.ts";
import type { VolumeShape } from "../volume/volume-types.ts";

interface BlockDevice extends VolumeShape, Pick<VolumeRecord, "image" | "snapshotId"> {
  readonly device: string;
  readonly deleteOnTermination: boolean;
  /** What is made of its source expects this. */
  readonly stays?: readonly Expectation[];
  readonly asked: AskedEncryption;
  readonly encrypted: EncryptedSource;
}

/** The volumes a launch makes: the image's, root first, changed as the request says, and others beside them, blank or from snapshots. */
export function blockDevices(
  { BlockDeviceMappings: mappings = [] }: RunInstancesRequest,
  image: ImageRecord,
  instanceType: string,
  context: Ec2Context,
): BlockDevice[] {
  const asked = mappingsByDevice(mappings, image.rootDevice);
  const takenByStores = new Set(mappings.filter(isStore).map(({ DeviceName: device }) => device));
  const ofImage = devicesOf(image)
    .filter(({ device }) => !takenByStores.has(device))
    .map((it) => ({ device: it.device, has: it, mapping: asked.get(it.device) }));
  const others = [...asked]
    .filter(([device]) => !ofImage.some((it) => it.device === device))
    .map(([device, mapping]) => ({ device, has: undefined, mapping }));
  const kept = [...ofImage, ...others].filter(
    ({ device, mapping }) => device === image.rootDevice || mapping?.NoDevice === undefined,
  );
  checkCount(kept.length, instanceType);
  return kept.map(({ device, has, mapping }) => {
    const isRoot = device === image.rootDevice;
    const snapshotId = mappedSnapshot(mapping, has);
    if (isRoot && snapshotId !== image.snapshotId)
      throw invalidMapping("snapshotId cannot be modified on root device");
    const isOfImage = snapshotId !== undefined && snapshotId === has?.snapshotId;
    const source = isOfImage
      ? sourceOfImage(image, snapshotId, context.records)
      : snapshotId && sourceOf(snapshotId, context);
    const chosen = mappedDevice(device, mapping, has, source || undefined);
    const { snapshotId: _, encrypted: Encrypted, kmsKeyId: KmsKeyId, ...volume } = chosen;
    const encryption = { asked: { Encrypted, KmsKeyId }, encrypted: source ? source.encrypted : {} };
    return { ...volume, ...encryption, ...(source && { ...source.of, stays: source.stays }) };
  });
}

export function newVolumes(
  devices: readonly BlockDevice[],
  attachedTo: { readonly instanceId: `i-${string}`; readonly attachedAt: string },
  zone: string,
  hostId: string,
  input: RunInstancesRequest,
  encryptions: EncryptionPlan,
  { newId }: Ec2Context,
): VolumeRecord[] {
  return devices.map(({ device, deleteOnTermination, stays: _, asked, encrypted, ...volume }) => {
    const id = newId("vol");
    const { encryption, failed } = encryptions.of(id, asked, encrypted);
    return {
      id,
      ...volume,
      hostId,
      zone,
      ...(encryption && { encryption }),
      attachments: [{ ...attachedTo, device, deleteOnTermination }],
      tags: tagsFor("volume", input.TagSpecifications),
      createdAt: attachedTo.attachedAt,
      so: { ready: false, ...(failed !== undefined && { failed }) },
    };
  });
}

/** Throws AttachmentLimitExceeded. */
function checkCount(count: number, type: string): void {
  const limit = volumeLimit(type);
  if (count > limit) throw tooManyVolumes(limit);
}
