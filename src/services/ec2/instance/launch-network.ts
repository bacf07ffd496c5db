import type { InstanceNetworkInterfaceSpecification, RunInstancesRequest } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { Ec2Context } from "../context.ts";
import {
  addressInUse,
  invalidCombination,
  invalidParameter,
  noFreeAddresses,
  noFreePublicAddresses,
  securityGroupNameNotFound,
  securityGroupNotFound,
  subnetNotFound,
  unsupportedParameter,
} from "../errors.ts";
import { quotas } from "../quotas.ts";
import type { Ec2Records } from "../records.ts";
import { addressCount, base, contains, isAddress, toAddress, toNumber } from "../ipv4.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import type { NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import { groupNameClaim } from "../security-group/security-group.ts";
import { reservedAddresses, type SubnetRecord } from "../subnet/subnet.ts";
import { tagsFor } from "../tag/tag.ts";

interface LaunchNetwork {
  readonly subnet: SubnetRecord;
  readonly groupIds: readonly string[];
  readonly publicAddress: boolean;
  readonly address?: string;
  readonly description: string;
  readonly deleteOnTermination: boolean;
}

/** Where the primary interface goes: as the request says, or the default subnet of the zone with the VPC's default group. */
export function chooseNetwork(input: RunInstancesRequest, context: Ec2Context): LaunchNetwork {
  const specification = onlyInterface(input);
  const subnet = subnetOf(specification?.SubnetId ?? input.SubnetId, input, context);
  const address = specification?.PrivateIpAddress ?? input.PrivateIpAddress;
  return {
    subnet,
    groupIds: groupsOf(
      specification?.Groups ?? input.SecurityGroupIds,
      input.SecurityGroups,
      subnet,
      context,
    ),
    publicAddress: specification?.AssociatePublicIpAddress ?? subnet.publicAddressOnLaunch,
    ...(address !== undefined && { address: checkedAddress(address, input, subnet) }),
    description: specification?.Description ?? "",
    deleteOnTermination: specification?.DeleteOnTermination ?? true,
  };
}

function onlyInterface(input: RunInstancesRequest): InstanceNetworkInterfaceSpecification | undefined {
  const [specification, ...more] = input.NetworkInterfaces ?? [];
  if (!specification) return undefined;
  if (more.length > 0) throw unsupportedParameter("NetworkInterfaces (more than one)");
  if (specification.DeviceIndex !== undefined && specification.DeviceIndex !== 0)
    throw invalidParameter("The first network interface must have device index 0.");
  if (input.SubnetId !== undefined || input.SecurityGroupIds?.length || input.SecurityGroups?.length)
    throw invalidCombination(
      "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request",
    );
  return specification;
}

function subnetOf(
  id: string | undefined,
  input: RunInstancesRequest,
  { records, region }: Ec2Context,
): SubnetRecord {
  const zone = input.Placement?.AvailabilityZone;
  const wantedZoneId = input.Placement?.AvailabilityZoneId;
  const inZone = (subnet: SubnetRecord) =>
    (zone === undefined || subnet.zone === zone) &&
    (wantedZoneId === undefined || zoneId(region, subnet.zone) === wantedZoneId);
  if (id !== undefined) {
    const subnet = records.get("subnet", id);
    if (!subnet) throw subnetNotFound([id]);
    if (!inZone(subnet))
      throw invalidParameter(`The subnet '${id}' is in the zone '${subnet.zone}', not in the one asked for.`);
    return subnet;
  }
  const vpcId = records.claimed("default-vpc");
  if (vpcId === undefined)
    throw new ApiError("VPCIdNotSpecified", "No default VPC for this user. Specify a subnet.");
  const subnet = records
    .subnetsIn(vpcId)
    .filter((it) => it.defaultForZone && inZone(it))
    .toSorted((a, b) => (a.zone < b.zone ? -1 : 1))[0];
  if (!subnet)
    throw invalidParameter(
      `Invalid availability zone: [${zone ?? wantedZoneId ?? ""}], or it has no default subnet`,
    );
  return subnet;
}

