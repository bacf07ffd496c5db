import type { MachineDisk } from "../machine-driver.ts";
import { chainsNow, freeHeight, keepOnly, type ChainNode } from "./disk-chains.ts";
import { fileOf, isEncrypted, layerNodes, node, setName, writable } from "./disk-nodes.ts";
import { fileIdentity, type OpenFiles } from "./file-identity.ts";
import { handed, handLayer, nodesNow } from "./hot-plug-disk.ts";
import type { Qmp } from "./qmp.ts";

/**
 * Has a running QEMU write on top of what it wrote so far, for all of the disks in one transaction: each file that it lacks is put on
 * the one it writes to, which it then only reads. Whoever was cut short before or after finds which by QEMU alone. Commands follow
 * QEMU 7.2's QMP reference.
 */
export async function layerDisks(qmp: Qmp, disks: readonly MachineDisk[], open: OpenFiles): Promise<void> {
  for (let next = await lacking(qmp, disks, open); next.length > 0; next = await lacking(qmp, disks, open)) {
    const overlays: { readonly node: string; readonly overlay: string }[] = [];
    for (const layer of next) overlays.push({ node: layer.on, overlay: await add(qmp, layer) });
    await qmp.execute("transaction", {
      actions: overlays.map((data) => ({ type: "blockdev-snapshot", data })),
    });
  }
  // QEMU has reopened them to read: it must not be able to write what is a snapshot now.
  const [chains, nodes] = [await chainsNow(qmp, open), await nodesNow(qmp)];
  const owners = new Map(disks.map(({ id }) => [writable(id), chains.get(id)]));
  for (const { set, fd, opaque = "" } of await handed(qmp)) {
    const chain = owners.get(opaque);
    if (chain === undefined || chain === "unknown") continue;
    if (setName(set) !== nodes.get(fileOf(chain[0]?.name ?? ""))?.file)
      await qmp.execute("remove-fd", { "fdset-id": set, fd });
  }
}

/** Whether it writes any of the disks where it should already. */
export async function isLayered(qmp: Qmp, disks: readonly MachineDisk[], open: OpenFiles): Promise<boolean> {
  const chains = await chainsNow(qmp, open);
  return disks.some(({ id, path }) => {
    const chain = chains.get(id);
    return chain !== undefined && topOf(chain).file === fileIdentity(path);
  });
}

interface LackingLayer {
  readonly id: string;
  readonly path: string;
  readonly isEncrypted: boolean;
  /** The node that is written now. */
  readonly on: string;
}

/** Of each disk that is not where it should be, the next layer. */
async function lacking(qmp: Qmp, disks: readonly MachineDisk[], open: OpenFiles): Promise<LackingLayer[]> {
  const chains = await chainsNow(qmp, open);
  const next: LackingLayer[] = [];
  for (const { id, path, below, ...disk } of disks) {
    const chain = chains.get(id);
    if (chain === undefined) continue;
    const top = topOf(chain);
    const files = [path, ...below];
    const index = files.findIndex((file) => fileIdentity(file) === top.file);
    if (index < 0) throw new Error(`the machine writes ${id} to a file that it no longer has`);
    const [above] = index === 0 ? [] : files.slice(index - 1);
    if (above === undefined || chain === "unknown") continue;
    await keepOnly(qmp, id, chain);
    next.push({ id, path: above, isEncrypted: isEncrypted(disk, index - 1), on: top.name });
  }
  return next;
}

/** The new node, which is the top first, also when it comes between two and QEMU will only read it. */
async function add(qmp: Qmp, { id, on, ...file }: LackingLayer): Promise<string> {
  const layer = { ...file, height: await freeHeight(qmp, id), isTop: true };
  const set = await handLayer(qmp, id, layer);
  for (const it of layerNodes(id, layer, set, null)) await qmp.execute("blockdev-add", it);
  const name = node(id, layer.height);
  const nodes = await nodesNow(qmp);
  // The disk may have been made larger since.
  const size = nodes.get(on)?.bytes ?? 0;
  if ((nodes.get(name)?.bytes ?? 0) < size) await qmp.execute("block_resize", { "node-name": name, size });
  return name;
}

function topOf(chain: readonly ChainNode[] | "unknown"): ChainNode {
  const [top] = chain === "unknown" ? [] : chain;
  if (!top) throw new Error(startedEarlier);
  return top;
}

/** It would go on writing into what is a snapshot. */
const startedEarlier =
  "the instance was started by an earlier version of Croft, which had no snapshots: stop it, start it, and make the snapshot again";
