import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Where this copy of Croft lies: a checkout, or a release. In that (tools/release.ts) the TypeScript is bundled in `dist`, and
 * every other file is where a checkout has it.
 */
export const checkout = dirname(import.meta.dirname);

export const isRelease = import.meta.filename.endsWith(".js");

/** What processes and threads are started with. */
export const entryFiles = {
  cli: join(checkout, isRelease ? "dist/cli.js" : "src/cli/main.ts"),
  main: join(checkout, isRelease ? "dist/main.js" : "src/main.ts"),
  storeThread: join(checkout, isRelease ? "dist/store-thread.js" : "src/store/sqlite/store-thread-main.ts"),
} as const;

export const croftCommand = join(checkout, "bin", "croft");

export const croftVersion = (): string => {
  const { version }: { version: string } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  return version;
};
