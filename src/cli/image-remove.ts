import { listBaked } from "#images/bake.ts";
import type { ImageRecord } from "#services/ec2/image/image.ts";
import { providedImageIds } from "#services/ec2/image/provided-image.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { BakedImageStays, removeBaked } from "#setup/remove-baked.ts";
import { Refusal, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { callEc2 } from "./region-api.ts";
import { regionImages } from "./region-images.ts";
import { jsonOption, jsonUsage, printId } from "./json.ts";
import { requireRunning } from "./running-region.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `image remove [options] NAME|ID

Takes an image away. An imported one as DeregisterImage does: its disk goes with the last volume made of it. A baked one from this
host, and so from all of its regions, unless a volume of any of them is made of it. The region is to be running.

${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const named = onlyArgument(positionals, "which image? croft image remove NAME|ID");
    const dataDir = readDataDir(values["data-dir"]);
    const { region, machines } = requireSettings(dataDir);
    if (machines === "fake") throw new Refusal("a region of fake machines keeps its one fake image");
    requireRoot("to remove what root made");
    const { cacheDir } = requireRunning(dataDir);

    const imported = (await regionImages(dataDir)).filter(isImported).map(({ id, name }) => ({
      id,
      name,
      remove: () => callEc2(dataDir, "DeregisterImage", { ImageId: id }),
    }));
    const baked = listBaked(cacheDir).map((image) => ({
      id: providedImageIds(region, image.recipe.hash).id,
      name: image.name,
      remove: () => removeBaked(cacheDir, image),
    }));
    const { id, name, remove } = theOne(named, [...imported, ...baked]);
    try {
      await remove();
    } catch (error) {
      throw error instanceof BakedImageStays
        ? new Refusal(`${name} (${id}) is not removed:\n${error.message}`, 1)
        : error;
    }
    printId(values.json, id);
    return 0;
  },
};

const isImported = ({ ownerId }: ImageRecord): boolean => ownerId !== undefined;

/** Throws `Refusal` when none, or more than one, is named so: an image baked again on the same day has the same name. */
const theOne = <Image extends { readonly id: string; readonly name: string }>(
  named: string,
  images: readonly Image[],
): Image => {
  const [image, ...others] = images.filter(({ id, name }) => named === id || named === name);
  if (!image) throw new Refusal(`no image "${named}": croft image list names those of the region`, 1);
  if (others.length > 0)
    throw new Refusal(`${named} is the name of ${[image, ...others].map(({ id }) => id).join(", ")}: which?`);
  return image;
};
