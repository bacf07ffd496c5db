import type * as ec2 from "@aws-sdk/client-ec2";
import type { TagSpecification } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  cannotDeleteDefaultGroup,
  defaultGroupNameNotFound,
  dependencyViolation,
  duplicateGroup,
  duplicateRule,
  invalidParameter,
  missingParameter,
  repeatedRule,
  ruleNotFound,
  securityGroupNotFound,
  securityGroupRuleIdNotFound,
  tooManyRules,
  unsupportedParameter,
  vpcNotFound,
} from "../errors.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { peerText, ruleDrafts, sameRule, type PermissionsInput, type RuleDraft } from "./permissions.ts";
import {
  describePermissions,
  describeRule,
  describeSecurityGroup,
  groupNameClaim,
  newSecurityGroup,
  securityGroupArn,
  securityGroupFilters,
  type GroupRule,
  type SecurityGroupRecord,
} from "./security-group.ts";

/** Default quota: rules of one group in each direction, for IPv4 and for IPv6; a group as peer counts for both. */
const rulesPerGroup = 60;

interface RulesPlan {
  readonly touches: readonly { arn: string }[];
  readonly transaction?: Transaction;
  readonly group: SecurityGroupRecord;
  readonly rules: readonly GroupRule[];
  /** Rules to revoke that were not there. */
  readonly unknown?: readonly RuleDraft[];
}

