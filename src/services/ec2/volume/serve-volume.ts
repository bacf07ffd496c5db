import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { MachineDisk, MachineDriver } from "#drivers/machine/machine-driver.ts";
import { volumeLimits } from "./volume-limits.ts";
import type { VolumeRecord } from "./volume.ts";

/**
 * A volume with Multi-Attach is a machine of its own while it is attached, called as the volume is: it alone has the files, holds to the
 * volume's limits all that the instances ask for together, and is told of snapshots and of merged layers.
 */
export async function serveVolume(
  volume: VolumeRecord,
  {
    disks,
    machines,
  }: { readonly disks: Pick<DiskDriver, "locate">; readonly machines: Pick<MachineDriver, "ensure"> },
): Promise<void> {
  await machines.ensure({
    id: volume.id,
    serves: true,
    cpus: 1,
    threadsPerCore: 1,
    memoryMiB: 16,
    identity: { uuid: "00000000-0000-0000-0000-000000000000", product: "volume" },
    boot: { by: "bios" },
    disks: [{ id: volume.id, ...(await disks.locate(volume.id)), limits: volumeLimits(volume) }],
    ports: [],
  });
}

/** What each of its instances has of it. */
export const servedDisk = (volume: VolumeRecord): MachineDisk => ({
  id: volume.id,
  servedBy: volume.id,
  path: "",
  below: [],
  limits: volumeLimits(volume),
});
