import type { BootModeValues } from "@aws-sdk/client-ec2";
import type { ExportedDisk } from "#images/disk-exports.ts";
import type { StoredObject } from "#images/stored-object.ts";
import type { Ec2Context } from "../context.ts";
import { notStored } from "../errors.ts";
import { chosenRates, devicesOf, type ImageDevice } from "../image/image-device.ts";
import type { ImageRecord } from "../image/image.ts";
import { mappedDevice, mappingsByDevice } from "../image/mapped-device.ts";
import { changedStores } from "../instance/instance-store.ts";
import { copiedTags, describeTags, withTags, type Tags } from "../tag/tag.ts";
import { volumeTypes } from "../volume/volume-types.ts";

/** The head of an object that an image is stored as; the parts are its snapshots, in their order. */
interface StoredHead {
  /** What of the image is of no region. */
  readonly image: Pick<
    ImageRecord,
    | "id"
    | "name"
    | "description"
    | "architecture"
    | "bootMode"
    | "enaSupport"
    | "imdsSupport"
    | "storeDevices"
    | "createdAt"
  > & { readonly tags: Tags };
  readonly ownerId: string | undefined;
  readonly storedAt: string;
  /** As the request had them: S3 is to keep them once it is served. */
  readonly objectTags: Tags;
  /** Root first. */
  readonly devices: readonly (Omit<ImageDevice, "snapshotId" | "encrypted" | "kmsKeyId"> & {
    /** Which of the snapshots; absent: blank. */
    readonly snapshot?: number;
  })[];
  readonly snapshots: readonly StoredSnapshot[];
}

interface StoredSnapshot {
  readonly sizeGiB: number;
  readonly description: string;
  readonly tags: Tags;
}

/** `begins`: what each device begins as. */
export function storedHead(
  image: ImageRecord,
  begins: readonly (ExportedDisk | undefined)[],
  objectTags: Tags,
  { records, now }: Ec2Context,
): { readonly head: string; readonly disks: readonly ExportedDisk[] } {
  const nameOf = (disk: ExportedDisk) => ("snapshotId" in disk ? disk.snapshotId : disk.cacheEntry);
  const disks = [...new Map(begins.flatMap((it) => (it ? [[nameOf(it), it]] : []))).values()];
  const { id, name, description, architecture, bootMode, enaSupport, imdsSupport, createdAt } = image;
  const { storeDevices } = image;
  const head: StoredHead = {
    image: {
      id,
      name,
      description,
      architecture,
      ...(bootMode && { bootMode }),
      ...(enaSupport === false && { enaSupport }),
      ...(imdsSupport && { imdsSupport }),
      ...(storeDevices && { storeDevices }),
      tags: copiedTags(image.tags),
      createdAt,
    },
    ownerId: image.ownerId,
    storedAt: now().toISOString(),
    objectTags,
    devices: devicesOf(image).map(({ snapshotId: _, encrypted: _e, kmsKeyId: _k, ...device }, n) => {
      const begin = begins[n];
      return begin ? { ...device, snapshot: disks.findIndex((it) => nameOf(it) === nameOf(begin)) } : device;
    }),
    snapshots: disks.map((disk) => {
      const snapshot =
        "snapshotId" in disk ? records.whosever("snapshot", disk.snapshotId)?.value : undefined;
      const own = snapshot && records.get("snapshot", snapshot.id);
      return {
        sizeGiB: snapshot?.sizeGiB ?? image.sizeGiB,
        description: snapshot?.description ?? "",
        // Those of another are his to know.
        tags: copiedTags(own?.tags ?? {}),
      };
    }),
  };
  return { head: JSON.stringify(head), disks };
}

