import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { layout } from "#config.ts";
import { identify } from "#drivers/linux/host-process.ts";
import type { HostProcess } from "#drivers/linux/host-process.ts";
import { plainText } from "../plain-text.ts";
import { say } from "../terminal.ts";
import { auditFile } from "./audit-file.ts";
import { untilReady } from "./health.ts";
import type { Health } from "./health.ts";
import { keepRunning } from "./keep-running.ts";
import type { Program } from "./keep-running.ts";
import { logFile } from "./log-file.ts";
import { endProcesses } from "./end-processes.ts";
import { programCommand } from "./program-command.ts";
import { programNames, readRunning, writeRunning, type ProgramName } from "./programs-file.ts";

export interface Supervised {
  readonly dataDir: string;
  readonly cacheDir: string;
  /** The API's URL by an address of this host. */
  readonly api: string;
}

/**
 * Ends what a supervisor that was killed left running, since two of a kind would fight over the store, and notes this process
 * as the region's supervisor. The caller holds the data directory's lock.
 */
export const becomeSupervisor = async ({ dataDir, cacheDir }: Pick<Supervised, "dataDir" | "cacheDir">) => {
  await endLeftovers(dataDir);
  writeRunning(dataDir, { supervisor: ownRef(), cacheDir, programs: {} });
};

/**
 * Keeps the three programs running until `signal` aborts, and returns when they have ended. Calls `ready` once, when the API
 * first answers. Comes after `becomeSupervisor`.
 */
export const supervise = async (
  region: Supervised,
  ready: (health: Health) => void,
  signal: AbortSignal,
): Promise<void> => {
  const { logDir } = layout(region.dataDir);
  mkdirSync(logDir, { recursive: true, mode: 0o750 });
  const note = notes(region);
  // What these lead to may be full too.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const programs = programNames.map((name) => keepRunning(program(name, region, logDir, note), signal));
  const patience = setTimeout(() => say(`not ready yet; ${logDir} says what it is doing`), 30_000);
  const answer = await untilReady(region.api, signal);
  clearTimeout(patience);
  if (answer) ready(answer);
  await Promise.all(programs);
};

/** Ends the programs last noted, when they still run. */
export const endLeftovers = async (dataDir: string): Promise<void> =>
  endProcesses(Object.values(readRunning(dataDir)?.programs ?? {}), 3000);

const program = (
  name: ProgramName,
  { dataDir, cacheDir }: Supervised,
  logDir: string,
  note: (name: string, pid: number) => void,
): Program => {
  const log = logFile(join(logDir, `${name}.log`));
  const audit = name === "croft" ? auditFile(logDir) : undefined;
  return {
    name,
    ...programCommand(name, { dataDir, cacheDir }, audit ? ["--audit-fd", "3"] : []),
    heard(line, from) {
      log(line);
      // A program's stdout is its diary; what it says on stderr is for the operator too.
      if (from === "stderr") process.stderr.write(`${name}: ${plainText(line)}\n`);
    },
    audited: audit && ((line) => void audit(`${line}\n`)),
    started: (pid) => note(name, pid),
    ended(how, againInMs) {
      log(`ended: ${how}`);
      say(
        `${name} ended (${how}); starting it again in ${againInMs} ms; its log is ${join(logDir, `${name}.log`)}`,
      );
    },
  };
};

/** Writes down each process as it starts. */
const notes = ({ dataDir, cacheDir }: Supervised) => {
  const supervisor = ownRef();
  const programs: Record<string, HostProcess> = {};
  return (name: string, pid: number): void => {
    const started = identify(pid);
    if (started) programs[name] = started;
    try {
      writeRunning(dataDir, { supervisor, cacheDir, programs });
    } catch (error) {
      // A full disk, say: `croft status` does not see the program, which works all the same.
      say(`${name} runs as process ${pid}, which cannot be noted: ${String(error)}`);
    }
  };
};

const ownRef = (): HostProcess => {
  const ref = identify(process.pid);
  if (!ref) throw new Error("/proc does not show this process");
  return ref;
};
