import { ExpectationFailed, type Store } from "#store/store.ts";
import { imageNameTaken } from "../errors.ts";
import { recordKey, type Scope } from "../records.ts";
import type { SnapshotRecord } from "../snapshot/snapshot.ts";
import { devicesOf } from "./image-device.ts";
import { imageNameClaim, type ImageRecord } from "./image.ts";

/**
 * Makes an imported image known to its owner's region, whose files are its own or, if it is given, become the snapshot; whether it did is sure when
 * this returns or throws. Throws `InvalidAMIName.Duplicate`.
 */
export async function recordImportedImage(
  image: Pick<ImageRecord, "id" | "name" | "description" | "architecture" | "bootMode" | "sizeGiB">,
  { accountId, region }: Scope,
  store: Store,
  now: Date,
  snapshot?: SnapshotRecord,
): Promise<void> {
  const record: ImageRecord = {
    ...image,
    ownerId: accountId,
    snapshotId: snapshot?.id ?? importedSnapshotId(image),
    rootDevice: "/dev/sda1",
    ...(!snapshot && { cacheEntry: image.id }),
    tags: {},
    createdAt: now.toISOString(),
  };
  const key = recordKey("image", { accountId, region }, image.id);
  const claim = recordKey("claim", { accountId, region }, imageNameClaim(image.name));
  const files = snapshot && {
    key: recordKey("snapshot", { accountId, region }, snapshot.id),
    value: snapshot,
  };
  const put = [
    { key, value: snapshot ? { ...record, devices: devicesOf(record) } : record },
    { key: claim, value: image.id },
    ...(files ? [files] : []),
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

/** Of the snapshot that it is made of, if only by name. */
export const importedSnapshotId = ({ id }: Pick<ImageRecord, "id">): `snap-${string}` =>
  `snap-${id.slice("ami-".length)}`;
