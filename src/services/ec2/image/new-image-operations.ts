import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  BlockDeviceMapping,
  CreateImageRequest,
  EbsBlockDevice,
  RegisterImageRequest,
} from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  encryptedStaysSo,
  instanceNotImageable,
  invalidCombination,
  invalidMapping,
  invalidParameter,
  kmsKeyWithoutEncrypted,
  rootVolumeMissing,
  unsupported,
  unsupportedParameter,
} from "../errors.ts";
import { currentBootMode } from "../instance/boot-mode.ts";
import { changedStores, isStore } from "../instance/instance-store.ts";
import { instancesOf } from "../instance/instance-change.ts";
import { instanceState, rebooted, touchedInstance, type InstanceRecord } from "../instance/instance.ts";
import { oneOf } from "../instance/launch-parameters.ts";
import { attachedVolumes, newSnapshots } from "../snapshot/new-snapshots.ts";
import { findSnapshot, snapshotArn } from "../snapshot/snapshot.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { together } from "../together.ts";
import { sourceOfSnapshot } from "../volume/volume-source.ts";
import { attachmentTo, type VolumeAttachmentRecord, type VolumeRecord } from "../volume/volume.ts";
import { imageNamed } from "./image-alias.ts";
import type { ImageDevice } from "./image-device.ts";
import { imageArn, snapshotsOf, type ImageRecord } from "./image.ts";
import { mappedDevice, mappedSnapshot, mappingsByDevice } from "./mapped-device.ts";
import { imageMade, toldOf, type NewImagePlan } from "./new-image.ts";

