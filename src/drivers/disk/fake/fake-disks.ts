import type { DiskDriver, DiskSpec } from "../disk-driver.ts";

/** Disks without bytes, for the tests of what stands above. */
export const createFakeDisks = (): DiskDriver => {
  const disks = new Map<string, DiskSpec>();
  return {
    ensure: async (disk) => {
      if (!disks.has(disk.id)) disks.set(disk.id, disk);
    },
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
