import { availableParallelism } from "node:os";
import { debianPackages, packagesFor, testPackages } from "#setup/debian-packages.ts";
import { setUpDefaultImage } from "#setup/default-image.ts";
import { openCache } from "#setup/image-cache.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { readOptions, requireRoot } from "./command.ts";
import type { Command } from "./command.ts";
import { cacheDirOption, cacheDirUsage, readCacheDir } from "./data-dir.ts";
import { runTests } from "./run-tests.ts";
import { succeeded, sum, tallyLine } from "./tally.ts";
import type { Tally } from "./tally.ts";

export const command: Command = {
  usage: `test [options]

Sets up what is missing, as croft start --yes does, and runs every test: those beside the code, then those of
tests/, which make real machines and networks and so run one file at a time.

${cacheDirUsage}`,
  options: cacheDirOption,
  async run(args) {
    const { values } = readOptions(args, cacheDirOption);
    requireRoot("to make the machines and networks that are tested");
    const cacheDir = readCacheDir(values["cache-dir"]);
    openCache(cacheDir);
    await setUpPackages([...debianPackages, ...packagesFor.arm64, ...testPackages], { yes: true });
    await setUpDefaultImage(cacheDir);
    // The system tests' own regions share the cache.
    process.env["CROFT_CACHE_DIR"] = cacheDir;
    return concluded([await unitTests(), await systemTests()]);
  },
};

export const unitTests = (): Promise<Tally> =>
  runTests({
    patterns: ["{src,tools,bench}/**/*.test.ts"],
    concurrency: availableParallelism(),
    testMs: 2 * minute,
    limitMs: 12 * minute,
  });

const systemTests = (): Promise<Tally> =>
  runTests({ patterns: ["tests/**/*.test.ts"], concurrency: 1, testMs: 20 * minute, limitMs: 75 * minute });

const minute = 60_000;

/** Prints the counts, last of all, and answers the exit code. */
export const concluded = (tallies: readonly Tally[]): number => {
  const total = sum(tallies);
  process.stdout.write(`${tallyLine(total)}\n`);
  return succeeded(total) ? 0 : 1;
};
