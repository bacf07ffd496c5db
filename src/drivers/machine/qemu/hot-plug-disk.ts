import { closeSync, openSync } from "node:fs";
import type { OpenKey } from "../../open-key.ts";
import type { DiskChange, DiskLimits, MachineDisk } from "../machine-driver.ts";
import { askBack, devicesOf, freeSlots } from "./hot-plug.ts";
import {
  dead,
  deadNodes,
  descriptorsOf,
  diskNodes,
  isDead,
  layersOf,
  secret,
  served,
  sharedThrottle,
  throttle,
  throttleGroup,
  throttleLimits,
  top,
  virtioBlk,
  writable,
  type Layer,
} from "./disk-nodes.ts";
import type { Qmp } from "./qmp.ts";

/** How disks come to a running QEMU and go from it. Commands follow QEMU 7.2's QMP reference. */

/** Into the first free root port. One that its guest has still not let go of is refused. `openKey`: of an encrypted one. */
export async function plugDisk(qmp: Qmp, disk: MachineDisk, openKey: OpenKey): Promise<void> {
  const devices = await devicesOf(qmp);
  if (devices.includes(disk.id)) {
    if (!(await nodesNow(qmp)).has(dead(disk.id))) return;
    await askBack(qmp, disk.id);
    throw new Error(`the guest has not let go of ${disk.id} yet`);
  }
  const data = disk.encrypted && openKey(disk.encrypted.key);
  const slot = (await freeSlots(qmp, devices)).at(-1);
  await forget(qmp, disk.id); // left by whoever was ended before its device came
  const sets = new Map<number, number>();
  for (const layer of layersOf(disk)) sets.set(layer.height, await handLayer(qmp, disk.id, layer));
  await qmp.execute("object-add", throttleGroup(disk));
  if (data !== undefined)
    await qmp.execute("object-add", { "qom-type": "secret", id: secret(disk.id), data });
  for (const node of diskNodes(disk, ({ height }) => sets.get(height) ?? -1))
    await qmp.execute("blockdev-add", node);
  await qmp.execute("device_add", { ...virtioBlk(disk), bus: slot });
}

/** Has the disks that have limits keep to these together too. Repeated when another comes; then what is left of a burst is all of it. */
export async function shareLimits(
  qmp: Qmp,
  disks: readonly MachineDisk[],
  shared: DiskLimits | undefined,
): Promise<void> {
  if (shared === undefined) return;
  for (const { id, limits } of disks)
    if (limits) await qmp.execute("block_set_io_throttle", sharedThrottle(id, shared));
}

/** Asks the guest for the disk, which takes it some time; or takes the files from under it. Whether nobody has them open any more. */
export async function unplugDisk(qmp: Qmp, id: string, force: boolean): Promise<boolean> {
  const isThere = (await devicesOf(qmp)).includes(id);
  if (!isThere) {
    await forget(qmp, id);
    return true;
  }
  if (!(await nodesNow(qmp)).has(id))
    throw new Error("the machine was started by an earlier Croft: it lets go of the disk when it is stopped");
  await askBack(qmp, id);
  if (!force) return false;
  await kill(qmp, id);
  await forget(qmp, id, (name) => name === id || isDead(id, name));
  return true;
}

/** Whether the machine has it; then its guest is shown the new size. */
export async function changeDisk(qmp: Qmp, id: string, { sizeGiB, limits }: DiskChange): Promise<boolean> {
  const node = (await nodesOfDisks(qmp)).get(id);
  const nodes = await nodesNow(qmp);
  if (node === undefined || nodes.has(dead(id))) return false;
  const size = bytesOf({ sizeGiB });
  if ((nodes.get(node)?.bytes ?? 0) < size) {
    // It learns what its server has when it next asks anything of it.
    if (nodes.has(served(id))) await askServer(qmp, id);
    await qmp.execute("block_resize", { "node-name": node, size });
  }
  if ((await objectsNow(qmp)).has(throttle(id)))
    await qmp.execute("qom-set", {
      path: `/objects/${throttle(id)}`,
      property: "limits",
      value: throttleLimits(limits),
    });
  return true;
}

/** Whether it would have to become larger for that. */
export const isSmaller = async (qmp: Qmp, id: string, to: DiskChange): Promise<boolean> =>
  ((await nodesNow(qmp)).get(id)?.bytes ?? 0) < bytesOf(to);

const bytesOf = ({ sizeGiB }: Pick<DiskChange, "sizeGiB">): number => sizeGiB * 1024 ** 3;

/** Of its first sector; only the monitor for people asks a disk for anything. */
const askServer = (qmp: Qmp, id: string): Promise<unknown> =>
  qmp.execute("human-monitor-command", { "command-line": `qemu-io ${id} "read 0 512"` });

