import type { OperationPlan, OperationsOf, TouchedResource } from "#api/operation.ts";
import type { Ec2Context } from "../ec2/context.ts";
import type { Tags } from "../ec2/tag/tag.ts";
import { page } from "../iam/pagination.ts";
import { invalidPageToken, invalidParameter, quotaExceeded, ruleNotFound, wrongRuleState } from "./errors.ts";
import { checkPairQuota, checkRule, checkedTags } from "./rule-limits.ts";
import { describeRule, findRule, lockState, ruleArn, type RbinRuleRecord } from "./rule.ts";
import type { LockConfiguration, ResourceTag, Sdk } from "./sdk.generated.ts";

interface RulePlan extends OperationPlan {
  readonly rule: RbinRuleRecord;
}

/** Every operation of the Recycle Bin. */
export const rbinOperations = {
  CreateRule: {
    resolve(input, context): RulePlan {
      const { records } = context;
      if (records.all("rbin-rule").length >= MOST_RULES)
        throw quotaExceeded(`There are at most ${MOST_RULES} retention rules in a region.`);
      const rule: RbinRuleRecord = {
        id: newRuleId(context),
        resourceType: input.ResourceType,
        days: input.RetentionPeriod.RetentionPeriodValue ?? 0,
        description: input.Description ?? "",
        resourceTags: input.ResourceTags ?? [],
        excludeTags: input.ExcludeResourceTags ?? [],
        ...(input.LockConfiguration && { lock: { delayDays: delayOf(input.LockConfiguration) } }),
        tags: checkedTags({}, input.Tags ?? []),
        createdAt: context.now().toISOString(),
      };
      checkRule(rule);
      checkPairQuota(rule, records);
      const key = records.key("rbin-rule", rule.id);
      return {
        touches: [{ arn: ruleArn("*", context), keys: { "rbin:Request/ResourceType": input.ResourceType } }],
        transaction: { expect: [{ absent: key }], put: [{ key, value: rule }] },
        rule,
      };
    },
    answer({ rule }: RulePlan, context) {
      const { LockEndTime: _, ...told } = describeRule(rule, context);
      return { ...told, Tags: tagList(rule.tags) };
    },
  },

  GetRule: {
    resolve: ({ Identifier: id }, context): RulePlan => looked(named(id, context), context),
    answer: ({ rule }: RulePlan, context) => describeRule(rule, context),
  },

  ListRules: {
    resolve(input, { records, now }): ListPlan {
      const { ResourceType: type, LockState: state } = input;
      const wanted = records
        .all("rbin-rule")
        .filter(
          (it) =>
            it.resourceType === type &&
            (state === undefined || lockState(it, now()) === state) &&
            hasAll(it.resourceTags, input.ResourceTags) &&
            hasAll(it.excludeTags, input.ExcludeResourceTags),
        );
      const asked = { Marker: input.NextToken, MaxItems: input.MaxResults ?? 1000 };
      const { items, truncation } = page(wanted, ({ id }) => id, asked, invalidPageToken);
      return {
        touches: [{ arn: "*", keys: { "rbin:Request/ResourceType": type } }],
        rules: items,
        next: truncation.Marker,
      };
    },
    answer: ({ rules, next }: ListPlan, context) => ({
      Rules: rules.map((it) => {
        const { Identifier, Description, RetentionPeriod, LockState, RuleArn } = describeRule(it, context);
        return { Identifier, Description, RetentionPeriod, LockState, RuleArn };
      }),
      NextToken: next,
    }),
  },

  /** What is in the bin by then stays as long as it was to. */
  UpdateRule: {
    resolve(input, context): RulePlan {
      const before = changeable(input.Identifier, context);
      if (input.ResourceType !== undefined && input.ResourceType !== before.resourceType)
        throw invalidParameter("A retention rule's resource type cannot be changed.");
      const rule: RbinRuleRecord = {
        ...before,
        days: input.RetentionPeriod?.RetentionPeriodValue ?? before.days,
        description: input.Description ?? before.description,
        resourceTags: input.ResourceTags ?? before.resourceTags,
        excludeTags: input.ExcludeResourceTags ?? before.excludeTags,
      };
      checkRule(rule);
      checkPairQuota(rule, context.records);
      return rewritten(rule, context);
    },
    answer({ rule }: RulePlan, context) {
      const { LockConfiguration: _, ...told } = describeRule(rule, context);
      return told;
    },
  },

  /** What is in the bin stays as long as it was to. */
  DeleteRule: {
    resolve({ Identifier: id }, context): OperationPlan {
      const rule = changeable(id, context);
      const { expect, put } = context.records.rewrite("rbin-rule", rule);
      return { ...looked(rule, context), transaction: { expect, delete: put.map(({ key }) => key) } };
    },
    answer: () => ({}),
  },

  /** One that waits to be unlocked is locked again. */
  LockRule: {
    resolve({ Identifier: id, LockConfiguration: asked }, context): RulePlan {
      const before = named(id, context);
      if (lockState(before, context.now()) === "locked") throw wrongRuleState(id, "locked already");
      const rule = { ...before, lock: { delayDays: delayOf(asked) } };
      checkRule(rule);
      return rewritten(rule, context);
    },
    answer({ rule }: RulePlan, context) {
      const { LockEndTime: _, ...told } = describeRule(rule, context);
      return told;
    },
  },

  /** It can be changed once the delay that it was locked with is over. */
  UnlockRule: {
    resolve({ Identifier: id }, context): RulePlan {
      const rule = named(id, context);
      const state = lockState(rule, context.now());
      if (!rule.lock || state !== "locked") throw wrongRuleState(id, state ?? "not locked");
      const endsAt = new Date(context.now().getTime() + rule.lock.delayDays * DAY_MS).toISOString();
      return rewritten({ ...rule, lock: { ...rule.lock, endsAt } }, context);
    },
    answer: ({ rule }: RulePlan, context) => describeRule(rule, context),
  },

  TagResource: {
    resolve({ ResourceArn: arn, Tags: tags }, context): OperationPlan {
      const rule = byArn(arn, context);
      return rewritten({ ...rule, tags: checkedTags(rule.tags, tags) }, context);
    },
    answer: () => ({}),
  },

  UntagResource: {
    resolve({ ResourceArn: arn, TagKeys: keys }, context): OperationPlan {
      const rule = byArn(arn, context);
      const left = Object.entries(rule.tags).filter(([key]) => !keys.includes(key));
      return rewritten({ ...rule, tags: Object.fromEntries(left) }, context);
    },
    answer: () => ({}),
  },

  ListTagsForResource: {
    resolve: ({ ResourceArn: arn }, context): RulePlan => looked(byArn(arn, context), context),
    answer: ({ rule }: RulePlan) => ({ Tags: tagList(rule.tags) }),
  },
} satisfies OperationsOf<Sdk, Ec2Context>;