/** The groups an interface in this VPC is to be in; the VPC's default group when none is named. */
export function groupsOf(
  ids: readonly string[] | undefined,
  names: readonly string[] | undefined,
  { vpcId }: Pick<SubnetRecord, "vpcId">,
  { records }: Ec2Context,
): string[] {
  const named = (names ?? []).map((name) => {
    const id = records.claimed(groupNameClaim(vpcId, name));
    if (id === undefined) throw securityGroupNameNotFound(name, vpcId);
    return id;
  });
  const chosen = [...new Set([...(ids ?? []), ...named])];
  if (chosen.length > quotas.securityGroupsPerInterface.value)
    throw new ApiError(
      "SecurityGroupsPerInterfaceLimitExceeded",
      "You have exceeded the maximum number of security groups allowed per network interface.",
    );
  for (const id of chosen) {
    const group = records.get("security-group", id);
    if (!group) throw securityGroupNotFound([id]);
    if (group.vpcId !== vpcId)
      throw invalidParameter(`Security group ${id} and the subnet belong to different networks.`);
  }
  if (chosen.length > 0) return chosen;
  return [records.claimed(groupNameClaim(vpcId, "default")) ?? ""].filter(Boolean);
}

function checkedAddress(address: string, input: RunInstancesRequest, subnet: SubnetRecord): string {
  if (input.MaxCount !== 1)
    throw invalidCombination("A private address can be given only when one instance is launched.");
  if (!isAddress(address) || !contains(subnet.cidr, address))
    throw invalidParameter(`Address ${address} does not fall within the subnet's address range`);
  if (isReserved(address, subnet))
    throw invalidParameter(`Address ${address} is in subnet's reserved address range`);
  return address;
}

interface LaunchAddress {
  readonly address: string;
  readonly publicAddress?: string;
}

/** Free addresses for `count` interfaces; another call may win one first, and then this launch is resolved anew. */
export function newAddresses(network: LaunchNetwork, count: number, context: Ec2Context): LaunchAddress[] {
  const { records, publicPool } = context;
  const { subnet } = network;
  const claimed = (address: string) =>
    records.claimed(`subnet-address/${subnet.id}/${address}`) !== undefined;
  const unavailable = (address: string) => isReserved(address, subnet) || claimed(address);
  if (network.address !== undefined && claimed(network.address)) throw addressInUse(network.address);
  const [used, usedPublic] = [new Set<string>(), new Set<string>()];
  return Array.from({ length: count }, () => {
    const address = network.address ?? freeAddress(subnet.cidr, used, unavailable, context);
    if (address === undefined) throw noFreeAddresses(subnet.id);
    if (!network.publicAddress) return { address };
    const publicAddress = freeAddress(publicPool, usedPublic, publicAddressInUse(records), context);
    if (publicAddress === undefined) throw noFreePublicAddresses();
    return { address, publicAddress };
  });
}

/**
 * An address that is neither in `used`, which then holds it, nor taken. Looks from a random one on, past the range's own first
 * and last.
 */
export function freeAddress(
  cidr: string,
  used: Set<string>,
  taken: (address: string) => boolean,
  { random }: Pick<Ec2Context, "random">,
): string | undefined {
  const [first, size] = [base(cidr) + 1, addressCount(cidr) - 2];
  const start = random(size);
  for (let n = 0; n < size; n++) {
    const address = toAddress(first + ((start + n) % size));
    if (used.has(address) || taken(address)) continue;
    used.add(address);
    return address;
  }
  return undefined;
}

export const publicAddressInUse = (records: Ec2Records) => (address: string) =>
  records.get("public-address", address) !== undefined;

function isReserved(address: string, { cidr }: SubnetRecord): boolean {
  const offset = toNumber(address) - base(cidr);
  return offset < reservedAddresses.first || offset >= addressCount(cidr) - reservedAddresses.last;
}

export function newInterface(
  network: LaunchNetwork,
  { address }: LaunchAddress,
  attachedTo: { readonly instanceId: `i-${string}`; readonly attachedAt: string },
  hostId: string,
  input: RunInstancesRequest,
  { newId, random }: Ec2Context,
): NetworkInterfaceRecord {
  return {
    id: newId("eni"),
    hostId,
    vpcId: network.subnet.vpcId,
    subnetId: network.subnet.id,
    zone: network.subnet.zone,
    description: network.description,
    mac: newMac(random),
    address,
    groupIds: network.groupIds,
    sourceDestCheck: true,
    publicAddressOnStart: network.publicAddress,
    attachment: {
      id: newId("eni-attach"),
      deviceIndex: 0,
      deleteOnTermination: network.deleteOnTermination,
      ...attachedTo,
    },
    tags: tagsFor("network-interface", input.TagSpecifications),
    createdAt: attachedTo.attachedAt,
    so: { ready: false },
  };
}

/** Locally administered, like EC2's. The second byte is never 0, which is the routers' own. */
function newMac(random: (below: number) => number): string {
  const bytes = [2, 1 + random(255), random(256), random(256), random(256), random(256)];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
