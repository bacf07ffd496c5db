import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { DiskImports } from "#images/disk-imports.ts";
import type { MachineDriver, MachineLayers } from "#drivers/machine/machine-driver.ts";
import { keyRefusal } from "#drivers/open-key.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Entry, Transaction } from "#store/store.ts";
import { clientTokenClaim } from "../client-token.ts";
import type { Ec2Records } from "../records.ts";
import { waitInBin } from "../recycle-bin/recycle-bin.ts";
import { together } from "../together.ts";
import { machinesWith, type VolumeRecord } from "../volume/volume.ts";
import {
  diskOf,
  gone,
  isPending,
  keyNotAccessible,
  storedOf,
  takesOf,
  volumeOf,
  writtenOf,
  type SnapshotRecord,
  type StoredBytes,
  type WrittenSnapshot,
} from "./snapshot.ts";

export interface SnapshotHost {
  readonly hostId: string;
  readonly disks: DiskDriver;
  /** The read-only file of a baked or imported image. */
  readonly imageFile: (cacheEntry: string) => string;
  /** Those whose files become snapshots. */
  readonly imports: DiskImports;
  readonly machines: Pick<MachineDriver, "layerDisks" | "layerTogether" | "observe">;
  /** Milliseconds that this program has worked on `what` since it first asked; asked anew after `forget`. */
  readonly worked: { since(what: string): number; forget(what: string): void };
  readonly now: () => Date;
}

/** Milliseconds of work after which bytes that cannot be kept are given up, or a machine that is not off by then. */
const patienceMs = 120_000;
const shutdownPatienceMs = 180_000;

/** Keeps a snapshot's bytes, and lets them go when it is deleted, or its time in the recycle bin is over. */
export async function reconcileSnapshot(
  id: string,
  records: Ec2Records,
  host: SnapshotHost,
): Promise<Outcome> {
  const entry = records.entry("snapshot", id);
  if (entry?.value.hostId !== host.hostId) return settled;
  const [written, stored] = [writtenOf(entry.value), storedOf(entry.value)];
  if (isPending(entry.value)) {
    if (!written && !stored) return make(entry.value, records, host);
    if (written && !entry.value.deleting) return makeWritten(entry, written, host);
    if (stored && !entry.value.deleting) return restore(entry, stored, host);
  }
  if (entry.value.deleting) return remove(entry, records, host);
  const { bin } = entry.value;
  if (!bin) return settled;
  return waitInBin(bin, host.now()) ?? moved(records.rewrite("snapshot", gone(entry.value)));
}

/**
 * Those of one request are made by the first of them. They wait for what was asked of the same volumes before: otherwise that one's
 * machine could be told of some of their disks and not yet of others, and they would be of different moments.
 */
async function make(snapshot: SnapshotRecord, records: Ec2Records, host: SnapshotHost): Promise<Outcome> {
  if (snapshot.together !== snapshot.id) return settled;
  const entries = records.snapshotsTogether(snapshot.id);
  const volumeIds = entries.flatMap(({ value }) => volumeOf(value) ?? []);
  const earlier = volumeIds.flatMap((volumeId) => records.snapshotsOf(volumeId));
  if (earlier.some((it) => isPending(it) && isBefore(it, snapshot))) return settled;
  const clock = `${snapshot.id} make`;
  const reached = (so: SnapshotRecord["so"], beside: Transaction = {}): Outcome => {
    const written = entries.map(({ key, revision, value }) => ({
      expect: [{ at: [key, revision] as const }],
      put: [{ key, value: { ...value, so } }],
    }));
    return moved(together(...written, beside));
  };
  const completed = (so: SnapshotRecord["so"], beside: Transaction = {}): Outcome => {
    host.worked.forget(clock);
    return reached(so, beside);
  };
  const { take = 0, begun } = snapshot.so;
  const failed = (why: string) => completed({ ...(take > 0 && { take }), failed: why });
  if (snapshot.whileOff && (await anyRuns(volumeIds, records, host))) {
    if (host.worked.since(clock) < shutdownPatienceMs) return wait(500);
    return failed("its instance did not shut down");
  }
  const attached = volumeIds.flatMap((volumeId) => records.entry("volume", volumeId) ?? []);
  const unchanged = { expect: attached.map(({ key, revision }) => ({ at: [key, revision] as const })) };
  const volumes = attached.map(({ value }) => value);
  try {
    // Several machines are told, one after the other: by way of takes, of which one can be given up.
    if (volumes.length > 1 && volumes.some(({ multiAttach }) => multiAttach)) {
      if (!begun) {
        for (const { value } of entries) await keep(value, records, host, takesOf(value)[0]);
        const isMoment = await host.machines.layerTogether(
          await layersOf(volumes, host),
          withSeveral(volumes),
        );
        return isMoment ? reached({ take, begun: true }, unchanged) : reached({ take: take + 1 });
      }
      for (const { value } of entries) await host.disks.copySnapshot(value.id, takesOf(value)[0]);
      for (const { value } of entries) await removeTakes(value, host);
      return completed({ completedAt: host.now().toISOString() });
    }
    for (const { value } of entries) await keep(value, records, host);
    // Whoever gets a volume from now on gets it on top of its snapshot; whoever has one by now is told.
    for (const { id, disks } of await layersOf(volumes, host)) await host.machines.layerDisks(id, disks);
    return completed({ completedAt: host.now().toISOString() }, unchanged);
  } catch (error) {
    if (keyRefusal(error)) return failed(keyNotAccessible);
    if (host.worked.since(clock) < patienceMs) throw error;
    return failed(error instanceof Error ? error.message : String(error));
  }
}

