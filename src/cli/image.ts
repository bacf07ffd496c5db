import { Refusal, type Command } from "./command.ts";

const words: Record<string, () => Promise<{ command: Command }>> = {
  bake: () => import("./image-bake.ts"),
  list: () => import("./image-list.ts"),
  import: () => import("./image-import.ts"),
};

export const command: Command = {
  usage: `image WORD … (croft image WORD --help for more)

  bake RECIPE        make an image of the region from Debian's packages
  list               the images of the region
  import FILE|URL    make an image of the region from a disk of another cloud's or distribution's`,
  async run([word = "", ...args]) {
    const load = words[word];
    if (!load) throw new Refusal(`croft image does ${Object.keys(words).join(", ")}, not "${word}"`);
    const { command: chosen } = await load();
    if (args[0] !== "--help" && args[0] !== "-h") return chosen.run(args);
    process.stdout.write(`usage: croft ${chosen.usage}\n`);
    return 0;
  },
};
