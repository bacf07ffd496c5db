import { createHash } from "node:crypto";
import type { OpenKey } from "#drivers/open-key.ts";
import { BLOCK_BYTES, type BlockRun, type DiskDriver, type DiskPlace } from "../disk-driver.ts";
import { nextMerge } from "../next-merge.ts";

/** Disks of almost no bytes, for the tests of what stands above. */
export interface FakeDisks extends DiskDriver {
  /** In GiB; undefined: there is no such disk. */
  sizeOf(id: string): number | undefined;
  /** A disk that is at rest holds this text, at the beginning of a block: by default of the first. */
  write(id: string, text: string, block?: number): void;
  /** A disk's, or a snapshot's. */
  read(id: string): string;
}

/** `now`: when blocks are put. `openKey` is asked where a real one would be. */
export const createFakeDisks = ({
  now = () => new Date(),
  openKey = (key) => key,
}: { readonly now?: () => Date; readonly openKey?: OpenKey } = {}): FakeDisks => {
  const disks = new Map<string, FakeDisk>();
  /** Also what was removed and stays for others' sake. */
  const snapshots = new Map<string, FakeDisk>();
  const removed = new Set<string>();
  const put = new Map<string, { readonly blocks: Map<number, Buffer>; readonly lastAt: string }>();
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
  const encrypted = ({ key, on }: FakeDisk): Pick<DiskPlace, "encrypted"> => {
    if (key === undefined) return {};
    const further = encrypted(snapshots.get(on ?? "") ?? emptyDisk);
    return { encrypted: { key, files: 1 + (further.encrypted?.files ?? 0) } };
  };
  const below = ({ on, image }: FakeDisk): string[] => {
    const next = snapshots.get(on ?? "");
    return next ? [`/fake/snapshots/${on}`, ...below(next)] : image === undefined ? [] : [image];
  };
  /** What each block that was written holds. */
  const textsOf = ({ on, written }: FakeDisk): ReadonlyMap<number, string> => {
    const next = snapshots.get(on ?? "");
    return new Map([...(next ? textsOf(next) : []), ...written]);
  };
  const ancestors = (id: string): string[] => {
    const { on } = snapshots.get(id) ?? {};
    return [id, ...(on === undefined ? [] : ancestors(on))];
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
    ensure: async ({ id, sizeGiB, image, snapshot: from, key: asked }) => {
      if (disks.has(id)) return;
      const has = from === undefined ? undefined : snapshot(from);
      const key = asked ?? has?.key;
      if (key !== undefined) openKey(key);
      const made = { sizeGiB, path: `/fake/${id}`, key };
      if (has && key !== has.key) disks.set(id, { ...made, written: new Map(textsOf(has)) });
      else disks.set(id, { ...made, on: from, image, written: new Map() });
    },
    grow: async (id, sizeGiB) => {
      const found = disk(id);
      if (found.sizeGiB < sizeGiB) disks.set(id, { ...found, sizeGiB });
    },
    sizeOf: (id) => disks.get(id)?.sizeGiB,
    locate: async (id): Promise<DiskPlace> => ({
      path: disk(id).path,
      below: below(disk(id)),
      ...encrypted(disk(id)),
    }),
    remove: async (id) => {
      const found = disks.get(id);
      disks.delete(id);
      put.delete(id);
      collect(found?.on);
    },
    list: async () => [...disks.keys()],
    snapshot: async (id, diskId) => {
      if (snapshots.has(id)) return;
      const { sizeGiB, written, key } = disk(diskId);
      if (key !== undefined) openKey(key);
      for (const [index, bytes] of put.get(diskId)?.blocks ?? []) written.set(index, textOf(bytes));
      put.delete(diskId);
      snapshots.set(id, disk(diskId));
      disks.set(diskId, { sizeGiB, path: `/fake/${diskId}/${id}`, on: id, key, written: new Map() });
    },
    copySnapshot: async (id, from, asked) => {
      if (snapshots.has(id)) return;
      const has = snapshot(from);
      const key = asked ?? has.key;
      if (key !== undefined) openKey(key);
      const made = { sizeGiB: has.sizeGiB, path: "", key };
      if (key !== has.key) snapshots.set(id, { ...made, written: new Map(textsOf(has)) });
      else snapshots.set(id, { ...made, on: from, written: new Map() });
    },
    importSnapshot: async (id, file, sizeGiB, key) => {
      if (key !== undefined) openKey(key);
      if (!snapshots.has(id)) snapshots.set(id, { sizeGiB, path: "", key, written: new Map([[0, file]]) });
    },
    removeSnapshot: async (id) => {
      if (snapshots.has(id)) removed.add(id);
      collect(id);
    },
    snapshots: async () => [...snapshots.keys()].filter((id) => !removed.has(id)),
    merge: async (mayBeWritten) => {
      const all = [...disks].map(([id, { on }]) => ({ id, kind: "disk" as const, parent: on, bytes: 0 }));
      const layers = [...snapshots].map(([id, { on, written }]) => {
        const kind = removed.has(id) ? ("removed" as const) : ("snapshot" as const);
        return { id, kind, parent: on, bytes: lengthOf(written) };
      });
      const ids = nextMerge([...all, ...layers], (id) => mayBeWritten.has(id))?.map(({ id }) => id) ?? [];
      const [first, last] = [snapshots.get(ids[0] ?? ""), snapshots.get(ids.at(-1) ?? "")];
      if (!first || !last) return false;
      const { sizeGiB, path, key } = last;
      const written = new Map(ids.flatMap((id) => [...(snapshots.get(id)?.written ?? [])]));
      const one: FakeDisk = { sizeGiB, path, on: first.on, image: first.image, key, written };
      snapshots.set(ids.at(-1) ?? "", one);
      collect(ids.at(-2));
      return true;
    },
    usedBytes: async (id) => lengthOf((disks.get(id) ?? snapshot(id)).written),
    blocks: async (id) => runsOf(textsOf(snapshot(id)).keys()),
    difference: async (id, from) => {
      const [texts, others] = [textsOf(snapshot(id)), textsOf(snapshot(from))];
      const all = new Set([...texts.keys(), ...others.keys()]);
      const runs = runsOf([...all].filter((block) => texts.get(block) !== others.get(block)));
      return { runs, related: ancestors(id).some((it) => ancestors(from).includes(it)) };
    },
    readBlock: async (id, index) => {
      const { key } = snapshot(id);
      if (key !== undefined) openKey(key);
      const block = Buffer.alloc(BLOCK_BYTES);
      block.write(textsOf(snapshot(id)).get(index) ?? "", "latin1");
      return block;
    },
    writeBlock: async (diskId, index, bytes) => {
      disk(diskId);
      const blocks = (put.get(diskId)?.blocks ?? new Map<number, Buffer>()).set(index, Buffer.from(bytes));
      put.set(diskId, { blocks, lastAt: now().toISOString() });
    },
    written: async (diskId) => {
      const { blocks = new Map<number, Buffer>(), lastAt } = put.get(diskId) ?? {};
      const sums = [...blocks].toSorted(([a], [b]) => a - b).map(([, bytes]) => sha256(bytes));
      const checksum = sha256(Buffer.concat(sums)).toString("base64");
      return { count: blocks.size, ...(lastAt && { lastAt }), checksum };
    },
    write: (id, text, block = 0) => void disk(id).written.set(block, text),
    read: (id) => textsOf(disks.get(id) ?? snapshot(id)).get(0) ?? "",
  };
};

const emptyDisk: FakeDisk = { sizeGiB: 0, path: "", written: new Map() };

const sha256 = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest();

/** As `readBlock` makes blocks of texts. */
const textOf = (bytes: Buffer): string => bytes.toString("latin1").replace(/\0+$/, "");

const lengthOf = (written: FakeDisk["written"]): number =>
  [...written.values()].reduce((sum, { length }) => sum + length, 0);

function runsOf(blocks: Iterable<number>): BlockRun[] {
  const runs: [first: number, count: number][] = [];
  for (const block of [...blocks].toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === block) last[1]++;
    else runs.push([block, 1]);
  }
  return runs;
}

interface FakeDisk {
  readonly sizeGiB: number;
  readonly path: string;
  /** The snapshot that it is a difference to. */
  readonly on?: string | undefined;
  readonly image?: string | undefined;
  readonly key?: string | undefined;
  /** Texts by block. */
  readonly written: Map<number, string>;
}
