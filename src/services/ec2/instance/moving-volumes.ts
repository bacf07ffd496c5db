import { moved, wait, type Outcome } from "#reconcile/outcome.ts";
import { keyRefusal } from "#drivers/open-key.ts";
import type { Ec2Records } from "../records.ts";
import { attachedTo, attachmentTo, detachedFrom, type VolumeRecord } from "../volume/volume.ts";
import type { InstanceHost } from "./instance-reconciler.ts";
import type { InstanceRecord } from "./instance.ts";

/** Milliseconds after which a guest that does not let go of a volume is said to keep it busy. */
const patienceMs = 60_000;

/**
 * Takes the volumes that come to an instance, or go from it, one step further; undefined: there are none.
 *
 *     plugged in: attached → detaching (→ busy) → out: available
 *
 * A guest that is not up is given none and asked for none; what it never had, or what goes by force, goes all the same. Nothing
 * is taken from a guest by force unless that was asked: it may have the volume mounted. What is encrypted with a key that may not be used
 * is available again.
 */
export async function moveVolumes(
  instance: InstanceRecord,
  records: Ec2Records,
  host: Pick<InstanceHost, "machines" | "machineSpec" | "worked">,
  { guestIsUp = true } = {},
): Promise<Outcome | undefined> {
  const { id } = instance;
  let waiting = false;
  for (const { id: volumeId } of records.volumesOf(id)) {
    const volume = records.get("volume", volumeId);
    const attachment = volume && attachmentTo(id, volume);
    if (!attachment) continue;
    const free = detachedFrom(id, volume);
    const { detaching, plugging, ...held } = attachment;
    if (detaching) {
      if (!guestIsUp && !detaching.force && !plugging) continue;
      const clock = `${id} unplug ${volumeId}`;
      const [out, busy] = [
        rewritten(free, records),
        rewritten(attachedTo(volume, { ...held, detaching: { ...detaching, busy: true } }), records),
      ];
      if (await host.machines.unplugDisk(id, volumeId, detaching)) {
        host.worked.forget(clock);
        return out;
      }
      waiting = true;
      if (host.worked.since(clock) >= patienceMs && !detaching.busy) return busy;
    } else if (guestIsUp && plugging && volume.so.ready) {
      const pluggedIn = rewritten(attachedTo(volume, held), records);
      const { disks } = await host.machineSpec(instance, records);
      try {
        for (const disk of disks) if (disk.id === volumeId) await host.machines.plugDisk(id, disk);
      } catch (error) {
        if (keyRefusal(error)) return rewritten(free, records);
        throw error;
      }
      return pluggedIn;
    }
  }
  return waiting ? wait(5_000) : undefined;
}

/** Made before the step, so that what is asked of the volume meanwhile is not written over. */
const rewritten = (volume: VolumeRecord, records: Ec2Records): Outcome =>
  moved(records.rewrite("volume", volume));
