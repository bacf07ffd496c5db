import { globSync } from "node:fs";
import { relative } from "node:path";
import { run } from "node:test";
import type { EventData } from "node:test";
import { inspect } from "node:util";
import { checkout } from "#checkout.ts";
import { counted, noTests } from "./tally.ts";
import type { Tally } from "./tally.ts";

export interface TestFiles {
  /** Globs, from the checkout. */
  readonly patterns: readonly string[];
  /** How many files at once. */
  readonly concurrency: number;
  /** A single test that takes longer fails. */
  readonly testMs: number;
  /** Files that have not ended by then, all together, are ended and have failed: one that hangs must not hold up the rest. */
  readonly limitMs: number;
}

/** Runs the files with node's own runner, a process for each, and prints each test as it ends, with what a failed one said. */
export const runTests = async ({ patterns, concurrency, testMs, limitMs }: TestFiles): Promise<Tally> => {
  const files = globSync([...patterns], { cwd: checkout }).toSorted();
  let tally = noTests;
  if (files.length === 0) return tally;
  const stream = run({
    files,
    cwd: checkout,
    concurrency,
    timeout: testMs,
    signal: AbortSignal.timeout(limitMs),
  });
  for await (const event of stream) {
    if (event.type === "test:pass" || event.type === "test:fail") {
      const outcome = event.type === "test:pass" ? "pass" : "fail";
      const { name, skip, todo, details } = event.data;
      const failureType = "error" in details ? String(inspectable(details.error).failureType) : undefined;
      tally = counted(tally, { name, outcome, skip, todo, type: details.type, failureType });
      if (details.type !== "suite") print(outcome, event.data);
    }
    if (event.type === "test:stdout" || event.type === "test:stderr")
      process.stdout.write(event.data.message);
  }
  return tally;
};

const print = (outcome: "pass" | "fail", data: EventData.TestPass | EventData.TestFail): void => {
  const where = `${relative(checkout, data.file ?? "")}:${data.line ?? 0}`;
  const mark = data.skip || data.todo ? "- " : { pass: "ok ", fail: "FAILED " }[outcome];
  const took = `${(data.details.duration_ms / 1000).toFixed(2)} s`;
  process.stdout.write(`${"  ".repeat(data.nesting)}${mark}${data.name} (${where}, ${took})\n`);
  if ("error" in data.details && !data.todo) {
    process.stdout.write(indented(inspect(inspectable(data.details.error).cause ?? data.details.error)));
  }
};

/** The runner wraps what a test threw: `cause` is that, `failureType` says where it was thrown. */
const inspectable = (error: Error & { failureType?: unknown }) => error;

const indented = (text: string) => `${text.replaceAll(/^/gm, "    ")}\n`;
