import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  defaultGroupNameNotFound,
  missingParameter,
  noDefaultVpc,
  securityGroupNotFound,
  securityGroupRuleIdNotFound,
} from "../errors.ts";
import type { GroupRule, RuleDraft } from "./security-group-rule.ts";
import { groupNameClaim, securityGroupArn, type SecurityGroupRecord } from "./security-group.ts";

export interface RulesPlan {
  readonly touches: readonly { arn: string }[];
  readonly transaction?: Transaction;
  readonly group: SecurityGroupRecord;
  /** Those that are added, changed or revoked. */
  readonly rules: readonly GroupRule[];
  /** Rules to revoke that were not there. */
  readonly unknown?: readonly RuleDraft[];
}

/** Writes the group's new rules, and beside them which other groups and prefix lists they name, so that those cannot be deleted. */
export function changeRules(
  group: SecurityGroupRecord,
  rules: readonly GroupRule[],
  changed: readonly GroupRule[],
  context: Ec2Context,
): RulesPlan {
  const { records } = context;
  const touches = [{ arn: securityGroupArn(group.id, context), tags: group.tags }];
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
        ...added.flatMap((id) => (id.startsWith("pl-") ? [] : { exists: records.key("security-group", id) })),
        ...records.sameLists([...added, ...after]),
      ],
      put: [{ key, value: { ...group, rules } }, ...added.map((id) => ({ key: reference(id), value: null }))],
      delete: before.filter((id) => !after.includes(id)).map(reference),
    },
    group,
    rules: changed,
  };
}

export const revisionOf = ({ id }: SecurityGroupRecord, { records }: Ec2Context) =>
  records.entry("security-group", id)?.revision ?? 0;

/** The other groups of its VPC and the prefix lists that a group's rules name. */
export const referencesOf = (rules: readonly GroupRule[], own: string): string[] => [
  ...new Set(
    rules.flatMap(({ peer }) => {
      if ("prefixListId" in peer) return [peer.prefixListId];
      return "groupId" in peer && !("vpcId" in peer) && peer.groupId !== own ? [peer.groupId] : [];
    }),
  ),
];

/** By id, or by name in the default VPC. */
export function groupOf(
  { GroupId: id, GroupName: name }: { GroupId?: string | undefined; GroupName?: string | undefined },
  { records }: Ec2Context,
): SecurityGroupRecord {
  if (id === undefined && name === undefined) throw missingParameter("GroupName or GroupId");
  const vpcId = records.claimed("default-vpc");
  if (id === undefined && vpcId === undefined) throw noDefaultVpc();
  const named = id ?? records.claimed(groupNameClaim(vpcId ?? "", name ?? ""));
  if (named === undefined) throw defaultGroupNameNotFound(name ?? "", vpcId ?? "");
  const group = records.get("security-group", named);
  if (!group) throw securityGroupNotFound([named]);
  return group;
}

export function ruleOf(id: string, group: SecurityGroupRecord): GroupRule {
  const rule = group.rules.find((it) => it.id === id);
  if (!rule) throw securityGroupRuleIdNotFound(id);
  return rule;
}
