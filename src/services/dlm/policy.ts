import type {
  CrossRegionCopyRule,
  LifecyclePolicy,
  PolicyDetails,
  RetainRule,
  Schedule,
} from "@aws-sdk/client-dlm";
import type { Ec2Records, ResourceRecord, Scope } from "../ec2/records.ts";
import { defaultSchedule, isDefault } from "./default-policy.ts";
import { actionSchedule, isEventBased } from "./event-policy.ts";
import { policyNotFound } from "./errors.ts";

/**
 * One lifecycle policy of Data Lifecycle Manager. Operations write what is wanted; the reconciler writes how far it has come.
 *
 *     ENABLED ⇄ DISABLED      ENABLED ⇄ ERROR: its last time could not be served, and why
 */
export interface DlmPolicyRecord extends ResourceRecord {
  readonly id: `policy-${string}`;
  readonly description: string;
  readonly enabled: boolean;
  readonly roleArn: string;
  readonly details: PolicyDetails;
  readonly modifiedAt: string;
  /** No time before it is served: when the policy was made, enabled, or its schedules changed. ISO 8601, UTC. */
  readonly from: string;
  readonly so: {
    /** The last time that was begun, by schedule. */
    readonly done: Readonly<Record<string, string>>;
    /** The time that is being served. */
    readonly run?: { readonly schedule: string; readonly at: string; readonly targets: readonly string[] };
    /** What an event-based policy knows to be shared with its account. */
    readonly shared?: readonly string[];
    /** What is to be done with what was made, or shared. */
    readonly pending?: readonly FollowUp[];
    readonly error?: string;
  };
}

export interface FollowUp {
  /** A snapshot or an image. */
  readonly of: string;
  readonly schedule: string;
  /** The region that it is to be copied to; absent: it is to be shared. */
  readonly to?: string;
}

/** Of snapshots `Target`, of images `TargetRegion`; earlier policies for snapshots have that too. */
export const targetRegion = ({ Target, TargetRegion }: CrossRegionCopyRule): string =>
  Target ?? TargetRegion ?? "";

export const schedulesOf = ({ details }: Pick<DlmPolicyRecord, "details">): readonly Schedule[] =>
  isDefault(details)
    ? [defaultSchedule(details)]
    : isEventBased(details)
      ? (details.Actions ?? []).map(actionSchedule)
      : (details.Schedules ?? []);

/** A schedule's name; one has it alone. */
export const nameOf = ({ Name }: Schedule): string => Name ?? "Schedule 1";

export const isImagePolicy = ({ details }: Pick<DlmPolicyRecord, "details">): boolean =>
  details.PolicyType === "IMAGE_MANAGEMENT";

/** By which a policy finds what it made; nobody else can write them. */
export const policyTags = (
  { id }: DlmPolicyRecord,
  schedule: Schedule,
): Readonly<Record<string, string>> => ({
  "aws:dlm:lifecycle-policy-id": id,
  "aws:dlm:lifecycle-schedule-name": nameOf(schedule),
  "aws:dlm:managed": "true",
});

/** Since when what a schedule made is too old; undefined: it goes by count. */
export function tooOldBefore(
  { Interval, IntervalUnit }: Pick<RetainRule, "Interval" | "IntervalUnit">,
  now: Date,
): string | undefined {
  if (!Interval || !IntervalUnit) return undefined;
  const date = new Date(now);
  if (IntervalUnit === "DAYS") date.setUTCDate(date.getUTCDate() - Interval);
  if (IntervalUnit === "WEEKS") date.setUTCDate(date.getUTCDate() - 7 * Interval);
  if (IntervalUnit === "MONTHS") date.setUTCMonth(date.getUTCMonth() - Interval);
  if (IntervalUnit === "YEARS") date.setUTCFullYear(date.getUTCFullYear() - Interval);
  return date.toISOString();
}

/** Throws ResourceNotFoundException. */
export function findPolicy(id: string, records: Ec2Records): DlmPolicyRecord {
  const policy = records.get("dlm-policy", id);
  if (!policy) throw policyNotFound(id);
  return policy;
}

export const policyArn = (id: string, { accountId, region }: Scope): string =>
  `arn:aws:dlm:${region}:${accountId}:policy/${id}`;

export const policyState = ({ enabled, so }: DlmPolicyRecord): "ENABLED" | "DISABLED" | "ERROR" =>
  !enabled ? "DISABLED" : so.error === undefined ? "ENABLED" : "ERROR";

export const describePolicy = (policy: DlmPolicyRecord, scope: Scope): LifecyclePolicy => ({
  PolicyId: policy.id,
  Description: policy.description,
  State: policyState(policy),
  StatusMessage: policyState(policy) === "ERROR" ? policy.so.error : policyState(policy),
  ExecutionRoleArn: policy.roleArn,
  DateCreated: new Date(policy.createdAt),
  DateModified: new Date(policy.modifiedAt),
  PolicyDetails: policy.details,
  Tags: policy.tags,
  PolicyArn: policyArn(policy.id, scope),
  DefaultPolicy: isDefault(policy.details),
});
