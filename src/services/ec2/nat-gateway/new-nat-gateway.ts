import type { CreateNatGatewayRequest, NatGatewayAddress } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import type { Transaction } from "#store/store.ts";
import type { MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { mappedTo, mappingOf, type ElasticIpRecord } from "../elastic-ip/elastic-ip.ts";
import {
  invalidCombination,
  invalidParameter,
  missingParameter,
  noAllocation,
  tooManyNatGateways,
  unsupportedParameter,
} from "../errors.ts";
import { interfaceWrites, newInterface } from "../network-interface/new-interface.ts";
import { addressTaker, wantedAddresses } from "../network-interface/private-address.ts";
import { quotas } from "../quotas.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { subnetOf } from "../subnet/subnet-operations.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { natGatewayArn, natGatewayState, type NatGatewayRecord } from "./nat-gateway.ts";

/**
 * What CreateNatGateway makes. As AWS documents it, what keeps a gateway from its addresses is no error: the gateway is there, and
 * has failed.
 */
export function newNatGateway(input: CreateNatGatewayRequest, context: Ec2Context): MakingPlan {
  const { records, newId, now } = context;
  for (const name of ["AvailabilityZoneAddresses", "VpcId"] as const)
    if (Array.isArray(input[name]) ? input[name].length > 0 : input[name]) throw unsupportedParameter(name);
  if ((input.AvailabilityMode ?? "zonal") !== "zonal") throw unsupportedParameter("AvailabilityMode");
  if (input.SubnetId === undefined) throw missingParameter("subnetId");
  const subnet = subnetOf(input.SubnetId, context);
  onlyTags(["natgateway"], input.TagSpecifications);
  const wanted = wantedOf(input, subnet);
  // Those that are being deleted count, as AWS counts them.
  const all = records.all("nat-gateway");
  const present = all.filter(
    (it) => it.zone === subnet.zone && !["failed", "deleted"].includes(natGatewayState(it, records)),
  );
  const { value: limit } = quotas.natGatewaysPerZone;
  if (present.length >= limit) throw tooManyNatGateways(limit);
  const common = {
    id: newId("nat"),
    vpcId: subnet.vpcId,
    subnetId: subnet.id,
    zone: subnet.zone,
    connectivity: wanted.connectivity,
    ...(input.ClientToken && { clientToken: input.ClientToken }),
    tags: tagsFor("natgateway", input.TagSpecifications),
    createdAt: now().toISOString(),
  } satisfies NatGatewayRecord;
  const { gateway, expect = [], put = [] } = settledOrFailed(common, wanted, subnet, context);
  return {
    touches: [{ arn: natGatewayArn("*", context), tags: gateway.tags }],
    transaction: {
      expect: [
        ...expect,
        { exists: records.key("subnet", subnet.id) },
        // Nobody has made another meanwhile.
        records.fewer("nat-gateway", all.length + 1),
      ],
      put: [...put, { key: records.key("nat-gateway", gateway.id), value: gateway }],
    },
    made: gateway.id,
  };
}

interface Wanted {
  readonly connectivity: "public" | "private";
  /** Of a public one, the primary one first: each is mapped to a private address. */
  readonly allocationIds: readonly string[];
  /** The primary one first; undefined: any. */
  readonly addresses: readonly (string | undefined)[];
}

function wantedOf(input: CreateNatGatewayRequest, subnet: SubnetRecord): Wanted {
  const connectivity = input.ConnectivityType ?? "public";
  if (connectivity !== "public" && connectivity !== "private")
    throw invalidParameter(`Value (${String(connectivity)}) for parameter connectivityType is invalid.`);
  const { AllocationId: primary, SecondaryAllocationIds: more = [] } = input;
  const { SecondaryPrivateIpAddresses: named = [], SecondaryPrivateIpAddressCount: count = 0 } = input;
  if (named.length > 0 && count > 0)
    throw invalidCombination(
      "The parameters SecondaryPrivateIpAddresses and SecondaryPrivateIpAddressCount may not be specified together.",
    );
  wantedAddresses(
    {
      PrivateIpAddress: input.PrivateIpAddress,
      PrivateIpAddresses: named.map((PrivateIpAddress) => ({ PrivateIpAddress })),
      SecondaryPrivateIpAddressCount: count,
    },
    subnet,
  );
  if (connectivity === "private") {
    if (primary !== undefined || more.length > 0)
      throw invalidCombination("Elastic IP addresses may not be specified for a private NAT gateway.");
    const secondary = named.length > 0 ? named : Array.from({ length: count }, () => undefined);
    checkAddressesOfGateway(1 + secondary.length);
    return { connectivity, allocationIds: [], addresses: [input.PrivateIpAddress, ...secondary] };
  }
  if (primary === undefined) throw noAllocation();
  if (count > 0)
    throw invalidCombination(
      "SecondaryPrivateIpAddressCount may be specified for a private NAT gateway only.",
    );
  const allocationIds = [primary, ...more];
  checkAllocations(allocationIds);
  checkNamedFor(more, named);
  return {
    connectivity,
    allocationIds,
    addresses: [input.PrivateIpAddress, ...more.map((_, n) => named[n])],
  };
}

/** Each once, and no more than a gateway may have. */
export function checkAllocations(ids: readonly string[]): void {
  for (const [n, id] of ids.entries())
    if (ids.indexOf(id) !== n) throw invalidParameter(`Allocation ID ${id} must not appear multiple times`);
  if (ids.length > quotas.elasticAddressesPerNatGateway.value)
    throw invalidParameter(
      `A NAT gateway may have at most ${quotas.elasticAddressesPerNatGateway.value} Elastic IP addresses.`,
    );
}

export function checkAddressesOfGateway(count: number): void {
  if (count > quotas.addressesPerNatGateway.value)
    throw invalidParameter(
      `A NAT gateway may have at most ${quotas.addressesPerNatGateway.value} private IPv4 addresses.`,
    );
}

/** Private addresses are named for all of the elastic ones, or for none. */
export function checkNamedFor(allocationIds: readonly string[], named: readonly string[]): void {
  if (named.length > 0 && named.length !== allocationIds.length)
    throw invalidParameter("As many private IP addresses as allocation IDs must be specified.");
}

/** What is named goes first, or it could be given to one that is not. */
export function taken(
  wanted: readonly (string | undefined)[],
  subnet: SubnetRecord,
  context: Ec2Context,
): string[] {
  const take = addressTaker(subnet, context);
  const named = wanted.map((it) => (it === undefined ? undefined : take(it)));
  return named.map((it) => it ?? take());
}

function settledOrFailed(
  it: NatGatewayRecord,
  { allocationIds, addresses }: Wanted,
  subnet: SubnetRecord,
  context: Ec2Context,
): { readonly gateway: NatGatewayRecord } & Transaction {
  const { records, region, now } = context;
  const failed = (code: string, message: string) => {
    const lastAddresses = allocationIds.map((id, n): NatGatewayAddress => ({
      AllocationId: id,
      IsPrimary: n === 0,
    }));
    return { gateway: { ...it, failure: { code, message }, lastAddresses } };
  };
  const internetGateway = it.connectivity === "public" && records.internetGatewayOf(it.vpcId);
  if (internetGateway === undefined)
    return failed("Gateway.NotAttached", `Network ${it.vpcId} has no Internet gateway attached`);
  const elastic: ElasticIpRecord[] = [];
  for (const id of allocationIds) {
    const found = records.get("elastic-ip", id);
    if (!found)
      return failed(
        "InvalidAllocationID.NotFound",
        `Elastic IP address ${id} could not be associated with this NAT gateway`,
      );
    if (mappingOf(found, records).interfaceId !== undefined)
      return failed("Resource.AlreadyAssociated", `Elastic IP address ${id} is already associated`);
    elastic.push(found);
  }
  const host = records.hosts(now()).find(({ zones }) => zones.some((letter) => region + letter === it.zone));
  if (!host)
    return failed("InternalError", `No host of the zone ${it.zone} is there to carry this NAT gateway`);
  let own: string[];
  try {
    own = taken(addresses, subnet, context);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "InsufficientFreeAddressesInSubnet") throw error;
    return failed(error.code, "Subnet has insufficient free addresses to create this NAT gateway");
  }
  const [address = "", ...secondary] = own;
  const nic = newInterface(
    subnet,
    {
      address,
      secondary,
      description: `Interface for NAT Gateway ${it.id}`,
      groupIds: [],
      tags: {},
      hostId: host.id,
      natGatewayId: it.id,
      sourceDestCheck: false,
    },
    context,
  );
  const writes = [
    interfaceWrites(nic, records),
    // Whoever detaches the gateway meanwhile must count these addresses.
    ...(internetGateway ? [records.rewrite("internet-gateway", internetGateway)] : []),
    ...elastic.map((one, n) =>
      records.rewrite("public-address", mappedTo(one, nic.id, n === 0 ? undefined : own[n], context)),
    ),
  ];
  return {
    gateway: { ...it, interfaceId: nic.id },
    expect: writes.flatMap(({ expect }) => expect),
    put: writes.flatMap(({ put }) => put),
  };
}
