import type { GroupIdentifier, NetworkInterface, NetworkInterfaceAssociation } from "@aws-sdk/client-ec2";
import { zoneId } from "../availability-zone/availability-zone.ts";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

export interface NetworkInterfaceRecord extends ResourceRecord {
  readonly id: `eni-${string}`;
  /** The host whose kernel carries it. */
  readonly hostId: string;
  readonly vpcId: `vpc-${string}`;
  readonly subnetId: `subnet-${string}`;
  readonly zone: string;
  readonly description: string;
  readonly mac: string;
  readonly address: string;
  readonly groupIds: readonly string[];
  readonly sourceDestCheck: boolean;
  /** Starting its instance takes a public address from the pool; stopping gives it back. */
  readonly publicAddressOnStart: boolean;
  readonly attachment?: InterfaceAttachment;
  /** Written by the network's reconciler: its packets flow. */
  readonly so: { readonly ready: boolean };
}

export interface InterfaceAttachment {
  readonly id: `eni-attach-${string}`;
  readonly instanceId: `i-${string}`;
  readonly deviceIndex: number;
  readonly attachedAt: string;
  readonly deleteOnTermination: boolean;
}

/** An address of the pool in use; its key is its claim. The id is the address. */
export interface PublicAddressRecord extends ResourceRecord {
  readonly interfaceId: string;
}

export const networkInterfaceArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:network-interface/${id}`;

export const privateDnsName = (address: string, region: string) =>
  `ip-${address.replaceAll(".", "-")}.${internalDomain(region)}`;
export const publicDnsName = (address: string, region: string) =>
  `ec2-${address.replaceAll(".", "-")}.${region === "us-east-1" ? "compute-1" : `${region}.compute`}.amazonaws.com`;
export const internalDomain = (region: string) =>
  region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;

export const describeGroups = (it: NetworkInterfaceRecord, records: Ec2Records): GroupIdentifier[] =>
  it.groupIds.map((id) => ({ GroupId: id, GroupName: records.get("security-group", id)?.name }));

function describeAssociation(
  it: NetworkInterfaceRecord,
  records: Ec2Records,
  { region }: Scope,
): NetworkInterfaceAssociation | undefined {
  const address = records.publicAddressOf(it.id)?.id;
  return address === undefined
    ? undefined
    : { IpOwnerId: "amazon", PublicIp: address, PublicDnsName: publicDnsName(address, region) };
}

/** What an interface's own description and its instance's tell alike. */
export function describeInterface(it: NetworkInterfaceRecord, records: Ec2Records, scope: Scope) {
  const association = describeAssociation(it, records, scope);
  const dns = privateDnsName(it.address, scope.region);
  return {
    NetworkInterfaceId: it.id,
    InterfaceType: "interface" as const,
    Description: it.description,
    OwnerId: scope.accountId,
    VpcId: it.vpcId,
    SubnetId: it.subnetId,
    MacAddress: it.mac,
    PrivateIpAddress: it.address,
    PrivateDnsName: dns,
    Association: association,
    PrivateIpAddresses: [
      { Primary: true, PrivateIpAddress: it.address, PrivateDnsName: dns, Association: association },
    ],
    Ipv6Addresses: [],
    Groups: describeGroups(it, records),
    SourceDestCheck: it.sourceDestCheck,
  };
}

export function describeNetworkInterface(
  it: NetworkInterfaceRecord,
  records: Ec2Records,
  scope: Scope,
): NetworkInterface {
  const told = describeInterface(it, records, scope);
  return {
    ...told,
    Status: it.attachment ? "in-use" : "available",
    AvailabilityZone: it.zone,
    AvailabilityZoneId: zoneId(scope.region, it.zone),
    PublicDnsName: told.Association?.PublicDnsName,
    RequesterManaged: false,
    Attachment: it.attachment && {
      AttachmentId: it.attachment.id,
      InstanceId: it.attachment.instanceId,
      InstanceOwnerId: scope.accountId,
      DeviceIndex: it.attachment.deviceIndex,
      NetworkCardIndex: 0,
      Status: "attached",
      AttachTime: new Date(it.attachment.attachedAt),
      DeleteOnTermination: it.attachment.deleteOnTermination,
    },
    TagSet: describeTags(it.tags),
  };
}

export const networkInterfaceFilters = (
  records: Ec2Records,
  scope: Scope,
): FilterTable<NetworkInterfaceRecord> => {
  const publicAddress = (it: NetworkInterfaceRecord) => records.publicAddressOf(it.id)?.id;
  const publicName = (it: NetworkInterfaceRecord) => {
    const address = publicAddress(it);
    return address === undefined ? undefined : publicDnsName(address, scope.region);
  };
  return {
    "association.allocation-id": () => undefined,
    "association.association-id": () => undefined,
    "addresses.association.owner-id": (it) => publicAddress(it) && "amazon",
    "addresses.association.public-ip": publicAddress,
    "addresses.primary": () => "true",
    "addresses.private-ip-address": (it) => it.address,
    "association.ip-owner-id": (it) => publicAddress(it) && "amazon",
    "association.public-ip": publicAddress,
    "association.public-dns-name": publicName,
    "attachment.attach-time": (it) => it.attachment?.attachedAt,
    "attachment.attachment-id": (it) => it.attachment?.id,
    "attachment.delete-on-termination": (it) => it.attachment && String(it.attachment.deleteOnTermination),
    "attachment.device-index": (it) => it.attachment && String(it.attachment.deviceIndex),
    "attachment.instance-id": (it) => it.attachment?.instanceId,
    "attachment.instance-owner-id": (it) => it.attachment && scope.accountId,
    "attachment.nat-gateway-id": () => undefined,
    "attachment.status": (it) => it.attachment && "attached",
    "availability-zone": (it) => it.zone,
    "availability-zone-id": (it) => zoneId(scope.region, it.zone),
    description: (it) => it.description,
    "group-id": (it) => it.groupIds,
    "group-name": (it) => it.groupIds.map((id) => records.get("security-group", id)?.name),
    "ipv6-addresses.ipv6-address": () => undefined,
    "interface-type": () => "interface",
    "mac-address": (it) => it.mac,
    "network-interface-id": (it) => it.id,
    "operator.managed": () => "false",
    "operator.principal": () => undefined,
    "owner-id": () => scope.accountId,
    "private-dns-name": (it) => privateDnsName(it.address, scope.region),
    "private-ip-address": (it) => it.address,
    "requester-id": () => undefined,
    "requester-managed": () => "false",
    "source-dest-check": (it) => String(it.sourceDestCheck),
    status: (it) => (it.attachment ? "in-use" : "available"),
    "subnet-id": (it) => it.subnetId,
    "vpc-id": (it) => it.vpcId,
  };
};
