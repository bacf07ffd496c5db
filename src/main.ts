import { parseArgs } from "node:util";
import { croft } from "./croft.ts";
import { croftGuest } from "./croft-guest.ts";
import { croftHost } from "./croft-host.ts";

/** Which of the three programs to be: `main.ts croft|croft-host|croft-guest --data-dir DIR --cache-dir DIR`. */
const programs = { croft, "croft-host": croftHost, "croft-guest": croftGuest } as const;

export interface ProgramOptions {
  readonly dataDir: string;
  readonly cacheDir: string;
  /** Aborts when the program is to end. */
  readonly signal: AbortSignal;
  /** To the program's diary. */
  readonly log: (line: string) => void;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { "data-dir": { type: "string" }, "cache-dir": { type: "string" } },
});
const program = programs[positionals[0] as keyof typeof programs];
const { "data-dir": dataDir, "cache-dir": cacheDir } = values;
if (!program || dataDir === undefined || cacheDir === undefined)
  throw new Error(`main.ts ${Object.keys(programs).join("|")} --data-dir DIR --cache-dir DIR`);

const ending = new AbortController();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => ending.abort());
// The supervisor holds the other end: without it nobody would restart this program or tell it to end.
process.stdin.on("end", () => ending.abort()).resume();

const log = (line: string) => process.stdout.write(`${new Date().toISOString()} ${line}\n`);
await program({ dataDir, cacheDir, signal: ending.signal, log });
process.exit(0);
