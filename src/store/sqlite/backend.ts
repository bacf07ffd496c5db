import type { Database } from "./database.ts";

/** The database as the store sees it: in a thread (`store-thread.ts`), or right here (`memory-store.ts`). */
export type Backend = {
  [Verb in BackendVerb]: (...args: Parameters<Database[Verb]>) => Promise<ReturnType<Database[Verb]>>;
} & {
  /** The revision the database was opened at. */
  readonly openedAt: number;
  /** Resolves with the error when the database fails for good. */
  readonly failed: Promise<Error>;
};

export type BackendVerb = "apply" | "get" | "list" | "changesAfter" | "close";
