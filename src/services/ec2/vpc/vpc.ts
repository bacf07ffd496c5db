import type { Vpc } from "@aws-sdk/client-ec2";
import type { ResourceRecord, Scope } from "../records.ts";
import type { FilterTable } from "../filters.ts";
import { describeTags } from "../tag/tag.ts";

export interface VpcRecord extends ResourceRecord {
  readonly id: `vpc-${string}`;
  readonly cidr: string;
  readonly cidrAssociationId: string;
  readonly dhcpOptionsId: string;
  readonly isDefault: boolean;
}

export const vpcArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:vpc/${id}`;

export const describeVpc = (vpc: VpcRecord, ownerId: string): Vpc => ({
  VpcId: vpc.id,
  OwnerId: ownerId,
  State: "available",
  CidrBlock: vpc.cidr,
  CidrBlockAssociationSet: [
    {
      AssociationId: vpc.cidrAssociationId,
      CidrBlock: vpc.cidr,
      CidrBlockState: { State: "associated" },
    },
  ],
  DhcpOptionsId: vpc.dhcpOptionsId,
  InstanceTenancy: "default",
  IsDefault: vpc.isDefault,
  Tags: describeTags(vpc.tags),
});

export const vpcFilters = (ownerId: string): FilterTable<VpcRecord> => ({
  cidr: (vpc) => vpc.cidr,
  "cidr-block": (vpc) => vpc.cidr,
  "cidr-block-association.cidr-block": (vpc) => vpc.cidr,
  "cidr-block-association.association-id": (vpc) => vpc.cidrAssociationId,
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
