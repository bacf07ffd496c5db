import type { MachineDisk } from "../machine-driver.ts";
import { chainsNow, freeHeight, keepOnly, type ChainNode } from "./disk-chains.ts";
import { isEncrypted, layerNode, layerNodes, node } from "./disk-nodes.ts";
import { fileIdentity, type OpenFiles } from "./file-identity.ts";
import { handLayer } from "./hot-plug-disk.ts";
import type { Qmp } from "./qmp.ts";

/**
 * Has a running QEMU read what the disks are differences to from the files that they have now, which hold the same bytes: those that it
 * lacks are opened, put under the lowest layer that stays, in one moment between two requests, and the others closed. Commands follow
 * QEMU 7.2's QMP reference.
 */
export async function rebaseDisks(qmp: Qmp, disks: readonly MachineDisk[], open: OpenFiles): Promise<void> {
  const chains = await chainsNow(qmp, open);
  for (const disk of disks) {
    const chain = chains.get(disk.id);
    // One that an earlier Croft started has no snapshots, so nothing of it was merged.
    if (chain !== undefined && chain !== "unknown") await rebase(qmp, disk, chain);
  }
}

async function rebase(
  qmp: Qmp,
  { id, path, below, ...disk }: MachineDisk,
  chain: readonly ChainNode[],
): Promise<void> {
  const files = [path, ...below].map((file, n) => ({
    path: file,
    file: fileIdentity(file),
    isEncrypted: isEncrypted(disk, n),
  }));
  const wanted = files.slice(files.findIndex(({ file }) => file === chain[0]?.file));
  const stay = shared(chain, wanted);
  const lowest = chain[stay - 1];
  if (lowest === undefined) throw new Error(`the machine writes ${id} to a file that it no longer has`);
  await keepOnly(qmp, id, chain);
  if (stay === chain.length && stay === wanted.length) return;
  const under = shared(chain.slice(stay).toReversed(), wanted.slice(stay).toReversed());
  let backing = under === 0 ? null : (chain.at(-under)?.name ?? null);
  const now = chain.slice(chain.length - under);
  for (const layer of wanted.slice(stay, wanted.length - under).toReversed()) {
    const added = { ...layer, height: await freeHeight(qmp, id), isTop: false };
    const set = await handLayer(qmp, id, added);
    for (const it of layerNodes(id, added, set, backing)) await qmp.execute("blockdev-add", it);
    backing = node(id, added.height);
    now.unshift({ name: backing, file: layer.file });
  }
  const reopened = {
    name: lowest.name,
    isTop: stay === 1,
    isEncrypted: wanted[stay - 1]?.isEncrypted ?? false,
  };
  await qmp.execute("blockdev-reopen", { options: [layerNode(id, reopened, backing)] });
  await keepOnly(qmp, id, [...chain.slice(0, stay), ...now]);
}

/** With how many of the same files both begin. */
function shared(one: readonly Pick<ChainNode, "file">[], other: readonly Pick<ChainNode, "file">[]): number {
  const differs = one.findIndex(({ file }, index) => other[index]?.file !== file);
  return differs < 0 ? one.length : differs;
}
