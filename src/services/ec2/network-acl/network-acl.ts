import type { IcmpTypeCode, NetworkAcl, NetworkAclEntry as DescribedEntry } from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

export interface NetworkAclRecord extends ResourceRecord {
  readonly id: `acl-${string}`;
  readonly vpcId: `vpc-${string}`;
  readonly isDefault: boolean;
  /** In the order of their numbers, those of both directions. The last, `*`, which denies, is in none. */
  readonly entries: readonly NetworkAclEntry[];
  readonly associations: readonly NetworkAclAssociation[];
  /** What CreateNetworkAcl was called with; absent: none. */
  readonly clientToken?: string;
}

export interface NetworkAclEntry {
  readonly number: number;
  readonly egress: boolean;
  /** An IANA number, or -1 for all. */
  readonly protocol: number;
  readonly allows: boolean;
  readonly peer: { readonly cidr: string } | { readonly cidrIpv6: string };
  /** Ports, or ICMP type and code; -1 is any. Absent: all. */
  readonly ports?: { readonly from: number; readonly to: number };
}

/** Every subnet is in one. */
export interface NetworkAclAssociation {
  readonly id: `aclassoc-${string}`;
  readonly subnetId: `subnet-${string}`;
}

/** A claim: a VPC has one default ACL. */
export const defaultAclClaim = (vpcId: string) => `default-network-acl/${vpcId}`;

/** What a default ACL starts with: everything passes. */
export const passAll: readonly NetworkAclEntry[] = [false, true].map((egress) => ({
  number: 100,
  egress,
  protocol: -1,
  allows: true,
  peer: { cidr: "0.0.0.0/0" },
}));

export const networkAclArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:network-acl/${id}`;

/** `*`, the last of each direction: what no entry is for does not pass. */
const denyAll = (egress: boolean): NetworkAclEntry => ({
  number: 32_767,
  egress,
  protocol: -1,
  allows: false,
  peer: { cidr: "0.0.0.0/0" },
});

/** Outbound first, each direction in order and with its `*`. */
const allEntries = ({ entries }: NetworkAclRecord): NetworkAclEntry[] =>
  [true, false].flatMap((egress) => [...entries.filter((it) => it.egress === egress), denyAll(egress)]);

export const describeNetworkAcl = (acl: NetworkAclRecord, { accountId }: Scope): NetworkAcl => ({
  NetworkAclId: acl.id,
  VpcId: acl.vpcId,
  OwnerId: accountId,
  IsDefault: acl.isDefault,
  Entries: allEntries(acl).map(describeEntry),
  Associations: acl.associations.map(({ id, subnetId }) => ({
    NetworkAclAssociationId: id,
    NetworkAclId: acl.id,
    SubnetId: subnetId,
  })),
  Tags: describeTags(acl.tags),
});

const describeEntry = (entry: NetworkAclEntry): DescribedEntry => ({
  RuleNumber: entry.number,
  Egress: entry.egress,
  Protocol: String(entry.protocol),
  RuleAction: entry.allows ? "allow" : "deny",
  CidrBlock: "cidr" in entry.peer ? entry.peer.cidr : undefined,
  Ipv6CidrBlock: "cidrIpv6" in entry.peer ? entry.peer.cidrIpv6 : undefined,
  PortRange: isIcmp(entry) || !entry.ports ? undefined : { From: entry.ports.from, To: entry.ports.to },
  IcmpTypeCode: icmpOf(entry),
});

const isIcmp = ({ protocol }: NetworkAclEntry) => protocol === 1 || protocol === 58;
const icmpOf = (entry: NetworkAclEntry): IcmpTypeCode | undefined =>
  isIcmp(entry) && entry.ports ? { Type: entry.ports.from, Code: entry.ports.to } : undefined;

export const networkAclFilters = ({ accountId }: Scope): FilterTable<NetworkAclRecord> => {
  const each =
    (value: (entry: DescribedEntry) => string | number | boolean | undefined) => (it: NetworkAclRecord) =>
      allEntries(it).map((entry) => {
        const found = value(describeEntry(entry));
        return found === undefined ? undefined : String(found);
      });
  return {
    "association.association-id": (it) => it.associations.map(({ id }) => id),
    "association.network-acl-id": (it) => (it.associations.length > 0 ? it.id : undefined),
    "association.subnet-id": (it) => it.associations.map(({ subnetId }) => subnetId),
    default: (it) => String(it.isDefault),
    "entry.cidr": each((entry) => entry.CidrBlock),
    "entry.egress": each((entry) => entry.Egress),
    "entry.icmp.code": each((entry) => entry.IcmpTypeCode?.Code),
    "entry.icmp.type": each((entry) => entry.IcmpTypeCode?.Type),
    "entry.ipv6-cidr": each((entry) => entry.Ipv6CidrBlock),
    "entry.port-range.from": each((entry) => entry.PortRange?.From),
    "entry.port-range.to": each((entry) => entry.PortRange?.To),
    "entry.protocol": (it) =>
      allEntries(it).flatMap(({ protocol }) => [String(protocol), protocolNames[protocol]]),
    "entry.rule-action": each((entry) => entry.RuleAction),
    "entry.rule-number": each((entry) => entry.RuleNumber),
    "network-acl-id": (it) => it.id,
    "owner-id": () => accountId,
    "vpc-id": (it) => it.vpcId,
  };
};

const protocolNames: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp" };