export const securityGroupOperations = {
  CreateSecurityGroup: {
    resolve(input, context) {
      const { records } = context;
      const vpcId = input.VpcId ?? records.claimed("default-vpc") ?? "";
      const vpc = records.get("vpc", vpcId);
      if (!vpc) throw vpcNotFound([vpcId]);
      const name = checkedName(input.GroupName);
      checkText("GroupDescription", input.Description);
      onlyTags(["security-group"], input.TagSpecifications);
      if (records.claimed(groupNameClaim(vpc.id, name)) !== undefined) throw duplicateGroup(name, vpc.id);
      const { record, expect, put } = newSecurityGroup(
        {
          name,
          description: input.Description,
          vpcId: vpc.id,
          tags: tagsFor("security-group", input.TagSpecifications),
        },
        context,
      );
      return {
        touches: [{ arn: securityGroupArn("*", context) }],
        transaction: { expect: [...expect, { exists: records.key("vpc", vpc.id) }], put },
        group: record,
      };
    },
    answer: ({ group }: { group: SecurityGroupRecord }, context) => {
      const { GroupId, Tags, SecurityGroupArn } = describeSecurityGroup(group, context);
      return { GroupId, Tags, SecurityGroupArn };
    },
  },

  DeleteSecurityGroup: {
    resolve(input, context) {
      const { records } = context;
      const group = groupOf(input, context);
      if (group.name === "default") throw cannotDeleteDefaultGroup(group.id);
      if (records.dependentsOfGroup(group.id).length > 0)
        throw dependencyViolation(`resource ${group.id} has a dependent object`);
      const key = records.key("security-group", group.id);
      const transaction: Transaction = {
        expect: [{ at: [key, revisionOf(group, context)] }, { empty: records.key("member", `${group.id}/`) }],
        delete: [
          key,
          records.key("claim", groupNameClaim(group.vpcId, group.name)),
          ...referencesOf(group.rules, group.id).map((id) => records.key("member", `${id}/${group.id}`)),
        ],
      };
      const touches = [{ arn: securityGroupArn(group.id, context), tags: group.tags }];
      return { touches, transaction, group };
    },
    answer: ({ group }: { group: SecurityGroupRecord }) => ({ Return: true, GroupId: group.id }),
  },

  DescribeSecurityGroups: {
    resolve(input, context) {
      const named = input.GroupNames?.map((GroupName) => groupOf({ GroupName }, context).id) ?? [];
      const ids = [...(input.GroupIds ?? []), ...named];
      return describe(context.records.all("security-group"), input, {
        ids,
        parameter: "groupIds",
        missing: securityGroupNotFound,
        filters: securityGroupFilters(context),
      });
    },
    answer: (
      { items, nextToken }: { items: readonly SecurityGroupRecord[]; nextToken?: string },
      context,
    ) => ({
      SecurityGroups: items.map((group) => describeSecurityGroup(group, context)),
      NextToken: nextToken,
    }),
  },

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
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface GroupInput extends PermissionsInput {
  GroupId?: string | undefined;
  GroupName?: string | undefined;
  SecurityGroupRuleIds?: string[] | undefined;
  TagSpecifications?: TagSpecification[] | undefined;
}

/** Names end without spaces, as AWS trims them. */
function checkedName(name: string): string {
  if (/^sg-/i.test(name)) throw invalidText("GroupName", name, "Group names may not be in the format sg-*.");
  checkText("GroupName", name);
  const trimmed = name.trimEnd();
  if (trimmed.toLowerCase() === "default")
    throw invalidParameter(`Cannot use reserved security group name: ${name}`);
  return trimmed;
}

function checkText(parameter: string, text: string): void {
  if (/[^ -~]/.test(text))
    throw invalidText(parameter, text, "Character sets beyond ASCII are not supported.");
  if (!/^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{1,255}$/.test(text) || text.trim() === "")
    throw invalidText(
      parameter,
      text,
      "Up to 255 of these characters are allowed: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    );
}

const invalidText = (parameter: string, text: string, why: string) =>
  invalidParameter(`Value (${text}) for parameter ${parameter} is invalid. ${why}`);

function authorize(input: GroupInput, egress: boolean, context: Ec2Context): RulesPlan {
  if (input.TagSpecifications?.length) throw unsupportedParameter("TagSpecifications");
  const group = groupOf(input, context);
  const added: GroupRule[] = [];
  for (const draft of ruleDrafts(input, group, egress, context)) {
    if (added.some((rule) => sameRule(rule, draft))) throw repeatedRule();
    if (group.rules.some((rule) => sameRule(rule, draft)))
      throw duplicateRule(peerText(draft), draft.fromPort, draft.toPort, draft.protocol);
    added.push({ id: context.newId("sgr"), ...draft });
  }
  const rules = [...group.rules, ...added];
  for (const otherVersion of ["cidr", "cidrIpv6"])
    if (rules.filter((rule) => rule.egress === egress && !(otherVersion in rule.peer)).length > rulesPerGroup)
      throw tooManyRules();
  return changeRules(group, rules, added, context);
}

function revoke(input: GroupInput, egress: boolean, context: Ec2Context): RulesPlan {
  const group = groupOf(input, context);
  const without = (removed: readonly GroupRule[]) => {
    const kept = group.rules.filter((rule) => !removed.includes(rule));
    return changeRules(group, kept, [...new Set(removed)], context);
  };
  if (input.SecurityGroupRuleIds?.length)
    return without(
      input.SecurityGroupRuleIds.map((id) => {
        const rule = group.rules.find((it) => it.id === id && it.egress === egress);
        if (!rule) throw securityGroupRuleIdNotFound(id);
        return rule;
      }),
    );
  const drafts = ruleDrafts(input, group, egress, context);
  const found = group.rules.filter((rule) => drafts.some((draft) => sameRule(rule, draft)));
  const unknown = drafts.filter((draft) => !group.rules.some((rule) => sameRule(rule, draft)));
  if (unknown.length > 0 && !context.records.get("vpc", group.vpcId)?.isDefault) throw ruleNotFound();
  return { ...without(found), unknown };
}

/** Writes the group's new rules, and beside them which other groups they name, so that those cannot be deleted. */
function changeRules(
  group: SecurityGroupRecord,
  rules: readonly GroupRule[],
  changed: readonly GroupRule[],
  context: Ec2Context,
): RulesPlan {
  const { records } = context;
  const touches = [{ arn: securityGroupArn(group.id, context) }];
  if (changed.length === 0) return { touches, group, rules: changed };
  const key = records.key("security-group", group.id);
  const before = referencesOf(group.rules, group.id);
  const after = referencesOf(rules, group.id);
  const added = after.filter((id) => !before.includes(id));
  const reference = (id: string) => records.key("member", `${id}/${group.id}`);
  return {
    touches,
    transaction: {
      expect: [
        { at: [key, revisionOf(group, context)] },
        ...added.map((id) => ({ exists: records.key("security-group", id) })),
      ],
      put: [{ key, value: { ...group, rules } }, ...added.map((id) => ({ key: reference(id), value: null }))],
      delete: before.filter((id) => !after.includes(id)).map(reference),
    },
    group,
    rules: changed,
  };
}

const revisionOf = ({ id }: SecurityGroupRecord, { records }: Ec2Context) =>
  records.entry("security-group", id)?.revision ?? 0;

const referencesOf = (rules: readonly GroupRule[], own: string): string[] => [
  ...new Set(rules.flatMap(({ peer }) => ("groupId" in peer && peer.groupId !== own ? [peer.groupId] : []))),
];

function answerAuthorized({ group, rules }: RulesPlan, context: Ec2Context) {
  return { Return: true, SecurityGroupRules: rules.map((rule) => describeRule(rule, group, context)) };
}

function answerRevoked({ group, rules, unknown = [] }: RulesPlan, context: Ec2Context) {
  return {
    Return: true,
    UnknownIpPermissions: describePermissions(unknown, context),
    RevokedSecurityGroupRules: rules.map((rule) => ({
      SecurityGroupRuleId: rule.id,
      GroupId: group.id,
      IsEgress: rule.egress,
      IpProtocol: rule.protocol,
      FromPort: rule.fromPort,
      ToPort: rule.toPort,
      CidrIpv4: "cidr" in rule.peer ? rule.peer.cidr : undefined,
      CidrIpv6: "cidrIpv6" in rule.peer ? rule.peer.cidrIpv6 : undefined,
      ReferencedGroupId: "groupId" in rule.peer ? rule.peer.groupId : undefined,
      Description: rule.description,
    })),
  };
}

/** By id, or by name in the default VPC. */
function groupOf({ GroupId: id, GroupName: name }: GroupInput, { records }: Ec2Context): SecurityGroupRecord {
  if (id === undefined && name === undefined) throw missingParameter("GroupName or GroupId");
  const vpcId = records.claimed("default-vpc") ?? "";
  const named = id ?? records.claimed(groupNameClaim(vpcId, name ?? ""));
  if (named === undefined) throw defaultGroupNameNotFound(name ?? "", vpcId);
  const group = records.get("security-group", named);
  if (!group) throw securityGroupNotFound([named]);
  return group;
}