/** What an object, which anyone may have made, says of the image; `snapshotIds`: what its parts become. Throws what says why it cannot be. */
export function readStoredImage(
  { head, parts }: Pick<StoredObject, "head" | "parts">,
  snapshotIds: readonly string[],
): Pick<StoredHead, "image" | "snapshots"> & { readonly devices: readonly ImageDevice[] } {
  const read = fieldsOf(parsed(head), "its head");
  const told = fieldsOf(read["image"], "image");
  const snapshots = listOf(read["snapshots"], "snapshots").map((it) => {
    const { sizeGiB, description, tags } = fieldsOf(it, "a snapshot");
    if (!Number.isInteger(sizeGiB) || Number(sizeGiB) < 1 || Number(sizeGiB) > 65_536)
      throw notStored("a snapshot has no size.");
    return { sizeGiB: Number(sizeGiB), description: textOf(description, "description"), tags: tagsOf(tags) };
  });
  if (snapshots.length !== parts.length) throw notStored("it has other snapshots than it says.");
  const devices = listOf(read["devices"], "devices").map((it) => deviceOf(it, snapshots, snapshotIds));
  const stores = Object.entries(fieldsOf(told["storeDevices"] ?? {}, "instance stores")).map(
    ([VirtualName, device]) => ({ VirtualName, DeviceName: deviceName(device) }),
  );
  // Throws for one that occurs twice.
  mappingsByDevice([...devices.map(({ device }) => ({ DeviceName: device })), ...stores], devices[0]?.device);
  if (devices[0]?.snapshotId === undefined) throw notStored("it has no root device.");
  const used = new Set(devices.map(({ snapshotId }) => snapshotId));
  if (snapshotIds.some((id) => !used.has(id))) throw notStored("no device begins as one of its snapshots.");
  const { bootMode, enaSupport, imdsSupport } = told;
  return {
    image: {
      id: `ami-${textOf(told["id"], "id").replace("ami-", "")}`,
      name: textOf(told["name"], "name"),
      description: textOf(told["description"], "description"),
      architecture: oneOf(["x86_64", "arm64", "i386"], told["architecture"], "architecture"),
      ...(bootMode !== undefined && {
        bootMode: oneOf<BootModeValues>(["legacy-bios", "uefi", "uefi-preferred"], bootMode, "boot mode"),
      }),
      ...(enaSupport === false && { enaSupport }),
      ...(imdsSupport !== undefined && { imdsSupport: oneOf(["v2.0"], imdsSupport, "IMDS support") }),
      ...changedStores(undefined, stores),
      tags: tagsOf(told["tags"]),
      createdAt: textOf(told["createdAt"], "creation date"),
    },
    devices,
    snapshots,
  };
}

/** By the rules of a request's block device mapping. */
function deviceOf(
  value: unknown,
  snapshots: readonly StoredSnapshot[],
  snapshotIds: readonly string[],
): ImageDevice {
  const { device, snapshot, type, sizeGiB, iops, throughputMiBps, deleteOnTermination } = fieldsOf(
    value,
    "a device",
  );
  const name = deviceName(device);
  const index = snapshot === undefined ? undefined : Number(snapshot);
  const begin = index === undefined ? undefined : snapshots[index];
  const snapshotId = index === undefined ? undefined : snapshotIds[index];
  if (index !== undefined && (!begin || snapshotId === undefined))
    throw notStored("a device begins as a snapshot that it does not have.");
  const shape = {
    type: textOf(type, "volume type") as ImageDevice["type"],
    sizeGiB: Number(sizeGiB),
    ...(iops !== undefined && { iops: Number(iops) }),
    ...(throughputMiBps !== undefined && { throughputMiBps: Number(throughputMiBps) }),
  };
  const mapping = {
    Ebs: {
      ...(snapshotId !== undefined && { SnapshotId: snapshotId }),
      VolumeType: shape.type,
      VolumeSize: shape.sizeGiB,
      ...(Object.hasOwn(volumeTypes, shape.type) && chosenRates(shape)),
      DeleteOnTermination: deleteOnTermination !== false,
    },
  };
  return mappedDevice(
    name,
    mapping,
    undefined,
    begin && { sizeGiB: begin.sizeGiB, of: {}, encrypted: {}, stays: [] },
  );
}

function deviceName(value: unknown): string {
  const name = textOf(value, "device name");
  if (!/^[\w/-]{1,64}$/.test(name)) throw notStored("a device has no name.");
  return name;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notStored("its head is no JSON.");
  }
}

function fieldsOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw notStored(`${what} is no object.`);
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > mostDevices) throw notStored(`${what} are no list.`);
  return value;
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== "string" || value.length > 255) throw notStored(`its ${what} is no text.`);
  return value;
}

function tagsOf(value: unknown): Tags {
  const tags = Object.entries(fieldsOf(value, "tags"));
  if (tags.some(([, it]) => typeof it !== "string")) throw notStored("a tag's value is no text.");
  return withTags({}, describeTags(Object.fromEntries(tags) as Record<string, string>));
}

function oneOf<Value extends string>(known: readonly Value[], value: unknown, what: string): Value {
  const found = known.find((it) => it === value);
  if (found === undefined) throw notStored(`its ${what} is none.`);
  return found;
}

/** More than an instance can have. */
const mostDevices = 128;
