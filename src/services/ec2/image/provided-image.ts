import { createHash } from "node:crypto";
import type { ImageRecord, ProvidedImage } from "./image.ts";

/** An image that Croft provides has ids of its own in each region; they follow from its recipe, so they never change. */
export function providedImageIds(region: string, cacheEntry: string): Pick<ImageRecord, "id" | "snapshotId"> {
  const digits = (what: string) =>
    createHash("sha256").update(`${what} ${region} ${cacheEntry}`).digest("hex").slice(0, 16);
  return { id: `ami-0${digits("image")}`, snapshotId: `snap-0${digits("snapshot")}` };
}

/** The same image as another region knows it. */
export const imageInRegion = (image: ProvidedImage, region: string): ProvidedImage => ({
  ...image,
  ...providedImageIds(region, image.cacheEntry),
});
