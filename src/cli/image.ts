import { Refusal, type Command } from "./command.ts";

const words: Record<string, () => Promise<{ command: Command }>> = {
  bake: () => import("./image-bake.ts"),
  list: () => import("./image-list.ts"),
  import: () => import("./image-import.ts"),
  remove: () => import("./image-remove.ts"),
};

export const command: Command = {
  usage: `image WORD … (croft image WORD --help for more)

  bake RECIPE        make an image of the region from Debian's packages
  list               the images of the region
  import FILE|URL    make an image of the region from a disk of another cloud's or distribution's
  remove NAME|ID     take an imported image from the region, or a baked one from this host`,
  async run(given) {
    // Options may stand before the word too.
    const word = given.find((arg) => Object.hasOwn(words, arg)) ?? "";
    const load = words[word];
    if (!load) throw new Refusal(`what about images? croft image ${Object.keys(words).join(" or ")}`);
    const { command: chosen } = await load();
    const args = given.toSpliced(given.indexOf(word), 1);
    if (args[0] !== "--help" && args[0] !== "-h") return chosen.run(args);
    process.stdout.write(`usage: croft ${chosen.usage}\n`);
    return 0;
  },
};
