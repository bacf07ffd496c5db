import type { DiskImport, DiskImports } from "./disk-imports.ts";

/** Imports of no bytes, for the tests of what stands above. */
export interface FakeImports extends DiskImports {
  /** What every import is from now on, but one of a source that ends in "/endless"; at first done, with 8 GiB. */
  become(now: DiskImport): void;
  /** The ids of those that were begun and not removed. */
  list(): string[];
}

export const createFakeImports = (): FakeImports => {
  const begun = new Set<string>();
  let all: DiskImport = { state: "done", sizeGiB: 8 };
  return {
    async look(id, { source }) {
      begun.add(id);
      return source.endsWith("/endless") ? { state: "running", fraction: 0, what: "reading" } : all;
    },
    file: (id) => `/fake/imports/${id}`,
    remove: async (id) => void begun.delete(id),
    become: (now) => void (all = now),
    list: () => [...begun],
  };
};
