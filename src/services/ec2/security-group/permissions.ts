import { isIPv6 } from "node:net";
import type { IpPermission } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { Ec2Context } from "../context.ts";
import {
  invalidParameter,
  missingParameter,
  securityGroupNameNotFound,
  securityGroupNotFound,
  unsupportedParameter,
} from "../errors.ts";
import { canonicalCidr } from "../ipv4.ts";
import { groupNameClaim, hasPorts, type GroupRule, type SecurityGroupRecord } from "./security-group.ts";

/** Rules as a request writes them: a list of permissions, or one permission spread over the request's own members. */
export interface PermissionsInput {
  IpPermissions?: IpPermission[] | undefined;
  IpProtocol?: string | undefined;
  FromPort?: number | undefined;
  ToPort?: number | undefined;
  CidrIp?: string | undefined;
  SourceSecurityGroupName?: string | undefined;
}

export type RuleDraft = Omit<GroupRule, "id">;

/** One draft for each permission and peer, checked and in canonical form. */
export function ruleDrafts(
  input: PermissionsInput,
  group: SecurityGroupRecord,
  egress: boolean,
  context: Ec2Context,
): RuleDraft[] {
  const permissions = input.IpPermissions?.length ? input.IpPermissions : [permissionOf(input)];
  const drafts = permissions.flatMap((permission) => {
    const traffic = trafficOf(permission);
    return peersOf(permission, group, context).map((peer) => ({ egress, ...traffic, ...peer }));
  });
  if (drafts.length === 0)
    throw missingParameter("ipPermissions: each permission names at least one CIDR or security group");
  return drafts;
}

export const sameRule = (a: RuleDraft, b: RuleDraft) =>
  a.egress === b.egress &&
  a.protocol === b.protocol &&
  a.fromPort === b.fromPort &&
  a.toPort === b.toPort &&
  peerText(a) === peerText(b);

export const peerText = ({ peer }: RuleDraft) =>
  "cidr" in peer ? peer.cidr : "cidrIpv6" in peer ? peer.cidrIpv6 : peer.groupId;

function permissionOf(input: PermissionsInput): IpPermission {
  if (input.IpProtocol === undefined && input.SourceSecurityGroupName === undefined)
    throw missingParameter("ipPermissions");
  return {
    IpProtocol: input.IpProtocol ?? "-1",
    FromPort: input.FromPort,
    ToPort: input.ToPort,
    IpRanges: input.CidrIp === undefined ? [] : [{ CidrIp: input.CidrIp }],
    UserIdGroupPairs:
      input.SourceSecurityGroupName === undefined ? [] : [{ GroupName: input.SourceSecurityGroupName }],
  };
}

const numbered: Readonly<Record<string, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  all: "-1",
};

function trafficOf({ IpProtocol, FromPort, ToPort }: IpPermission) {
  if (IpProtocol === undefined) throw missingParameter("ipProtocol");
  const protocol = numbered[IpProtocol.toLowerCase()] ?? IpProtocol.toLowerCase();
  if (!hasPorts(protocol)) {
    if (protocol !== "-1" && !(/^\d{1,3}$/.test(protocol) && Number(protocol) < 256))
      throw invalidParameter(`Invalid value '${IpProtocol}' for IP protocol. Unknown protocol.`);
    return { protocol, fromPort: -1, toPort: -1 };
  }
  if (protocol.startsWith("icmp")) {
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

function peersOf(
  permission: IpPermission,
  group: SecurityGroupRecord,
  context: Ec2Context,
): Pick<RuleDraft, "peer" | "description">[] {
  if (permission.PrefixListIds?.length) throw unsupportedParameter("PrefixListIds");
  return [
    ...(permission.IpRanges ?? []).map(({ CidrIp = "", Description }) => {
      const cidr = canonicalCidr(CidrIp);
      if (cidr === undefined)
        throw new ApiError("InvalidParameterValue", `CIDR block ${CidrIp} is malformed`);
      return { peer: { cidr }, ...described(Description) };
    }),
    ...(permission.Ipv6Ranges ?? []).map(({ CidrIpv6 = "", Description }) => {
      const [address = "", length = ""] = CidrIpv6.split("/");
      if (!isIPv6(address) || !/^\d{1,3}$/.test(length) || Number(length) > 128)
        throw invalidParameter(`CIDR block ${CidrIpv6} is malformed`);
      return { peer: { cidrIpv6: CidrIpv6.toLowerCase() }, ...described(Description) };
    }),
    ...(permission.UserIdGroupPairs ?? []).map(({ GroupId, GroupName, Description }) => ({
      peer: { groupId: referencedGroup(GroupId, GroupName, group, context) },
      ...described(Description),
    })),
  ];
}

function referencedGroup(
  id: string | undefined,
  name: string | undefined,
  group: SecurityGroupRecord,
  { records }: Ec2Context,
): string {
  if (id === undefined && name === undefined) throw missingParameter("groupId");
  const named = id ?? records.claimed(groupNameClaim(group.vpcId, name ?? ""));
  if (named === undefined) throw securityGroupNameNotFound(name ?? "", group.vpcId);
  const found = records.get("security-group", named);
  if (found?.vpcId !== group.vpcId) throw securityGroupNotFound([named]);
  return found.id;
}

const described = (description: string | undefined) => {
  if (description !== undefined && !/^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/.test(description))
    throw invalidParameter(
      "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    );
  return description === undefined ? {} : { description };
};
