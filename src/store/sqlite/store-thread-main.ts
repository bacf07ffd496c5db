import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { parentPort } from "node:worker_threads";
import type { BackendVerb } from "./backend.ts";
import { type Database, openDatabase } from "./database.ts";

/** The thread that waits for the disk. Calls come in one by one and are answered in order. */
export type ThreadCall = { readonly id: number } & (
  | { readonly verb: "open"; readonly args: OpenArgs }
  | { [Verb in BackendVerb]: { readonly verb: Verb; readonly args: Parameters<Database[Verb]> } }[BackendVerb]
);

export type OpenArgs = [directory: string, remember: number, reserveBytes: number];

export type ThreadAnswer =
  | "loaded"
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: Error };

let database: Database | undefined;

parentPort?.on("message", (call: ThreadCall) => {
  parentPort?.postMessage(answer(call));
  idle.refresh();
});
parentPort?.postMessage("loaded" satisfies ThreadAnswer);

function answer(call: ThreadCall): ThreadAnswer {
  try {
    return { id: call.id, value: run(call) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // After a failed write nobody knows what the disk holds (a failed fsync forgets it): the thread ends, and only opening the
    // store anew finds out. A disk that is merely full is no such failure.
    if (call.verb === "apply") throw error;
    return { id: call.id, error };
  }
}

function open(...[directory, remember, reserveBytes]: OpenArgs): number {
  const made = mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const file = join(directory, "store.sqlite");
  closeSync(openSync(file, "a", 0o600)); // SQLite gives its log the same mode
  database = openDatabase(file, remember, { reserveBytes });
  // Or a power cut may forget the names.
  syncDirectory(directory);
  if (made) syncDirectory(dirname(made));
  setTimeout(() => database?.makeReserve(), reserveAfterMs).unref();
  return database.revision;
}

/** Nobody waits for the store then who waited for it to open. */
const reserveAfterMs = 1000;

/** After so long without a call none is expected at once. */
const idleMs = 100;
const idle = setTimeout(() => database?.tidy(), idleMs).unref();

function run(call: ThreadCall): unknown {
  if (call.verb === "open") return open(...call.args);
  if (!database) throw new Error("the store is not open");
  switch (call.verb) {
    case "apply":
      return database.apply(...call.args);
    case "get":
      return database.get(...call.args);
    case "list":
      return database.list(...call.args);
    case "changesAfter":
      return database.changesAfter(...call.args);
    case "close":
      database.close();
      database = undefined;
      return undefined;
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  fsyncSync(directory);
  closeSync(directory);
}