/** Where each machine that has any of the volumes is to write them. */
async function layersOf(
  volumes: readonly VolumeRecord[],
  { disks }: SnapshotHost,
): Promise<readonly MachineLayers[]> {
  const theirs = volumes.flatMap((volume) => machinesWith(volume).map((machine) => ({ volume, machine })));
  const layers = [...Map.groupBy(theirs, (it) => it.machine)].map(async ([id, those]) => {
    const places = those.map(async ({ volume }) => ({ id: volume.id, ...(await disks.locate(volume.id)) }));
    return { id, disks: await Promise.all(places) };
  });
  return Promise.all(layers);
}

/** The ids of the instances that have more than one of the volumes: to each of them these are of one moment. */
const withSeveral = (volumes: readonly VolumeRecord[]): readonly string[] => {
  const attachments = volumes.flatMap((it) => it.attachments);
  return [...Map.groupBy(attachments, ({ instanceId }) => instanceId)].flatMap(([id, its]) =>
    its.length > 1 ? [id] : [],
  );
};

const removeTakes = async (snapshot: SnapshotRecord, { disks }: SnapshotHost): Promise<void> => {
  for (const take of takesOf(snapshot)) await disks.removeSnapshot(take);
};

/** May be repeated. `as`: what the disk driver calls it. */
async function keep(
  { id, of, sizeGiB, encryption }: SnapshotRecord,
  records: Ec2Records,
  { disks, imageFile, imports }: SnapshotHost,
  as: string = id,
) {
  const key = encryption?.dataKey;
  if ("copy" in of) return disks.copySnapshot(id, of.copy, key);
  if ("volumeId" in of) return disks.snapshot(as, of.volumeId);
  if ("file" in of) {
    await disks.importSnapshot(id, imports.file(of.file), sizeGiB, key);
    return imports.remove(of.file);
  }
  if ("written" in of || "stored" in of) return undefined; // `makeWritten` and `restore` do.
  const files = records.anywhere("image", of.imageId)?.cacheEntry;
  if (files === undefined) throw new Error(`the files of ${of.imageId} are gone`);
  // By way of a disk that is nobody's.
  const diskId = diskOf(id);
  await disks.ensure({ id: diskId, sizeGiB, image: imageFile(files), ...(key !== undefined && { key }) });
  await disks.snapshot(id, diskId);
  await disks.remove(diskId);
}

/** First it gets a disk to write to. That is sealed and is the snapshot, or goes at its deadline. */
async function makeWritten(
  { key, revision, value: snapshot }: Entry<SnapshotRecord>,
  { parent, timeoutMinutes, sealed }: WrittenSnapshot,
  host: SnapshotHost,
): Promise<Outcome> {
  const { id, sizeGiB, createdAt } = snapshot;
  const { disks } = host;
  const clock = `${id} make`;
  const reached = (so: SnapshotRecord["so"]): Outcome => {
    host.worked.forget(clock);
    return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: { ...snapshot, so } }] });
  };
  try {
    if (sealed !== undefined) {
      await disks.snapshot(id, diskOf(id));
      await disks.remove(diskOf(id));
      return reached({ completedAt: host.now().toISOString() });
    }
    if (!snapshot.so.begun) {
      await disks.ensure({
        id: diskOf(id),
        sizeGiB,
        ...(parent !== undefined && { snapshot: parent }),
        ...(snapshot.encryption && { key: snapshot.encryption.dataKey }),
      });
      return reached({ begun: true });
    }
    const { lastAt = createdAt } = await disks.written(diskOf(id));
    const leftMs = Date.parse(lastAt) + timeoutMinutes * 60_000 - host.now().getTime();
    if (leftMs > 0) return wait(Math.min(leftMs, 60_000));
    await disks.remove(diskOf(id));
    return reached({ failed: `it was not completed within ${timeoutMinutes} minutes of its last block` });
  } catch (error) {
    const refusal = keyRefusal(error);
    if (!refusal && host.worked.since(clock) < patienceMs) throw error;
    await disks.remove(diskOf(id));
    if (refusal) return reached({ failed: keyNotAccessible });
    return reached({ failed: error instanceof Error ? error.message : String(error) });
  }
}

