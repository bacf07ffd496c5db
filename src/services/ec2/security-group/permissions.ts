import type { IpPermission, UserIdGroupPair } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import {
  differentNetworks,
  invalidCombination,
  invalidParameter,
  malformedCidr,
  missingParameter,
  prefixListNotFound,
  securityGroupNameNotFound,
  securityGroupNotFound,
} from "../errors.ts";
import { canonicalCidr } from "../ipv4.ts";
import { canonicalIpv6Cidr } from "../ipv6.ts";
import { peeringBetween } from "../vpc-peering/vpc-peering.ts";
import { hasPorts, type GroupPeer, type RuleDraft } from "./security-group-rule.ts";
import { groupNameClaim, type SecurityGroupRecord } from "./security-group.ts";

/** Rules as a request writes them: a list of permissions, or one permission spread over the request's own members. */
export interface PermissionsInput {
  IpPermissions?: IpPermission[] | undefined;
  IpProtocol?: string | undefined;
  FromPort?: number | undefined;
  ToPort?: number | undefined;
  CidrIp?: string | undefined;
  SourceSecurityGroupName?: string | undefined;
}

/** One draft for each permission and peer, checked and in canonical form. */
export function ruleDrafts(
  input: PermissionsInput,
  group: SecurityGroupRecord,
  egress: boolean,
  context: Ec2Context,
): RuleDraft[] {
  const drafts = permissionsOf(input).flatMap((permission) => {
    const traffic = trafficOf(permission);
    return peersOf(permission, group, context).map((peer) => ({ egress, ...traffic, ...peer }));
  });
  if (drafts.length === 0)
    throw missingParameter(
      "ipPermissions: each permission names at least one CIDR, security group or prefix list",
    );
  return drafts;
}

function permissionsOf(input: PermissionsInput): IpPermission[] {
  const { IpPermissions, IpProtocol, FromPort, ToPort, CidrIp, SourceSecurityGroupName: source } = input;
  const flat = Object.entries({
    ipProtocol: IpProtocol,
    fromPort: FromPort,
    toPort: ToPort,
    cidrIp: CidrIp,
  }).find(([, value]) => value !== undefined);
  if (IpPermissions?.length) {
    const other = source === undefined ? flat?.[0] : "sourceSecurityGroupName";
    if (other !== undefined) throw excludes("ipPermissions", other);
    return IpPermissions;
  }
  if (source !== undefined) {
    if (flat) throw excludes("sourceSecurityGroupName", flat[0]);
    return everything.map((traffic) => ({ ...traffic, UserIdGroupPairs: [{ GroupName: source }] }));
  }
  if (!flat) throw missingParameter("ipPermissions");
  return [{ IpProtocol, FromPort, ToPort, IpRanges: CidrIp === undefined ? [] : [{ CidrIp }] }];
}

/** What a source group by its name alone is let in with. */
const everything: readonly IpPermission[] = [
  { IpProtocol: "tcp", FromPort: 0, ToPort: 65_535 },
  { IpProtocol: "udp", FromPort: 0, ToPort: 65_535 },
  { IpProtocol: "icmp", FromPort: -1, ToPort: -1 },
];

const excludes = (one: string, other: string) =>
  invalidCombination(`The parameter ${one} cannot be used with the parameter ${other}`);

export function trafficOf({
  IpProtocol,
  FromPort,
  ToPort,
}: Pick<IpPermission, "IpProtocol" | "FromPort" | "ToPort">) {
  if (IpProtocol === undefined) throw missingParameter("ipProtocol");
  const protocol = protocolOf(IpProtocol);
  if (!hasPorts(protocol)) return { protocol, fromPort: -1, toPort: -1 };
  if (protocol.startsWith("icmp")) {
    if (protocol === "icmp" && (FromPort === undefined || ToPort === undefined))
      throw invalidParameter("Invalid value 'Must specify both type and code with ICMP.' for icmpTypeCode.");
    const fromPort = FromPort ?? -1;
    const toPort = ToPort ?? -1;
    if (![fromPort, toPort].every((it) => it >= -1 && it <= 255) || (fromPort === -1 && toPort !== -1))
      throw invalidParameter(`ICMP code (${toPort}) or type (${fromPort}) out of range`);
    return { protocol, fromPort, toPort };
  }
  if (FromPort === undefined || ToPort === undefined)
    throw invalidParameter(
      "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
    );
  const [fromPort, toPort] = FromPort === -1 && ToPort === -1 ? [0, 65_535] : [FromPort, ToPort];
  if (fromPort < 0 || toPort > 65_535 || fromPort > toPort)
    throw invalidParameter(`Invalid TCP/UDP port range (${fromPort}:${toPort})`);
  return { protocol, fromPort, toPort };
}

