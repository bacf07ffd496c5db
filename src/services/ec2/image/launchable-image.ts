import type { Ec2Context } from "../context.ts";
import { imageNotFound, imageNotLaunchable } from "../errors.ts";
import { imageNamed } from "./image-alias.ts";
import { isUsable } from "./image-settings.ts";
import { imageState, type ImageRecord } from "./image.ts";

/** By its id or an alias. Throws InvalidAMIID.NotFound and InvalidAMIID.Unavailable. */
export function launchableImage(id: string, context: Ec2Context): ImageRecord {
  const image = imageNamed(id, context);
  if (!image || !isUsable(image, context)) throw imageNotFound([id]);
  if (imageState(image, context.records) !== "available") throw imageNotLaunchable(id);
  return image;
}
