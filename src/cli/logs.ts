import { setTimeout as delay } from "node:timers/promises";
import { layout } from "#config.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { Refusal, interruption, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { consoleLog } from "./console-log.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { programLogs } from "./program-logs.ts";

const options = {
  ...dataDirOption,
  follow: { type: "boolean" },
  lines: { type: "string", default: "200" },
} as const;

export const command: Command = {
  usage: `logs [options] [INSTANCE]

Prints what the region's programs said last, in the order of time, or what an instance (i-…) printed on its console: without
what would command a terminal.

  --lines N          at most so many of the last lines, up to 100000 (200)
  --follow           go on with what is said from now on, until ^C
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const dataDir = readDataDir(values["data-dir"]);
    const log = await logOf(dataDir, positionals);
    process.stdout.write(joined((await log.next()).slice(-lineCount(values.lines))));
    if (!values.follow) return 0;
    const ending = interruption();
    while (!ending.aborted) {
      await delay(log.intervalMs, undefined, { signal: ending }).catch(() => {});
      if (!ending.aborted) process.stdout.write(joined(await log.next()));
    }
    return 0;
  },
};

/** What grows as it is read. */
export interface GrowingLog {
  /** Whole lines since the last call; the first time those that are kept. */
  readonly next: () => Promise<readonly string[]>;
  /** How often to ask. */
  readonly intervalMs: number;
}

const logOf = async (dataDir: string, positionals: readonly string[]): Promise<GrowingLog> => {
  const { machines } = requireSettings(dataDir);
  if (positionals.length > 0)
    return consoleLog(dataDir, onlyArgument(positionals, "of which instance? croft logs i-…"));
  if (machines === "fake")
    throw new Refusal("a region of fake machines says all where it was started; croft logs INSTANCE is here");
  requireRoot("to read what the programs said");
  return programLogs(layout(dataDir).logDir);
};

const lineCount = (text: string): number => {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1 || Number(text) > 100_000)
    throw new Refusal(`--lines is a number from 1 to 100000, not "${text}"`);
  return Number(text);
};

const joined = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
