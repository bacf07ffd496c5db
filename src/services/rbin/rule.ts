import type { Ec2Records, ResourceRecord, Scope } from "../ec2/records.ts";
import type { Tags } from "../ec2/tag/tag.ts";
import { ruleNotFound } from "./errors.ts";
import type { LockState, ResourceTag, ResourceType, UnlockRuleResponse } from "./sdk.generated.ts";

/**
 * One retention rule of the recycle bin, in force from its creation.
 *
 *     never locked → locked → pending_unlock → unlocked → locked …
 */
export interface RbinRuleRecord extends ResourceRecord {
  readonly resourceType: ResourceType;
  readonly days: number;
  readonly description: string;
  /** It keeps what has any of these; none: whatever is in the region. */
  readonly resourceTags: readonly ResourceTag[];
  /** Of a region-level rule: it does not keep what has any of these. */
  readonly excludeTags: readonly ResourceTag[];
  /** `endsAt`: it was unlocked, and can be changed from then on. ISO 8601, UTC. */
  readonly lock?: { readonly delayDays: number; readonly endsAt?: string };
}

/** Undefined: it was never locked. */
export function lockState({ lock }: RbinRuleRecord, now: Date): LockState | undefined {
  if (!lock) return undefined;
  if (lock.endsAt === undefined) return "locked";
  return now.toISOString() < lock.endsAt ? "pending_unlock" : "unlocked";
}

/** Whether it keeps what is deleted with these tags. */
export const keeps = ({ resourceTags, excludeTags }: RbinRuleRecord, tags: Tags): boolean =>
  (resourceTags.length === 0 || hasAny(tags, resourceTags)) && !hasAny(tags, excludeTags);

const hasAny = (tags: Tags, wanted: readonly ResourceTag[]): boolean =>
  wanted.some(
    ({ ResourceTagKey: key = "", ResourceTagValue: value = "" }) =>
      Object.hasOwn(tags, key) && tags[key] === value,
  );

/** Throws ResourceNotFoundException. */
export function findRule(id: string, records: Ec2Records): RbinRuleRecord {
  const rule = records.get("rbin-rule", id);
  if (!rule) throw ruleNotFound(id);
  return rule;
}

export const ruleArn = (id: string, { accountId, region }: Scope): string =>
  `arn:aws:rbin:${region}:${accountId}:rule/${id}`;

export function describeRule(
  rule: RbinRuleRecord,
  { now, ...scope }: Scope & { readonly now: () => Date },
): UnlockRuleResponse {
  const { id, days, description, resourceType, resourceTags, excludeTags, lock } = rule;
  const state = lockState(rule, now());
  return {
    Identifier: id,
    Description: description,
    ResourceType: resourceType,
    RetentionPeriod: { RetentionPeriodValue: days, RetentionPeriodUnit: "DAYS" },
    ResourceTags: [...resourceTags],
    ExcludeResourceTags: [...excludeTags],
    Status: "available",
    LockConfiguration: lock && {
      UnlockDelay: { UnlockDelayValue: lock.delayDays, UnlockDelayUnit: "DAYS" },
    },
    LockState: state,
    LockEndTime: state === "pending_unlock" && lock?.endsAt ? new Date(lock.endsAt) : undefined,
    RuleArn: ruleArn(id, scope),
  };
}
