import { execFile } from "node:child_process";
import { inNamespace } from "./namespaces.ts";

export interface CommandOptions {
  /** Written to the command's standard input. */
  readonly input?: string;
  /** Default 30,000; then it is killed and fails. */
  readonly timeoutMs?: number;
  /** Where it runs; absent: where this process does. */
  readonly directory?: string;
  /** Name of the network namespace it runs in; absent: this process's own. */
  readonly namespace?: string;
}

/** What `file args…` printed. No shell is involved. Throws `CommandFailed`. */
export const run = (file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const { input = "", timeoutMs = 30_000, directory, namespace } = options;
    const start = () =>
      execFile(
        file,
        args,
        { timeout: timeoutMs, killSignal: "SIGKILL", cwd: directory, maxBuffer: 256 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error) reject(new CommandFailed([file, ...args], error.code ?? error.signal ?? null, stderr));
          else resolve(stdout);
        },
      );
    // A child belongs to the namespace its parent's thread is in when it forks: no `ip netns exec` and its mounts needed.
    const { stdin } = namespace === undefined ? start() : inNamespace(namespace, start);
    // A command that ends without reading its input says why by its exit code; the broken pipe adds nothing.
    stdin?.on("error", () => {});
    stdin?.end(input);
  });

export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly command: readonly string[];
  /** Exit code, or the signal or system error (`ENOENT`) that ended it. */
  readonly exitCode: number | string | null;
  readonly stderr: string;
  constructor(command: readonly string[], exitCode: number | string | null, stderr: string) {
    super(`${command.join(" ")}: ${exitCode}: ${stderr.trim()}`);
    this.command = command;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}
