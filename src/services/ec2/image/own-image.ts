import type { OperationPlan } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { imageNotAuthorized, imageNotFound } from "../errors.ts";
import { imageArn, isOffered, sharedImages, type ImageRecord } from "./image.ts";

/** Throws InvalidAMIID.NotFound, and AuthFailure for the image of another. */
export function ownImage(id: string, { records, accountId }: Ec2Context): ImageRecord {
  const image = records.get("image", id) ?? sharedImages(records).find((it) => it.id === id);
  if (!image || !isOffered(image)) throw imageNotFound([id]);
  if (image.ownerId !== accountId) throw imageNotAuthorized(id);
  return image;
}

/** Writes an image of one's own as `change` makes it. */
export function changedImage(
  id: string,
  context: Ec2Context,
  change: (image: ImageRecord) => ImageRecord,
): OperationPlan {
  const image = ownImage(id, context);
  return {
    touches: [{ arn: imageArn(id, context), tags: image.tags }],
    transaction: context.records.rewrite("image", change(image)),
  };
}
