import type { Store } from "../store.ts";
import { openDatabase } from "./database.ts";
import { storeOver, type StoreOptions } from "./store-over.ts";

/** Croft's own store without the disk and the thread: fast, and true to the last detail. */
export function openMemoryStore(options: StoreOptions & { readonly remember?: number } = {}): Store {
  const database = openDatabase(":memory:", options.remember ?? 10_000);
  const backend = {
    openedAt: 0,
    failed: new Promise<Error>(() => {}),
    apply: async (...args: Parameters<typeof database.apply>) => database.apply(...args),
    get: async (key: string) => database.get(key),
    list: async (prefix: string) => database.list(prefix),
    changesAfter: async (revision: number) => database.changesAfter(revision),
    close: async () => database.close(),
  };
  return storeOver(backend, options);
}