export const newImageOperations = {
  /** Of snapshots of the account's own. */
  RegisterImage: {
    resolve: registration,
    answer: ({ image }: NewImagePlan) => ({ ImageId: image.id }),
  },

  /** Of an instance's volumes, all of one moment; a running instance is shut down for it and started again, unless it shall not be. */
  CreateImage: {
    resolve: creation,
    answer: ({ image }: NewImagePlan) => ({ ImageId: image.id }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function registration(input: RegisterImageRequest & { Name: string }, context: Ec2Context): NewImagePlan {
  for (const name of unserved) if (input[name]?.length) throw unsupportedParameter(name);
  if (input.VirtualizationType !== "hvm")
    throw unsupported(
      `Croft runs images of the virtualization type 'hvm', not '${input.VirtualizationType ?? "paravirtual"}'.`,
    );
  if (input.SriovNetSupport && input.SriovNetSupport !== "simple")
    throw invalidParameter(`Value (${input.SriovNetSupport}) for parameter sriovNetSupport is invalid.`);
  onlyTags(["image"], input.TagSpecifications);
  const told = toldOf(input, context);
  const rootDevice = input.RootDeviceName || "/dev/sda1";
  const devices = rootFirst(
    [...mappingsByDevice(input.BlockDeviceMappings, rootDevice)]
      .filter(([, { NoDevice }]) => NoDevice === undefined)
      .map(([device, mapping]) => newDevice(device, mapping, context)),
    (it) => it.device === rootDevice,
  );
  const [root] = devices;
  if (root?.device !== rootDevice || root.snapshotId === undefined)
    throw invalidMapping("No root snapshot specified in device mapping.");
  const image: ImageRecord = {
    ...told,
    id: context.newId("ami"),
    ownerId: context.accountId,
    ...bootOf(input),
    ...(input.ImdsSupport && { imdsSupport: oneOf(["v2.0"], input.ImdsSupport, "imdsSupport") }),
    ...(!input.EnaSupport && { enaSupport: false }),
    snapshotId: root.snapshotId,
    sizeGiB: root.sizeGiB,
    rootDevice,
    devices,
    ...changedStores(undefined, input.BlockDeviceMappings),
    tags: tagsFor("image", input.TagSpecifications),
    createdAt: context.now().toISOString(),
  };
  return {
    touches: [
      { arn: imageArn("*", context), tags: image.tags },
      ...snapshotsOf(image, context.records).map(({ id, tags }) => ({ arn: snapshotArn(id, context), tags })),
    ],
    transaction: imageMade(image, context),
    image,
  };
}

const unserved = [
  "BillingProducts",
  "ImageLocation",
  "KernelId",
  "RamdiskId",
  "TpmSupport",
  "UefiData",
] as const satisfies (keyof RegisterImageRequest)[];

function bootOf({
  Architecture = "i386",
  BootMode,
}: RegisterImageRequest): Pick<ImageRecord, "architecture" | "bootMode"> {
  const architecture = oneOf(["arm64", "i386", "x86_64"], Architecture, "architecture");
  if (!BootMode) return { architecture };
  const bootMode = oneOf(["legacy-bios", "uefi", "uefi-preferred"], BootMode, "bootMode");
  if (architecture === "arm64" && bootMode !== "uefi")
    throw invalidCombination(`The boot mode '${bootMode}' is not supported for the architecture arm64.`);
  return { architecture, bootMode };
}

function creation(
  input: CreateImageRequest & { InstanceId: string; Name: string },
  context: Ec2Context,
): NewImagePlan {
  if (input.SnapshotLocation) throw unsupportedParameter("SnapshotLocation");
  const [instance] = instancesOf([input.InstanceId], context);
  const state = instance && instanceState(instance);
  if (!instance || !(state === "running" || state === "stopping" || state === "stopped"))
    throw instanceNotImageable(input.InstanceId);
  onlyTags(["image", "snapshot"], input.TagSpecifications);
  const told = toldOf(input, context);
  const id = context.newId("ami");
  const asked = mappingsByDevice(input.BlockDeviceMappings, instance.rootDevice);
  const volumes = chosenVolumes(instance, asked, context);
  const held = volumes.map((it) => attachmentTo(instance.id, it)?.device);
  if (input.BlockDeviceMappings?.some((it) => isStore(it) && held.includes(it.DeviceName)))
    throw invalidMapping("A device name occurs more than once in the block device mapping.");
  const snapshotTags = tagsFor("snapshot", input.TagSpecifications);
  const { snapshots, transaction } = newSnapshots(
    volumes,
    () => ({
      description: `Created by CreateImage(${instance.id}) for ${id}`,
      tags: snapshotTags,
      ...(!input.NoReboot && { whileOff: true }),
    }),
    context,
  );
  const taken = volumes.map((volume, n) =>
    deviceOf(volume, attachmentTo(instance.id, volume), snapshots[n]?.id ?? "", asked),
  );
  const has = new Set(
    context.records.volumesOf(instance.id).map((it) => attachmentTo(instance.id, it)?.device),
  );
  const { storeDevices } = changedStores(instance.storeDevices, input.BlockDeviceMappings);
  const stores = Object.entries(storeDevices ?? {}).filter(([, device]) => !has.has(device));
  const others = [...asked]
    .filter(([device, { NoDevice }]) => !has.has(device) && NoDevice === undefined)
    .map(([device, mapping]) => newDevice(device, mapping, context));
  const imdsSupport = imageNamed(instance.imageId, context)?.imdsSupport;
  const image: ImageRecord = {
    ...told,
    id,
    ownerId: context.accountId,
    architecture: instance.architecture,
    ...bootModeOf(input, instance),
    ...(imdsSupport && { imdsSupport }),
    snapshotId: taken[0]?.snapshotId ?? "",
    sizeGiB: taken[0]?.sizeGiB ?? 0,
    rootDevice: instance.rootDevice,
    devices: [...taken, ...others],
    ...(stores.length > 0 && { storeDevices: Object.fromEntries(stores) }),
    source: { imageId: instance.imageId, region: context.region, instanceId: instance.id },
    tags: tagsFor("image", input.TagSpecifications),
    createdAt: context.now().toISOString(),
  };
  return {
    touches: [
      { arn: imageArn("*", context), tags: image.tags },
      touchedInstance(instance, context),
      { arn: snapshotArn("*", context), tags: snapshotTags },
    ],
    transaction: together(
      transaction,
      imageMade(image, context),
      state === "running" && !input.NoReboot ? context.records.rewrite("instance", rebooted(instance)) : {},
    ),
    image,
  };
}

/** The volumes that the image is of: all that are attached but those that the request leaves out; root first. */
function chosenVolumes(
  { id, rootDevice }: InstanceRecord,
  asked: ReadonlyMap<string, BlockDeviceMapping>,
  context: Ec2Context,
): VolumeRecord[] {
  const isRoot = (it: VolumeRecord) => attachmentTo(id, it)?.device === rootDevice;
  const attached = rootFirst(attachedVolumes(id, context), isRoot);
  if (!attached.some(isRoot)) throw rootVolumeMissing(id, rootDevice);
  if (asked.get(rootDevice)?.NoDevice !== undefined)
    throw invalidMapping(`The root device ${rootDevice} cannot be left out.`);
  return attached.filter((it) => asked.get(attachmentTo(id, it)?.device ?? "")?.NoDevice === undefined);
}

function deviceOf(
  volume: VolumeRecord,
  attachment: VolumeAttachmentRecord | undefined,
  snapshotId: string,
  asked: ReadonlyMap<string, BlockDeviceMapping>,
): ImageDevice {
  const { device = "", deleteOnTermination = true } = attachment ?? {};
  const { type, sizeGiB, iops, throughputMiBps } = volume;
  const ebs = asked.get(device)?.Ebs ?? {};
  const is: EbsBlockDevice = {
    VolumeType: type,
    VolumeSize: sizeGiB,
    Iops: iops,
    Throughput: throughputMiBps,
    Encrypted: volume.encryption !== undefined,
    KmsKeyId: volume.encryption?.keyArn,
  };
  if (ebs.Encrypted === false && is.Encrypted) throw encryptedStaysSo();
  for (const name of changeless)
    if (ebs[name] && ebs[name] !== is[name])
      throw invalidMapping(
        `${name} of the device ${device} cannot be changed: of a device that the instance has, only DeleteOnTermination can be.`,
      );
  return {
    device,
    snapshotId,
    type,
    sizeGiB,
    ...(iops !== undefined && { iops }),
    ...(throughputMiBps !== undefined && { throughputMiBps }),
    deleteOnTermination: ebs.DeleteOnTermination ?? deleteOnTermination,
  };
}

const changeless = [
  "SnapshotId",
  "VolumeType",
  "VolumeSize",
  "Iops",
  "Throughput",
  "Encrypted",
  "KmsKeyId",
] as const satisfies (keyof EbsBlockDevice)[];

/** A device that begins blank, or as a snapshot of the account's own. */
function newDevice(device: string, mapping: BlockDeviceMapping, context: Ec2Context): ImageDevice {
  const snapshotId = mappedSnapshot(mapping);
  if (snapshotId !== undefined && mapping.Ebs?.Encrypted !== undefined)
    throw invalidMapping(
      `the encrypted flag cannot be specified since device ${device} has a snapshot specified.`,
    );
  if (mapping.Ebs?.KmsKeyId && !mapping.Ebs.Encrypted) throw kmsKeyWithoutEncrypted();
  const source =
    snapshotId === undefined
      ? undefined
      : sourceOfSnapshot(findSnapshot(snapshotId, context), context.records);
  return mappedDevice(device, mapping, undefined, source);
}

const rootFirst = <Item>(items: readonly Item[], isRoot: (item: Item) => boolean): Item[] =>
  items.toSorted((a, b) => Number(isRoot(b)) - Number(isRoot(a)));

function bootModeOf({ BootModeOverride: override }: CreateImageRequest, instance: InstanceRecord) {
  if (override && currentBootMode(instance) !== "uefi")
    throw invalidCombination(
      `BootModeOverride ${override} is possible only of an instance whose current boot mode is uefi.`,
    );
  const bootMode = override ?? instance.bootMode;
  return bootMode && { bootMode };
}
