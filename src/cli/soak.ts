import type { Command } from "./command.ts";
import { requireRoot } from "./command.ts";
import { runTests } from "./run-tests.ts";
import { concluded } from "./test.ts";

export const command: Command = {
  usage:
    "soak\n\nRuns the long tests, tests/**/*.soak.ts, one after another: hours. Run croft test first, which sets up what they need.",
  async run() {
    requireRoot("to make the machines and networks that are tested");
    const day = 24 * 3600 * 1000;
    return concluded([
      await runTests({ patterns: ["tests/**/*.soak.ts"], concurrency: 1, testMs: day, limitMs: 3 * day }),
    ]);
  },
};
