import type { Schedule } from "@aws-sdk/client-dlm";
import { ApiError } from "#api/error.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { imageOperations } from "../ec2/image/image-operations.ts";
import { imageState, offeredImages } from "../ec2/image/image.ts";
import { newSnapshotOperations } from "../ec2/snapshot/new-snapshot-operations.ts";
import { snapshotsThere, snapshotState, volumeOf } from "../ec2/snapshot/snapshot.ts";
import type { Tags } from "../ec2/tag/tag.ts";
import { isImagePolicy, policyTags, tooOldBefore, type DlmPolicyRecord } from "./policy.ts";

/**
 * The transaction that takes away the next snapshot or image that a schedule keeps no longer, of those that it made itself; undefined: there
 * is none. What is locked, protected or in use stays until it is not.
 */
export function expiryOf(
  policy: DlmPolicyRecord,
  schedule: Schedule,
  context: Ec2Context,
): Transaction | undefined {
  const retain = schedule.RetainRule ?? {};
  const before = tooOldBefore(retain, context.now());
  const made = isImagePolicy(policy)
    ? imagesOf(policy, schedule, context)
    : snapshotsOf(policy, schedule, context);
  for (const group of Map.groupBy(made, ({ of }) => of).values()) {
    const newestFirst = group.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    const excess =
      before === undefined
        ? newestFirst.slice(retain.Count ?? newestFirst.length)
        : newestFirst.filter(({ createdAt }) => createdAt < before);
    for (const { remove } of excess.toReversed()) {
      const removal = unlessRefused(remove);
      if (removal) return removal;
    }
  }
  return undefined;
}

interface Made {
  /** The volume or the instance: each has its own count. */
  readonly of: string;
  readonly createdAt: string;
  readonly remove: () => { readonly transaction?: Transaction };
}

const isOf = (policy: DlmPolicyRecord, schedule: Schedule) => {
  const wanted = Object.entries(policyTags(policy, schedule));
  return ({ tags }: { readonly tags: Tags }) => wanted.every(([key, value]) => tags[key] === value);
};

/** What failed, or is not made yet, does not count. */
const snapshotsOf = (policy: DlmPolicyRecord, schedule: Schedule, context: Ec2Context): Made[] =>
  snapshotsThere(context.records)
    .filter(isOf(policy, schedule))
    .filter((it) => snapshotState(it) === "completed")
    .map((it) => ({
      of: volumeOf(it) ?? "",
      createdAt: it.createdAt,
      remove: () => newSnapshotOperations.DeleteSnapshot.resolve({ SnapshotId: it.id }, context),
    }));

const imagesOf = (policy: DlmPolicyRecord, schedule: Schedule, context: Ec2Context): Made[] =>
  offeredImages(context.records)
    .filter(isOf(policy, schedule))
    .filter((it) => imageState(it, context.records) === "available")
    .map((it) => ({
      of: it.source?.instanceId ?? "",
      createdAt: it.createdAt,
      remove: () =>
        imageOperations.DeregisterImage.resolve({ ImageId: it.id, DeleteAssociatedSnapshots: true }, context),
    }));

function unlessRefused(remove: Made["remove"]): Transaction | undefined {
  try {
    return remove().transaction;
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
