import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface CommandOptions {
  /** Kills the command, which then fails. */
  readonly signal: AbortSignal;
  readonly input?: Buffer | string;
  /** Each line it prints, stderr's too. */
  readonly onLine?: (line: string) => void;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * What `file args…` printed to stdout. No shell is involved. Throws with its last lines when it fails, and when aborted only after
 * everything it started, and had its output in hand, is gone. However this program ends, the command ends with it.
 */
export const run = async (
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<Buffer> => {
  const { signal, input, onLine, environment } = options;
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", file, ...args], {
    signal,
    killSignal: "SIGKILL",
    env: { ...process.env, ...environment },
  });
  // A command that ends without reading its input says why by its exit code; the broken pipe adds nothing.
  child.stdin.on("error", () => {}).end(input);
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  const lastLines: string[] = [];
  for (const stream of onLine ? [child.stdout, child.stderr] : [child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      onLine?.(line);
      if (lastLines.push(line) > 20) lastLines.shift();
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.once("error", (error) => signal.aborted || reject(error));
    child.once("close", (code, killedBy) => {
      if (signal.aborted) reject(new DOMException(`${file} was interrupted`, "AbortError"));
      else if (code === 0) resolve();
      else reject(new Error(`${file} failed (${code ?? killedBy}):\n${lastLines.join("\n")}`));
    });
  });
  return Buffer.concat(output);
};
