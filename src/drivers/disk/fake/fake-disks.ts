import type { DiskDriver, DiskSpec } from "../disk-driver.ts";

/** Disks without bytes, for the tests of what stands above. */
export interface FakeDisks extends DiskDriver {
  /** In GiB; undefined: there is no such disk. */
  sizeOf(id: string): number | undefined;
}

export const createFakeDisks = (): FakeDisks => {
  const disks = new Map<string, DiskSpec>();
  return {
    ensure: async (disk) => {
      if (!disks.has(disk.id)) disks.set(disk.id, disk);
    },
    grow: async (id, sizeGiB) => {
      const disk = disks.get(id);
      if (disk === undefined) throw new Error(`there is no disk ${id}`);
      if (disk.sizeGiB < sizeGiB) disks.set(id, { ...disk, sizeGiB });
    },
    sizeOf: (id) => disks.get(id)?.sizeGiB,
    locate: async (id) => {
      const disk = disks.get(id);
      if (disk === undefined) throw new Error(`there is no disk ${id}`);
      const path = `/fake/${id}`;
      return disk.image === undefined ? { path } : { path, backing: disk.image };
    },
    remove: async (id) => void disks.delete(id),
    list: async () => [...disks.keys()],
  };
};
