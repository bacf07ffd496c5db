import { ExpectationFailed, type Store } from "#store/store.ts";
import { imageNameTaken } from "../errors.ts";
import { recordKey, type Scope } from "../records.ts";
import { imageNameClaim, type ImageRecord } from "./image.ts";

/** Makes an imported image known to its owner's region; whether it did is sure when this returns or throws. Throws `InvalidAMIName.Duplicate`. */
export async function recordImportedImage(
  image: Pick<ImageRecord, "id" | "name" | "description" | "architecture" | "bootMode" | "sizeGiB">,
  { accountId, region }: Scope,
  store: Store,
  now: Date,
): Promise<void> {
  const record: ImageRecord = {
    ...image,
    ownerId: accountId,
    snapshotId: `snap-${image.id.slice("ami-".length)}`,
    rootDevice: "/dev/sda1",
    cacheEntry: image.id,
    tags: {},
    createdAt: now.toISOString(),
  };
  const key = recordKey("image", { accountId, region }, image.id);
  const claim = recordKey("claim", { accountId, region }, imageNameClaim(image.name));
  const put = [
    { key, value: record },
    { key: claim, value: image.id },
  ];
  try {
    await store.commit({ expect: [{ absent: claim }], put });
  } catch (error) {
    // A commit whose answer was lost may have happened.
    const holder = (await store.get(claim))?.value;
    if (holder === image.id) return;
    throw error instanceof ExpectationFailed ? imageNameTaken(image.name, String(holder)) : error;
  }
}
