import type { DiskImport, DiskImports, ImportedSource } from "./disk-imports.ts";

/** Imports of no bytes, for the tests of what stands above. */
export interface FakeImports extends DiskImports {
  /** What every import is from now on, but one of a source that ends in "/endless"; at first done, with 8 GiB. */
  become(now: DiskImport): void;
  /** What was asked of it when it was last looked at, also if it was removed since. */
  asked(id: string): ImportedSource | undefined;
  /** The ids of those that were begun and not removed. */
  list(): string[];
}

export const createFakeImports = (): FakeImports => {
  const begun = new Set<string>();
  const asked = new Map<string, ImportedSource>();
  let all: DiskImport = { state: "done", sizeGiB: 8 };
  return {
    async look(id, disk) {
      begun.add(id);
      asked.set(id, disk);
      return disk.source.endsWith("/endless") ? { state: "running", fraction: 0, what: "reading" } : all;
    },
    file: (id) => `/fake/imports/${id}`,
    remove: async (id) => void begun.delete(id),
    become: (now) => void (all = now),
    asked: (id) => asked.get(id),
    list: () => [...begun],
  };
};
