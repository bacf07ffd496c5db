import type { Expectation } from "#store/store.ts";
import { imageNotFound, snapshotInState, snapshotNotFound } from "../errors.ts";
import { imageStays, ownImages, type ImageRecord } from "../image/image.ts";
import type { Ec2Records } from "../records.ts";
import {
  isThere,
  snapshotState,
  snapshotStays,
  usableSnapshot,
  type SnapshotRecord,
} from "../snapshot/snapshot.ts";
import type { EncryptedSource } from "./encryption.ts";
import type { VolumeRecord } from "./volume.ts";

/** What a volume's first bytes are. */
export interface VolumeSource {
  /** The least that the volume may have, and has when nobody says. */
  readonly sizeGiB: number;
  /** What the volume notes of it. */
  readonly of: Pick<VolumeRecord, "image" | "snapshotId">;
  /** The host that keeps them; absent: every one does. */
  readonly hostId?: string;
  /** What its bytes are encrypted with. */
  readonly encrypted: EncryptedSource;
  /** What is made of it expects this. */
  readonly stays: readonly Expectation[];
}

/** A snapshot that the account has or is let use, or the files of an image of its own. Throws InvalidSnapshot.NotFound and IncorrectState. */
export function sourceOf(snapshotId: string, context: { readonly records: Ec2Records }): VolumeSource {
  const { records } = context;
  const image = ownImages(records).find((it) => it.cacheEntry !== undefined && it.snapshotId === snapshotId);
  return image
    ? sourceOfFiles(image, records)
    : sourceOfSnapshot(usableSnapshot(snapshotId, context), records);
}

/** Throws IncorrectState. */
export function sourceOfSnapshot(snapshot: SnapshotRecord, records: Ec2Records): VolumeSource {
  const state = snapshotState(snapshot);
  if (state !== "completed") throw snapshotInState(state);
  return {
    sizeGiB: snapshot.sizeGiB,
    of: { snapshotId: snapshot.id, ...(snapshot.image && { image: snapshot.image }) },
    hostId: snapshot.hostId,
    encrypted: {
      encryption: snapshot.encryption,
      isForeign: records.get("snapshot", snapshot.id) === undefined,
    },
    stays: snapshotStays(snapshot.id, records),
  };
}

/** What a volume of an image begins as: who may launch it needs no leave of its snapshots. */
export function sourceOfImage(image: ImageRecord, snapshotId: string, records: Ec2Records): VolumeSource {
  if (image.cacheEntry !== undefined) return sourceOfFiles(image, records);
  const source = sourceOfSnapshot(anybodys(snapshotId, records), records);
  return { ...source, stays: [...source.stays, ...imageStays(image.id, records)] };
}

/** What a volume began as, once more; undefined: blank. Throws InvalidSnapshot.NotFound and InvalidAMIID.NotFound when that is gone. */
export function sourceAgain(
  { image, snapshotId }: VolumeSource["of"],
  context: { readonly records: Ec2Records },
): VolumeSource | undefined {
  const { records } = context;
  if (snapshotId !== undefined) return sourceOfSnapshot(anybodys(snapshotId, records), records);
  if (!image) return undefined;
  const files = records.whosever("image", image.imageId)?.value;
  if (!files) throw imageNotFound([image.imageId]);
  return sourceOfFiles(files, records);
}

/** For what an image gives, or a volume had from it before. */
function anybodys(snapshotId: string, records: Ec2Records): SnapshotRecord {
  const snapshot = records.whosever("snapshot", snapshotId)?.value;
  if (!snapshot || !isThere(snapshot)) throw snapshotNotFound([snapshotId]);
  return snapshot;
}

const sourceOfFiles = ({ id, snapshotId, sizeGiB }: ImageRecord, records: Ec2Records): VolumeSource => ({
  sizeGiB,
  of: { image: { imageId: id, snapshotId } },
  encrypted: {},
  stays: imageStays(id, records),
});
