import { BLOCK_BYTES, type BlockRun, type DiskDriver } from "#drivers/disk/disk-driver.ts";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";

/**
 * Disks of a region whose store may outlive its process: those of an earlier process are there. Snapshots that are written block by block
 * hold what was written; all others, whatever their volumes held, one block of zeros.
 */
export function lastingFakeDisks(): DiskDriver {
  const disks = createFakeDisks();
  const asIfDone = () => {};
  return {
    ...disks,
    ensure: (it) => disks.ensure(it).catch(asIfDone),
    grow: async () => {},
    locate: async (id) => ({ path: `/fake/${id}`, below: [] }),
    snapshot: (id, diskId) => disks.snapshot(id, diskId).catch(asIfDone),
    copySnapshot: (id, from) => disks.copySnapshot(id, from).catch(asIfDone),
    importSnapshot: (...given) => disks.importSnapshot(...given).catch(asIfDone),
    usedBytes: async () => 0,
    blocks: async (id) => orFirst(await disks.blocks(id).catch(() => [])),
    async difference(id, from) {
      const { runs, related } = await disks
        .difference(id, from)
        .catch(() => ({ runs: [] as BlockRun[], related: true }));
      return { runs: orFirst(runs), related };
    },
    readBlock: (id, index) => disks.readBlock(id, index).catch(() => Buffer.alloc(BLOCK_BYTES)),
  };
}

const orFirst = (runs: readonly BlockRun[]): readonly BlockRun[] => (runs.length > 0 ? runs : [[0, 1]]);
