import type { RevokedSecurityGroupRule, SecurityGroupRule } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import type { FilterTable } from "../filters.ts";
import type { PrefixListRecord } from "../prefix-list/prefix-list.ts";
import type { Scope } from "../records.ts";
import { describeTags, type Tags } from "../tag/tag.ts";
import { describePeerGroup } from "./peer-group.ts";
import type { SecurityGroupRecord } from "./security-group.ts";

/** One rule, one peer: what AWS calls a security group rule. It lives in its group's record. */
export interface GroupRule {
  readonly id: `sgr-${string}`;
  readonly egress: boolean;
  /** tcp, udp, icmp, icmpv6, another IANA number, or -1 for all. */
  readonly protocol: string;
  /** Ports, or ICMP type and code; -1 is any. */
  readonly fromPort: number;
  readonly toPort: number;
  readonly peer: RulePeer;
  readonly description?: string;
  /** Absent: none. */
  readonly tags?: Tags;
}
export type RulePeer =
  | { readonly cidr: string }
  | { readonly cidrIpv6: string }
  | GroupPeer
  | { readonly prefixListId: string };
/** A group of the rule's own VPC; or of a peer's, and by which peering it came to be named. */
export type GroupPeer =
  | { readonly groupId: string }
  | { readonly groupId: string; readonly vpcId: string; readonly peeringId: string };

/** A rule that is not there yet, or that a request names by what it says. */
export type RuleDraft = Omit<GroupRule, "id">;

/** Whatever their ids, descriptions and tags are. */
export const sameRule = (a: RuleDraft, b: RuleDraft) =>
  a.egress === b.egress &&
  a.protocol === b.protocol &&
  a.fromPort === b.fromPort &&
  a.toPort === b.toPort &&
  peerText(a) === peerText(b);

/** What names its peer: a group is the same whatever it is reached by. */
const peerText = ({ peer }: Pick<RuleDraft, "peer">): string =>
  "groupId" in peer ? peer.groupId : Object.values(peer).join();

/** What a direction's rules count for: a prefix list for as many as it may have entries, a group for IPv4 and IPv6. */
export const weightOf = (
  rules: readonly RuleDraft[],
  egress: boolean,
  family: PrefixListRecord["family"],
  listOf: (id: string) => PrefixListRecord | undefined,
): number =>
  rules
    .filter((rule) => rule.egress === egress)
    .reduce((sum, { peer }) => {
      if ("groupId" in peer) return sum + 1;
      if (!("prefixListId" in peer)) return sum + Number("cidr" in peer === (family === "IPv4"));
      const list = listOf(peer.prefixListId);
      return sum + (list?.family === family ? list.maxEntries : 0);
    }, 0);

export const hasPorts = (protocol: string) => ["tcp", "udp", "icmp", "icmpv6"].includes(protocol);

type RuleContext = Pick<Ec2Context, "accountId" | "region" | "records">;

export const ruleArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:security-group-rule/${id}`;

export const describeRule = (
  rule: GroupRule,
  group: SecurityGroupRecord,
  context: RuleContext,
): SecurityGroupRule => ({
  SecurityGroupRuleId: rule.id,
  SecurityGroupRuleArn: ruleArn(rule.id, context),
  GroupId: group.id,
  GroupOwnerId: context.accountId,
  IsEgress: rule.egress,
  IpProtocol: rule.protocol,
  FromPort: rule.fromPort,
  ToPort: rule.toPort,
  CidrIpv4: "cidr" in rule.peer ? rule.peer.cidr : undefined,
  CidrIpv6: "cidrIpv6" in rule.peer ? rule.peer.cidrIpv6 : undefined,
  ReferencedGroupInfo:
    "groupId" in rule.peer ? describePeerGroup(rule.peer, group.vpcId, context) : undefined,
  PrefixListId: "prefixListId" in rule.peer ? rule.peer.prefixListId : undefined,
  Description: rule.description,
  Tags: describeTags(rule.tags ?? {}),
});

export const describeRevokedRule = (
  rule: GroupRule,
  group: SecurityGroupRecord,
): RevokedSecurityGroupRule => ({
  SecurityGroupRuleId: rule.id,
  GroupId: group.id,
  IsEgress: rule.egress,
  IpProtocol: rule.protocol,
  FromPort: rule.fromPort,
  ToPort: rule.toPort,
  CidrIpv4: "cidr" in rule.peer ? rule.peer.cidr : undefined,
  CidrIpv6: "cidrIpv6" in rule.peer ? rule.peer.cidrIpv6 : undefined,
  ReferencedGroupId: "groupId" in rule.peer ? rule.peer.groupId : undefined,
  PrefixListId: "prefixListId" in rule.peer ? rule.peer.prefixListId : undefined,
  Description: rule.description,
});

/** A rule with the group it lives in. */
export interface RuleOfGroup {
  readonly id: string;
  readonly rule: GroupRule;
  readonly group: SecurityGroupRecord;
  readonly tags: Tags;
}

/** In the order of their ids, as pages need them. */
export const rulesOf = (groups: readonly SecurityGroupRecord[]): RuleOfGroup[] =>
  groups
    .flatMap((group) => group.rules.map((rule) => ({ id: rule.id, rule, group, tags: rule.tags ?? {} })))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));

export const ruleFilters: FilterTable<RuleOfGroup> = {
  "group-id": ({ group }) => group.id,
  "security-group-rule-id": ({ id }) => id,
};
