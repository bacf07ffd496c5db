import type { Subnet } from "@aws-sdk/client-ec2";
import { zoneId } from "../availability-zone/availability-zone.ts";
import type { Scope } from "../records.ts";
import type { ResourceRecord } from "../records.ts";
import type { Ec2Context } from "../context.ts";
import type { FilterTable } from "../filters.ts";
import { describePrivateDnsNames, type PrivateDnsNames } from "../instance/private-dns-names.ts";
import { addressCount } from "../ipv4.ts";
import { describeTags } from "../tag/tag.ts";

export interface SubnetRecord extends ResourceRecord, PrivateDnsNames {
  readonly id: `subnet-${string}`;
  readonly vpcId: `vpc-${string}`;
  readonly cidr: string;
  readonly zone: string;
  readonly defaultForZone: boolean;
  readonly publicAddressOnLaunch: boolean;
}

/** What is written for a subnet beside its association with a network ACL. */
export const newSubnet = (subnet: SubnetRecord, { records }: Pick<Ec2Context, "records">) => [
  { key: records.key("subnet", subnet.id), value: subnet },
  { key: records.key("member", `${subnet.vpcId}/${subnet.id}`), value: null },
];

/** The first four addresses of a subnet and its last are AWS's own. */
export const reservedAddresses = { first: 4, last: 1 } as const;

export const subnetArn = ({ id }: { readonly id: string }, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:subnet/${id}`;

/** An address that a subnet's interfaces hold is not available to others: `used` counts them. */
export const describeSubnet = (subnet: SubnetRecord, used: number, scope: Scope): Subnet => ({
  SubnetId: subnet.id,
  SubnetArn: subnetArn(subnet, scope),
  VpcId: subnet.vpcId,
  OwnerId: scope.accountId,
  State: "available",
  CidrBlock: subnet.cidr,
  AvailableIpAddressCount: freeAddresses(subnet, used),
  AvailabilityZone: subnet.zone,
  AvailabilityZoneId: zoneId(scope.region, subnet.zone),
  DefaultForAz: subnet.defaultForZone,
  MapPublicIpOnLaunch: subnet.publicAddressOnLaunch,
  MapCustomerOwnedIpOnLaunch: false,
  AssignIpv6AddressOnCreation: false,
  EnableDns64: false,
  Ipv6Native: false,
  Ipv6CidrBlockAssociationSet: [],
  PrivateDnsNameOptionsOnLaunch: describePrivateDnsNames(subnet),
  Tags: describeTags(subnet.tags),
});

const freeAddresses = (subnet: SubnetRecord, used: number) =>
  addressCount(subnet.cidr) - reservedAddresses.first - reservedAddresses.last - used;

export const subnetFilters = (
  scope: Scope,
  used: (subnet: SubnetRecord) => number,
): FilterTable<SubnetRecord> => ({
  "availability-zone": (it) => it.zone,
  availabilityZone: (it) => it.zone,
  "availability-zone-id": (it) => zoneId(scope.region, it.zone),
  availabilityZoneId: (it) => zoneId(scope.region, it.zone),
  "available-ip-address-count": (it) => String(freeAddresses(it, used(it))),
  "cidr-block": (it) => it.cidr,
  cidr: (it) => it.cidr,
  cidrBlock: (it) => it.cidr,
  "customer-owned-ipv4-pool": () => undefined,
  "default-for-az": (it) => String(it.defaultForZone),
  defaultForAz: (it) => String(it.defaultForZone),
  "enable-dns64": () => "false",
  "enable-lni-at-device-index": () => undefined,
  "ipv6-cidr-block-association.ipv6-cidr-block": () => undefined,
  "ipv6-cidr-block-association.association-id": () => undefined,
  "ipv6-cidr-block-association.state": () => undefined,
  "ipv6-native": () => "false",
  "map-customer-owned-ip-on-launch": () => "false",
  "map-public-ip-on-launch": (it) => String(it.publicAddressOnLaunch),
  "outpost-arn": () => undefined,
  "owner-id": () => scope.accountId,
  "private-dns-name-options-on-launch.hostname-type": (it) => it.hostNames ?? "ip-name",
  "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": (it) =>
    String(it.resourceNameRecords ?? false),
  "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": () => "false",
  state: () => "available",
  "subnet-arn": (it) => subnetArn(it, scope),
  "subnet-id": (it) => it.id,
  "vpc-id": (it) => it.vpcId,
});
