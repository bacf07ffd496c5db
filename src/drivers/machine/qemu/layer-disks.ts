import type { MachineDisk } from "../machine-driver.ts";
import { fileOf, isDead, layerNodes, layersOf, node, setName, writable, type Layer } from "./disk-nodes.ts";
import { handed, handLayer, nodesNow } from "./hot-plug-disk.ts";
import type { Qmp } from "./qmp.ts";

/**
 * Has a running QEMU write on top of what it wrote so far, for all of the disks in one transaction: each file that it lacks is put on
 * the one it writes to, which it then only reads. Whoever was cut short before or after finds which by QEMU alone. Commands follow
 * QEMU 7.2's QMP reference.
 */
export async function layerDisks(qmp: Qmp, disks: readonly MachineDisk[]): Promise<void> {
  for (let next = await lacking(qmp, disks); next.length > 0; next = await lacking(qmp, disks)) {
    for (const layer of next) await add(qmp, layer);
    await qmp.execute("transaction", {
      actions: next.map(({ id, height }) => ({
        type: "blockdev-snapshot",
        data: { node: node(id, height - 1), overlay: node(id, height) },
      })),
    });
  }
  // QEMU has reopened them to read: it must not be able to write what is a snapshot now.
  const [heights, nodes] = [await heightsNow(qmp), await nodesNow(qmp)];
  const top = (id: string) => nodes.get(fileOf(node(id, Number(heights.get(id)))))?.file;
  const owners = new Map(disks.map(({ id }) => [writable(id), id]));
  for (const { set, fd, opaque = "" } of await handed(qmp)) {
    const id = owners.get(opaque);
    if (id !== undefined && heights.has(id) && setName(set) !== top(id))
      await qmp.execute("remove-fd", { "fdset-id": set, fd });
  }
}

interface LackingLayer extends Layer {
  readonly id: string;
}

/** Of each disk that is not where it should be, the next layer. */
async function lacking(qmp: Qmp, disks: readonly MachineDisk[]): Promise<LackingLayer[]> {
  const heights = await heightsNow(qmp);
  return disks.flatMap((disk) => {
    const height = heights.get(disk.id);
    if (height === "unknown") throw new Error(startedEarlier);
    const next = height === undefined ? undefined : layersOf(disk)[height + 1];
    // One that comes between two is read by QEMU only, but first it is the top.
    return next ? [{ id: disk.id, ...next, isTop: true }] : [];
  });
}

async function add(qmp: Qmp, layer: LackingLayer): Promise<void> {
  const { id, height } = layer;
  const [name, under] = [node(id, height), node(id, height - 1)];
  const before = await nodesNow(qmp);
  for (const left of [name, fileOf(name)])
    if (before.has(left)) await qmp.execute("blockdev-del", { "node-name": left });
  const set = await handLayer(qmp, id, layer);
  for (const it of layerNodes(id, layer, set, null)) await qmp.execute("blockdev-add", it);
  const nodes = await nodesNow(qmp);
  // The disk may have been made larger since.
  const size = nodes.get(under)?.bytes ?? 0;
  if ((nodes.get(name)?.bytes ?? 0) < size) await qmp.execute("block_resize", { "node-name": name, size });
}

/** How high the file that is written stands, by the disk's id, of disks that the machine has. */
async function heightsNow(qmp: Qmp): Promise<ReadonlyMap<string, number | "unknown">> {
  const devices = (await qmp.execute("query-blockstats")) as {
    readonly "node-name"?: string;
    readonly parent?: { readonly "node-name"?: string };
  }[];
  return new Map(
    devices.flatMap(({ "node-name": id, parent: { "node-name": under = "" } = {} }) => {
      if (id === undefined || isDead(id, under)) return [];
      const [, height] = /-(\d{1,3})$/.exec(under) ?? [];
      return [[id, under === `${id}-${height}` ? Number(height) : "unknown"] as const];
    }),
  );
}

/** It would go on writing into what is a snapshot. */
const startedEarlier =
  "the instance was started by an earlier version of Croft, which had no snapshots: stop it, start it, and make the snapshot again";
