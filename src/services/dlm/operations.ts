import type * as dlm from "@aws-sdk/client-dlm";
import type {
  CreateLifecyclePolicyRequest,
  PolicyDetails,
  UpdateLifecyclePolicyRequest,
} from "@aws-sdk/client-dlm";
import type { OperationPlan, OperationsOf, TouchedResource } from "#api/operation.ts";
import type { Ec2Context } from "../ec2/context.ts";
import { byArn } from "../iam/holder.ts";
import { besideDetails, isDefault } from "./default-policy.ts";
import { invalidRequest, policyNotFound, tooManyDefaults, tooManyPolicies } from "./errors.ts";
import { beginning } from "./event-policy.ts";
import { checkedDetails } from "./policy-details.ts";
import { describePolicy, findPolicy, policyArn, policyState, type DlmPolicyRecord } from "./policy.ts";

interface PolicyPlan extends OperationPlan {
  readonly policy: DlmPolicyRecord;
}

/** Every operation of Data Lifecycle Manager. */
export const dlmOperations = {
  CreateLifecyclePolicy: {
    resolve(input, context): PolicyPlan {
      const details = checkedDetails(askedDetails(input), context);
      const claims = defaultClaim(details, context);
      if (context.records.all("dlm-policy").length >= MOST_POLICIES) throw tooManyPolicies(MOST_POLICIES);
      const now = context.now().toISOString();
      const policy: DlmPolicyRecord = {
        id: context.newId("policy"),
        description: described(input.Description),
        enabled: input.State === "ENABLED",
        roleArn: input.ExecutionRoleArn,
        details,
        tags: checkedTags(input.Tags ?? {}),
        createdAt: now,
        modifiedAt: now,
        from: now,
        so: beginning(details, context),
      };
      const key = context.records.key("dlm-policy", policy.id);
      return {
        touches: [touched(policy, context), passing(policy.roleArn, context)],
        transaction: {
          expect: [{ absent: key }, ...claims.map((claim) => ({ absent: claim }))],
          put: [{ key, value: policy }, ...claims.map((claim) => ({ key: claim, value: policy.id }))],
        },
        policy,
      };
    },
    answer: ({ policy }: PolicyPlan) => ({ PolicyId: policy.id }),
  },

  GetLifecyclePolicy: {
    resolve({ PolicyId: id }, context): PolicyPlan {
      const policy = findPolicy(id, context.records);
      return { touches: [touched(policy, context)], policy };
    },
    answer: ({ policy }: PolicyPlan, context) => ({ Policy: describePolicy(policy, context) }),
  },

  GetLifecyclePolicies: {
    resolve(input, { records }): OperationPlan & { policies: DlmPolicyRecord[] } {
      const { PolicyIds: ids, State, ResourceTypes, TargetTags, TagsToAdd, DefaultPolicyType } = input;
      const unknown = ids?.find((id) => !records.get("dlm-policy", id));
      if (unknown !== undefined) throw policyNotFound(unknown);
      const has = (wanted: readonly string[] | undefined, tags: readonly dlm.Tag[]) =>
        !wanted?.length || tags.some(({ Key, Value }) => wanted.includes(`${Key}=${Value}`));
      const policies = records
        .named("dlm-policy", ids)
        .filter(
          (it) =>
            (DefaultPolicyType === undefined ||
              (isDefault(it.details) && ["ALL", it.details.ResourceType].includes(DefaultPolicyType))) &&
            (State === undefined || policyState(it) === State) &&
            (!ResourceTypes?.length ||
              ResourceTypes.some((type) => it.details.ResourceTypes?.includes(type)) ||
              ResourceTypes.some((type) => it.details.ResourceType === type)) &&
            has(TargetTags, it.details.TargetTags ?? []) &&
            has(TagsToAdd, it.details.Schedules?.flatMap((schedule) => schedule.TagsToAdd ?? []) ?? []),
        );
      return { touches: [], policies };
    },
    answer: ({ policies }: { policies: DlmPolicyRecord[] }) => ({
      Policies: policies.map((it) => ({
        PolicyId: it.id,
        Description: it.description,
        State: policyState(it),
        Tags: it.tags,
        PolicyType: it.details.PolicyType,
        DefaultPolicy: isDefault(it.details),
      })),
    }),
  },

  /** Schedules that change, and a policy that is enabled, begin from now. */
  UpdateLifecyclePolicy: {
    resolve(input, context): OperationPlan {
      const before = findPolicy(input.PolicyId, context.records);
      const asked = changedDetails(before.details, input);
      const enabled = input.State === undefined ? before.enabled : input.State === "ENABLED";
      const now = context.now().toISOString();
      const anew = (enabled && !before.enabled) || asked !== undefined;
      const { run: _, ...rested } = before.so;
      const details = asked ? updatedDetails(before.details, asked, context) : before.details;
      const policy: DlmPolicyRecord = {
        ...before,
        enabled,
        description: input.Description === undefined ? before.description : described(input.Description),
        roleArn: input.ExecutionRoleArn ?? before.roleArn,
        details,
        modifiedAt: now,
        ...(anew && {
          from: now,
          so: { ...(before.so.pending && { pending: before.so.pending }), ...beginning(details, context) },
        }),
        ...(!enabled && { so: rested }),
      };
      return {
        touches: [
          touched(before, context),
          ...(input.ExecutionRoleArn === undefined ? [] : [passing(input.ExecutionRoleArn, context)]),
        ],
        transaction: context.records.rewrite("dlm-policy", policy),
      };
    },
    answer: () => ({}),
  },

  /** What it made stays. */
  DeleteLifecyclePolicy: {
    resolve({ PolicyId: id }, context): OperationPlan {
      const policy = findPolicy(id, context.records);
      const { expect, put } = context.records.rewrite("dlm-policy", policy);
      return {
        touches: [touched(policy, context)],
        transaction: {
          expect,
          delete: [...put.map(({ key }) => key), ...defaultClaim(policy.details, context, policy.id)],
        },
      };
    },
    answer: () => ({}),
  },

  TagResource: {
    resolve: ({ ResourceArn: arn, Tags: tags }, context) =>
      retagged(arn, context, (before) => checkedTags({ ...before, ...checkedTags(tags) })),
    answer: () => ({}),
  },

  UntagResource: {
    resolve: ({ ResourceArn: arn, TagKeys: keys }, context) =>
      retagged(arn, context, (before) =>
        Object.fromEntries(Object.entries(before).filter(([key]) => !keys.includes(key))),
      ),
    answer: () => ({}),
  },

  ListTagsForResource: {
    resolve({ ResourceArn: arn }, context): PolicyPlan {
      const policy = policyOf(arn, context);
      return { touches: [touched(policy, context)], policy };
    },
    answer: ({ policy }: PolicyPlan) => ({ Tags: policy.tags }),
  },
} satisfies OperationsOf<typeof dlm, Ec2Context>;

