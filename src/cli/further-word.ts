import { Refusal, type Command, type CommandTable } from "./command.ts";

/** Runs what the next word says, as in `croft image list`. Options may stand before the word too; `question` asks for it. */
export const byFurtherWord =
  (words: CommandTable, question: string): Command["run"] =>
  async (given) => {
    const word = given.find((arg) => Object.hasOwn(words, arg)) ?? "";
    const [, load] = words[word] ?? [];
    if (!load) throw new Refusal(question);
    const { command: chosen } = await load();
    const args = given.toSpliced(given.indexOf(word), 1);
    if (args[0] !== "--help" && args[0] !== "-h") return chosen.run(args);
    process.stdout.write(`usage: croft ${chosen.usage}\n`);
    return 0;
  };

export const wordsUsage = (words: CommandTable): string =>
  Object.entries(words)
    .map(([word, [summary]]) => `  ${word.padEnd(11)}${summary}`)
    .join("\n");
