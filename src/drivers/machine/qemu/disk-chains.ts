import type { OpenFiles } from "./file-identity.ts";
import { fileOf, isDead, node, setName, writable } from "./disk-nodes.ts";
import { deleteNodes, handed, nodesNow } from "./hot-plug-disk.ts";
import type { Qmp } from "./qmp.ts";

export interface ChainNode {
  readonly name: string;
  /** Which file it is. */
  readonly file: string;
}

/**
 * What QEMU reads and writes each of its disks by: its nodes, from the one that it writes down, by the disk's id. Without those that were
 * taken by force; "unknown" for one of a machine that an earlier Croft started, whose nodes have other names.
 */
export async function chainsNow(
  qmp: Qmp,
  open: OpenFiles,
): Promise<ReadonlyMap<string, readonly ChainNode[] | "unknown">> {
  const devices = (await qmp.execute("query-blockstats")) as Stats[];
  const nodes = await nodesNow(qmp);
  const files = new Map((await handed(qmp)).map(({ set, fd }) => [setName(set), fd]));
  const chainOf = (id: string, top: Stats | undefined): ChainNode[] | "unknown" => {
    const chain: ChainNode[] = [];
    for (let layer = top; layer; layer = layer.backing) {
      const { "node-name": name = "" } = layer;
      const fd = files.get(nodes.get(fileOf(name))?.file ?? "");
      if (!name.startsWith(`${id}-`) || fd === undefined) return "unknown";
      chain.push({ name, file: open(fd) });
    }
    return chain.length === 0 ? "unknown" : chain;
  };
  return new Map(
    devices.flatMap(({ "node-name": id, parent }) =>
      id === undefined || isDead(id, parent?.["node-name"] ?? "") ? [] : [[id, chainOf(id, parent)] as const],
    ),
  );
}

interface Stats {
  readonly "node-name"?: string;
  readonly parent?: Stats;
  readonly backing?: Stats;
}

/** Takes away the disk's layers that are not in `chain`, left by whoever was cut short or no longer needed, with their files. */
export async function keepOnly(qmp: Qmp, id: string, chain: readonly ChainNode[]): Promise<void> {
  const kept = new Set([id, ...chain.flatMap(({ name }) => [name, fileOf(name)])]);
  await deleteNodes(qmp, (name) => name.startsWith(`${id}-`) && !kept.has(name));
  const used = new Set([...(await nodesNow(qmp)).values()].map(({ file }) => file));
  for (const { set, fd, opaque } of await handed(qmp))
    if ((opaque === id || opaque === writable(id)) && !used.has(setName(set)))
      await qmp.execute("remove-fd", { "fdset-id": set, fd });
}

/** That no layer of the disk has. */
export async function freeHeight(qmp: Qmp, id: string): Promise<number> {
  const nodes = await nodesNow(qmp);
  let height = 0;
  while (nodes.has(node(id, height)) || nodes.has(fileOf(node(id, height)))) height++;
  return height;
}
