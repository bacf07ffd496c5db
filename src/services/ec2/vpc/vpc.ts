import type { Vpc, VpcCidrBlockAssociation } from "@aws-sdk/client-ec2";
import type { ResourceRecord, Scope } from "../records.ts";
import type { FilterTable } from "../filters.ts";
import { describeTags } from "../tag/tag.ts";

export interface VpcRecord extends ResourceRecord {
  readonly id: `vpc-${string}`;
  /** The one it was made with. */
  readonly cidr: string;
  readonly cidrAssociationId: string;
  readonly moreCidrs?: readonly { readonly cidr: string; readonly associationId: string }[];
  /** Or "default": no options at all. */
  readonly dhcpOptionsId: string;
  readonly isDefault: boolean;
  /** Absent: default. */
  readonly tenancy?: "dedicated";
  /** Whether the resolver answers; absent: it does. */
  readonly dnsSupport?: boolean;
  /** Whether public addresses have names; absent: as AWS makes VPCs, only in the default one. */
  readonly dnsHostnames?: boolean;
  readonly usageMetrics?: boolean;
}

/** All its ranges, the one it was made with first. */
export const rangesOf = ({ cidr, cidrAssociationId, moreCidrs = [] }: VpcRecord) => [
  { cidr, associationId: cidrAssociationId },
  ...moreCidrs,
];
export const givesNames = (vpc: VpcRecord): boolean => vpc.dnsHostnames ?? vpc.isDefault;

export const vpcArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:vpc/${id}`;

export const describeVpc = (vpc: VpcRecord, ownerId: string): Vpc => ({
  VpcId: vpc.id,
  OwnerId: ownerId,
  State: "available",
  CidrBlock: vpc.cidr,
  CidrBlockAssociationSet: rangesOf(vpc).map(describeRange),
  DhcpOptionsId: vpc.dhcpOptionsId,
  InstanceTenancy: vpc.tenancy ?? "default",
  IsDefault: vpc.isDefault,
  Tags: describeTags(vpc.tags),
});

export const describeRange = ({
  cidr,
  associationId,
}: ReturnType<typeof rangesOf>[number]): VpcCidrBlockAssociation => ({
  AssociationId: associationId,
  CidrBlock: cidr,
  CidrBlockState: { State: "associated" },
});

export const vpcFilters = (ownerId: string): FilterTable<VpcRecord> => ({
  cidr: (vpc) => vpc.cidr,
  "cidr-block": (vpc) => vpc.cidr,
  "cidr-block-association.cidr-block": (vpc) => rangesOf(vpc).map((it) => it.cidr),
  "cidr-block-association.association-id": (vpc) => rangesOf(vpc).map((it) => it.associationId),
  "cidr-block-association.state": () => "associated",
  "dhcp-options-id": (vpc) => vpc.dhcpOptionsId,
  "is-default": (vpc) => String(vpc.isDefault),
  isDefault: (vpc) => String(vpc.isDefault),
  "ipv6-cidr-block-association.ipv6-cidr-block": () => undefined,
  "ipv6-cidr-block-association.ipv6-pool": () => undefined,
  "ipv6-cidr-block-association.association-id": () => undefined,
  "ipv6-cidr-block-association.state": () => undefined,
  "owner-id": () => ownerId,
  state: () => "available",
  "vpc-id": (vpc) => vpc.id,
});
