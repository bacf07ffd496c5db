import type { DiskDriver, DiskPlace } from "../disk-driver.ts";

/** Disks of almost no bytes, for the tests of what stands above. */
export interface FakeDisks extends DiskDriver {
  /** In GiB; undefined: there is no such disk. */
  sizeOf(id: string): number | undefined;
  /** A disk or snapshot that is at rest holds this text. */
  write(id: string, text: string): void;
  read(id: string): string;
}

export const createFakeDisks = (): FakeDisks => {
  const disks = new Map<string, FakeDisk>();
  const snapshots = new Map<string, FakeDisk>();
  /** Of what was removed, too. */
  const layers = new Map<string, FakeDisk>();
  const found = (id: string, among = disks): FakeDisk => {
    const disk = among.get(id);
    if (disk === undefined) throw new Error(`there is no ${among === disks ? "disk" : "snapshot"} ${id}`);
    return disk;
  };
  const on = (id: string, snapshot: FakeDisk): FakeDisk => {
    layers.set(id, snapshot);
    const below = [`/fake/snapshots/${id}`, ...snapshot.place.below];
    return { ...snapshot, place: { path: "", below } };
  };
  const textOf = ({ written, place: { below } }: FakeDisk): string => {
    const next = layers.get(below[0]?.replace("/fake/snapshots/", "") ?? "");
    return written ?? (next ? textOf({ ...next, place: { path: "", below: below.slice(1) } }) : "");
  };
  const add = (among: Map<string, FakeDisk>, id: string, disk: Omit<FakeDisk, "written">, path: string) =>
    void among.set(id, { ...disk, place: { ...disk.place, path }, written: undefined });

  return {
    ensure: async ({ id, sizeGiB, image, snapshot }) => {
      if (disks.has(id)) return;
      const blank = { sizeGiB, place: { path: "", below: image === undefined ? [] : [image] } };
      const from = snapshot === undefined ? blank : on(snapshot, found(snapshot, snapshots));
      add(disks, id, { ...from, sizeGiB }, `/fake/${id}`);
    },
    grow: async (id, sizeGiB) => {
      const disk = found(id);
      if (disk.sizeGiB < sizeGiB) disks.set(id, { ...disk, sizeGiB });
    },
    sizeOf: (id) => disks.get(id)?.sizeGiB,
    locate: async (id) => found(id).place,
    remove: async (id) => void disks.delete(id),
    list: async () => [...disks.keys()],
    snapshot: async (id, diskId) => {
      if (layers.has(id)) return;
      const disk = found(diskId);
      snapshots.set(id, disk);
      add(disks, diskId, on(id, disk), `/fake/${diskId}/${id}`);
    },
    copySnapshot: async (id, from) => {
      if (!snapshots.has(id)) add(snapshots, id, on(from, found(from, snapshots)), "");
    },
    removeSnapshot: async (id) => void snapshots.delete(id),
    snapshots: async () => [...snapshots.keys()],
    usedBytes: async (id) => (disks.get(id) ?? found(id, snapshots)).written?.length ?? 0,
    write: (id, text) => void (found(id).written = text),
    read: (id) => textOf(disks.get(id) ?? found(id, snapshots)),
  };
};

interface FakeDisk {
  readonly sizeGiB: number;
  readonly place: DiskPlace;
  written?: string | undefined;
}
