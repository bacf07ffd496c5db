import type { Ec2Context } from "../context.ts";
import { pattern } from "../filters.ts";
import { offeredImages, type ImageRecord } from "./image.ts";

/** The image of this id; else the newest of those that the first fitting alias puts in its place. */
export function imageNamed(
  id: string,
  { records, imageAliases = [] }: Pick<Ec2Context, "records" | "imageAliases">,
): ImageRecord | undefined {
  const images = offeredImages(records);
  const own = images.find((it) => it.id === id);
  const alias = own ? undefined : imageAliases.find(({ ids }) => pattern(ids)(id));
  if (!alias) return own;
  return images
    .filter((it) => namesOf(it).includes(alias.image))
    .reduce<ImageRecord | undefined>(
      (newest, it) => (newest && newest.createdAt > it.createdAt ? newest : it),
      undefined,
    );
}

/** A baked image is also known by its recipe, of which one for a PC need not say its architecture. */
const namesOf = ({ id, name }: ImageRecord): string[] => {
  const recipe = name.replace(/-(\d{8}|fake)$/, "");
  return [id, name, recipe, recipe.replace(/-amd64$/, "")];
};
