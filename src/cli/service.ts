import type { Command, CommandTable } from "./command.ts";
import { byFurtherWord, wordsUsage } from "./further-word.ts";

const words: CommandTable = {
  install: ["have systemd run the region, now and after each boot", () => import("./service-install.ts")],
  uninstall: ["have it do so no longer", () => import("./service-uninstall.ts")],
};

export const command: Command = {
  usage: `service WORD … (croft service WORD --help for more)

${wordsUsage(words)}`,
  words,
  run: byFurtherWord(words, `what about the service? croft service ${Object.keys(words).join(" or ")}`),
};
