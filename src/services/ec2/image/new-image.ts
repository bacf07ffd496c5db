import type { OperationPlan } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { imageNameTaken, invalidParameter, malformedImageName } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import { together } from "../together.ts";
import { imageNameClaim, snapshotsOf, type ImageRecord } from "./image.ts";

export interface NewImagePlan extends OperationPlan {
  readonly image: ImageRecord;
}

/** The parts of an image that a request names. Throws InvalidAMIName.Malformed and InvalidAMIName.Duplicate. */
export function toldOf(
  { Name: name, Description: description = "" }: { Name: string; Description?: string | undefined },
  { records }: Pick<Ec2Context, "records">,
): Pick<ImageRecord, "name" | "description"> {
  if (!/^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/.test(name)) throw malformedImageName();
  if (description.length > 255) throw invalidParameter("AMI descriptions have at most 255 characters.");
  const holder = records.claimed(imageNameClaim(name));
  if (holder !== undefined) throw imageNameTaken(name, holder);
  return { name, description };
}

export function imageMade(image: ImageRecord, { records }: Pick<Ec2Context, "records">): Transaction {
  const key = records.key("image", image.id);
  return together({ expect: [{ absent: key }], put: [{ key, value: image }] }, claimed(image, records));
}

/** What an image has to itself. Its snapshots are written as they are: whoever is deleting one of them has to look again. */
export function claimed(image: ImageRecord, records: Ec2Records): Transaction {
  const name = records.key("claim", imageNameClaim(image.name));
  const kept = snapshotsOf(image, records).map((it) => records.rewrite("snapshot", it));
  return together({ expect: [{ absent: name }], put: [{ key: name, value: image.id }] }, ...kept);
}
