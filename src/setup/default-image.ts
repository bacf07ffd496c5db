import { Refusal } from "#cli/command.ts";
import { progress } from "#cli/terminal.ts";
import { defaultRecipe } from "#config.ts";
import { bakeImage, findBaked } from "#images/bake.ts";
import type { BakedImage } from "#images/bake.ts";
import { readRecipe, type Recipe } from "#images/recipe.ts";
import { pruneBaked } from "./remove-baked.ts";

/** The image every region offers. */
export const setUpDefaultImage = (
  cacheDir: string,
  signal = new AbortController().signal,
): Promise<BakedImage | undefined> => setUpImage(readRecipe(defaultRecipe), cacheDir, signal);

/**
 * The image of `recipe`, for the region at `dataDir`, baked with a progress bar when the cache has none; those that the recipe made
 * before it changed go, if nothing needs them. Undefined when `signal` aborts first; throws
 * `Refusal` when it cannot be baked.
 */
export const setUpImage = async (
  recipe: Recipe,
  cacheDir: string,
  signal: AbortSignal,
  dataDir?: string,
): Promise<BakedImage | undefined> => {
  const baked = findBaked(cacheDir, recipe);
  if (baked) return baked;
  const shown = progress(`baking ${recipe.name}, once`);
  try {
    const image = await bakeImage(recipe, { cacheDir, progress: shown.show, signal, date: new Date() });
    await pruneBaked(cacheDir, image, dataDir);
    return image;
  } catch (error) {
    if (signal.aborted) return undefined;
    const said = error instanceof Error ? error.message : String(error);
    // Which of its commands was the first to notice is no news.
    const why = /ENOSPC|No space left on device/.test(said) ? `the disk with ${cacheDir} is full` : said;
    throw new Refusal(
      `the image ${recipe.name} could not be baked: ${why}\nOnce that is mended, run the same again`,
      1,
    );
  } finally {
    shown.end();
  }
};
