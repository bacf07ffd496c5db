import { resolve } from "node:path";
import { Refusal } from "./command.ts";
import type { Command } from "./command.ts";
import { become } from "./become.ts";

export const command: Command = {
  usage: "run FILE [argument…]\n\nRuns FILE (TypeScript or JavaScript) with Croft's own Node.",
  async run([file, ...args]) {
    if (!file) throw new Refusal("which file? croft run FILE [argument…]");
    return become(process.execPath, [resolve(file), ...args]);
  },
};
