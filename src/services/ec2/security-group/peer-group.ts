import type { UserIdGroupPair } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import type { Ec2Records } from "../records.ts";
import { peeringBetween } from "../vpc-peering/vpc-peering.ts";
import type { GroupPeer, RulePeer } from "./security-group-rule.ts";

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
