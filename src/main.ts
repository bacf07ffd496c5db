import { flushCompileCache } from "node:module";
import { parseArgs } from "node:util";

/** Which of the three programs to be: `main.ts croft|croft-host|croft-guest --data-dir DIR --cache-dir DIR [--audit-fd FD]`. */
const programs = {
  croft: async () => (await import("./croft.ts")).croft,
  "croft-host": async () => (await import("./croft-host.ts")).croftHost,
  "croft-guest": async () => (await import("./croft-guest.ts")).croftGuest,
};

export interface ProgramOptions {
  readonly dataDir: string;
  readonly cacheDir: string;
  /** Where `croft` writes the audit, which it may not change afterwards. */
  readonly auditFd?: number;
  /** Aborts when the program is to end. */
  readonly signal: AbortSignal;
  /** One line to the program's diary, which its supervisor keeps. */
  readonly log: (line: string) => void;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    "data-dir": { type: "string" },
    "cache-dir": { type: "string" },
    "audit-fd": { type: "string" },
  },
});
const [name = ""] = positionals;
const { "data-dir": dataDir, "cache-dir": cacheDir, "audit-fd": auditFd } = values;
if (!(name in programs) || dataDir === undefined || cacheDir === undefined)
  throw new Error(`main.ts ${Object.keys(programs).join("|")} --data-dir DIR --cache-dir DIR`);

const ending = new AbortController();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => ending.abort());
// The supervisor holds the other end: without it nobody would restart this program or tell it to end.
process.stdin.on("end", () => ending.abort()).resume();

// What this start had to compile, the next finds. Written while this is still root.
const program = await programs[name as keyof typeof programs]();
flushCompileCache();
await program({
  dataDir,
  cacheDir,
  ...(auditFd !== undefined && { auditFd: Number(auditFd) }),
  signal: ending.signal,
  log: (line) => process.stdout.write(`${line}\n`),
});
process.exit(0);
