import type { DiskLimits, DiskRate, MachineDisk } from "../machine-driver.ts";

/**
 * What stands behind a disk in QEMU: on its file, and the image's that it is a difference to, their formats, and on top a filter that
 * the device reads and writes, under which the rest can be exchanged. Every layer is named, so QEMU follows no path it finds inside a
 * file. Files come as sets of descriptors that carry the disk's id, one to write and one to read, since QEMU reopens them in either mode.
 */
export const diskNodes = (
  { id, backing }: MachineDisk,
  sets: { readonly disk: number; readonly image: number },
): object[] => [
  ...(backing === undefined ? [] : layer(base(id), sets.image, null, { "read-only": true })),
  ...layer(format(id), sets.disk, backing === undefined ? null : base(id), unmap),
  top(id, format(id)),
];

export const diskFiles = ({ path, backing }: MachineDisk) => [
  ...(backing === undefined ? [] : [{ of: "image", path: backing, mode: "r" } as const]),
  { of: "disk", path, mode: "r+" } as const,
  { of: "disk", path, mode: "r" } as const,
];

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
  { driver: "null-co", "node-name": `${id}-null`, size: bytes, "read-zeroes": true },
  {
    driver: "blkdebug",
    "node-name": dead(id),
    image: `${id}-null`,
    "inject-error": [{ event: "none", iotype: "read", errno: 5 }],
  },
];

/** QEMU's names have at most 31 characters. */
export const throttle = (id: string): string => `${id}-limits`;
export const format = (id: string): string => `${id}-disk`;
export const dead = (id: string): string => `${id}-dead`;
const base = (id: string): string => `${id}-base`;

/** From the top down: each is free once those before it are gone. */
export const nodesOfFiles = (id: string): string[] =>
  [format(id), base(id)].flatMap((name) => [name, fileOf(name)]);
export const nodesOfDevice = (id: string): string[] => [id, dead(id), `${id}-null`];

/** A qcow2 file in descriptor set `set`, on top of node `backing`. */
const layer = (node: string, set: number, backing: string | null, flags: object): object[] => [
  { driver: "file", "node-name": fileOf(node), filename: `/dev/fdset/${set}`, ...flags },
  { driver: "qcow2", "node-name": node, file: fileOf(node), backing, ...flags },
];

const fileOf = (node: string): string => `${node}-file`;
const unmap = { discard: "unmap" };
