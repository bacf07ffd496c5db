import type { Store } from "../store.ts";
import { storeOver, type StoreOptions } from "./store-over.ts";
import { startStoreThread, type StoreThread } from "./store-thread.ts";

export interface SqliteStoreOptions extends StoreOptions {
  /** A thread started earlier, for a program that can no longer read its own code. */
  readonly thread?: StoreThread;
  /** How many transactions back a watch can resume, also after a restart. */
  readonly remember?: number;
  /** Kept in the store's files, twice, so that on a full disk what is there can still be changed and deleted. */
  readonly reserveBytes?: number;
}

/**
 * Croft's own store: SQLite in a thread, so that this one never waits for the disk. Commits are durable when they return and
 * share their waits for the disk. Files are 0600 in `directory`, which is made 0700; a second opener is refused.
 */
export async function openSqliteStore(directory: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const { remember = defaultRemember, reserveBytes = defaultReserveBytes } = options;
  const thread = options.thread ?? (await startStoreThread());
  try {
    return storeOver(await thread.open(directory, remember, reserveBytes), options);
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

/** With what is spare, as much as SQLite's log ever holds of single transactions: it is written back after 1,000 pages of 4 KiB. */
const defaultReserveBytes = 4 << 20;
