import type { UserIdGroupPair } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import {
  differentNetworks,
  missingParameter,
  securityGroupNameNotFound,
  securityGroupNotFound,
} from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import { peeringBetween } from "../vpc-peering/vpc-peering.ts";
import type { GroupPeer, RulePeer } from "./security-group-rule.ts";
import { groupNameClaim, type SecurityGroupRecord } from "./security-group.ts";

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

/** The active peering over which a rule of VPC `vpcId` means a group of another. */
export const peeringOfRule = (peer: RulePeer, vpcId: string, records: Ec2Records) => {
  const peering = "vpcId" in peer ? peeringBetween(vpcId, peer.vpcId, records) : undefined;
  return peering?.state === "active" ? peering : undefined;
};

/** It names a peer's group that is gone, or is of a VPC that is no longer a peer. It comes to mean the group again by another peering. */
export const isStale = (peer: RulePeer, vpcId: string, records: Ec2Records): boolean =>
  "vpcId" in peer &&
  (peeringOfRule(peer, vpcId, records) === undefined ||
    records.get("security-group", peer.groupId) === undefined);

export const describePeerGroup = (
  peer: GroupPeer,
  vpcId: string,
  { records, accountId }: Pick<Ec2Context, "records" | "accountId">,
): UserIdGroupPair => {
  const pair = { GroupId: peer.groupId, UserId: accountId };
  if (!("vpcId" in peer)) return pair;
  const peering =
    peeringBetween(vpcId, peer.vpcId, records) ?? records.get("vpc-peering-connection", peer.peeringId);
  return {
    ...pair,
    VpcId: peer.vpcId,
    VpcPeeringConnectionId: peering?.id ?? peer.peeringId,
    PeeringStatus: peering?.state ?? "deleted",
  };
};
