import { Refusal } from "./command.ts";
import type { Command } from "./command.ts";
import { nearest } from "./nearest.ts";
import { say } from "./terminal.ts";

/** Every word of `croft …`, in the order that help shows them. A command's file is loaded when it is asked for. */
const commands: Record<string, readonly [summary: string, load: () => Promise<{ command: Command }>]> = {
  start: ["set up what is missing and run the region here", () => import("./start.ts")],
  env: ["print the export lines that point AWS clients at the region", () => import("./env.ts")],
  aws: ["run the aws CLI against the region", () => import("./aws.ts")],
  ssh: ["log into an instance", () => import("./ssh.ts")],
  image: ["bake, list and import images", () => import("./image.ts")],
  status: ["what is up, and what is being worked on", () => import("./status.ts")],
  doctor: ["what is not as it should be on this host, and what to do", () => import("./doctor.ts")],
  down: ["stop the region; its instances run on", () => import("./down.ts")],
  destroy: ["remove the region with all that is in it", () => import("./destroy.ts")],
  test: ["set up what is missing and run every test", () => import("./test.ts")],
  check: ["generated files, format, lint, types, unused code, unit tests", () => import("./check.ts")],
  soak: ["the long tests", () => import("./soak.ts")],
  run: ["run a file of this project with its own Node", () => import("./run.ts")],
  version: ["print the version", () => import("./version.ts")],
};

const main = async ([word = "help", ...args]: readonly string[]): Promise<number> => {
  if (["help", "--help", "-h"].includes(word)) return print(overview());
  const [, load] = commands[word === "--version" ? "version" : word] ?? unknown(word);
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
    ...Object.entries(commands).map(([word, [summary]]) => `  ${word.padEnd(9)}${summary}`),
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
