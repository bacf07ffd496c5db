import type {
  AttachmentStatus,
  GroupIdentifier,
  InterfacePermissionType,
  NetworkInterface,
  NetworkInterfaceAssociation,
  NetworkInterfaceAttachment,
  NetworkInterfaceType,
} from "@aws-sdk/client-ec2";
import type { IdleTimeouts } from "#drivers/network/network-driver.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { addressesIn } from "../ipv4.ts";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { givesNames } from "../vpc/vpc.ts";
import { describeIdleTimeouts } from "./idle-timeouts.ts";
import type { PublicAddressRecord } from "./public-address.ts";

export interface NetworkInterfaceRecord extends ResourceRecord {
  readonly id: `eni-${string}`;
  /** The host whose kernel carries it; absent until it is attached for the first time. */
  readonly hostId?: string;
  readonly vpcId: `vpc-${string}`;
  readonly subnetId: `subnet-${string}`;
  readonly zone: string;
  readonly description: string;
  readonly mac: string;
  /** The primary one, for as long as the interface is there. */
  readonly address: string;
  /** Further ones of its subnet, in the order they were assigned. */
  readonly secondary?: readonly string[];
  /** Ranges of sixteen addresses of its subnet that are its own too, as CIDR blocks. */
  readonly prefixes?: readonly string[];
  readonly groupIds: readonly string[];
  readonly sourceDestCheck: boolean;
  /** Of what its groups track. */
  readonly idleTimeouts?: IdleTimeouts;
  /** Starting its instance takes a public address from the pool; stopping gives it back. */
  readonly publicAddressOnStart: boolean;
  readonly attachment?: InterfaceAttachment;
  /** The NAT gateway that it is of, and nobody else's to change. */
  readonly natGatewayId?: `nat-${string}`;
  /** What other accounts may do with it; absent: nothing. */
  readonly permissions?: readonly InterfacePermission[];
  /** Of the request that made it, without an instance. */
  readonly clientToken?: string;
  /** Written by the network's reconciler: its packets flow. */
  readonly so: { readonly ready: boolean };
}

export interface InterfacePermission {
  readonly id: `eni-perm-${string}`;
  readonly accountId: string;
  readonly permission: InterfacePermissionType;
}

export interface InterfaceAttachment {
  readonly id: `eni-attach-${string}`;
  readonly instanceId: `i-${string}`;
  readonly deviceIndex: number;
  readonly attachedAt: string;
  readonly deleteOnTermination: boolean;
  /** Its instance ran when it was attached, and the machine may not have it yet. */
  readonly plugging?: true;
  /** It was asked to go; by force, whether its guest lets go of it or not. */
  readonly detaching?: { readonly force: boolean };
  /** The machine has let go of it, and the network is to. */
  readonly out?: true;
}

export function attachmentStatus(
  { plugging, detaching }: InterfaceAttachment,
  { ready }: NetworkInterfaceRecord["so"],
): AttachmentStatus {
  if (detaching) return "detaching";
  return plugging || !ready ? "attaching" : "attached";
}

/** To an instance or a NAT gateway. */
export const isInUse = ({ attachment, natGatewayId }: NetworkInterfaceRecord): boolean =>
  attachment !== undefined || natGatewayId !== undefined;

/** Of an instance's, the one that its own addresses and names are of. */
export const isPrimary = ({ attachment }: NetworkInterfaceRecord): boolean => attachment?.deviceIndex === 0;

