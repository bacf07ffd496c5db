import type {
  VpcPeeringConnection,
  VpcPeeringConnectionStateReasonCode,
  VpcPeeringConnectionVpcInfo,
} from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { rangesOf, type VpcRecord } from "../vpc/vpc.ts";

/**
 * A peering of two VPCs of one account and region. What has ended stays visible for a while ("VPC peering connection lifecycle").
 *
 *   pending-acceptance ── accept ─> active ── delete, or either VPC goes ─> deleted
 *     ├── reject ─> rejected   ├── 7 days ─> expired
 *     └── delete ─> deleted    (failed: it never began)
 */
export interface VpcPeeringRecord extends ResourceRecord {
  readonly id: `pcx-${string}`;
  readonly requester: PeeringSide;
  readonly accepter: PeeringSide;
  readonly state: VpcPeeringState;
  /** Of the state. ISO 8601, UTC. */
  readonly since: string;
}
export type VpcPeeringState = Exclude<
  VpcPeeringConnectionStateReasonCode,
  "initiating-request" | "provisioning" | "deleting"
>;

interface PeeringSide {
  readonly vpcId: string;
  readonly ownerId: string;
  readonly region: string;
  /** As they were when it was requested, for when the VPC is gone. */
  readonly cidrs: readonly string[];
  /** The other VPC's resolver gives private addresses for public names of this one. Absent: it does not. */
  readonly resolvesForPeer?: boolean;
}

const hour = 3_600_000;
const day = 24 * hour;

/** How long a state lasts, and what then follows: another, or nothing. */
const lasting = {
  active: undefined,
  "pending-acceptance": { ms: 7 * day, next: "expired" },
  expired: { ms: 2 * day },
  deleted: { ms: 2 * hour },
  failed: { ms: 2 * hour },
  rejected: { ms: 2 * hour },
} as const satisfies Record<
  VpcPeeringState,
  { readonly ms: number; readonly next?: VpcPeeringState } | undefined
>;

/** When its state ends by itself, and what follows. */
export const endOf = ({ state, since }: VpcPeeringRecord) => {
  const end: { readonly ms: number; readonly next?: VpcPeeringState } | undefined = lasting[state];
  return end && { at: new Date(Date.parse(since) + end.ms), next: end.next };
};

export const isLive = ({ state }: VpcPeeringRecord): boolean =>
  state === "active" || state === "pending-acceptance";

export const peeringArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:vpc-peering-connection/${id}`;

/** A claim: two VPCs have one peering, whoever of them asked for it. */
export const peeringClaim = (vpcs: readonly string[]) => `vpc-peering/${vpcs.toSorted().join("/")}`;

/** The one that two VPCs have, or have asked for. */
export const peeringBetween = (one: string, other: string, records: Ec2Records) =>
  records.get("vpc-peering-connection", records.claimed(peeringClaim([one, other])) ?? "");

export const vpcsOfPeering = ({ requester, accepter }: VpcPeeringRecord): string[] => [
  requester.vpcId,
  accepter.vpcId,
];

export const sideOf = (vpc: VpcRecord, { accountId, region }: Scope): PeeringSide => ({
  vpcId: vpc.id,
  ownerId: accountId,
  region,
  cidrs: rangesOf(vpc).map(({ cidr }) => cidr),
});

/** The VPC at the other end of an active peering. */
export const peerOf = (
  peering: VpcPeeringRecord | undefined,
  vpcId: string,
  records: Ec2Records,
): VpcRecord | undefined => {
  if (peering?.state !== "active" || !vpcsOfPeering(peering).includes(vpcId)) return undefined;
  return records.get("vpc", vpcsOfPeering(peering).find((it) => it !== vpcId) ?? "");
};

/** The VPCs whose public names lead to private addresses in this one. */
export const resolvedPeersOf = (vpcId: string, records: Ec2Records): VpcRecord[] =>
  peersOf(vpcId, records).filter((peer) => vpcsToldNames(peer.id, records).includes(vpcId));

/** The peers that are told what stands behind the public names of a VPC. */
export const vpcsToldNames = (vpcId: string, records: Ec2Records): string[] =>
  records.peeringsOf(vpcId).flatMap((it) => {
    const [own, other] =
      it.requester.vpcId === vpcId ? [it.requester, it.accepter] : [it.accepter, it.requester];
    return it.state === "active" && own.resolvesForPeer ? [other.vpcId] : [];
  });

/** The VPCs that a VPC has active peerings with. */
export const peersOf = (vpcId: string, records: Ec2Records): VpcRecord[] =>
  records.peeringsOf(vpcId).flatMap((it) => peerOf(it, vpcId, records) ?? []);

export const describePeering = (it: VpcPeeringRecord, records: Ec2Records): VpcPeeringConnection => ({
  VpcPeeringConnectionId: it.id,
  RequesterVpcInfo: describeSide(it.requester, records),
  AccepterVpcInfo: describeSide(it.accepter, records),
  Status: { Code: it.state, Message: messages[it.state](it.accepter.ownerId) },
  ...(it.state === "pending-acceptance" && { ExpirationTime: endOf(it)?.at }),
  Tags: describeTags(it.tags),
});

const describeSide = (side: PeeringSide, records: Ec2Records): VpcPeeringConnectionVpcInfo => {
  const vpc = records.get("vpc", side.vpcId);
  const cidrs = vpc ? rangesOf(vpc).map(({ cidr }) => cidr) : side.cidrs;
  return {
    VpcId: side.vpcId,
    OwnerId: side.ownerId,
    Region: side.region,
    ...(cidrs.length > 0 && { CidrBlock: cidrs[0], CidrBlockSet: cidrs.map((CidrBlock) => ({ CidrBlock })) }),
    PeeringOptions: describeOptions(side),
  };
};

/** There are no EC2-Classic networks to link to. */
export const describeOptions = ({ resolvesForPeer = false }: PeeringSide) => ({
  AllowDnsResolutionFromRemoteVpc: resolvesForPeer,
  AllowEgressFromLocalClassicLinkToRemoteVpc: false,
  AllowEgressFromLocalVpcToRemoteClassicLink: false,
});

const messages = {
  active: () => "Active",
  "pending-acceptance": (owner) => `Pending Acceptance by ${owner}`,
  expired: () => "Expired",
  deleted: (owner) => `Deleted by ${owner}`,
  failed: () => "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range",
  rejected: (owner) => `Rejected by ${owner}`,
} as const satisfies Record<VpcPeeringState, (owner: string) => string>;

export const peeringFilters = (records: Ec2Records): FilterTable<VpcPeeringRecord> => {
  const ofSide = (prefix: string, side: "requester" | "accepter"): FilterTable<VpcPeeringRecord> => ({
    [`${prefix}.cidr-block`]: (it) => describeSide(it[side], records).CidrBlock,
    [`${prefix}.owner-id`]: (it) => it[side].ownerId,
    [`${prefix}.vpc-id`]: (it) => it[side].vpcId,
  });
  return {
    ...ofSide("accepter-vpc-info", "accepter"),
    ...ofSide("requester-vpc-info", "requester"),
    "expiration-time": (it) => describePeering(it, records).ExpirationTime?.toISOString(),
    "status-code": (it) => it.state,
    "status-message": (it) => describePeering(it, records).Status?.Message,
    "vpc-peering-connection-id": (it) => it.id,
  };
};