/** Which disk the device at this place in QEMU's tree is for. */
export const diskOfDevice = (qdev = ""): string | undefined =>
  /^\/machine\/peripheral\/([^/]+)/.exec(qdev)?.[1];

/** What each disk's device reads and writes, by the disk's id: machines that an earlier Croft started call it otherwise. */
export async function nodesOfDisks(qmp: Qmp): Promise<ReadonlyMap<string, string>> {
  const blocks = (await qmp.execute("query-block")) as {
    readonly qdev?: string;
    readonly inserted?: { readonly "node-name": string };
  }[];
  return new Map(
    blocks.flatMap(({ qdev, inserted }) => {
      const id = diskOfDevice(qdev);
      return id === undefined || inserted === undefined ? [] : [[id, inserted["node-name"]] as const];
    }),
  );
}

/** What was on its way to the files is written before they are gone. */
async function kill(qmp: Qmp, id: string): Promise<void> {
  const nodes = await nodesNow(qmp);
  const bytes = nodes.get(id)?.bytes;
  if (bytes === undefined || nodes.has(dead(id))) return;
  for (const node of deadNodes(id, bytes)) await qmp.execute("blockdev-add", node);
  await qmp.execute("blockdev-reopen", { options: [top(id, dead(id))] });
}

/** All of the disk's nodes, and its limits, but those that stay. Throws while something still uses them. */
async function forget(qmp: Qmp, id: string, stays: (node: string) => boolean = () => false): Promise<void> {
  await deleteNodes(qmp, (name) => (name === id || name.startsWith(`${id}-`)) && !stays(name));
  const objects = await objectsNow(qmp);
  if (!stays(id) && objects.has(throttle(id))) await qmp.execute("object-del", { id: throttle(id) });
  if (objects.has(secret(id))) await qmp.execute("object-del", { id: secret(id) });
  for (const { set, fd, opaque } of await handed(qmp))
    if (opaque === id || opaque === writable(id)) await qmp.execute("remove-fd", { "fdset-id": set, fd });
}

/** Throws while something else still uses them. */
export async function deleteNodes(qmp: Qmp, wanted: (name: string) => boolean): Promise<void> {
  for (let left = await namesNow(qmp, wanted); left.length > 0;) {
    let refusal: unknown;
    for (const name of left)
      await qmp.execute("blockdev-del", { "node-name": name }).catch((error: unknown) => (refusal = error));
    const now = await namesNow(qmp, wanted);
    if (now.length === left.length) throw refusal; // otherwise what is below was waiting for what was above
    left = now;
  }
}

const namesNow = async (qmp: Qmp, wanted: (name: string) => boolean): Promise<string[]> =>
  [...(await nodesNow(qmp)).keys()].filter(wanted);

/** The number of the new set that it is in. */
export async function handLayer(qmp: Qmp, id: string, layer: Pick<Layer, "path" | "isTop">): Promise<number> {
  let set = -1;
  for (const { mode, opaque } of descriptorsOf(id, layer)) {
    const fd = openSync(layer.path, mode);
    try {
      const args = set < 0 ? { opaque } : { opaque, "fdset-id": set };
      const added = (await qmp.execute("add-fd", args, { fds: [fd] })) as { readonly "fdset-id": number };
      set = added["fdset-id"];
    } finally {
      closeSync(fd);
    }
  }
  return set;
}

export async function handed(
  qmp: Qmp,
): Promise<{ readonly set: number; readonly fd: number; readonly opaque?: string }[]> {
  const sets = (await qmp.execute("query-fdsets")) as {
    readonly "fdset-id": number;
    readonly fds: readonly { readonly fd: number; readonly opaque?: string }[];
  }[];
  return sets.flatMap(({ "fdset-id": set, fds }) => fds.map((it) => ({ set, ...it })));
}

/** The size in bytes of each block node, and the name of its file, by its own name. */
export async function nodesNow(
  qmp: Qmp,
): Promise<ReadonlyMap<string, { readonly bytes: number; readonly file: string }>> {
  const nodes = (await qmp.execute("query-named-block-nodes", { flat: true })) as {
    readonly "node-name": string;
    readonly file: string;
    readonly image: { readonly "virtual-size": number };
  }[];
  return new Map(
    nodes.map(({ file, image, ...it }) => [it["node-name"], { bytes: image["virtual-size"], file }]),
  );
}

async function objectsNow(qmp: Qmp): Promise<ReadonlySet<string>> {
  const objects = (await qmp.execute("qom-list", { path: "/objects" })) as { readonly name: string }[];
  return new Set(objects.map(({ name }) => name));
}
