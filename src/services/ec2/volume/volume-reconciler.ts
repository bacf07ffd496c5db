import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { moved, settled, type Outcome } from "#reconcile/outcome.ts";
import { isGone } from "../instance/instance.ts";
import type { Ec2Records } from "../records.ts";
import type { VolumeRecord } from "./volume.ts";

export interface VolumeHost {
  readonly hostId: string;
  readonly disks: DiskDriver;
  /** The read-only file of a baked image, in this host's cache. */
  readonly imageFile: (cacheEntry: string) => string;
}

/**
 * Makes a volume's bytes exist, and lets them go with an instance that is gone for good.
 *
 *     creating → in-use → (its instance terminated) → removed, or available when it is to be kept
 */
export async function reconcileVolume(id: string, records: Ec2Records, host: VolumeHost): Promise<Outcome> {
  const entry = records.entry("volume", id);
  if (entry?.value.hostId !== host.hostId) return settled;
  const { key, revision, value: volume } = entry;
  if (instanceIsGone(volume, records)) {
    if (!volume.attachment?.deleteOnTermination) {
      const { attachment: _, ...free } = volume;
      return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: free }] });
    }
    await host.disks.remove(id);
    return moved({ expect: [{ at: [key, revision] }], delete: [key] });
  }
  if (volume.so.ready) return settled;
  const image = volume.image && records.get("image", volume.image.imageId);
  await host.disks.ensure({
    id,
    sizeGiB: volume.sizeGiB,
    ...(image && { image: host.imageFile(image.cacheEntry) }),
  });
  return moved({
    expect: [{ at: [key, revision] }],
    put: [{ key, value: { ...volume, so: { ready: true } } satisfies VolumeRecord }],
  });
}

const instanceIsGone = ({ attachment }: VolumeRecord, records: Ec2Records): boolean =>
  attachment !== undefined && isGone(records.get("instance", attachment.instanceId));
