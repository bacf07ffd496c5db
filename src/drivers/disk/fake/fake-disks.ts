import type { DiskDriver, DiskPlace } from "../disk-driver.ts";
import { nextMerge } from "../next-merge.ts";

/** Disks of almost no bytes, for the tests of what stands above. */
export interface FakeDisks extends DiskDriver {
  /** In GiB; undefined: there is no such disk. */
  sizeOf(id: string): number | undefined;
  /** A disk that is at rest holds this text. */
  write(id: string, text: string): void;
  /** A disk's, or a snapshot's. */
  read(id: string): string;
}

export const createFakeDisks = (): FakeDisks => {
  const disks = new Map<string, FakeDisk>();
  /** Also what was removed and stays for others' sake. */
  const snapshots = new Map<string, FakeDisk>();
  const removed = new Set<string>();
  const disk = (id: string): FakeDisk => {
    const found = disks.get(id);
    if (!found) throw new Error(`there is no disk ${id}`);
    return found;
  };
  const snapshot = (id: string): FakeDisk => {
    const found = snapshots.get(id);
    if (!found || removed.has(id)) throw new Error(`there is no snapshot ${id}`);
    return found;
  };
  const below = ({ on, image }: FakeDisk): string[] => {
    const next = snapshots.get(on ?? "");
    return next ? [`/fake/snapshots/${on}`, ...below(next)] : image === undefined ? [] : [image];
  };
  const textOf = ({ on, written }: FakeDisk): string => {
    const next = snapshots.get(on ?? "");
    return written ?? (next ? textOf(next) : "");
  };
  const collect = (id: string | undefined): void => {
    const found = snapshots.get(id ?? "");
    if (id === undefined || !found || !removed.has(id)) return;
    if ([...disks.values(), ...snapshots.values()].some(({ on }) => on === id)) return;
    snapshots.delete(id);
    removed.delete(id);
    collect(found.on);
  };

  return {
    ensure: async ({ id, sizeGiB, image, snapshot: from }) => {
      if (disks.has(id)) return;
      if (from !== undefined) snapshot(from);
      disks.set(id, { sizeGiB, path: `/fake/${id}`, on: from, image });
    },
    grow: async (id, sizeGiB) => {
      const found = disk(id);
      if (found.sizeGiB < sizeGiB) disks.set(id, { ...found, sizeGiB });
    },
    sizeOf: (id) => disks.get(id)?.sizeGiB,
    locate: async (id): Promise<DiskPlace> => ({ path: disk(id).path, below: below(disk(id)) }),
    remove: async (id) => {
      const found = disks.get(id);
      disks.delete(id);
      collect(found?.on);
    },
    list: async () => [...disks.keys()],
    snapshot: async (id, diskId) => {
      if (snapshots.has(id)) return;
      const { sizeGiB } = disk(diskId);
      snapshots.set(id, disk(diskId));
      disks.set(diskId, { sizeGiB, path: `/fake/${diskId}/${id}`, on: id });
    },
    copySnapshot: async (id, from) => {
      if (snapshots.has(id)) return;
      snapshots.set(id, { sizeGiB: snapshot(from).sizeGiB, path: "", on: from });
    },
    removeSnapshot: async (id) => {
      if (snapshots.has(id)) removed.add(id);
      collect(id);
    },
    snapshots: async () => [...snapshots.keys()].filter((id) => !removed.has(id)),
    merge: async (written) => {
      const all = [...disks].map(([id, { on }]) => ({ id, kind: "disk" as const, parent: on, bytes: 0 }));
      const layers = [...snapshots].map(([id, { on, written: text = "" }]) => {
        const kind = removed.has(id) ? ("removed" as const) : ("snapshot" as const);
        return { id, kind, parent: on, bytes: text.length };
      });
      const ids = nextMerge([...all, ...layers], (id) => written.has(id))?.map(({ id }) => id) ?? [];
      const [first, last] = [snapshots.get(ids[0] ?? ""), snapshots.get(ids.at(-1) ?? "")];
      if (!first || !last) return false;
      const { sizeGiB, path } = last;
      const one: FakeDisk = { sizeGiB, path, on: first.on, image: first.image, written: textOf(last) };
      snapshots.set(ids.at(-1) ?? "", one);
      collect(ids.at(-2));
      return true;
    },
    usedBytes: async (id) => (disks.get(id) ?? snapshot(id)).written?.length ?? 0,
    write: (id, text) => void (disk(id).written = text),
    read: (id) => textOf(disks.get(id) ?? snapshot(id)),
  };
};

interface FakeDisk {
  readonly sizeGiB: number;
  readonly path: string;
  /** The snapshot that it is a difference to. */
  readonly on?: string | undefined;
  readonly image?: string | undefined;
  written?: string | undefined;
}
