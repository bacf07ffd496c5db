import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import type { Feed } from "#store/feed.ts";
import { takesOf, type SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import { machinesWith, type VolumeRecord } from "../ec2/volume/volume.ts";
import { repeat } from "./repeat.ts";

/** How long what was snapshot or deleted may wait until it is looked at. */
const roundMs = 10_000;

/**
 * Keeps short what this host's disks stand on: has the disk driver merge all that it can, and tells running machines of it. What is
 * returned does that once. A machine that was told by an earlier program is told again, since one may have ended between the two.
 */
export function layerKeeper(
  hostId: string,
  disks: Pick<DiskDriver, "merge" | "locate">,
  machines: Pick<MachineDriver, "rebaseDisks">,
  feed: Feed,
): (log: (line: string) => void) => Promise<void> {
  /** By machine and volume, what is below. */
  let told = new Map<string, string>();

  return async (log) => {
    for (let merged = true; merged;) {
      merged = await disks.merge(maybeWritten()).catch((error: unknown) => {
        log(`merging layers: ${String(error)}`);
        return false;
      });
      await tellMachines(log);
    }
  };

  /** Of a snapshot that is not completed, a machine may not have heard. */
  function maybeWritten(): ReadonlySet<string> {
    const snapshots = feed.list<SnapshotRecord>("snapshot/").map(({ value }) => value);
    const incomplete = snapshots.filter(({ so }) => so.completedAt === undefined);
    return new Set(incomplete.flatMap((it) => [it.id, ...takesOf(it)]));
  }

  async function tellMachines(log: (line: string) => void): Promise<void> {
    const before = told;
    told = new Map();
    for (const { value: volume } of feed.list<VolumeRecord>("volume/")) {
      const { id, so } = volume;
      if (volume.hostId !== hostId || !so.ready) continue;
      for (const machine of machinesWith(volume)) {
        const key = `${machine} ${id}`;
        try {
          const place = await disks.locate(id);
          const below = place.below.join("\n");
          if (before.get(key) !== below) await machines.rebaseDisks(machine, [{ id, ...place }]);
          told.set(key, below);
        } catch (error) {
          log(`layers of ${id}: ${String(error)}`);
        }
      }
    }
  }
}

/** Until the signal aborts. */
export const keepLayers = (
  keep: ReturnType<typeof layerKeeper>,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> => repeat(() => keep(log), roundMs, signal);
