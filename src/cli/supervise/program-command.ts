import { join } from "node:path";
import { entryFiles } from "#checkout.ts";
import type { Program } from "./keep-running.ts";
import type { ProgramName } from "./programs-file.ts";

/** How one of the three programs is started. */
export const programCommand = (
  name: ProgramName,
  { dataDir, cacheDir }: { readonly dataDir: string; readonly cacheDir: string },
  more: readonly string[] = [],
): Required<Pick<Program, "command" | "environment">> => ({
  command: [
    process.execPath,
    ...nodeFlags[name],
    entryFiles.main,
    name,
    "--data-dir",
    dataDir,
    "--cache-dir",
    cacheDir,
    ...more,
  ],
  // A start that finds its code compiled takes half the time, and half the memory: one file that is not, and Node's type
  // stripper is loaded. A program that asks for the cache itself is too late for its own first file.
  environment: { NODE_COMPILE_CACHE: join(cacheDir, "code") },
});

/** croft-guest holds a thousand interfaces in 80 MiB: what it makes for a request is small and soon garbage. */
const nodeFlags: Readonly<Record<ProgramName, readonly string[]>> = {
  croft: [],
  "croft-host": [],
  "croft-guest": ["--max-semi-space-size=2"],
};
