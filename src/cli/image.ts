import type { Command, CommandTable } from "./command.ts";
import { byFurtherWord, wordsUsage } from "./further-word.ts";

const words: CommandTable = {
  bake: ["make an image of the region from Debian's packages", () => import("./image-bake.ts")],
  list: ["the images of the region", () => import("./image-list.ts")],
  import: [
    "make an image of the region from a disk of another cloud's or distribution's",
    () => import("./image-import.ts"),
  ],
  remove: [
    "take an imported image from the region, or a baked one from this host",
    () => import("./image-remove.ts"),
  ],
};

export const command: Command = {
  usage: `image WORD … (croft image WORD --help for more)

${wordsUsage(words)}`,
  words,
  run: byFurtherWord(words, `what about images? croft image ${Object.keys(words).join(" or ")}`),
};
