import { Refusal } from "./command.ts";
import { commands } from "./commands.ts";
import { nearest } from "./nearest.ts";
import { say } from "./terminal.ts";

/** What other tools would have them called. */
const synonyms: Readonly<Record<string, string>> = { "--version": "version", up: "start" };

const main = async ([word = "help", ...args]: readonly string[]): Promise<number> => {
  if (["help", "--help", "-h"].includes(word)) return print(overview());
  const [, load] = commands[synonyms[word] ?? word] ?? unknown(word);
  const { command } = await load();
  // `aws`, `ssh` and `run` pass what follows on, so only a leading --help is ours.
  if (args[0] === "--help" || args[0] === "-h") return print(`usage: croft ${command.usage}\n`);
  return command.run(args);
};

const unknown = (word: string): never => {
  const guess = nearest(word, Object.keys(commands));
  throw new Refusal(
    `there is no "${word}"${guess ? `; did you mean "${guess}"?` : ""} (croft --help lists them)`,
  );
};

const overview = (): string =>
  [
    "usage: croft COMMAND [options]   (croft COMMAND --help for more)",
    "",
    ...Object.entries(commands).map(([word, [summary]]) => `  ${word.padEnd(12)}${summary}`),
    "",
  ].join("\n");

const print = (text: string): number => {
  process.stdout.write(text);
  return 0;
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  say(error.message);
  process.exitCode = error.exitCode;
}
