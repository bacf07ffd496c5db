import { parseArgs } from "node:util";
import { entryFiles } from "#checkout.ts";
import type { ParseArgsOptionsConfig } from "node:util";
import { become, findCommand } from "./become.ts";
import { say } from "./terminal.ts";

/** One word of `croft …`: the file that carries it out exports this as `command`. */
export interface Command {
  /** What follows `croft` on the command line, then what the options mean. */
  readonly usage: string;
  /** What it gives to `readOptions`; those of commands that pass on what they do not know are their own. */
  readonly options?: ParseArgsOptionsConfig;
  /** When the next word chooses among commands of its own. */
  readonly words?: CommandTable;
  /** Resolves to the exit code. Throws `Refusal` for what the operator can mend. */
  run(args: readonly string[]): Promise<number>;
}

/** Commands by their word, in the order that help shows them. Their files are loaded when they are asked for. */
export type CommandTable = Readonly<
  Record<string, readonly [summary: string, load: () => Promise<{ command: Command }>]>
>;

/** Croft will not, or cannot yet: the message says what to do. Printed without a stack. */
export class Refusal extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** `util.parseArgs`, strict, whose complaints are refusals. */
export const readOptions = <const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  { positionals = false }: { positionals?: boolean } = {},
) => {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: positionals, strict: true });
  } catch (error) {
    throw new Refusal(error instanceof Error ? error.message : String(error));
  }
};

/**
 * For anyone else, sudo is asked for it, once, and runs the same command: nothing may have been changed before. Throws `Refusal`
 * where there is no sudo.
 */
export const requireRoot = (why: string): void => {
  if (process.getuid?.() === 0) return;
  const sudo = findCommand("sudo");
  if (!sudo) throw new Refusal(`needs root, ${why}, and there is no sudo here: run the same as root`);
  say(`needs root, ${why}: asking sudo`);
  const kept = proxies.filter((name) => process.env[name] !== undefined);
  const preserving = kept.length > 0 ? [`--preserve-env=${kept.join(",")}`] : [];
  become(sudo, [...preserving, "--", process.execPath, entryFiles.cli, ...process.argv.slice(2)]);
};

/** What Debian's packages are fetched by. */
const proxies = ["http", "https", "ftp", "no"].flatMap((kind) => [
  `${kind}_proxy`,
  `${kind.toUpperCase()}_PROXY`,
]);

/** The one argument that a command takes. `question` asks for it. */
export const onlyArgument = (positionals: readonly string[], question: string): string => {
  const [only, ...more] = positionals;
  if (only === undefined || more.length > 0) throw new Refusal(question);
  return only;
};

/** Aborts when the operator ends this program: ^C, SIGTERM, a terminal that is closed. */
export const interruption = (): AbortSignal => {
  const ending = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => ending.abort());
  return ending.signal;
};
