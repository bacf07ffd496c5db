import type { RetainRule, Schedule } from "@aws-sdk/client-dlm";
import { ApiError } from "#api/error.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { imageOperations } from "../ec2/image/image-operations.ts";
import { imageState, offeredImages, type ImageRecord } from "../ec2/image/image.ts";
import { changedImage } from "../ec2/image/own-image.ts";
import { isGone } from "../ec2/instance/instance.ts";
import { newSnapshotOperations } from "../ec2/snapshot/new-snapshot-operations.ts";
import { snapshotOperations } from "../ec2/snapshot/snapshot-operations.ts";
import { snapshotsThere, snapshotState, volumeOf } from "../ec2/snapshot/snapshot.ts";
import { sourceRegion } from "../ec2/source-region.ts";
import type { Tags } from "../ec2/tag/tag.ts";
import { volumesThere } from "../ec2/volume/volume.ts";
import { isDefault } from "./default-policy.ts";
import { isImagePolicy, policyTags, targetRegion, tooOldBefore, type DlmPolicyRecord } from "./policy.ts";

/**
 * The transaction that takes away the next snapshot or image, or copy of one in another region, that a schedule keeps no longer, of those
 * that it made itself; undefined: there is none. What is locked, protected or in use stays until it is not.
 */
export function expiryOf(
  policy: DlmPolicyRecord,
  schedule: Schedule,
  context: Ec2Context,
): Transaction | undefined {
  const made = isImagePolicy(policy) ? imagesOf : snapshotsOf;
  return first([
    ...excessOf(
      lastOfGoneKept(made(policy, schedule, context), policy, context),
      schedule.RetainRule,
      context,
    ),
    ...(schedule.CrossRegionCopyRules ?? []).flatMap((rule) => {
      const copies = made(policy, schedule, sourceRegion(targetRegion(rule), context));
      return excessOf(copies, rule.RetainRule, context);
    }),
  ]);
}

/** The transaction that deprecates the next image of the schedule, or copy of one, whose time has come. */
export function deprecationOf(
  policy: DlmPolicyRecord,
  schedule: Schedule,
  context: Ec2Context,
): Transaction | undefined {
  if (!isImagePolicy(policy)) return undefined;
  const fresh = (images: readonly MadeImage[]) =>
    images
      .filter(({ image }) => image.deprecationTime === undefined)
      .map((it) => ({ ...it, remove: it.deprecate }));
  return first([
    ...fresh(excessOf(imagesOf(policy, schedule, context), schedule.DeprecateRule, context)),
    ...(schedule.CrossRegionCopyRules ?? []).flatMap((rule) => {
      const copies = imagesOf(policy, schedule, sourceRegion(targetRegion(rule), context));
      return fresh(excessOf(copies, rule.DeprecateRule, context));
    }),
  ]);
}

/** The transaction that takes the next snapshot of the schedule from the accounts that it was shared with for a time. */
export function unsharingOf(
  policy: DlmPolicyRecord,
  schedule: Schedule,
  context: Ec2Context,
): Transaction | undefined {
  for (const { TargetAccounts = [], UnshareInterval, UnshareIntervalUnit } of schedule.ShareRules ?? []) {
    const before = tooOldBefore(
      { Interval: UnshareInterval, IntervalUnit: UnshareIntervalUnit },
      context.now(),
    );
    if (before === undefined) continue;
    for (const { id, createdAt, sharedWith = [] } of snapshotsThere(context.records).filter(
      isOf(policy, schedule),
    )) {
      const UserIds = sharedWith.filter((it) => TargetAccounts.includes(it));
      if (createdAt >= before || UserIds.length === 0) continue;
      const asked = {
        SnapshotId: id,
        Attribute: "createVolumePermission",
        OperationType: "remove",
        UserIds,
      } as const;
      return snapshotOperations.ModifySnapshotAttribute.resolve(asked, context).transaction;
    }
  }
  return undefined;
}

/** Of a volume or instance that is gone, a default policy leaves the last for good. */
function lastOfGoneKept(
  made: readonly Made[],
  { details }: DlmPolicyRecord,
  { records }: Ec2Context,
): readonly Made[] {
  if (!isDefault(details)) return made;
  const volumes = new Set<string>(volumesThere(records).map(({ id }) => id));
  const isThere = (of: string) => {
    const instance = records.get("instance", of);
    return volumes.has(of) || (instance !== undefined && !isGone(instance));
  };
  return [...Map.groupBy(made, ({ of }) => of)].flatMap(([of, group]) =>
    isThere(of) ? group : group.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(1),
  );
}

/** Oldest first: what is more than a rule's count for its volume or instance, or older than its interval. */
function excessOf<It extends Made>(
  made: readonly It[],
  rule: RetainRule | undefined,
  context: Ec2Context,
): It[] {
  const before = tooOldBefore(rule ?? {}, context.now());
  return [...Map.groupBy(made, ({ of }) => of).values()].flatMap((group) => {
    const newestFirst = group.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    const excess =
      before === undefined
        ? newestFirst.slice(rule?.Count ?? newestFirst.length)
        : newestFirst.filter(({ createdAt }) => createdAt < before);
    return excess.toReversed();
  });
}

function first(excess: readonly Made[]): Transaction | undefined {
  for (const { remove } of excess) {
    const removal = unlessRefused(remove);
    if (removal) return removal;
  }
  return undefined;
}

interface Made {
  /** The volume or the instance: each has its own count. */
  readonly of: string;
  readonly createdAt: string;
  readonly remove: () => { readonly transaction?: Transaction };
}

interface MadeImage extends Made {
  readonly image: ImageRecord;
  readonly deprecate: Made["remove"];
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

const imagesOf = (policy: DlmPolicyRecord, schedule: Schedule, context: Ec2Context): MadeImage[] =>
  offeredImages(context.records)
    .filter(isOf(policy, schedule))
    .filter((it) => imageState(it, context.records) === "available")
    .map((it) => ({
      image: it,
      of: it.source?.instanceId ?? "",
      createdAt: it.createdAt,
      deprecate: () =>
        changedImage(it.id, context, (image) => ({
          ...image,
          deprecationTime: new Date(60_000 * Math.floor(context.now().getTime() / 60_000)).toISOString(),
        })),
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
