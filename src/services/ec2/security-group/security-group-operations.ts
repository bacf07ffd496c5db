import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  cannotDeleteDefaultGroup,
  dependencyViolation,
  duplicateGroup,
  duplicateRule,
  invalidParameter,
  missingParameter,
  ruleNotFound,
  securityGroupNameNotFound,
  securityGroupNotFound,
  securityGroupRuleIdNotFound,
  tooManyRules,
  vpcNotFound,
} from "../errors.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { peerText, ruleDrafts, sameRule, type PermissionsInput } from "./permissions.ts";
import {
  describeRule,
  describeSecurityGroup,
  groupNameClaim,
  newSecurityGroup,
  securityGroupArn,
  securityGroupFilters,
  type GroupRule,
  type SecurityGroupRecord,
} from "./security-group.ts";

/** Default quota: rules of one group in each direction. */
const rulesPerGroup = 60;

interface RulesPlan {
  readonly touches: readonly { arn: string }[];
  readonly transaction: Transaction;
  readonly group: SecurityGroupRecord;
  readonly rules: readonly GroupRule[];
}

export const securityGroupOperations = {
  CreateSecurityGroup: {
    resolve(input, context) {
      const { records } = context;
      const vpcId = input.VpcId ?? records.claimed("default-vpc") ?? "";
      const vpc = records.get("vpc", vpcId);
      if (!vpc) throw vpcNotFound([vpcId]);
      const name = input.GroupName;
      if (!/^[\x20-\x7e]{1,255}$/.test(name) || name.startsWith("sg-"))
        throw invalidParameter(`Value (${name}) for parameter GroupName is invalid.`);
      if (!/^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{1,255}$/.test(input.Description))
        throw invalidParameter(`Value (${input.Description}) for parameter GroupDescription is invalid.`);
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
      return {
        touches: [{ arn: securityGroupArn(group.id, context), tags: group.tags }],
        transaction: {
          expect: [
            { exists: records.key("security-group", group.id) },
            { empty: records.key("member", `${group.id}/`) },
          ],
          delete: [
            records.key("security-group", group.id),
            records.key("claim", groupNameClaim(group.vpcId, group.name)),
            ...referencesOf(group.rules, group.id).map((id) => records.key("member", `${id}/${group.id}`)),
          ],
        },
        group,
      };
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
}

function authorize(input: GroupInput, egress: boolean, context: Ec2Context): RulesPlan {
  const group = groupOf(input, context);
  const added: GroupRule[] = [];
  for (const draft of ruleDrafts(input, group, egress, context)) {
    if ([...group.rules, ...added].some((rule) => sameRule(rule, draft)))
      throw duplicateRule(peerText(draft), draft.fromPort, draft.toPort, draft.protocol);
    added.push({ id: context.newId("sgr"), ...draft });
  }
  const rules = [...group.rules, ...added];
  if (rules.filter((rule) => rule.egress === egress).length > rulesPerGroup) throw tooManyRules();
  return changeRules(group, rules, added, context);
}

function revoke(input: GroupInput, egress: boolean, context: Ec2Context): RulesPlan {
  const group = groupOf(input, context);
  const removed = input.SecurityGroupRuleIds?.length
    ? input.SecurityGroupRuleIds.map((id) => {
        const rule = group.rules.find((it) => it.id === id && it.egress === egress);
        if (!rule) throw securityGroupRuleIdNotFound(id);
        return rule;
      })
    : ruleDrafts(input, group, egress, context).map((draft) => {
        const rule = group.rules.find((it) => sameRule(it, draft));
        if (!rule) throw ruleNotFound();
        return rule;
      });
  return changeRules(
    group,
    group.rules.filter((rule) => !removed.includes(rule)),
    removed,
    context,
  );
}

/** Writes the group's new rules, and beside them which other groups they name, so that those cannot be deleted. */
function changeRules(
  group: SecurityGroupRecord,
  rules: readonly GroupRule[],
  changed: readonly GroupRule[],
  context: Ec2Context,
): RulesPlan {
  const { records } = context;
  const key = records.key("security-group", group.id);
  const before = referencesOf(group.rules, group.id);
  const after = referencesOf(rules, group.id);
  const reference = (id: string) => records.key("member", `${id}/${group.id}`);
  return {
    touches: [{ arn: securityGroupArn(group.id, context) }],
    transaction: {
      expect: [
        { at: [key, records.entry("security-group", group.id)?.revision ?? 0] },
        ...after.map((id) => ({ exists: records.key("security-group", id) })),
      ],
      put: [
        { key, value: { ...group, rules } },
        ...after.filter((id) => !before.includes(id)).map((id) => ({ key: reference(id), value: null })),
      ],
      delete: before.filter((id) => !after.includes(id)).map(reference),
    },
    group,
    rules: changed,
  };
}

const referencesOf = (rules: readonly GroupRule[], own: string): string[] => [
  ...new Set(rules.flatMap(({ peer }) => ("groupId" in peer && peer.groupId !== own ? [peer.groupId] : []))),
];

function answerAuthorized({ group, rules }: RulesPlan, context: Ec2Context) {
  return { Return: true, SecurityGroupRules: rules.map((rule) => describeRule(rule, group, context)) };
}

function answerRevoked({ group, rules }: RulesPlan) {
  return {
    Return: true,
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
  if (named === undefined) throw securityGroupNameNotFound(name ?? "", vpcId);
  const group = records.get("security-group", named);
  if (!group) throw securityGroupNotFound([named]);
  return group;
}
