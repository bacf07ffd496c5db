import type { SecurityGroupRuleRequest } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import { invalidParameter, malformedCidr, missingParameter } from "../errors.ts";
import { canonicalCidr } from "../ipv4.ts";
import { canonicalIpv6Cidr } from "../ipv6.ts";
import { described, referencedGroup, referencedList, trafficOf } from "./permissions.ts";
import type { GroupRule, RulePeer } from "./security-group-rule.ts";
import type { SecurityGroupRecord } from "./security-group.ts";

/** `rule` as a ModifySecurityGroupRules request wants it: everything it says, and nothing it leaves out. */
export function modifiedRule(
  rule: GroupRule,
  request: SecurityGroupRuleRequest | undefined,
  group: SecurityGroupRecord,
  context: Ec2Context,
): GroupRule {
  if (!request) throw missingParameter("SecurityGroupRule");
  const traffic = trafficOf(request);
  const ports = [request.FromPort, request.ToPort];
  if (traffic.protocol === "-1" && ports.some((port) => port !== undefined && port !== -1))
    throw invalidParameter(
      "You may not specify all protocols and specific ports. Please specify each protocol and port range combination individually, or all protocols and no port range.",
    );
  const { id, egress, tags } = rule;
  return {
    id,
    egress,
    ...traffic,
    peer: peerOf(request, rule, group, context),
    ...described(request.Description),
    ...(tags && { tags }),
  };
}

/** A rule keeps its kind of peer: a CIDR block stays one, a group or a prefix list another of its kind. */
function peerOf(
  request: SecurityGroupRuleRequest,
  { peer: before }: GroupRule,
  group: SecurityGroupRecord,
  context: Ec2Context,
): RulePeer {
  const { CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId } = request;
  const given = Object.entries({
    "an IPv4 CIDR": CidrIpv4,
    "an IPv6 CIDR": CidrIpv6,
    "a referenced group id": ReferencedGroupId,
    "a prefix list id": PrefixListId,
  }).filter(([, value]) => value !== undefined);
  const kind = kindOf(before);
  const other = given.find(([name]) => name !== kind);
  if (other)
    throw invalidParameter(`You may not specify ${other[0]} for an existing ${rulesWith[kind]} rule.`);
  if (ReferencedGroupId !== undefined) return referencedGroup({ GroupId: ReferencedGroupId }, group, context);
  if (PrefixListId !== undefined) return { prefixListId: referencedList(PrefixListId, context) };
  if (CidrIpv4 !== undefined) {
    if (canonicalCidr(CidrIpv4) !== CidrIpv4) throw malformedCidr(CidrIpv4);
    return { cidr: CidrIpv4 };
  }
  if (CidrIpv6 === undefined) throw missingParameter("CidrIpv4, CidrIpv6, PrefixListId or ReferencedGroupId");
  const cidrIpv6 = canonicalIpv6Cidr(CidrIpv6);
  if (cidrIpv6 === undefined) throw malformedCidr(CidrIpv6);
  return { cidrIpv6 };
}

const kindOf = (peer: RulePeer): keyof typeof rulesWith => {
  if ("cidr" in peer) return "an IPv4 CIDR";
  if ("cidrIpv6" in peer) return "an IPv6 CIDR";
  return "groupId" in peer ? "a referenced group id" : "a prefix list id";
};

const rulesWith = {
  "an IPv4 CIDR": "IPv4 CIDR",
  "an IPv6 CIDR": "IPv6 CIDR",
  "a referenced group id": "referenced group id",
  "a prefix list id": "prefix list id",
} as const;
