import { createHash } from "node:crypto";
import type { BlockDeviceMapping } from "@aws-sdk/client-ec2";
import { invalidMapping } from "../errors.ts";
import { instanceTypes } from "../instance-type/instance-type.ts";
import type { InstanceRecord } from "./instance.ts";

/** A disk that an instance has from its host while it runs, and keeps when it is rebooted: empty at each start, gone when it stops. */
export interface InstanceStore {
  /** Also its serial, as on EC2: `AWS` and 17 hexadecimal digits. */
  readonly id: string;
  /** `ephemeral0`, `ephemeral1`, … */
  readonly name: `ephemeral${number}`;
  readonly sizeGiB: number;
  /** Where its launch mapped it. */
  readonly device?: string;
}

/** By the names of those that have none of their own. */
export type StoreDevices = Readonly<Record<InstanceStore["name"], string>>;

/** Those that its type has: all of NVMe, of others those that its launch mapped. */
export function instanceStores({
  id,
  type,
  storeDevices = {},
}: Pick<InstanceRecord, "id" | "type" | "storeDevices">): InstanceStore[] {
  const disks = instanceTypes.get(type)?.disks ?? [];
  return disks
    .flatMap((disk) => Array.from({ length: disk.count }, () => disk))
    .flatMap(({ sizeGB, nvme }, n): InstanceStore[] => {
      const name = `ephemeral${n}` as const;
      const device = nvme ? undefined : storeDevices[name];
      if (!nvme && device === undefined) return [];
      return [{ id: storeId(id, n), name, sizeGiB: (sizeGB * 1e9) / 2 ** 30, ...(device && { device }) }];
    });
}

/** As a launch, or an image, maps them; what a type has not, or has anyway, is recorded all the same: the type may change. */
function mappedStores(mappings: readonly BlockDeviceMapping[]): StoreDevices {
  const devices = mappings.filter(isStore).map(({ DeviceName: device, VirtualName: name, Ebs: ebs }) => {
    if (!/^ephemeral\d{1,2}$/.test(name ?? ""))
      throw invalidMapping(`The virtual name '${name}' is not one of ephemeral0 to ephemeral99.`);
    if (!device) throw invalidMapping("A block device mapping needs a device name.");
    if (ebs) throw invalidMapping(`The device '${device}' is mapped both to a volume and to '${name}'.`);
    return [name, device] as const;
  });
  return Object.fromEntries(devices);
}

/** What there is, as a request changes it: by a name, or by what else it has of a device, or that nothing is there. */
export function changedStores(
  has: StoreDevices | undefined,
  mappings: readonly BlockDeviceMapping[] = [],
): { readonly storeDevices?: StoreDevices } {
  const taken = new Set(mappings.map(({ DeviceName }) => DeviceName));
  const left = Object.entries(has ?? {}).filter(([, device]) => !taken.has(device));
  const storeDevices = { ...Object.fromEntries(left), ...mappedStores(mappings) };
  return Object.keys(storeDevices).length === 0 ? {} : { storeDevices };
}

/** Not to a volume. */
export const isStore = ({ VirtualName: name }: BlockDeviceMapping): boolean =>
  name !== undefined && name !== "";

const storeId = (instanceId: string, n: number): string =>
  `AWS${createHash("sha256").update(`${instanceId} ${n}`).digest("hex").slice(0, 17).toUpperCase()}`;
