import type { InstanceNetworkInterfaceSpecification, RunInstancesRequest } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { Ec2Context } from "../context.ts";
import {
  interfaceAttached,
  invalidCombination,
  invalidParameter,
  noFreePublicAddresses,
  securityGroupNameNotFound,
  securityGroupNotFound,
  subnetNotFound,
  unsupportedParameter,
} from "../errors.ts";
import type { InstanceType } from "../instance-type/instance-type.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { freeAddress } from "../network-interface/free-address.ts";
import { interfaceOf } from "../network-interface/find-interface.ts";
import { addressesOf, type NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import { newInterface } from "../network-interface/new-interface.ts";
import {
  addressTaker,
  checkAddressCount,
  takenAddresses,
  wantedAddresses,
  type WantedAddresses,
} from "../network-interface/private-address.ts";
import { publicAddressInUse } from "../network-interface/public-address.ts";
import { quotas } from "../quotas.ts";
import { groupNameClaim } from "../security-group/security-group.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { tagsFor } from "../tag/tag.ts";

interface LaunchNetwork {
  readonly subnet: SubnetRecord;
  readonly groupIds: readonly string[];
  readonly publicAddress: boolean;
  readonly addresses: WantedAddresses;
  readonly description: string;
  readonly deleteOnTermination: boolean;
  /** One that was made before; absent: a new one. */
  readonly existing?: NetworkInterfaceRecord;
}

/** Where the primary interface goes: as the request says, or the default subnet of the zone with the VPC's default group. */
export function chooseNetwork(
  input: RunInstancesRequest,
  type: Pick<InstanceType, "id">,
  context: Ec2Context,
): LaunchNetwork {
  const specification = onlyInterface(input);
  if (specification?.NetworkInterfaceId) return existingNetwork(specification, input, type, context);
  const subnet = subnetOf(specification?.SubnetId ?? input.SubnetId, input, context);
  const addresses = wantedAddresses(
    { ...specification, PrivateIpAddress: specification?.PrivateIpAddress ?? input.PrivateIpAddress },
    subnet,
  );
  const named = addresses.primary !== undefined || typeof addresses.secondary !== "number";
  if (named && input.MaxCount !== 1)
    throw invalidCombination("A private address can be given only when one instance is launched.");
  checkAddressCount(
    1 + (typeof addresses.secondary === "number" ? addresses.secondary : addresses.secondary.length),
    type.id,
  );
  return {
    subnet,
    groupIds: groupsOf(
      specification?.Groups ?? input.SecurityGroupIds,
      input.SecurityGroups,
      subnet,
      context,
    ),
    publicAddress: specification?.AssociatePublicIpAddress ?? subnet.publicAddressOnLaunch,
    addresses,
    description: specification?.Description ?? "",
    deleteOnTermination: specification?.DeleteOnTermination ?? true,
  };
}

/** An interface that was made before keeps all that it has, and outlives its instance unless the request says otherwise. */
function existingNetwork(
  specification: InstanceNetworkInterfaceSpecification,
  input: RunInstancesRequest,
  type: Pick<InstanceType, "id">,
  context: Ec2Context,
): LaunchNetwork {
  const nic = interfaceOf(specification.NetworkInterfaceId ?? "", context);
  const { NetworkInterfaceId: _, DeviceIndex: _index, DeleteOnTermination: deletes, ...more } = specification;
  const given = Object.entries({ ...more, ofInstance: input.PrivateIpAddress }).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : value && value !== "interface",
  );
  if (given.length > 0)
    throw invalidCombination(
      "A network interface ID may not be specified together with what a new network interface would have.",
    );
  if (input.MaxCount !== 1)
    throw invalidCombination("A network interface can be given only when one instance is launched.");
  if (nic.attachment) throw interfaceAttached(nic.id);
  checkAddressCount(addressesOf(nic).length, type.id);
  return {
    subnet: subnetOf(nic.subnetId, input, context),
    groupIds: nic.groupIds,
    publicAddress: false,
    addresses: { secondary: 0 },
    description: nic.description,
    deleteOnTermination: deletes ?? false,
    existing: nic,
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

interface LaunchAddress {
  readonly address: string;
  readonly secondary: readonly string[];
  readonly publicAddress?: string;
}

/** Addresses for `count` interfaces; another call may win one first, and then this launch is resolved anew. */
export function newAddresses(network: LaunchNetwork, count: number, context: Ec2Context): LaunchAddress[] {
  const { records, publicPool } = context;
  const { existing } = network;
  if (existing) return [{ address: existing.address, secondary: existing.secondary ?? [] }];
  const take = addressTaker(network.subnet, context);
  const usedPublic = new Set<string>();
  return Array.from({ length: count }, () => {
    const addresses = takenAddresses(network.addresses, take);
    if (!network.publicAddress) return addresses;
    const publicAddress = freeAddress(publicPool, usedPublic, publicAddressInUse(records), context);
    if (publicAddress === undefined) throw noFreePublicAddresses();
    return { ...addresses, publicAddress };
  });
}

/** The primary interface of an instance: a new one, or the one that was asked for. */
export function launchedInterface(
  network: LaunchNetwork,
  { address, secondary }: LaunchAddress,
  attachedTo: { readonly instanceId: `i-${string}`; readonly attachedAt: string },
  hostId: string,
  input: RunInstancesRequest,
  context: Ec2Context,
): NetworkInterfaceRecord {
  const attached = {
    hostId,
    attachment: {
      id: context.newId("eni-attach"),
      deviceIndex: 0,
      deleteOnTermination: network.deleteOnTermination,
      ...attachedTo,
    },
  };
  if (network.existing) return { ...network.existing, ...attached };
  return newInterface(
    network.subnet,
    {
      address,
      ...(secondary.length > 0 && { secondary }),
      description: network.description,
      groupIds: network.groupIds,
      publicAddressOnStart: network.publicAddress,
      tags: tagsFor("network-interface", input.TagSpecifications),
      ...attached,
    },
    context,
  );
}
