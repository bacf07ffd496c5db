import type { Snapshot, SnapshotState, SnapshotTierStatus } from "@aws-sdk/client-ec2";
import type { FilePart } from "#images/image-bytes.ts";
import type { Expectation } from "#store/store.ts";
import { snapshotNotAuthorized, snapshotNotFound } from "../errors.ts";
import { matchingNothing, type FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { inBin, type InBin } from "../recycle-bin/recycle-bin.ts";
import { describeTags } from "../tag/tag.ts";
import type { Encryption } from "../volume/encryption.ts";
import type { VolumeRecord } from "../volume/volume.ts";
import type { SnapshotLock } from "./snapshot-lock.ts";

/**
 * One EBS snapshot. Operations write what is wanted; the reconciler on its host makes it so.
 *
 *     pending → completed        pending → error
 *     any → gone
 */
export interface SnapshotRecord extends ResourceRecord {
  readonly id: `snap-${string}`;
  /** The host that keeps its bytes. */
  readonly hostId: string;
  /**
   * The volume whose bytes it holds; a copy, which EC2 tells no volume of, has the other snapshot, or the image whose files it is of;
   * an imported one the id of its file, one that is restored where its bytes are stored, and one that is written block by block what of
   * that is wanted.
   */
  readonly of:
    | { readonly volumeId: string }
    | { readonly copy: string }
    | { readonly imageId: string }
    | { readonly file: string }
    | { readonly stored: StoredBytes }
    | { readonly written: WrittenSnapshot };
  readonly sizeGiB: number;
  readonly description: string;
  /** The image that its volume was made of, or what that was made of. */
  readonly image?: VolumeRecord["image"];
  /** Absent: its bytes are as they were written. */
  readonly encryption?: Encryption;
  /** The id of the first of those that one request made of an instance's volumes: they are of one moment. */
  readonly together: string;
  /** It waits until its volume's machine is off, which is not started again before. */
  readonly whileOff?: true;
  /** Account ids that may make volumes of it, or `everybody`. */
  readonly sharedWith?: readonly string[];
  readonly lock?: SnapshotLock;
  readonly bin?: InBin;
  /** For its owner it is gone. */
  readonly deleting?: true;
  readonly clientToken?: string;
  /**
   * Written by the reconciler: its bytes are kept, since when; or could not be, and why. `begun`: blocks can be written, what is
   * restored was fetched, or the moment was that several machines had to be told of. `take`: how often that had to be another.
   */
  readonly so: {
    readonly begun?: true;
    readonly take?: number;
    readonly completedAt?: string;
    readonly failed?: string;
  };
}

/** A qcow2 file within an object. */
export interface StoredBytes {
  /** An `s3:` URL. */
  readonly source: string;
  readonly part: FilePart;
}

/** By EBS's direct APIs. */
export interface WrittenSnapshot {
  /** What it holds where nothing is written; absent: zeros. */
  readonly parent?: string;
  /** After the last block, or without any since it was started, it fails unless it is sealed. */
  readonly timeoutMinutes: number;
  /** No block is written any more; so many were. */
  readonly sealed?: number;
}

export const writtenOf = ({ of }: SnapshotRecord): WrittenSnapshot | undefined =>
  "written" in of ? of.written : undefined;

export const storedOf = ({ of }: SnapshotRecord): StoredBytes | undefined =>
  "stored" in of ? of.stored : undefined;

/** The disk that is nobody's, by way of which a snapshot of no volume is made. */
export const diskOf = (id: string): string => id.replace("snap-", "vol-");

/**
 * The disk driver's snapshots by way of which one is made of whose moment several machines have to be told: of every moment that was tried,
 * the last one first. A program may end when some have heard of it and others have not, and no snapshot of the driver's changes.
 */
export const takesOf = ({ id, so: { take = 0 } }: SnapshotRecord): readonly [string, ...string[]] => [
  `${id}-${take}`,
  ...Array.from({ length: take }, (_, n) => `${id}-${n}`),
];

/** The snapshot whose bytes another begins with, which stay until it has them. */
export const basisOf = ({ of }: SnapshotRecord): string | undefined =>
  "copy" in of ? of.copy : "written" in of ? of.written.parent : undefined;

/** As EC2 tells of a copy whose key cannot be used. */
export const keyNotAccessible = "Given key ID is not accessible";

export const isPending = ({ so }: SnapshotRecord): boolean =>
  so.completedAt === undefined && so.failed === undefined;

export function snapshotState(snapshot: SnapshotRecord): SnapshotState {
  if (snapshot.so.failed !== undefined) return "error";
  return isPending(snapshot) ? "pending" : "completed";
}

export const volumeOf = ({ of }: SnapshotRecord): string | undefined =>
  "volumeId" in of ? of.volumeId : undefined;

export const everybody = "all";

/** Throws InvalidSnapshot.NotFound, and AuthFailure for one that another shares. */
export function findSnapshot(id: string, { records }: { readonly records: Ec2Records }): SnapshotRecord {
  const snapshot = records.get("snapshot", id);
  if (snapshot && isThere(snapshot)) return snapshot;
  throw sharedSnapshots(records).some((it) => it.id === id)
    ? snapshotNotAuthorized(id)
    : snapshotNotFound([id]);
}

/** One's own, or one that is shared. Throws InvalidSnapshot.NotFound. */
export const usableSnapshot = (id: string, context: { readonly records: Ec2Records }): SnapshotRecord =>
  sharedSnapshots(context.records).find((it) => it.id === id) ?? findSnapshot(id, context);

/** A snapshot as an account sees it. */
export interface SeenSnapshot extends SnapshotRecord {
  /** Of another account; absent: one's own. */
  readonly ownerId?: string;
}

/** Of other accounts. What they have for tags, and with whom else they share it, is theirs to know. */
export const sharedSnapshots = (records: Ec2Records): SeenSnapshot[] =>
  records
    .shared("snapshot")
    .filter(({ value }) => isThere(value))
    .map(({ ownerId, value: { sharedWith = [], ...snapshot } }) => ({
      ...snapshot,
      ownerId,
      sharedWith: sharedWith.filter((it) => it === everybody || it === records.accountId),
      tags: {},
    }));

/** One's own that may be described and used. */
export const snapshotsThere = (records: Ec2Records, ids?: readonly string[]): SnapshotRecord[] =>
  records.named("snapshot", ids).filter(isThere);

/** What is made of a snapshot expects this; else it could go before there is what needs it. */
export const snapshotStays = (id: string | undefined, records: Ec2Records): Expectation[] => {
  const entry = id === undefined ? undefined : records.whosever("snapshot", id);
  return entry ? [{ at: [entry.key, entry.revision] }] : [];
};

/** Neither deleted for good, nor in the recycle bin. */
export const isThere = ({ deleting, bin }: SnapshotRecord): boolean => !deleting && !bin;

/** What deleting makes of it: kept in the recycle bin as the account's rules say, or gone. What has no bytes is not kept. */
export function deleted(
  snapshot: SnapshotRecord,
  { records, now }: { readonly records: Ec2Records; readonly now: () => Date },
): SnapshotRecord {
  const hasNone =
    snapshot.so.failed !== undefined || ((writtenOf(snapshot) ?? storedOf(snapshot)) && isPending(snapshot));
  return (hasNone ? undefined : inBin("EBS_SNAPSHOT", snapshot, records, now())) ?? gone(snapshot);
}

export const gone = ({ bin: _, ...snapshot }: SnapshotRecord): SnapshotRecord => ({
  ...snapshot,
  tags: {},
  deleting: true,
});

/** Snapshots have no account in their ARNs. */
export const snapshotArn = (id: string, { region }: Pick<Scope, "region">) =>
  `arn:aws:ec2:${region}::snapshot/${id}`;

export const describeSnapshot = (snapshot: SeenSnapshot, { accountId }: Scope): Snapshot => ({
  SnapshotId: snapshot.id,
  VolumeId: volumeOf(snapshot) ?? noVolume,
  VolumeSize: snapshot.sizeGiB,
  OwnerId: snapshot.ownerId ?? accountId,
  Description: snapshot.description,
  Encrypted: snapshot.encryption !== undefined,
  KmsKeyId: snapshot.encryption?.keyArn,
  StartTime: new Date(snapshot.createdAt),
  State: snapshotState(snapshot),
  StateMessage: snapshot.so.failed,
  Progress: progress(snapshot),
  CompletionTime: snapshot.so.completedAt === undefined ? undefined : new Date(snapshot.so.completedAt),
  StorageTier: "standard",
  TransferType: "copy" in snapshot.of ? "standard" : undefined,
  Tags: describeTags(snapshot.tags),
});

export const describeTierStatus = (snapshot: SnapshotRecord, { accountId }: Scope): SnapshotTierStatus => ({
  SnapshotId: snapshot.id,
  VolumeId: volumeOf(snapshot) ?? noVolume,
  OwnerId: accountId,
  Status: snapshotState(snapshot),
  StorageTier: "standard",
  Tags: describeTags(snapshot.tags),
});

/** Nothing is copied, so there is nothing between. */
const progress = (snapshot: SnapshotRecord): string =>
  snapshotState(snapshot) === "completed" ? "100%" : "0%";

/** As EC2 shows copies. */
const noVolume = "vol-ffffffff";

export const snapshotFilters = ({ accountId }: Scope): FilterTable<SeenSnapshot> => ({
  ...matchingNothing("owner-alias"),
  description: (it) => it.description,
  encrypted: (it) => String(it.encryption !== undefined),
  "owner-id": (it) => it.ownerId ?? accountId,
  progress,
  "snapshot-id": (it) => it.id,
  "start-time": (it) => it.createdAt,
  status: snapshotState,
  "storage-tier": () => "standard",
  "transfer-type": (it) => ("copy" in it.of ? "standard" : undefined),
  "volume-id": (it) => volumeOf(it) ?? noVolume,
  "volume-size": (it) => String(it.sizeGiB),
});

export const tierFilters: FilterTable<SnapshotRecord> = {
  ...matchingNothing("last-tiering-operation"),
  "snapshot-id": (it) => it.id,
  "volume-id": (it) => volumeOf(it) ?? noVolume,
};
