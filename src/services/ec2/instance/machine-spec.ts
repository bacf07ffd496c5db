import { createHash } from "node:crypto";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { MachineBoot, MachineDriver, MachineSpec } from "#drivers/machine/machine-driver.ts";
import type { NetworkDriver } from "#drivers/network/network-driver.ts";
import type { PassingKeys } from "#drivers/passing-keys.ts";
import { instanceTypes, interfaceLimit, volumeLimit } from "../instance-type/instance-type.ts";
import type { Ec2Records } from "../records.ts";
import { attachmentTo, type VolumeRecord } from "../volume/volume.ts";
import { servedDisk, serveVolume } from "../volume/serve-volume.ts";
import { typeLimits, volumeLimits } from "../volume/volume-limits.ts";
import { currentBootMode } from "./boot-mode.ts";
import { instanceStores } from "./instance-store.ts";
import type { InstanceRecord } from "./instance.ts";
import { instanceDnsName } from "./private-dns-names.ts";

export interface MachineParts {
  readonly disks: DiskDriver;
  /** What instance stores are encrypted with. */
  readonly storeKeys: PassingKeys;
  readonly networks: NetworkDriver;
  readonly machines: Pick<MachineDriver, "ensure">;
  /** How a baked image in this host's cache boots without firmware. */
  readonly imageKernel: (cacheEntry: string) => Extract<MachineBoot, { by: "kernel" }> | undefined;
  /** PEM: by which instances know the region's API, where it has one. */
  readonly authority?: string | undefined;
}

/**
 * The machine of an instance, from its volumes, root first, its instance stores, which exist when this returns, and its interfaces by
 * device index. What serves it volumes with Multi-Attach runs.
 */
export async function machineSpec(
  instance: InstanceRecord,
  records: Ec2Records,
  { disks, storeKeys, networks, machines, imageKernel, authority = "" }: MachineParts,
): Promise<MachineSpec> {
  const rootFirst = (volume: VolumeRecord) => {
    const device = attachmentTo(instance.id, volume)?.device ?? "";
    return device === instance.rootDevice ? "" : device;
  };
  const volumes = records
    .volumesOf(instance.id)
    .filter((it) => !attachmentTo(instance.id, it)?.detaching && it.so.ready)
    .toSorted((a, b) => (rootFirst(a) < rootFirst(b) ? -1 : 1));
  const stores = instanceStores(instance);
  // The instance shows the id it was launched by, which may be another's alias; its root volume knows what it was made of.
  const files = volumes[0]?.image && records.anywhere("image", volumes[0].image.imageId)?.cacheEntry;
  const firmware = { by: currentBootMode(instance) === "uefi" ? "uefi" : "bios" } as const;
  const interfaces = records
    .interfacesOf(instance.id)
    .filter(({ attachment, so }) => !attachment?.detaching && (so.ready || !attachment?.plugging))
    .toSorted((a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0));
  return {
    id: instance.id,
    architecture: instance.architecture === "arm64" ? "arm64" : "x86_64",
    cpus: instance.cpus,
    threadsPerCore: instance.threadsPerCore ?? 1,
    memoryMiB: instance.memoryMiB,
    identity: {
      uuid: ec2Uuid(instance.id),
      product: instance.type,
      tells: interfaces[0]
        ? told(instance, instanceDnsName(instance, interfaces[0].address, records.region), authority)
        : [],
    },
    boot: (files !== undefined ? imageKernel(files) : undefined) ?? firmware,
    disks: await Promise.all([
      ...volumes.map(async (it) => {
        if (!it.multiAttach) return { id: it.id, ...(await disks.locate(it.id)), limits: volumeLimits(it) };
        await serveVolume(it, { disks, machines });
        return servedDisk(it);
      }),
      ...stores.map(async ({ id, sizeGiB }) => {
        const found = await disks.locate(id).catch(() => undefined);
        // The host was booted, and the key went with that: nobody reads it again.
        if (found?.encrypted && !storeKeys.has(id)) await disks.remove(id);
        await disks.ensure({ id, sizeGiB, key: storeKeys.key(id) });
        return { id, ...(await disks.locate(id)) };
      }),
    ]),
    mostDisks: Math.min(volumeLimit(instance.type), plentyOfDisks) + stores.length,
    ...sharedLimits(instance.type),
    ports: interfaces.map(({ id, mac, vpcId }) => ({ id, mac, mtu: 9001, ...networks.port(vpcId, id) })),
    mostPorts: interfaceLimit(instance.type),
  };
}

/**
 * What the images' first-boot agent needs to know of an instance without user data: it makes it ready for a login before there is
 * a network. Nothing of one that has no access to its metadata, or whose key's name does not go into the firmware's tables.
 */
function told(
  { metadataOptions, userData, publicKey, zone }: InstanceRecord,
  hostName: string,
  authority: string,
): string[] {
  if (!metadataOptions.enabled || userData !== undefined) return [];
  const facts = { "host-name": hostName, zone, ...(publicKey !== undefined && { "public-key": publicKey }) };
  const lines = authority.split("\n").filter((line) => line !== "");
  const tells = [...Object.entries(facts), ...lines.map((line) => ["authority", line])].map(
    ([name, text]) => `croft.${name}=${text}`,
  );
  return tells.every((text) => /^[ -~]+$/.test(text)) ? tells : [];
}

/** Each that it has room for while it runs makes every boot longer. Started with more, it has room for those. */
const plentyOfDisks = 12;

/** Of a type whose volumes have a bandwidth of their own. */
function sharedLimits(type: string): Pick<MachineSpec, "sharedLimits"> {
  const { ebsPerformance } = instanceTypes.get(type) ?? {};
  return ebsPerformance ? { sharedLimits: typeLimits(ebsPerformance) } : {};
}

/** Begins with "ec2", by which guests have long known that they are on EC2. */
function ec2Uuid(instanceId: string): string {
  const hex = `ec2${createHash("sha256").update(instanceId).digest("hex").slice(3, 32)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
