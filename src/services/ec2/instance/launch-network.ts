import type { InstanceNetworkInterfaceSpecification, RunInstancesRequest } from "@aws-sdk/client-ec2";
import type { IdleTimeouts } from "#drivers/network/network-driver.ts";
import { ApiError } from "#api/error.ts";
import type { Ec2Context } from "../context.ts";
import {
  attachmentLimitExceeded,
  groupElsewhere,
  interfaceAttached,
  interfaceElsewhere,
  invalidCombination,
  invalidParameter,
  noFreePublicAddresses,
  securityGroupNameNotFound,
  securityGroupNotFound,
  subnetNotFound,
  unsupportedParameter,
} from "../errors.ts";
import { interfaceLimit, type InstanceType } from "../instance-type/instance-type.ts";
import { zoneId } from "../availability-zone/availability-zone.ts";
import { newPrefixes, type WantedPrefixes } from "../network-interface/address-prefix.ts";
import { freeAddress, inner } from "../network-interface/free-address.ts";
import { ownInterfaceOf } from "../network-interface/find-interface.ts";
import { idleTimeouts } from "../network-interface/idle-timeouts.ts";
import { addressSlots, type NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import { checkedDescription, newInterface } from "../network-interface/new-interface.ts";
import {
  addressTaker,
  checkAddressCount,
  namedIn,
  takenAddresses,
  wantedAddresses,
  type WantedAddresses,
} from "../network-interface/private-address.ts";
import { publicAddressInUse } from "../network-interface/public-address.ts";
import { quotas } from "../quotas.ts";
import { groupNameClaim, isUsableIn } from "../security-group/security-group.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { tagsFor } from "../tag/tag.ts";

export interface LaunchNetwork {
  /** The interface's device index. */
  readonly index: number;
  readonly subnet: SubnetRecord;
  readonly groupIds: readonly string[];
  readonly publicAddress: boolean;
  readonly addresses: WantedAddresses;
  readonly prefixes: WantedPrefixes;
  readonly description: string;
  readonly idleTimeouts?: IdleTimeouts;
  readonly deleteOnTermination: boolean;
  /** One that was made before; absent: a new one. */
  readonly existing?: NetworkInterfaceRecord;
}

/**
 * Where the interfaces go, by device index: as the request says, or one in the default subnet of the zone with the VPC's default
 * group.
 */
export function chooseNetworks(
  input: RunInstancesRequest,
  type: Pick<InstanceType, "id">,
  context: Ec2Context,
): [LaunchNetwork, ...LaunchNetwork[]] {
  const [first, ...more] = specifications(input, type);
  const networks = more.map((it) => chooseNetwork(it, input, type, context));
  const primary = chooseNetwork(first, input, type, context);
  if (networks.some(({ subnet }) => subnet.zone !== primary.subnet.zone)) throw interfaceElsewhere();
  const ids = [primary, ...networks].flatMap(({ existing }) => existing?.id ?? []);
  for (const [n, id] of ids.entries()) if (ids.indexOf(id) !== n) throw interfaceAttached(id);
  if (networks.length === 0) return [primary];
  return [withoutPublicAddress(primary), ...networks.map(withoutPublicAddress)];
}

/** One that nobody specified is new. */
function specifications(
  input: RunInstancesRequest,
  type: Pick<InstanceType, "id">,
): [InstanceNetworkInterfaceSpecification, ...InstanceNetworkInterfaceSpecification[]] {
  const given = input.NetworkInterfaces ?? [];
  const [first, ...more] = given.toSorted((a, b) => (a.DeviceIndex ?? 0) - (b.DeviceIndex ?? 0));
  if (input.SubnetId && input.SecurityGroups?.length)
    throw invalidCombination("The parameter groupName cannot be used with the parameter subnet");
  if (!first) return [{}];
  if (more.length > 0 && given.some(({ DeviceIndex: index }) => index === undefined))
    throw invalidParameter("Each network interface requires a device index.");
  if (new Set(given.map(({ DeviceIndex: index }) => index)).size < given.length)
    throw invalidParameter("Each network interface requires a unique device index.");
  if ((first.DeviceIndex ?? 0) !== 0)
    throw invalidParameter("The first network interface must have device index 0.");
  if (given.length > interfaceLimit(type.id)) throw attachmentLimitExceeded(given.length, type.id);
  if (more.length > 0 && given.some((it) => it.AssociatePublicIpAddress))
    throw invalidCombination(
      "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
    );
  if (given.some((it) => it.NetworkCardIndex))
    throw unsupportedParameter("NetworkInterfaces.NetworkCardIndex");
  const ofInstance = [
    ["subnet ID", input.SubnetId],
    ["security groups", input.SecurityGroupIds?.[0] ?? input.SecurityGroups?.[0]],
    ["private IP address", input.PrivateIpAddress],
  ] as const;
  for (const [what, value] of ofInstance)
    if (value)
      throw invalidCombination(
        `Network interfaces and an instance-level ${what} may not be specified on the same request`,
      );
  if (given.some((it) => (it.InterfaceType ?? "interface") !== "interface"))
    throw unsupportedParameter("NetworkInterfaces.InterfaceType");
  return [first, ...more];
}

/** A subnet gives public addresses only to instances of one interface. */
const withoutPublicAddress = (network: LaunchNetwork): LaunchNetwork => ({
  ...network,
  publicAddress: false,
});

function chooseNetwork(
  specification: InstanceNetworkInterfaceSpecification,
  input: RunInstancesRequest,
  type: Pick<InstanceType, "id">,
  context: Ec2Context,
): LaunchNetwork {
  if (specification.NetworkInterfaceId) return existingNetwork(specification, input, type, context);
  const subnet = subnetOf(specification.SubnetId ?? input.SubnetId, input, context);
  const addresses = wantedAddresses(
    { ...specification, PrivateIpAddress: specification.PrivateIpAddress ?? input.PrivateIpAddress },
    subnet,
  );
  const timeouts = idleTimeouts(specification.ConnectionTrackingSpecification);
  const { Ipv4Prefixes: prefixes = [], Ipv4PrefixCount: prefixCount = 0 } = specification;
  if (namedIn(addresses).length + prefixes.length > 0 && input.MaxCount !== 1)
    throw invalidCombination("A private address can be given only when one instance is launched.");
  const secondary =
    typeof addresses.secondary === "number" ? addresses.secondary : addresses.secondary.length;
  checkAddressCount(1 + secondary + prefixes.length + Math.max(prefixCount, 0), type.id);
  return {
    index: specification.DeviceIndex ?? 0,
    subnet,
    groupIds: groupsOf(
      specification.Groups ?? input.SecurityGroupIds,
      input.SecurityGroups,
      { vpcId: subnet.vpcId, subnetId: subnet.id },
      context,
    ),
    publicAddress: specification.AssociatePublicIpAddress ?? subnet.publicAddressOnLaunch,
    addresses,
    prefixes: { Ipv4Prefixes: prefixes, Ipv4PrefixCount: prefixCount },
    description: checkedDescription(specification.Description),
    ...(timeouts && { idleTimeouts: timeouts }),
    deleteOnTermination: specification.DeleteOnTermination ?? true,
  };
}

/** An interface that was made before keeps all that it has, and outlives its instance unless the request says otherwise. */
function existingNetwork(
  specification: InstanceNetworkInterfaceSpecification,
  input: RunInstancesRequest,
  type: Pick<InstanceType, "id">,
  context: Ec2Context,
): LaunchNetwork {
  const nic = ownInterfaceOf(specification.NetworkInterfaceId ?? "", context);
  const {
    NetworkInterfaceId: _,
    DeviceIndex: index = 0,
    DeleteOnTermination: deletes,
    ...more
  } = specification;
  const given = Object.entries(more).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : value && value !== "interface",
  );
  if (given.length > 0)
    throw invalidCombination(
      "A network interface ID may not be specified together with what a new network interface would have.",
    );
  if (input.MaxCount !== 1)
    throw invalidCombination("A network interface can be given only when one instance is launched.");
  if (nic.attachment) throw interfaceAttached(nic.id);
  checkAddressCount(addressSlots(nic), type.id);
  return {
    index,
    subnet: subnetOf(nic.subnetId, input, context),
    groupIds: nic.groupIds,
    publicAddress: false,
    addresses: { secondary: 0 },
    prefixes: {},
    description: nic.description,
    deleteOnTermination: deletes ?? false,
    existing: nic,
  };
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
  { vpcId, subnetId }: Pick<NetworkInterfaceRecord, "vpcId" | "subnetId">,
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
      "The maximum number of security groups per interface has been reached.",
    );
  for (const id of chosen) {
    const group = records.get("security-group", id);
    if (!group) throw securityGroupNotFound([id]);
    if (!isUsableIn(group, vpcId)) throw groupElsewhere(id, subnetId);
  }
  if (chosen.length > 0) return chosen;
  return [records.claimed(groupNameClaim(vpcId, "default")) ?? ""].filter(Boolean);
}

