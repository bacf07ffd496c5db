import type * as ec2 from "@aws-sdk/client-ec2";
import type { SecurityGroupRuleDescription, TagSpecification } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  differentNetworks,
  duplicateRule,
  exclusiveParameters,
  missingParameter,
  repeatedRule,
  ruleNotFound,
  securityGroupRuleIdNotFound,
  tooManyRules,
} from "../errors.ts";
import { quotas } from "../quotas.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { isStale } from "./peer-group.ts";
import { described, ruleDrafts, type PermissionsInput } from "./permissions.ts";
import { changeRules, groupOf, ruleOf, type RulesPlan } from "./rule-changes.ts";
import { modifiedRule } from "./rule-update.ts";
import {
  describeRevokedRule,
  describeRule,
  ruleArn,
  ruleFilters,
  rulesOf,
  sameRule,
  weightOf,
  type GroupRule,
  type RuleDraft,
  type RuleOfGroup,
} from "./security-group-rule.ts";
import { describePermissions, type SecurityGroupRecord } from "./security-group.ts";

export const securityGroupRuleOperations = {
  AuthorizeSecurityGroupIngress: {
    resolve: (input, context) => authorize(input, false, context),
    answer: answerAuthorized,
  },
  AuthorizeSecurityGroupEgress: {
    resolve: (input, context) => authorize(input, true, context),
    answer: answerAuthorized,
  },
  RevokeSecurityGroupIngress: {
    resolve: (input, context) => revoke(input, false, context),
    answer: answerRevoked,
  },
  RevokeSecurityGroupEgress: {
    resolve: (input, context) => revoke(input, true, context),
    answer: answerRevoked,
  },

  DescribeSecurityGroupRules: {
    resolve: (input, { records }) =>
      describe(rulesOf(records.all("security-group")), input, {
        ids: input.SecurityGroupRuleIds,
        parameter: "securityGroupRuleIds",
        missing: ([id]) => securityGroupRuleIdNotFound(id ?? ""),
        filters: ruleFilters,
      }),
    answer: ({ items, nextToken }: { items: readonly RuleOfGroup[]; nextToken?: string }, context) => ({
      SecurityGroupRules: items.map(({ rule, group }) => describeRule(rule, group, context)),
      NextToken: nextToken,
    }),
  },

  /** Each rule becomes what the request says, whole, and keeps its id, direction and tags. */
  ModifySecurityGroupRules: {
    resolve(input, context) {
      const group = groupOf(input, context);
      if (input.SecurityGroupRules.length === 0) throw missingParameter("SecurityGroupRules");
      const changed = new Map<string, GroupRule>();
      for (const update of input.SecurityGroupRules) {
        const rule = ruleOf(update.SecurityGroupRuleId ?? "", group);
        if (changed.has(rule.id)) throw repeatedRule();
        changed.set(rule.id, modifiedRule(rule, update.SecurityGroupRule, group, context));
      }
      const rules = group.rules.map((rule) => changed.get(rule.id) ?? rule);
      for (const rule of changed.values())
        if (rules.some((other) => other.id !== rule.id && sameRule(other, rule))) throw duplicateRule(rule);
      for (const egress of [true, false]) refuseTooMany(rules, egress, context);
      const plan = changeRules(group, rules, [...changed.values()], context);
      const ofRules = [...changed.values()].map(({ id, tags = {} }) => ({ arn: ruleArn(id, context), tags }));
      return { ...plan, touches: [...plan.touches, ...ofRules] };
    },
    answer: () => ({ Return: true }),
  },

  UpdateSecurityGroupRuleDescriptionsIngress: {
    resolve: (input, context) => describeAnew(input, false, context),
    answer: () => ({ Return: true }),
  },
  UpdateSecurityGroupRuleDescriptionsEgress: {
    resolve: (input, context) => describeAnew(input, true, context),
    answer: () => ({ Return: true }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface RulesInput extends PermissionsInput {
  GroupId?: string | undefined;
  GroupName?: string | undefined;
}

function authorize(
  input: RulesInput & { TagSpecifications?: TagSpecification[] | undefined },
  egress: boolean,
  context: Ec2Context,
): RulesPlan {
  onlyTags(["security-group-rule"], input.TagSpecifications);
  const tags = tagsFor("security-group-rule", input.TagSpecifications);
  const group = groupOf(input, context);
  const added: GroupRule[] = [];
  for (const draft of ruleDrafts(input, group, egress, context)) {
    if (added.some((rule) => sameRule(rule, draft))) throw repeatedRule();
    if (group.rules.some((rule) => sameRule(rule, draft))) throw duplicateRule(draft);
    if (isStale(draft.peer, group.vpcId, context.records)) throw differentNetworks();
    added.push({ id: context.newId("sgr"), ...draft, tags });
  }
  const rules = [...group.rules, ...added];
  refuseTooMany(rules, egress, context);
  return changeRules(group, rules, added, context);
}

function refuseTooMany(rules: readonly GroupRule[], egress: boolean, { records }: Ec2Context): void {
  const listOf = (id: string) => records.get("prefix-list", id);
  for (const family of ["IPv4", "IPv6"] as const)
    if (weightOf(rules, egress, family, listOf) > quotas.rulesPerSecurityGroup.value) throw tooManyRules();
}

function revoke(
  input: RulesInput & { SecurityGroupRuleIds?: string[] | undefined },
  egress: boolean,
  context: Ec2Context,
): RulesPlan {
  const group = groupOf(input, context);
  if (input.SecurityGroupRuleIds?.length && input.IpPermissions?.length)
    throw exclusiveParameters("ipPermissions", "securityGroupRuleIds");
  const without = (removed: readonly GroupRule[]) => {
    const kept = group.rules.filter((rule) => !removed.includes(rule));
    return changeRules(group, kept, [...new Set(removed)], context);
  };
  if (input.SecurityGroupRuleIds?.length)
    return without(input.SecurityGroupRuleIds.map((id) => ruleInDirection(id, group, egress)));
  const drafts = ruleDrafts(input, group, egress, context);
  const found = group.rules.filter((rule) => drafts.some((draft) => sameRule(rule, draft)));
  const unknown = drafts.filter((draft) => !group.rules.some((rule) => sameRule(rule, draft)));
  if (unknown.length > 0 && !context.records.get("vpc", group.vpcId)?.isDefault) throw ruleNotFound();
  return { ...without(found), unknown };
}

/** A description that is left out is taken away. */
function describeAnew(
  input: RulesInput & { SecurityGroupRuleDescriptions?: SecurityGroupRuleDescription[] | undefined },
  egress: boolean,
  context: Ec2Context,
): RulesPlan {
  const group = groupOf(input, context);
  const byId = input.SecurityGroupRuleDescriptions ?? [];
  if (byId.length > 0 && input.IpPermissions?.length)
    throw exclusiveParameters("ipPermissions", "securityGroupRuleDescriptions");
  const wanted =
    byId.length > 0
      ? byId.map(({ SecurityGroupRuleId: id, Description }) => {
          if (id === undefined) throw missingParameter("SecurityGroupRuleId");
          return { rule: ruleInDirection(id, group, egress), ...described(Description) };
        })
      : ruleDrafts(input, group, egress, context).map((draft) => ({
          rule: ruleLike(draft, group),
          ...described(draft.description),
        }));
  const changed = new Map(
    wanted.map(({ rule: { description: _, ...rule }, ...text }) => [rule.id, { ...rule, ...text }]),
  );
  const rules = group.rules.map((rule) => changed.get(rule.id) ?? rule);
  return changeRules(group, rules, [...changed.values()], context);
}

function ruleInDirection(id: string, group: SecurityGroupRecord, egress: boolean): GroupRule {
  const rule = ruleOf(id, group);
  if (rule.egress !== egress) throw securityGroupRuleIdNotFound(id);
  return rule;
}

function ruleLike(draft: RuleDraft, group: SecurityGroupRecord): GroupRule {
  const rule = group.rules.find((it) => sameRule(it, draft));
  if (!rule) throw ruleNotFound();
  return rule;
}

function answerAuthorized({ group, rules }: RulesPlan, context: Ec2Context) {
  return { Return: true, SecurityGroupRules: rules.map((rule) => describeRule(rule, group, context)) };
}

function answerRevoked({ group, rules, unknown = [] }: RulesPlan, context: Ec2Context) {
  return {
    Return: true,
    UnknownIpPermissions: describePermissions(unknown, group, context),
    RevokedSecurityGroupRules: rules.map((rule) => describeRevokedRule(rule, group)),
  };
}
