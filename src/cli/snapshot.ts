import type { Command, CommandTable } from "./command.ts";
import { byFurtherWord, wordsUsage } from "./further-word.ts";

const words: CommandTable = {
  export: ["write a snapshot into a file", () => import("./snapshot-export.ts")],
  import: ["make a snapshot of a disk in a file, or at a URL", () => import("./snapshot-import.ts")],
};

export const command: Command = {
  usage: `snapshot WORD … (croft snapshot WORD --help for more)

${wordsUsage(words)}`,
  words,
  run: byFurtherWord(words, `what about snapshots? croft snapshot ${Object.keys(words).join(" or ")}`),
};