interface LaunchAddress {
  readonly address: string;
  readonly secondary: readonly string[];
  readonly prefixes: readonly string[];
  readonly publicAddress?: string;
}

/**
 * Addresses for the interfaces of `count` instances, in the networks' order; another call may win one first, and then this launch
 * is resolved anew.
 */
export function newAddresses(
  networks: readonly LaunchNetwork[],
  count: number,
  context: Ec2Context,
): LaunchAddress[][] {
  const { records, publicPool } = context;
  const subnets = new Map(networks.map(({ subnet }) => [subnet.id, subnet]));
  const prefixes = prefixesOf(networks, count, context);
  const takers = new Map(
    [...subnets].map(([id, subnet]) => {
      const taken = prefixes.flatMap((those) => those.filter((_, n) => networks[n]?.subnet.id === id).flat());
      return [id, addressTaker(subnet, context, taken)];
    }),
  );
  const usedPublic = new Set<string>();
  return prefixes.map((ofInstance) => {
    const taken = takenAddresses(
      networks.map(({ subnet, addresses, existing }) => ({
        wanted: existing ? { primary: existing.address, secondary: existing.secondary ?? [] } : addresses,
        take: (existing ? undefined : takers.get(subnet.id)) ?? ((wanted = "") => wanted),
      })),
    );
    return taken.map((addresses, n) => {
      const all = { ...addresses, prefixes: ofInstance[n] ?? [] };
      if (!networks[n]?.publicAddress) return all;
      const publicAddress = freeAddress(inner(publicPool), usedPublic, publicAddressInUse(records), context);
      if (publicAddress === undefined) throw noFreePublicAddresses();
      return { ...all, publicAddress };
    });
  });
}