/** First its bytes are fetched as an import's are, since anyone may have made the object; then they are the snapshot. */
async function restore(
  { key, revision, value: snapshot }: Entry<SnapshotRecord>,
  stored: StoredBytes,
  { disks, imports, worked, now }: SnapshotHost,
): Promise<Outcome> {
  const { id, sizeGiB, encryption } = snapshot;
  const clock = `${id} make`;
  const reached = (so: SnapshotRecord["so"]): Outcome => {
    worked.forget(clock);
    return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: { ...snapshot, so } }] });
  };
  const failed = async (reason: string): Promise<Outcome> => {
    await imports.remove(id);
    return reached({ failed: reason });
  };
  if (!snapshot.so.begun) {
    const fetched = await imports.look(id, { ...stored, format: "qcow2", key: encryption?.dataKey });
    if (fetched.state === "running") return wait(1000);
    if (fetched.state === "failed") return failed(fetched.isKeyRefused ? keyNotAccessible : fetched.reason);
    if (fetched.sizeGiB > sizeGiB)
      return failed(
        `ClientError: it has ${fetched.sizeGiB} GiB, more than the ${sizeGiB} GiB that it is said to have`,
      );
    return reached({ begun: true });
  }
  try {
    await disks.importSnapshot(id, imports.file(id), sizeGiB, encryption?.dataKey);
    await imports.remove(id);
    return reached({ completedAt: now().toISOString() });
  } catch (error) {
    if (keyRefusal(error)) return failed(keyNotAccessible);
    if (worked.since(clock) < patienceMs) throw error;
    return failed(error instanceof Error ? error.message : String(error));
  }
}

/** What serves a volume with Multi-Attach runs on, and others that have it. */
async function anyRuns(volumeIds: readonly string[], records: Ec2Records, { machines }: SnapshotHost) {
  const instanceIds = volumeIds
    .flatMap((id) => {
      const volume = records.get("volume", id);
      return volume && !volume.multiAttach ? volume.attachments : [];
    })
    .map(({ instanceId }) => instanceId);
  const states = await Promise.all([...new Set(instanceIds)].map((id) => machines.observe(id)));
  return states.some(({ state }) => state === "running");
}

/** In one order for all, so that no two wait for each other. */
const isBefore = (one: SnapshotRecord, other: SnapshotRecord): boolean =>
  one.together !== other.together &&
  `${one.createdAt} ${one.together}` < `${other.createdAt} ${other.together}`;

/** Once what is being made of it has its bytes. */
async function remove(
  { key, revision, value: snapshot }: Entry<SnapshotRecord>,
  records: Ec2Records,
  host: SnapshotHost,
): Promise<Outcome> {
  const { id, clientToken } = snapshot;
  const written = writtenOf(snapshot);
  const volumes = records.volumesFrom(id).some(({ so }) => !so.ready && so.failed === undefined);
  if (volumes || records.snapshotsOn(id).some(needsBasis)) return settled;
  if (written) await host.disks.remove(diskOf(id));
  if (storedOf(snapshot)) await host.imports.remove(id);
  await removeTakes(snapshot, host);
  await host.disks.removeSnapshot(id);
  const claim = clientToken === undefined ? [] : [clientTokenClaim("StartSnapshot", clientToken)];
  return moved({
    expect: [{ at: [key, revision] }],
    delete: [key, ...claim.map((name) => records.key("claim", name))],
  });
}

/** Until its bytes are there, though it be deleted by then; one that is written block by block stands on it once it is begun. */
const needsBasis = (snapshot: SnapshotRecord): boolean =>
  isPending(snapshot) && !(writtenOf(snapshot) && (snapshot.deleting || snapshot.so.begun));
