import type { ResourceRecord } from "../records.ts";

export interface NetworkAclRecord extends ResourceRecord {
  readonly id: `acl-${string}`;
  readonly vpcId: `vpc-${string}`;
  readonly isDefault: boolean;
  /** In the order of their numbers, those of both directions. The last, `*`, which denies, is in none. */
  readonly entries: readonly NetworkAclEntry[];
  readonly associations: readonly NetworkAclAssociation[];
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
