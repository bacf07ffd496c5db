import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { HostRecord } from "./host.ts";

/** Of every disk and snapshot; one that goes meanwhile is left out. */
export async function usedBytes(
  disks: Pick<DiskDriver, "list" | "snapshots" | "usedBytes">,
): Promise<NonNullable<HostRecord["usedBytes"]>> {
  const used: Record<string, number> = {};
  for (const id of [...(await disks.list()), ...(await disks.snapshots())]) {
    const bytes = await disks.usedBytes(id).catch(() => undefined);
    if (bytes !== undefined) used[id] = bytes;
  }
  return used;
}
