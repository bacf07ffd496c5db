import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { checkout } from "#checkout.ts";
import { Refusal } from "./command.ts";
import type { Command } from "./command.ts";
import { succeeded, tallyLine } from "./tally.ts";
import { unitTests } from "./test.ts";

/** What has to hold of every commit, quickest first. A tool's name means the one in node_modules. */
const checks: readonly (readonly [what: string, command: readonly [string, ...string[]]])[] = [
  ["generated files are current", [process.execPath, "tools/generate-wire.ts", "--check"]],
  ["operations are listed", [process.execPath, "tools/generate-operations.ts", "--check"]],
  ["format", ["oxfmt", "--check"]],
  ["lint, type-aware", ["oxlint", "--type-aware", "--deny-warnings"]],
  ["types", ["tsc", "-p", "."]],
  ["no unused code", ["knip"]],
];

export const command: Command = {
  usage: `check\n\n${[...checks.map(([what]) => what), "unit tests"].map((what) => `  ${what}`).join("\n")}`,
  async run() {
    const failed = checks.filter(([what, line]) => !passes(what, line)).map(([what]) => what);
    const tally = await unitTests();
    process.stdout.write(`${tallyLine(tally)}\n`);
    if (!succeeded(tally)) failed.push("unit tests");
    if (failed.length > 0) throw new Refusal(`not yet: ${failed.join("; ")}`, 1);
    return 0;
  },
};

const passes = (what: string, [file, ...args]: readonly [string, ...string[]]): boolean => {
  process.stdout.write(`== ${what}\n`);
  // Their `#!/usr/bin/env node` has to find this Node, not the host's.
  const path = [join(checkout, "node_modules", ".bin"), dirname(process.execPath), process.env["PATH"]].join(
    delimiter,
  );
  const { status, error } = spawnSync(file, args, {
    cwd: checkout,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  if (error) process.stdout.write(`${error.message}\n`);
  return status === 0;
};