interface ListPlan extends OperationPlan {
  readonly rules: readonly RbinRuleRecord[];
  readonly next: string | undefined;
}

const MOST_RULES = 250;
const DAY_MS = 86_400_000;

const looked = (rule: RbinRuleRecord, context: Ec2Context): RulePlan => ({
  touches: [touched(rule, context)],
  rule,
});

const rewritten = (rule: RbinRuleRecord, context: Ec2Context): RulePlan => ({
  touches: [touched(findRule(rule.id, context.records), context)],
  transaction: context.records.rewrite("rbin-rule", rule),
  rule,
});

const touched = ({ id, tags, resourceType }: RbinRuleRecord, context: Ec2Context): TouchedResource => ({
  arn: ruleArn(id, context),
  tags,
  keys: { "rbin:Attribute/ResourceType": resourceType },
});

/** 11 letters and digits. */
const newRuleId = ({ random }: Ec2Context): string =>
  Array.from({ length: 11 }, () => characters[random(characters.length)]).join("");
const characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function named(id: string, { records }: Ec2Context): RbinRuleRecord {
  if (!/^[0-9a-zA-Z]{11}$/.test(id)) throw invalidParameter(`'${id}' is not the id of a retention rule.`);
  return findRule(id, records);
}

/** Throws ConflictException for one that is locked, or was until its delay is over. */
function changeable(id: string, context: Ec2Context): RbinRuleRecord {
  const rule = named(id, context);
  const state = lockState(rule, context.now());
  if (state === "locked" || state === "pending_unlock") throw wrongRuleState(id, state);
  return rule;
}

function byArn(arn: string, context: Ec2Context): RbinRuleRecord {
  const [, , service, , , resource = ""] = arn.split(":", 6);
  const id = resource.replace(/^rule\//, "");
  if (service !== "rbin" || !/^[0-9a-zA-Z]{11}$/.test(id))
    throw invalidParameter(`'${arn}' is not the ARN of a retention rule.`);
  if (ruleArn(id, context) !== arn) throw ruleNotFound(id);
  return findRule(id, context.records);
}

/** The wire has its bounds. */
const delayOf = ({ UnlockDelay }: LockConfiguration): number => UnlockDelay?.UnlockDelayValue ?? 0;

const hasAll = (has: readonly ResourceTag[], wanted: readonly ResourceTag[] = []): boolean =>
  wanted.every((tag) =>
    has.some(
      (it) =>
        it.ResourceTagKey === tag.ResourceTagKey &&
        (it.ResourceTagValue ?? "") === (tag.ResourceTagValue ?? ""),
    ),
  );

const tagList = (tags: Tags) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
