import { Refusal, type Command, type CommandTable } from "./command.ts";

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

${Object.entries(words)
  .map(([word, [summary]]) => `  ${word.padEnd(9)}${summary}`)
  .join("\n")}`,
  words,
  async run(given) {
    // Options may stand before the word too.
    const word = given.find((arg) => Object.hasOwn(words, arg)) ?? "";
    const [, load] = words[word] ?? [];
    if (!load) throw new Refusal(`what about images? croft image ${Object.keys(words).join(" or ")}`);
    const { command: chosen } = await load();
    const args = given.toSpliced(given.indexOf(word), 1);
    if (args[0] !== "--help" && args[0] !== "-h") return chosen.run(args);
    process.stdout.write(`usage: croft ${chosen.usage}\n`);
    return 0;
  },
};