export const networkInterfaceArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:network-interface/${id}`;

export const privateDnsName = (address: string, region: string) =>
  `ip-${address.replaceAll(".", "-")}.${internalDomain(region)}`;
export const publicDnsName = (address: string, region: string) =>
  `ec2-${address.replaceAll(".", "-")}.${region === "us-east-1" ? "compute-1" : `${region}.compute`}.amazonaws.com`;
/** Of a public address of a VPC's interface; undefined where the VPC gives no names or has no resolver. */
export function publicNameOf(
  address: string | undefined,
  vpcId: string,
  records: Ec2Records,
  { region }: Scope,
): string | undefined {
  const vpc = records.get("vpc", vpcId);
  const named = vpc !== undefined && givesNames(vpc) && vpc.dnsSupport !== false;
  return address !== undefined && named ? publicDnsName(address, region) : undefined;
}
export const internalDomain = (region: string) =>
  region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;

export const describeGroups = (it: NetworkInterfaceRecord, records: Ec2Records): GroupIdentifier[] =>
  it.groupIds.map((id) => ({ GroupId: id, GroupName: records.get("security-group", id)?.name }));

const describeAssociation = (
  mapped: PublicAddressRecord | undefined,
  vpcId: string,
  records: Ec2Records,
  scope: Scope,
): NetworkInterfaceAssociation | undefined =>
  mapped && {
    IpOwnerId: ownerOf(mapped, scope),
    PublicIp: mapped.id,
    PublicDnsName: publicNameOf(mapped.id, vpcId, records, scope) ?? "",
    AllocationId: mapped.allocationId,
    AssociationId: mapped.associationId,
  };

/** An address that only a start took is Amazon's. */
const ownerOf = ({ allocationId }: PublicAddressRecord, { accountId }: Scope) =>
  allocationId === undefined ? "amazon" : accountId;

/** What it counts for against its type's limit: an address is one, a prefix too. */
export const addressSlots = ({ secondary = [], prefixes = [] }: NetworkInterfaceRecord): number =>
  1 + secondary.length + prefixes.length;

/** Those that packets reach it at: also every one of its prefixes. */
export const reachedAt = (it: NetworkInterfaceRecord): string[] => [
  ...addressesOf(it),
  ...(it.prefixes ?? []).flatMap(addressesIn),
];

/** All of its private addresses by themselves, the primary one first. */
export const addressesOf = ({ address, secondary = [] }: NetworkInterfaceRecord): string[] => [
  address,
  ...secondary,
];

/** "nat_gateway" is AWS's own word, which its enumeration spells otherwise. */
const interfaceType = ({ natGatewayId }: NetworkInterfaceRecord): NetworkInterfaceType =>
  natGatewayId === undefined ? "interface" : ("nat_gateway" as "natGateway");

/** What an interface's own description and its instance's tell alike. */
export function describeInterface(it: NetworkInterfaceRecord, records: Ec2Records, scope: Scope) {
  const described = (address?: string) =>
    describeAssociation(records.publicAddressOf(it.id, address), it.vpcId, records, scope);
  const association = described();
  return {
    NetworkInterfaceId: it.id,
    InterfaceType: interfaceType(it),
    Description: it.description,
    OwnerId: scope.accountId,
    VpcId: it.vpcId,
    SubnetId: it.subnetId,
    MacAddress: it.mac,
    PrivateIpAddress: it.address,
    PrivateDnsName: privateDnsName(it.address, scope.region),
    Association: association,
    PrivateIpAddresses: addressesOf(it).map((address, n) => ({
      Primary: n === 0,
      PrivateIpAddress: address,
      PrivateDnsName: privateDnsName(address, scope.region),
      Association: n === 0 ? association : described(address),
    })),
    ...(it.prefixes?.length && { Ipv4Prefixes: it.prefixes.map((Ipv4Prefix) => ({ Ipv4Prefix })) }),
    Ipv6Addresses: [],
    Groups: describeGroups(it, records),
    SourceDestCheck: it.sourceDestCheck,
    ...(it.idleTimeouts && { ConnectionTrackingConfiguration: describeIdleTimeouts(it.idleTimeouts) }),
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
    Status: isInUse(it) ? "in-use" : "available",
    AvailabilityZone: it.zone,
    AvailabilityZoneId: zoneId(scope.region, it.zone),
    PublicDnsName: told.Association?.PublicDnsName,
    RequesterManaged: it.natGatewayId !== undefined,
    Attachment: describeAttachment(it, scope),
    TagSet: describeTags(it.tags),
  };
}

function describeAttachment(
  it: NetworkInterfaceRecord,
  { accountId }: Scope,
): NetworkInterfaceAttachment | undefined {
  if (it.natGatewayId !== undefined)
    return {
      AttachmentId: it.id.replace("eni", "ela-attach"),
      InstanceOwnerId: "amazon-aws",
      DeviceIndex: 1,
      NetworkCardIndex: 0,
      Status: "attached",
      AttachTime: new Date(it.createdAt),
      DeleteOnTermination: false,
    };
  return (
    it.attachment && {
      AttachmentId: it.attachment.id,
      InstanceId: it.attachment.instanceId,
      InstanceOwnerId: accountId,
      DeviceIndex: it.attachment.deviceIndex,
      NetworkCardIndex: 0,
      Status: attachmentStatus(it.attachment, it.so),
      AttachTime: new Date(it.attachment.attachedAt),
      DeleteOnTermination: it.attachment.deleteOnTermination,
    }
  );
}

export const networkInterfaceFilters = (
  records: Ec2Records,
  scope: Scope,
): FilterTable<NetworkInterfaceRecord> => {
  const mapped = (it: NetworkInterfaceRecord) => records.publicAddressesOf(it.id);
  const owners = (it: NetworkInterfaceRecord) => mapped(it).map((address) => ownerOf(address, scope));
  const publicAddresses = (it: NetworkInterfaceRecord) => mapped(it).map(({ id }) => id);
  const attachment = (it: NetworkInterfaceRecord) => describeAttachment(it, scope);
  return {
    "association.allocation-id": (it) => mapped(it).map(({ allocationId }) => allocationId),
    "association.association-id": (it) => mapped(it).map(({ associationId }) => associationId),
    "addresses.association.owner-id": owners,
    "addresses.association.public-ip": publicAddresses,
    "addresses.primary": (it) => addressesOf(it).map((_, n) => String(n === 0)),
    "addresses.private-ip-address": addressesOf,
    "association.ip-owner-id": owners,
    "association.public-ip": publicAddresses,
    "association.public-dns-name": (it) =>
      publicAddresses(it).map((address) => publicNameOf(address, it.vpcId, records, scope)),
    "attachment.attach-time": (it) => attachment(it)?.AttachTime?.toISOString(),
    "attachment.attachment-id": (it) => attachment(it)?.AttachmentId,
    "attachment.delete-on-termination": (it) => attachment(it)?.DeleteOnTermination?.toString(),
    "attachment.device-index": (it) => attachment(it)?.DeviceIndex?.toString(),
    "attachment.instance-id": (it) => it.attachment?.instanceId,
    "attachment.instance-owner-id": (it) => attachment(it)?.InstanceOwnerId,
    "attachment.nat-gateway-id": (it) => it.natGatewayId,
    "attachment.status": (it) => attachment(it)?.Status,
    "availability-zone": (it) => it.zone,
    "availability-zone-id": (it) => zoneId(scope.region, it.zone),
    description: (it) => it.description,
    "group-id": (it) => it.groupIds,
    "group-name": (it) => it.groupIds.map((id) => records.get("security-group", id)?.name),
    "ipv6-addresses.ipv6-address": () => undefined,
    "interface-type": interfaceType,
    "mac-address": (it) => it.mac,
    "network-interface-id": (it) => it.id,
    "operator.managed": () => "false",
    "operator.principal": () => undefined,
    "owner-id": () => scope.accountId,
    "private-dns-name": (it) => privateDnsName(it.address, scope.region),
    "private-ip-address": (it) => it.address,
    "requester-id": () => undefined,
    "requester-managed": (it) => String(it.natGatewayId !== undefined),
    "source-dest-check": (it) => String(it.sourceDestCheck),
    status: (it) => (isInUse(it) ? "in-use" : "available"),
    "subnet-id": (it) => it.subnetId,
    "vpc-id": (it) => it.vpcId,
  };
};
