import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostNames, layout } from "#config.ts";
import { copyDisk } from "#drivers/disk/qcow2/copy-disk.ts";
import { encryptFileBy, luksHeaderOf } from "#drivers/disk/qcow2/encrypted-file.ts";
import { KEY, locateDisk } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { run } from "#drivers/linux/commands.ts";
import { copyDisksInUse, disksInUse } from "#drivers/machine/qemu/copy-disks.ts";
import { afterHostBoot, type InstanceRecord } from "#services/ec2/instance/instance.ts";
import type { SnapshotRecord } from "#services/ec2/snapshot/snapshot.ts";
import { machinesWith, type VolumeRecord } from "#services/ec2/volume/volume.ts";
import { migrations } from "#store/sqlite/migrations.ts";
import { writeStore } from "#store/sqlite/write-store.ts";
import type { Entry, Store } from "#store/store.ts";
import { copyEncryptedDisk, copySnapshots } from "./copy-snapshots.ts";
import { keptFiles, manifestFile, type Manifest } from "./manifest.ts";

export interface BackupOptions {
  readonly dataDir: string;
  readonly store: Pick<Store, "list">;
  readonly version: string;
  readonly now: Date;
  /** Volumes, snapshots, imported images and what UEFI remembers, too. */
  readonly volumes: boolean;
  readonly progress: (fraction: number, what: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Fills the empty directory `into` with what the running region is: its records as they are at one revision, its settings and
 * keys. The disks of a machine are copied as they are at one moment after that, as a power cut would leave them. What is encrypted stays so,
 * and no key is opened for it.
 */
export const makeBackup = async (into: string, options: BackupOptions): Promise<void> => {
  const { dataDir, store, version, now, volumes, progress, signal } = options;
  const manifest: Manifest = {
    croft: version,
    format: migrations.length,
    madeAt: now.toISOString(),
    volumes,
  };
  writeFileSync(join(into, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const name of keptFiles) copyIfThere(join(dataDir, name), join(into, name));

  progress(0, "records");
  const { revision, entries } = await store.list("");
  const paths = layout(into);
  mkdirSync(paths.storeDir, { mode: 0o700 });
  writeStore(paths.store, { revision, entries: entries.map(restorable) });
  if (!volumes) return;

  copyIfThere(layout(dataDir).imagesDir, paths.imagesDir);
  for (const id of readdirSync(layout(dataDir).machinesDir)) {
    const kept = join(id, "uefi-variables");
    copyIfThere(join(layout(dataDir).machinesDir, kept), join(paths.machinesDir, kept));
  }
  const uid = hostNames(dataDir).uids.image;
  const snapshots = entries
    .filter(({ key }) => key.startsWith("snapshot/"))
    .map(({ value }) => value as SnapshotRecord)
    .filter(({ so }) => so.completedAt !== undefined);
  progress(0, "snapshots");
  const ids = snapshots.map(({ id }) => id);
  await copySnapshots(ids, layout(dataDir).disksDir, paths.disksDir, { uid, signal });
  const made = entries
    .filter(({ key }) => key.startsWith("volume/"))
    .map(({ value }) => value as VolumeRecord);
  await copyVolumes(
    made.filter(({ so }) => so.ready),
    dataDir,
    paths.disksDir,
    progress,
    signal,
  );
};

/** Those of one instance together. */
const copyVolumes = async (
  volumes: readonly VolumeRecord[],
  dataDir: string,
  disksDir: string,
  progress: BackupOptions["progress"],
  signal: AbortSignal,
): Promise<void> => {
  let copied = 0;
  for (const [instance, those] of Map.groupBy(volumes, (it) => machinesWith(it)[0])) {
    signal.throwIfAborted();
    progress(copied / volumes.length, `volumes of ${instance ?? "no instance"}`);
    await copyTogether(instance, those, dataDir, disksDir, signal);
    copied += those.length;
  }
};

/** Tried again when the instance was started, stopped or terminated meanwhile: by then its disks are another's to read. */
const copyTogether = async (
  instance: string | undefined,
  volumes: readonly VolumeRecord[],
  dataDir: string,
  disksDir: string,
  signal: AbortSignal,
): Promise<void> => {
  const machine = join(layout(dataDir).machinesDir, instance ?? "none");
  const [from, { image: uid }] = [layout(dataDir).disksDir, hostNames(dataDir).uids];
  for (let attempt = 1; ; attempt++) {
    const inUse = disksInUse(machine);
    try {
      const targets = new Map<string, string>();
      for (const { id, sizeGiB } of volumes) {
        const place = join(disksDir, id);
        const target = join(place, "disk.qcow2");
        rmSync(place, { recursive: true, force: true });
        const disk = await locateDisk(from, id);
        if (disk.encrypted && !inUse.includes(id)) {
          await copyEncryptedDisk(id, from, disksDir, { uid, signal });
          continue;
        }
        mkdirSync(place, { recursive: true, mode: 0o700 });
        if (inUse.includes(id)) {
          await run("qemu-img", ["create", "-q", "-f", "qcow2", target, `${sizeGiB}G`]);
          if (disk.encrypted) {
            await encryptFileBy(target, await luksHeaderOf(disk.path));
            writeFileSync(join(place, KEY), disk.encrypted.key, { mode: 0o600 });
          }
          targets.set(id, target);
        } else await copyDisk(disk, target, uid);
      }
      if (targets.size > 0) await copyDisksInUse(machine, targets, signal);
      if (disksInUse(machine).join() === inUse.join()) return;
    } catch (error) {
      if (signal.aborted || attempt === 3) throw error;
    }
  }
};

/** Its machine runs nowhere when it is restored. */
const restorable = ({ key, value, revision }: Entry): Entry => ({
  key,
  value: key.startsWith("instance/") ? afterHostBoot(value as InstanceRecord) : value,
  revision,
});

const copyIfThere = (from: string, to: string): void => {
  if (existsSync(from)) cpSync(from, to, { recursive: true, preserveTimestamps: true });
};
