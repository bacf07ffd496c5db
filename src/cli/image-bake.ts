import { layout, recipesDir } from "#config.ts";
import { findRecipe, type Recipe, RecipeRefused } from "#images/recipe.ts";
import { providedImageIds } from "#services/ec2/image/provided-image.ts";
import { reportImage } from "#services/host/host-reports.ts";
import { packagesFor } from "#setup/debian-packages.ts";
import { setUpImage } from "#setup/default-image.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import { Refusal, interruption, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printId } from "./json.ts";
import { requireRunning } from "./running-region.ts";

const options = { ...dataDirOption, ...jsonOption, yes: { type: "boolean", default: false } } as const;

export const command: Command = {
  usage: `image bake [options] RECIPE

Makes an image of the region from Debian's packages, unless this host has baked that very recipe, and prints its id. A recipe
is a folder, or the name of one that Croft provides: debian-12, debian-12-arm64, debian-12-tools. The region is to be running.

  --yes              install missing Debian packages without asking
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const recipe = recipeNamed(onlyArgument(positionals, "which recipe? croft image bake RECIPE"));
    const dataDir = readDataDir(values["data-dir"]);
    const settings = requireSettings(dataDir);
    if (settings.machines === "fake") throw new Refusal("a region of fake machines has one fake image");
    requireRoot("to install Debian into a folder as its own root");
    const { cacheDir } = requireRunning(dataDir);

    await setUpPackages(packagesFor[recipe.architecture], values);
    const image = await setUpImage(recipe, cacheDir, interruption(), dataDir);
    if (!image) throw new Refusal("interrupted: nothing is baked", 1);
    const store = connectStore(layout(dataDir).storeSocket);
    try {
      await reportImage(image, settings, store);
    } finally {
      await store.close();
    }
    printId(values.json, providedImageIds(settings.region, image.recipe.hash).id);
    return 0;
  },
};

const recipeNamed = (named: string): Recipe => {
  try {
    return findRecipe(named, recipesDir);
  } catch (error) {
    throw error instanceof RecipeRefused ? new Refusal(error.message) : error;
  }
};
