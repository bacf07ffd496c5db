import type { Expectation } from "#store/store.ts";
import { snapshotInState } from "../errors.ts";
import { imageStays, offeredImages, type ImageRecord } from "../image/image.ts";
import type { Ec2Records } from "../records.ts";
import { findSnapshot, snapshotState, snapshotStays } from "../snapshot/snapshot.ts";
import type { VolumeRecord } from "./volume.ts";

/** What a volume's first bytes are. */
export interface VolumeSource {
  /** The least that the volume may have, and has when nobody says. */
  readonly sizeGiB: number;
  /** What the volume notes of it. */
  readonly of: Pick<VolumeRecord, "image" | "snapshotId">;
  /** The host that keeps them; absent: every one does. */
  readonly hostId?: string;
  /** What is made of it expects this. */
  readonly stays: readonly Expectation[];
}

/** A snapshot of the account's own, or one that an image is launched from. Throws InvalidSnapshot.NotFound and IncorrectState. */
export function sourceOf(snapshotId: string, context: { readonly records: Ec2Records }): VolumeSource {
  const { records } = context;
  const image = offeredImages(records).find(
    (it) => it.cacheEntry !== undefined && it.snapshotId === snapshotId,
  );
  return image ? sourceOfFiles(image, records) : sourceOfSnapshot(snapshotId, context);
}

/** Throws InvalidSnapshot.NotFound and IncorrectState. */
export function sourceOfSnapshot(
  snapshotId: string,
  context: { readonly records: Ec2Records },
): VolumeSource {
  const { records } = context;
  const snapshot = findSnapshot(snapshotId, context);
  const state = snapshotState(snapshot);
  if (state !== "completed") throw snapshotInState(state);
  return {
    sizeGiB: snapshot.sizeGiB,
    of: { snapshotId: snapshot.id, ...(snapshot.image && { image: snapshot.image }) },
    hostId: snapshot.hostId,
    stays: snapshotStays(snapshot.id, records),
  };
}

/** What an image's root volume begins as. */
export function sourceOfImage(image: ImageRecord, context: { readonly records: Ec2Records }): VolumeSource {
  const { records } = context;
  if (image.cacheEntry !== undefined) return sourceOfFiles(image, records);
  const source = sourceOfSnapshot(image.snapshotId, context);
  return { ...source, stays: [...source.stays, ...imageStays(image.id, records)] };
}

const sourceOfFiles = ({ id, snapshotId, sizeGiB }: ImageRecord, records: Ec2Records): VolumeSource => ({
  sizeGiB,
  of: { image: { imageId: id, snapshotId } },
  stays: imageStays(id, records),
});