/** Prefixes of each interface of each instance: they go before the addresses, of which they need sixteen in a row. */
function prefixesOf(networks: readonly LaunchNetwork[], count: number, context: Ec2Context): string[][][] {
  const used = new Map<string, string[]>();
  for (const { subnet, addresses } of networks)
    used.set(subnet.id, [...(used.get(subnet.id) ?? []), ...namedIn(addresses)]);
  return Array.from({ length: count }, () =>
    networks.map(({ subnet, prefixes }) => {
      const beside = used.get(subnet.id) ?? [];
      const made = newPrefixes(prefixes, subnet, context, beside);
      used.set(subnet.id, [...beside, ...made.map((it) => it.replace("/28", ""))]);
      return made;
    }),
  );
}

/** An interface of an instance: a new one, or the one that was asked for. */
export function launchedInterface(
  network: LaunchNetwork,
  { address, secondary, prefixes }: LaunchAddress,
  attachedTo: { readonly instanceId: `i-${string}`; readonly attachedAt: string },
  hostId: string,
  input: RunInstancesRequest,
  context: Ec2Context,
): NetworkInterfaceRecord {
  const attached = {
    hostId,
    attachment: {
      id: context.newId("eni-attach"),
      deviceIndex: network.index,
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
      ...(prefixes.length > 0 && { prefixes }),
      description: network.description,
      ...(network.idleTimeouts && { idleTimeouts: network.idleTimeouts }),
      groupIds: network.groupIds,
      publicAddressOnStart: network.publicAddress,
      tags: tagsFor("network-interface", input.TagSpecifications),
      ...attached,
    },
    context,
  );
}