const names: readonly string[] = ["tcp", "udp", "icmp", "icmpv6", "-1"];
const numbered: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6" };

function protocolOf(text: string): string {
  const name = text.toLowerCase();
  if (names.includes(name)) return name;
  if (name === "all") return "-1";
  const number = /^\d{1,3}$/.test(name) ? Number(name) : 256;
  if (number > 255) throw invalidParameter(`Invalid value '${text}' for IP protocol. Unknown protocol.`);
  return numbered[number] ?? String(number);
}

function peersOf(
  permission: IpPermission,
  group: SecurityGroupRecord,
  context: Ec2Context,
): Pick<RuleDraft, "peer" | "description">[] {
  return [
    ...(permission.IpRanges ?? []).map(({ CidrIp = "", Description }) => {
      const cidr = canonicalCidr(CidrIp);
      if (cidr === undefined) throw malformedCidr(CidrIp);
      return { peer: { cidr }, ...described(Description) };
    }),
    ...(permission.Ipv6Ranges ?? []).map(({ CidrIpv6 = "", Description }) => {
      const cidrIpv6 = canonicalIpv6Cidr(CidrIpv6);
      if (cidrIpv6 === undefined) throw malformedCidr(CidrIpv6);
      return { peer: { cidrIpv6 }, ...described(Description) };
    }),
    ...(permission.UserIdGroupPairs ?? []).map((pair) => ({
      peer: referencedGroup(pair, group, context),
      ...described(pair.Description),
    })),
    ...(permission.PrefixListIds ?? []).map(({ PrefixListId, Description }) => ({
      peer: { prefixListId: referencedList(PrefixListId, context) },
      ...described(Description),
    })),
  ];
}

export function referencedList(id: string | undefined, { records }: Ec2Context): string {
  if (id === undefined) throw missingParameter("prefixListId");
  if (!records.get("prefix-list", id)) throw prefixListNotFound([id]);
  return id;
}

/**
 * The group that a rule of `group` is to name: one of its VPC, or by its id one of a VPC that has an active peering with it. One that
 * rules of the group name already is found also when it is stale.
 */
export function referencedGroup(
  { GroupId: id, GroupName: name, VpcPeeringConnectionId, UserId }: UserIdGroupPair,
  group: SecurityGroupRecord,
  { records, accountId }: Pick<Ec2Context, "records" | "accountId">,
): GroupPeer {
  if (id === undefined && name === undefined) throw missingParameter("groupId");
  const named = id ?? records.claimed(groupNameClaim(group.vpcId, name ?? ""));
  if (named === undefined) throw securityGroupNameNotFound(name ?? "", group.vpcId);
  const before = group.rules.find(({ peer }) => "vpcId" in peer && peer.groupId === named)?.peer;
  if (before && "groupId" in before) return before;
  const found =
    UserId === undefined || UserId === accountId ? records.get("security-group", named) : undefined;
  if (!found) throw securityGroupNotFound([named]);
  if (found.vpcId === group.vpcId) return { groupId: found.id };
  const peering = peeringBetween(group.vpcId, found.vpcId, records);
  if (peering?.state !== "active" || (VpcPeeringConnectionId ?? peering.id) !== peering.id)
    throw differentNetworks();
  return { groupId: found.id, vpcId: found.vpcId, peeringId: peering.id };
}

export const described = (description: string | undefined) => {
  if (description !== undefined && !/^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/.test(description))
    throw invalidParameter(
      "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    );
  return description === undefined ? {} : { description };
};
