import type { Transaction } from "#store/store.ts";
import { clientTokenClaim } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { imageNameTaken, snapshotNotFound } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import { inBin, outOfBin } from "../recycle-bin/recycle-bin.ts";
import { isThere } from "../snapshot/snapshot.ts";
import { together } from "../together.ts";
import { devicesOf } from "./image-device.ts";
import { imageNameClaim, type ImageRecord } from "./image.ts";
import { claimed } from "./new-image.ts";

/** What deregistering makes of an image: kept in the recycle bin as the account's rules say, or gone. Its name is free either way. */
export function deregistered(image: ImageRecord, { records, now }: Ec2Context): Transaction {
  const { clientToken, ...free } = image;
  const claims = [
    imageNameClaim(image.name),
    ...(clientToken === undefined ? [] : [clientTokenClaim("CopyImage", clientToken)]),
  ].map((name) => records.key("claim", name));
  const kept = inBin("EC2_IMAGE", free, records, now());
  return together(kept ? records.rewrite("image", kept) : gone(free, records), { delete: claims });
}

/** One with files goes with the last volume or snapshot that was made of it. */
export function gone({ bin: _, ...image }: ImageRecord, records: Ec2Records): Transaction {
  const { expect, put } = records.rewrite("image", { ...image, tags: {}, deregistered: true });
  return image.cacheEntry === undefined ? { expect, delete: put.map(({ key }) => key) } : { expect, put };
}

/** Throws InvalidSnapshot.NotFound and InvalidAMIName.Duplicate. */
export function restoredImage(image: ImageRecord, { records }: Ec2Context): Transaction {
  const ids = image.cacheEntry === undefined ? devicesOf(image).flatMap((it) => it.snapshotId ?? []) : [];
  const missing = ids.filter((id) => {
    const snapshot = records.get("snapshot", id);
    return !snapshot || !isThere(snapshot);
  });
  if (missing.length > 0) throw snapshotNotFound(missing);
  const holder = records.claimed(imageNameClaim(image.name));
  if (holder !== undefined) throw imageNameTaken(image.name, holder);
  return together(records.rewrite("image", outOfBin(image)), claimed(image, records));
}
