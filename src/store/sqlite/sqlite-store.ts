import type { Store } from "../store.ts";
import { storeOver, type StoreOptions } from "./store-over.ts";
import { startStoreThread, type StoreThread } from "./store-thread.ts";

export interface SqliteStoreOptions extends StoreOptions {
  /** A thread started earlier, for a program that can no longer read its own code. */
  readonly thread?: StoreThread;
  /** How many transactions back a watch can resume, also after a restart. */
  readonly remember?: number;
}

/**
 * Croft's own store: SQLite in a thread, so that this one never waits for the disk. Commits are durable when they return and
 * share their waits for the disk. Files are 0600 in `directory`, which is made 0700; a second opener is refused.
 */
export async function openSqliteStore(directory: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const thread = options.thread ?? (await startStoreThread());
  try {
    return storeOver(await thread.open(directory, options.remember ?? defaultRemember), options);
  } catch (error) {
    await thread.end();
    throw error;
  }
}

/**
 * A host program may be away for half an hour of a busy region (five transactions a second; some 20 MB on disk) and go on
 * where it was. One that was away for longer lists everything again, which takes a fraction of a second.
 */
const defaultRemember = 10_000;
