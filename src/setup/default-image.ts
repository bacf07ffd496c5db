import { Refusal } from "#cli/command.ts";
import { progress } from "#cli/terminal.ts";
import { defaultRecipe } from "#config.ts";
import { bakeImage, findBaked } from "#images/bake.ts";
import type { BakedImage } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";

/**
 * The image every region offers, baked with a progress bar when the cache has none of this recipe. Undefined when `signal`
 * aborts first; throws `Refusal` when it cannot be baked.
 */
export const setUpDefaultImage = async (
  cacheDir: string,
  signal = new AbortController().signal,
): Promise<BakedImage | undefined> => {
  const recipe = readRecipe(defaultRecipe);
  const baked = findBaked(cacheDir, recipe);
  if (baked) return baked;
  const shown = progress(`baking ${recipe.name}, once`);
  try {
    return await bakeImage(recipe, { cacheDir, progress: shown.show, signal, date: new Date() });
  } catch (error) {
    if (signal.aborted) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new Refusal(
      `the image ${recipe.name} could not be baked: ${why}\nOnce that is mended, run the same again`,
      1,
    );
  } finally {
    shown.end();
  }
};
