import type { DiskLimits, DiskRate, MachineDisk } from "../machine-driver.ts";

/**
 * What stands behind a disk in QEMU: its file, on those that it is a difference to, the format of each, and on top a filter that
 * the device reads and writes, under which the rest can be exchanged. Every layer is named, by a number, so QEMU follows no path it finds
 * inside a file, and a layer keeps its name when another comes onto it or takes the place of one below.
 */
export const diskNodes = (disk: MachineDisk, setOf: (layer: Layer) => number): object[] =>
  disk.servedBy === undefined ? nodesOfFiles(disk, setOf) : nodesOfServed(disk.id, disk.servedBy);

const nodesOfFiles = (disk: MachineDisk, setOf: (layer: Layer) => number): object[] => [
  ...layersOf(disk).flatMap((layer) => {
    const backing = layer.height === 0 ? null : node(disk.id, layer.height - 1);
    return layerNodes(disk.id, layer, setOf(layer), backing);
  }),
  top(disk.id, node(disk.id, disk.below.length)),
];

/** What is not answered while its server is away is asked again when it is back, however long that takes. */
const nodesOfServed = (id: string, server: string): object[] => [
  {
    driver: "nbd",
    "node-name": served(id),
    server: { type: "unix", path: `${SERVED}/${server}` },
    export: id,
    "reconnect-delay": 2 ** 32 - 1,
    ...unmap,
  },
  top(id, served(id)),
];

/** Where a machine's jail shows the sockets of those whose disks it has. */
export const SERVED = "/served";
export const served = (id: string): string => `${id}-served`;

export interface Layer {
  readonly path: string;
  /** At first above the lowest; later any that no other of the disk has. */
  readonly height: number;
  /** It is written, the others are read only. */
  readonly isTop: boolean;
  /** By the disk's own secret. */
  readonly isEncrypted: boolean;
}

/** From the lowest up, as a machine is first given them. */
export const layersOf = ({ path, below, servedBy, ...disk }: DiskFiles): Layer[] =>
  (servedBy === undefined ? [path, ...below] : []).toReversed().map((file, height) => ({
    path: file,
    height,
    isTop: height === below.length,
    isEncrypted: isEncrypted(disk, below.length - height),
  }));

export type DiskFiles = Pick<MachineDisk, "path" | "below" | "encrypted" | "servedBy">;

/** Its files are counted from the one that it writes. */
export const isEncrypted = ({ encrypted }: Pick<MachineDisk, "encrypted">, file: number): boolean =>
  file < (encrypted?.files ?? 0);

/** A qcow2 file in descriptor set `set`, on top of node `backing`. */
export const layerNodes = (
  id: string,
  { height, isTop, isEncrypted: withSecret }: Omit<Layer, "path">,
  set: number,
  backing: string | null,
): object[] => {
  const name = node(id, height);
  const flags = flagsOf(isTop);
  return [
    { driver: "file", "node-name": fileOf(name), filename: setName(set), ...flags, ...(isTop && untilRead) },
    layerNode(id, { name, isTop, isEncrypted: withSecret }, backing),
  ];
};

export const layerNode = (
  id: string,
  { name, isTop, isEncrypted: withSecret }: Pick<Layer, "isTop" | "isEncrypted"> & { readonly name: string },
  backing: string | null,
): object => ({
  driver: "qcow2",
  "node-name": name,
  file: fileOf(name),
  ...(withSecret && { encrypt: { format: "luks", "key-secret": secret(id) } }),
  backing,
  ...flagsOf(isTop),
});

/**
 * Files come as sets of descriptors, which tell whose they are: the top's one to write and one to read, since QEMU reopens it to read
 * when another comes onto it.
 */
export const descriptorsOf = (id: string, { isTop }: Pick<Layer, "isTop">) => [
  ...(isTop ? [{ mode: "r+", opaque: writable(id) } as const] : []),
  { mode: "r", opaque: id } as const,
];
export const writable = (id: string): string => `${id}:written`;

/**
 * A machine whose disk cannot be written stands still: to its guest, a write that fails is a broken disk. A read that fails is one.
 * The guest is shown 20 characters of a serial: `vol` and 17 hex digits just fit, without the dash.
 */
export const virtioBlk = ({ id }: MachineDisk) => ({
  driver: "virtio-blk-pci",
  id,
  drive: id,
  serial: id.replaceAll("-", "").slice(0, 20),
  werror: "stop",
  rerror: "report",
});

/** What the filter holds it to. */
export const throttleGroup = ({ id, limits }: MachineDisk) => ({
  "qom-type": "throttle-group",
  id: throttle(id),
  limits: throttleLimits(limits),
});

/** As QEMU's ThrottleLimits; what nobody limits is named too, so that it ends a limit of before. */
export const throttleLimits = ({ requests, bytes }: DiskLimits = {}): Readonly<Record<string, number>> => ({
  ...rateOf("iops-total", requests),
  "iops-size": requests?.bytes ?? 0,
  ...rateOf("bps-total", bytes),
});

/** What the device reads and writes by counts among those of all that share limits, beside the filter below (QMP's BlockIOThrottle). */
export const sharedThrottle = (id: string, limits: DiskLimits): object => {
  const of = throttleLimits(limits);
  const rates = (["bps", "iops"] as const).map((unit) => ({
    [unit]: of[`${unit}-total`],
    [`${unit}_rd`]: 0,
    [`${unit}_wr`]: 0,
    [`${unit}_max`]: of[`${unit}-total-max`],
    [`${unit}_max_length`]: of[`${unit}-total-max-length`],
  }));
  return {
    id: `/machine/peripheral/${id}/virtio-backend`,
    group: "shared",
    ...rates[0],
    ...rates[1],
    iops_size: of["iops-size"],
  };
};

const rateOf = (name: string, { rate, burst }: DiskRate = { rate: 0 }) => ({
  [name]: Math.round(rate),
  [`${name}-max`]: Math.round(burst?.rate ?? 0),
  [`${name}-max-length`]: burst?.seconds ?? 1,
});

/** The filter, which is called as the disk is. */
export const top = (id: string, file: string) => ({
  driver: "throttle",
  "node-name": id,
  file,
  "throttle-group": throttle(id),
  ...unmap,
});

/** What swallows all that is written to a disk that was taken from its machine by force, and fails to be read. */
export const deadNodes = (id: string, bytes: number): object[] => [
  { driver: "null-co", "node-name": nothing(id), size: bytes, "read-zeroes": true },
  {
    driver: "blkdebug",
    "node-name": dead(id),
    image: nothing(id),
    "inject-error": [{ event: "none", iotype: "read", errno: 5 }],
  },
];

/** QEMU's names have at most 31 characters. */
export const throttle = (id: string): string => `${id}-limits`;
export const secret = (id: string): string => `${id}-key`;
export const node = (id: string, height: number): string => `${id}-${height}`;
export const setName = (set: number): string => `/dev/fdset/${set}`;
export const fileOf = (name: string): string => `${name}-file`;
export const dead = (id: string): string => `${id}-dead`;
const nothing = (id: string): string => `${id}-null`;
export const isDead = (id: string, name: string): boolean => name === dead(id) || name === nothing(id);

/** It is open to be written for as long as what is above it writes. */
const untilRead = { "auto-read-only": true };
const unmap = { discard: "unmap" };
const flagsOf = (isTop: boolean) => (isTop ? unmap : { "read-only": true });
