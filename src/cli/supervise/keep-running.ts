import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

export interface Program {
  readonly name: string;
  /** File and arguments. */
  readonly command: readonly [string, ...string[]];
  /** Beside this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A line of the program's stdout, or of its stderr. */
  readonly heard: (line: string, from: "stdout" | "stderr") => void;
  /** A line of its descriptor 3, which it then has. */
  readonly audited?: ((line: string) => void) | undefined;
  readonly started: (pid: number) => void;
  /** It ended by itself, and is started again in `againInMs`. */
  readonly ended: (how: string, againInMs: number) => void;
}

const restart = { firstMs: 100, mostMs: 5000, steadyMs: 10_000, endMs: 4000 } as const;

/**
 * Runs the program, again whenever it ends, until `signal` aborts: then SIGTERM, and SIGKILL after 4 s. Waits 100 ms before the
 * first new start, twice as long before each further one, 5 s at most; a program that ran for 10 s begins anew at 100 ms.
 */
export const keepRunning = async (program: Program, signal: AbortSignal): Promise<void> => {
  let againInMs: number = restart.firstMs;
  while (!signal.aborted) {
    const startedAt = performance.now();
    const how = await once(program, signal);
    if (signal.aborted) return;
    if (performance.now() - startedAt >= restart.steadyMs) againInMs = restart.firstMs;
    program.ended(how, againInMs);
    await delay(againInMs, undefined, { signal }).catch(() => {});
    againInMs = Math.min(againInMs * 2, restart.mostMs);
  }
};

/** Resolves to how it ended, when it has ended and all it said was heard. */
const once = (
  { command: [file, ...args], environment, heard, audited, started }: Program,
  signal: AbortSignal,
): Promise<string> =>
  new Promise((resolve) => {
    // A session of its own, so that the terminal's ^C reaches the supervisor only. Its stdin is a pipe that nothing is
    // written to: at its end the program knows that the supervisor is gone.
    const child = spawn(file, args, {
      detached: true,
      env: { ...process.env, ...environment },
      stdio: ["pipe", "pipe", "pipe", audited ? "pipe" : "ignore"],
    });
    const [, stdout, stderr, audit] = child.stdio;
    let kill: NodeJS.Timeout | undefined;
    const end = () => {
      child.kill("SIGTERM");
      kill = setTimeout(() => child.kill("SIGKILL"), restart.endMs);
    };
    signal.addEventListener("abort", end, { once: true });
    const done = (how: string) => {
      signal.removeEventListener("abort", end);
      clearTimeout(kill);
      resolve(how);
    };
    eachLine(stdout, (line) => heard(line, "stdout"));
    eachLine(stderr, (line) => heard(line, "stderr"));
    if (audited) eachLine(audit, audited);
    if (child.pid !== undefined) started(child.pid);
    child.on("error", (error) => done(error.message));
    // A process the program left behind may hold its output open: what is heard shortly after its end is enough.
    child.on("exit", () => setTimeout(() => [stdout, stderr, audit].map((stream) => stream?.destroy()), 200));
    child.on("close", (code, by) => done(by ?? `exit ${code}`));
  });

const eachLine = (stream: unknown, heard: (line: string) => void): void => {
  if (stream instanceof Readable) createInterface({ input: stream, crlfDelay: Infinity }).on("line", heard);
};