const MOST_POLICIES = 100;

/** Of a default policy the request has what it says in `PolicyDetails`, or beside it, and not both. */
function askedDetails(input: CreateLifecyclePolicyRequest): PolicyDetails {
  const beside = besideDetails(input);
  const { DefaultPolicy: type, PolicyDetails: details } = input;
  if (details && Object.keys(beside).length > 0) throw saidTwice();
  if (type === undefined) {
    if (!details) throw invalidRequest("PolicyDetails is missing.");
    return details;
  }
  if (details && (!isDefault(details) || (details.ResourceType ?? type) !== type))
    throw invalidRequest(`PolicyDetails is not that of a default policy for ${type}.`);
  return { ...details, ...beside, PolicyLanguage: "SIMPLIFIED", ResourceType: type };
}

/** Undefined: they stay. */
function changedDetails(
  before: PolicyDetails,
  input: UpdateLifecyclePolicyRequest,
): PolicyDetails | undefined {
  const beside = besideDetails(input);
  if (Object.keys(beside).length === 0) return input.PolicyDetails;
  if (input.PolicyDetails) throw saidTwice();
  if (!isDefault(before))
    throw invalidRequest(`${Object.keys(beside).join(", ")}: only of default policies.`);
  return { ...before, ...beside };
}

const saidTwice = () =>
  invalidRequest("What a default policy says is in PolicyDetails or beside it, and not in both.");

/** There is one for volumes and one for instances. Throws LimitExceededException for another's. */
function defaultClaim(
  { ResourceType: type, ...details }: PolicyDetails,
  { records }: Ec2Context,
  id?: string,
): string[] {
  if (!isDefault(details) || type === undefined) return [];
  const name = `dlm-default/${type}`;
  const holder = records.claimed(name);
  if (holder !== undefined && holder !== id) throw tooManyDefaults(type);
  return [records.key("claim", name)];
}

/** A policy stays of its type. */
function updatedDetails(before: PolicyDetails, details: PolicyDetails, context: Ec2Context): PolicyDetails {
  const like = isDefault(before) ? before : { PolicyType: before.PolicyType };
  const after = checkedDetails({ ...like, ...details }, context);
  if (after.PolicyType !== before.PolicyType || isDefault(after) !== isDefault(before))
    throw invalidRequest("A policy's PolicyType cannot be changed.");
  return after;
}

function described(text: string): string {
  if (!/^[0-9A-Za-z _-]{1,500}$/.test(text))
    throw invalidRequest("Description has 1 to 500 letters, digits, spaces, hyphens and underscores.");
  return text;
}

function checkedTags(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(tags);
  if (entries.length > 50) throw invalidRequest("A policy has at most 50 tags.");
  for (const [key, value] of entries)
    if (!key || key.length > 128 || value.length > 256 || key.toLowerCase().startsWith("aws:"))
      throw invalidRequest(
        "Tag keys have 1 to 128 characters and do not begin with 'aws:'; values have at most 256 characters.",
      );
  return tags;
}

const touched = ({ id, tags }: DlmPolicyRecord, context: Ec2Context): TouchedResource => ({
  arn: policyArn(id, context),
  tags,
});

/** The role is one of the account's. */
function passing(arn: string, context: Ec2Context): TouchedResource {
  const role = byArn("iam-role", arn, context.records.iam);
  if (!role) throw invalidRequest(`Invalid role ARN: ${arn}: there is no such role in the account.`);
  return {
    arn,
    tags: role.tags,
    action: "iam:PassRole",
    keys: { "iam:PassedToService": "dlm.amazonaws.com" },
  };
}

function policyOf(arn: string, context: Ec2Context): DlmPolicyRecord {
  const id = arn.split("/").at(-1) ?? "";
  if (policyArn(id, context) !== arn) throw invalidRequest(`Invalid resource ARN: ${arn}`);
  return findPolicy(id, context.records);
}

function retagged(
  arn: string,
  context: Ec2Context,
  change: (before: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
): OperationPlan {
  const policy = policyOf(arn, context);
  return {
    touches: [touched(policy, context)],
    transaction: context.records.rewrite("dlm-policy", { ...policy, tags: change(policy.tags) }),
  };
}
