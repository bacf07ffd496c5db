import type { Command, CommandTable } from "./command.ts";
import { byFurtherWord, wordsUsage } from "./further-word.ts";

const words: CommandTable = {
  create: ["make an account, and its root's access key", () => import("./account-create.ts")],
  list: ["the accounts of the region", () => import("./account-list.ts")],
  key: ["make a new access key of an account's root", () => import("./account-key.ts")],
};

export const command: Command = {
  usage: `account WORD … (croft account WORD --help for more)

${wordsUsage(words)}`,
  words,
  run: byFurtherWord(words, `what about accounts? croft account ${Object.keys(words).join(" or ")}`),
};
