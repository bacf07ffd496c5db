import type { CrossRegionCopyRule, Schedule } from "@aws-sdk/client-dlm";
import { ApiError } from "#api/error.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { copyImageOperations } from "../ec2/image/copy-image-operations.ts";
import { devicesOf, isEncrypted } from "../ec2/image/image-device.ts";
import { imageState, isOffered } from "../ec2/image/image.ts";
import { parseKey } from "../ec2/records.ts";
import { newSnapshotOperations } from "../ec2/snapshot/new-snapshot-operations.ts";
import { snapshotOperations } from "../ec2/snapshot/snapshot-operations.ts";
import { isThere, sharedSnapshots, snapshotState, type SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import { sourceRegion } from "../ec2/source-region.ts";
import { copiedTags, type Tags } from "../ec2/tag/tag.ts";
import { together } from "../ec2/together.ts";
import { isDescribed, isEventBased, sharedBy } from "./event-policy.ts";
import { asRole, requireForeignKeys } from "./foreign-key.ts";
import {
  isImagePolicy,
  nameOf,
  policyTags,
  schedulesOf,
  targetRegion,
  type DlmPolicyRecord,
  type FollowUp,
} from "./policy.ts";

/** What is to be done with what a schedule makes, by the transaction that makes it, once it is complete. */
export function followUpsOf(made: Transaction, schedule: Schedule, policy: DlmPolicyRecord): FollowUp[] {
  const kind = isImagePolicy(policy) ? "image" : "snapshot";
  const ids = (made.put ?? []).flatMap(({ key }) => {
    const parsed = parseKey(key);
    return parsed.kind === kind ? [parsed.id] : [];
  });
  return ids.flatMap((of) => [
    ...(schedule.ShareRules?.length ? [{ of, schedule: nameOf(schedule) }] : []),
    ...copiesOf(of, schedule),
  ]);
}

const copiesOf = (of: string, schedule: Schedule): FollowUp[] =>
  (schedule.CrossRegionCopyRules ?? []).map((rule) => ({
    of,
    schedule: nameOf(schedule),
    to: targetRegion(rule),
  }));

/**
 * The transaction that writes down what is shared with an event-based policy's account since it last looked, and to where that is to be copied.
 * Undefined: nothing is.
 */
export function noticed(
  policy: DlmPolicyRecord,
  write: (so: DlmPolicyRecord["so"]) => Transaction,
  context: Ec2Context,
): Transaction | undefined {
  const { details, so } = policy;
  if (!isEventBased(details)) return undefined;
  const all = sharedBy(details, context);
  const ids = all.map(({ id }) => id);
  const { shared: known = [], pending = [], error, ...rest } = so;
  if (ids.join() === known.join()) return undefined;
  const fresh = all.filter(({ id }) => !known.includes(id));
  try {
    const events = fresh.filter(({ description }) => isDescribed(details, description));
    const copies = events.flatMap(({ id }) => schedulesOf(policy).flatMap((it) => copiesOf(id, it)));
    const todo = [...pending, ...copies];
    // What was wrong is over when nothing of this time is.
    const stays = copies.length === 0 && error !== undefined && { error };
    return write({ ...rest, shared: ids, ...(todo.length > 0 && { pending: todo }), ...stays });
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    return write({ ...so, shared: ids, error: `${cause.code}: ${cause.message}` });
  }
}

/**
 * The transaction that does the next of what is to be done, and strikes it off by `write`; also one that cannot be done, which the policy then
 * says. Undefined: nothing is, or what there is to do waits for what is not complete.
 */
export function followedUp(
  policy: DlmPolicyRecord,
  write: (so: DlmPolicyRecord["so"]) => Transaction,
  context: Ec2Context,
): Transaction | undefined {
  const { pending = [], ...so } = policy.so;
  for (const next of pending) {
    const left = pending.filter((it) => it !== next);
    const without = left.length > 0 ? { ...so, pending: left } : so;
    const source = sourceOf(next, policy, context);
    if (source?.state === "pending") continue;
    const schedule = schedulesOf(policy).find((it) => nameOf(it) === next.schedule);
    if (!source || !schedule) return write(without);
    try {
      const done =
        next.to === undefined
          ? shared(next, schedule, context)
          : copied(next, next.to, source, schedule, policy, context);
      return done ? together(done, write(without)) : write(without);
    } catch (cause) {
      if (!(cause instanceof ApiError)) throw cause;
      return write({ ...without, error: `${next.of}: ${cause.code}: ${cause.message}` });
    }
  }
  return undefined;
}

interface Source {
  readonly state: "pending" | "complete";
  readonly name: string;
  readonly description: string;
  readonly tags: Tags;
  /** All of it. */
  readonly isEncrypted: boolean;
}

/** Undefined: it failed, or is gone. */
function sourceOf({ of }: FollowUp, policy: DlmPolicyRecord, { records }: Ec2Context): Source | undefined {
  if (isImagePolicy(policy)) {
    const image = records.get("image", of);
    const state = image && isOffered(image) ? imageState(image, records) : "failed";
    if (!image || (state !== "available" && state !== "pending")) return undefined;
    return {
      ...image,
      state: state === "pending" ? state : "complete",
      isEncrypted: devicesOf(image).every((it) => isEncrypted(it, records)),
    };
  }
  const snapshot = isEventBased(policy.details)
    ? sharedSnapshots(records).find(({ id }) => id === of)
    : records.get("snapshot", of);
  const state = snapshot && isThere(snapshot) ? snapshotState(snapshot) : "error";
  if (!snapshot || (state !== "completed" && state !== "pending")) return undefined;
  return {
    ...snapshot,
    name: "",
    state: state === "pending" ? state : "complete",
    isEncrypted: snapshot.encryption !== undefined,
  };
}

function shared({ of }: FollowUp, schedule: Schedule, context: Ec2Context): Transaction | undefined {
  const UserIds = (schedule.ShareRules ?? []).flatMap(({ TargetAccounts = [] }) => TargetAccounts);
  if (UserIds.length === 0) return undefined;
  const asked = {
    SnapshotId: of,
    Attribute: "createVolumePermission",
    OperationType: "add",
    UserIds,
  } as const;
  return snapshotOperations.ModifySnapshotAttribute.resolve(asked, context).transaction;
}

/** A key that a rule names encrypts what is encrypted anyway, too. */
function copied(
  { of }: FollowUp,
  to: string,
  source: Source,
  schedule: Schedule,
  policy: DlmPolicyRecord,
  context: Ec2Context,
): Transaction | undefined {
  const rule = schedule.CrossRegionCopyRules?.find((it) => targetRegion(it) === to);
  if (!rule) return undefined;
  const there = sourceRegion(to, asRole(policy, context));
  const asked = {
    SourceRegion: context.region,
    ...encryptionOf(rule, source),
    Description: source.description,
  };
  const { transaction = {}, touches } = isImagePolicy(policy)
    ? copyImageOperations.CopyImage.resolve({ ...asked, SourceImageId: of, Name: source.name }, there)
    : newSnapshotOperations.CopySnapshot.resolve({ ...asked, SourceSnapshotId: of }, there);
  requireForeignKeys(touches, there);
  const tags = { ...(rule.CopyTags ? copiedTags(source.tags) : {}), ...policyTags(policy, schedule) };
  return {
    ...transaction,
    put: (transaction.put ?? []).map(({ key, value }) => {
      const { kind } = parseKey(key);
      return kind === "image" || kind === "snapshot"
        ? { key, value: { ...(value as SnapshotRecord), tags } }
        : { key, value };
    }),
  };
}

const encryptionOf = ({ Encrypted, CmkArn }: CrossRegionCopyRule, source: Source) => ({
  ...(Encrypted && { Encrypted }),
  ...((Encrypted || source.isEncrypted) && CmkArn !== undefined && { KmsKeyId: CmkArn }),
});
