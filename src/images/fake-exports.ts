import { NoSuchObject } from "./bucket-folder.ts";
import type { DiskExport, DiskExports } from "./disk-exports.ts";
import type { StoredObject } from "./stored-object.ts";

/** Exports of no bytes to buckets that are all there, for the tests of what stands above. */
export interface FakeExports extends DiskExports {
  /** What every export is from now on, but one to a bucket whose name begins with "endless"; at first done. */
  become(now: DiskExport): void;
  /** `BUCKET/KEY` of each object there is. */
  objects(): string[];
  /** Puts an object that an image was stored as, or is said to be. */
  put(name: string, object: StoredObject): void;
}

export const createFakeExports = (): FakeExports => {
  const objects = new Map<string, StoredObject>();
  let all: DiskExport = { state: "done" };
  return {
    async look(_, { bucket, objects: wanted }) {
      if (bucket.startsWith("endless")) return { state: "running", fraction: 0, what: "converting" };
      if (all.state === "done")
        for (const { key, head = "", disks } of wanted)
          objects.set(`${bucket}/${key}`, {
            head,
            parts: disks.map((_disk, n) => ({ offset: n, bytes: 1 })),
          });
      return all;
    },
    async forget() {},
    async remove(_, { bucket, objects: wanted, named }) {
      if (named) for (const { key } of wanted) objects.delete(`${bucket}/${key}`);
    },
    async stored({ bucket, key }) {
      const found = objects.get(`${bucket}/${key}`);
      if (!found) throw new NoSuchObject("key", { bucket, key });
      return found;
    },
    become: (now) => void (all = now),
    objects: () => [...objects.keys()],
    put: (name, object) => void objects.set(name, object),
  };
};
