import type { ImageRecord } from "#services/ec2/image/image.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { regionImages } from "./region-images.ts";
import { requireRunning } from "./running-region.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `image list [options]

Prints the images of the region that runs, oldest first, one a line: id, name, when it was made, least size of its root volume.

${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    const dataDir = readDataDir(values["data-dir"]);
    requireSettings(dataDir);
    requireRoot("to read the region's records");
    requireRunning(dataDir);
    const images = (await regionImages(dataDir)).toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
    if (values.json)
      printJson({
        images: images.map(({ id, name, createdAt, sizeGiB }) => ({ id, name, createdAt, sizeGiB })),
      });
    else process.stdout.write(imageLines(images));
    return 0;
  },
};

const imageLines = (images: readonly ImageRecord[]): string => {
  const width = Math.max(...images.map(({ name }) => name.length));
  return images
    .map((it) => `${it.id}  ${it.name.padEnd(width)}  ${it.createdAt}  ${it.sizeGiB} GiB\n`)
    .join("");
};
