import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import { keyRefusal } from "#drivers/open-key.ts";
import { moved, settled, type Outcome } from "#reconcile/outcome.ts";
import type { Entry } from "#store/store.ts";
import { clientTokenClaim } from "../client-token.ts";
import { isGone } from "../instance/instance.ts";
import type { Ec2Records } from "../records.ts";
import { waitInBin, type InBin } from "../recycle-bin/recycle-bin.ts";
import { isPending } from "../snapshot/snapshot.ts";
import { invalidKey } from "./encryption.ts";
import { serveVolume } from "./serve-volume.ts";
import { volumeLimits } from "./volume-limits.ts";
import { isModified, modificationState, type ModifiedVolume } from "./volume-modification.ts";
import { deletedVolume, detachedFrom, type VolumeRecord } from "./volume.ts";

export interface VolumeHost {
  readonly hostId: string;
  readonly disks: DiskDriver;
  readonly machines: Pick<MachineDriver, "changeDisk" | "ensure" | "remove">;
  /** The read-only file of a baked image, in this host's cache. */
  readonly imageFile: (cacheEntry: string) => string;
  /** Milliseconds that this program has worked on `what` since it first asked; asked anew after `forget`. */
  readonly worked: { since(what: string): number; forget(what: string): void };
  readonly now: () => Date;
}

/** Milliseconds of work after which bytes that cannot be made, or made more, are given up. */
const patienceMs = 120_000;

/**
 * Makes a volume's bytes exist, makes them more, and lets them go when it is deleted, with an instance that is gone for good, or when its
 * time in the recycle bin is over.
 */
export async function reconcileVolume(id: string, records: Ec2Records, host: VolumeHost): Promise<Outcome> {
  const entry = records.entry("volume", id);
  if (entry?.value.hostId !== host.hostId) return settled;
  const volume = entry.value;
  if (volume.multiAttach && volume.attachments.length === 0) await host.machines.remove(id); // which served it
  if (volume.deleting) return remove(entry, records, host);
  const attachment = volume.attachments.find((it) => isGone(records.get("instance", it.instanceId)));
  if (attachment) {
    const isLast = volume.attachments.length === 1;
    const stays = !isLast || attachment.detaching !== undefined || !attachment.deleteOnTermination;
    if (stays) return written(entry, detachedFrom(attachment.instanceId, volume));
    const kept = deletedVolume(volume, records, host.now());
    return kept.bin ? written(entry, kept) : remove(entry, records, host);
  }
  if (!volume.so.ready) return volume.so.failed === undefined ? make(entry, records, host) : settled;
  if (volume.multiAttach && volume.attachments.length > 0) {
    const given = await served(volume, host);
    if (given !== volume) return written(entry, given);
  }
  if (!isModified(volume) || modificationState(volume.modification) !== "modifying")
    return volume.bin ? leave(entry, volume.bin, host) : settled;
  // A snapshot holds as much as it was said to.
  return records.snapshotsOf(id).some(isPending) ? settled : modify(entry, volume, host);
}

/** With a key that may not be used, it is not given to those that wait for it. */
async function served(volume: VolumeRecord, host: VolumeHost): Promise<VolumeRecord> {
  try {
    await serveVolume(volume, host);
    return volume;
  } catch (error) {
    const attachments = volume.attachments.filter(({ plugging }) => !plugging);
    if (!keyRefusal(error) || attachments.length === volume.attachments.length) throw error;
    return { ...volume, attachments };
  }
}

function leave(entry: Entry<VolumeRecord>, bin: InBin, { now }: VolumeHost): Outcome {
  const { bin: _, ...volume } = entry.value;
  return waitInBin(bin, now()) ?? written(entry, { ...volume, deleting: true });
}

async function make(entry: Entry<VolumeRecord>, records: Ec2Records, host: VolumeHost): Promise<Outcome> {
  const volume = entry.value;
  const clock = `${volume.id} make`;
  const files = volume.image && records.whosever("image", volume.image.imageId)?.value.cacheEntry;
  try {
    await host.disks.ensure({
      id: volume.id,
      sizeGiB: volume.sizeGiB,
      ...(volume.encryption && { key: volume.encryption.dataKey }),
      ...(volume.snapshotId !== undefined
        ? { snapshot: volume.snapshotId }
        : files !== undefined && { image: host.imageFile(files) }),
    });
  } catch (error) {
    const refusal = keyRefusal(error);
    if (!refusal && host.worked.since(clock) < patienceMs) throw error;
    host.worked.forget(clock);
    const failed = refusal ? invalidKey(refusal) : messageOf(error);
    return written(entry, { ...volume, so: { ready: false, failed } });
  }
  host.worked.forget(clock);
  return written(entry, { ...volume, so: { ready: true } });
}

/**
 * A machine that has the disk changes it itself, and shows its guest; nobody else may touch it then. One that several have is changed by
 * what serves it, first.
 */
async function modify(
  entry: Entry<VolumeRecord>,
  volume: ModifiedVolume,
  host: VolumeHost,
): Promise<Outcome> {
  const {
    type: _,
    sizeGiB: _size,
    iops: _iops,
    throughputMiBps: _throughput,
    multiAttach: _multi,
    ...rest
  } = volume;
  const { id, modification } = volume;
  const { to } = modification;
  const clock = `${id} modify`;
  const endedAt = host.now().toISOString();
  try {
    const change = { sizeGiB: to.sizeGiB, limits: volumeLimits(to) };
    const isServed = volume.multiAttach && volume.attachments.length > 0;
    if (isServed && !(await host.machines.changeDisk(id, id, change)))
      throw new Error("what serves it has ended, and is started again");
    const changed: boolean[] = [];
    for (const { instanceId } of volume.attachments)
      changed.push(await host.machines.changeDisk(instanceId, id, change));
    if (!isServed && !changed.includes(true)) await host.disks.grow(id, to.sizeGiB);
  } catch (error) {
    if (host.worked.since(clock) < patienceMs) throw error;
    host.worked.forget(clock);
    return written(entry, {
      ...volume,
      modification: { ...modification, endedAt, failed: messageOf(error) },
    });
  }
  host.worked.forget(clock);
  return written(entry, { ...rest, ...to, modification: { ...modification, endedAt } });
}

/** Once the snapshots that were asked for before are made. */
async function remove(
  { key, revision, value: { id, clientToken, multiAttach } }: Entry<VolumeRecord>,
  records: Ec2Records,
  host: VolumeHost,
): Promise<Outcome> {
  if (records.snapshotsOf(id).some(isPending)) return settled;
  if (multiAttach) await host.machines.remove(id);
  await host.disks.remove(id);
  const token = clientToken === undefined ? [] : [clientTokenClaim("CreateVolume", clientToken)];
  return moved({
    expect: [{ at: [key, revision] }],
    delete: [key, ...token.map((claim) => records.key("claim", claim))],
  });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

const written = ({ key, revision }: Entry<VolumeRecord>, value: VolumeRecord): Outcome =>
  moved({ expect: [{ at: [key, revision] }], put: [{ key, value }] });
