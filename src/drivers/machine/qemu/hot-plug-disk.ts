import { closeSync, openSync } from "node:fs";
import type { DiskChange, MachineDisk } from "../machine-driver.ts";
import { askBack, devicesOf, freeSlots } from "./hot-plug.ts";
import {
  dead,
  deadNodes,
  diskFiles,
  diskNodes,
  format,
  nodesOfDevice,
  nodesOfFiles,
  throttle,
  throttleGroup,
  throttleLimits,
  top,
  virtioBlk,
} from "./disk-nodes.ts";
import type { Qmp } from "./qmp.ts";

/** How disks come to a running QEMU and go from it. Commands follow QEMU 7.2's QMP reference. */

/** Into the first free root port. One that its guest has still not let go of is refused. */
export async function plugDisk(qmp: Qmp, disk: MachineDisk): Promise<void> {
  const devices = await devicesOf(qmp);
  if (devices.includes(disk.id)) {
    if (!(await nodesNow(qmp)).has(dead(disk.id))) return;
    await askBack(qmp, disk.id);
    throw new Error(`the guest has not let go of ${disk.id} yet`);
  }
  const slot = (await freeSlots(qmp, devices)).at(-1);
  await forget(qmp, disk.id, [...nodesOfDevice(disk.id), ...nodesOfFiles(disk.id)]); // left by whoever was ended before its device came
  const sets: Record<"disk" | "image", number> = { disk: -1, image: -1 };
  for (const { of, path, mode } of diskFiles(disk)) sets[of] = await hand(qmp, disk.id, path, mode, sets[of]);
  await qmp.execute("object-add", throttleGroup(disk));
  for (const node of diskNodes(disk, sets)) await qmp.execute("blockdev-add", node);
  await qmp.execute("device_add", { ...virtioBlk(disk), bus: slot });
}

/** Asks the guest for the disk, which takes it some time; or takes the files from under it. Whether nobody has them open any more. */
export async function unplugDisk(qmp: Qmp, id: string, force: boolean): Promise<boolean> {
  const isThere = (await devicesOf(qmp)).includes(id);
  if (!isThere) {
    await forget(qmp, id, [...nodesOfDevice(id), ...nodesOfFiles(id)]);
    return true;
  }
  if (!(await nodesNow(qmp)).has(id))
    throw new Error("the machine was started by an earlier Croft: it lets go of the disk when it is stopped");
  await askBack(qmp, id);
  if (!force) return false;
  await kill(qmp, id);
  await forget(qmp, id, nodesOfFiles(id));
  return true;
}

/** Whether the machine has it; then its guest is shown the new size. */
export async function changeDisk(qmp: Qmp, id: string, { sizeGiB, limits }: DiskChange): Promise<boolean> {
  const node = (await nodesOfDisks(qmp)).get(id);
  const nodes = await nodesNow(qmp);
  if (node === undefined || nodes.has(dead(id))) return false;
  const size = sizeGiB * 1024 ** 3;
  if ((nodes.get(node) ?? 0) < size) await qmp.execute("block_resize", { "node-name": node, size });
  if ((await objectsNow(qmp)).has(throttle(id)))
    await qmp.execute("qom-set", {
      path: `/objects/${throttle(id)}`,
      property: "limits",
      value: throttleLimits(limits),
    });
  return true;
}

/** What each disk's device reads and writes, by the disk's id: machines that an earlier Croft started call it otherwise. */
export async function nodesOfDisks(qmp: Qmp): Promise<ReadonlyMap<string, string>> {
  const blocks = (await qmp.execute("query-block")) as {
    readonly qdev?: string;
    readonly inserted?: { readonly "node-name": string };
  }[];
  return new Map(
    blocks.flatMap(({ qdev, inserted }) => {
      const [, id] = /^\/machine\/peripheral\/([^/]+)/.exec(qdev ?? "") ?? [];
      return id === undefined || inserted === undefined ? [] : [[id, inserted["node-name"]] as const];
    }),
  );
}

/** What was on its way to the files is written before they are gone. */
async function kill(qmp: Qmp, id: string): Promise<void> {
  const nodes = await nodesNow(qmp);
  const bytes = nodes.get(format(id));
  if (bytes === undefined) return;
  if (!nodes.has(dead(id))) for (const node of deadNodes(id, bytes)) await qmp.execute("blockdev-add", node);
  await qmp.execute("blockdev-reopen", { options: [top(id, dead(id))] });
}

/** Throws while something still uses them. */
async function forget(qmp: Qmp, id: string, names: readonly string[]): Promise<void> {
  const nodes = await nodesNow(qmp);
  for (const name of names) if (nodes.has(name)) await qmp.execute("blockdev-del", { "node-name": name });
  if (names.includes(id) && (await objectsNow(qmp)).has(throttle(id)))
    await qmp.execute("object-del", { id: throttle(id) });
  for (const { set, fd } of await handed(qmp, id)) await qmp.execute("remove-fd", { "fdset-id": set, fd });
}

/** Into the set, or a new one when it is none yet; the set's number. */
async function hand(qmp: Qmp, id: string, path: string, mode: "r" | "r+", set: number): Promise<number> {
  const fd = openSync(path, mode);
  try {
    const args = set < 0 ? { opaque: id } : { opaque: id, "fdset-id": set };
    const added = (await qmp.execute("add-fd", args, { fds: [fd] })) as { readonly "fdset-id": number };
    return added["fdset-id"];
  } finally {
    closeSync(fd);
  }
}

async function handed(qmp: Qmp, id: string): Promise<{ set: number; fd: number }[]> {
  const sets = (await qmp.execute("query-fdsets")) as {
    readonly "fdset-id": number;
    readonly fds: readonly { readonly fd: number; readonly opaque?: string }[];
  }[];
  return sets.flatMap(({ "fdset-id": set, fds }) =>
    fds.flatMap(({ fd, opaque }) => (opaque === id ? [{ set, fd }] : [])),
  );
}

/** The size in bytes of each block node, by its name. */
async function nodesNow(qmp: Qmp): Promise<ReadonlyMap<string, number>> {
  const nodes = (await qmp.execute("query-named-block-nodes", { flat: true })) as {
    readonly "node-name": string;
    readonly image: { readonly "virtual-size": number };
  }[];
  return new Map(nodes.map((it) => [it["node-name"], it.image["virtual-size"]]));
}

async function objectsNow(qmp: Qmp): Promise<ReadonlySet<string>> {
  const objects = (await qmp.execute("qom-list", { path: "/objects" })) as { readonly name: string }[];
  return new Set(objects.map(({ name }) => name));
}
