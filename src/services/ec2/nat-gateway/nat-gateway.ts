import type {
  NatGateway,
  NatGatewayAddress,
  NatGatewayAddressStatus,
  NatGatewayState,
} from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import { addressesOf, type NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** Its addresses are those of its interface, which no other than itself may change. */
export interface NatGatewayRecord extends ResourceRecord {
  readonly id: `nat-${string}`;
  readonly vpcId: `vpc-${string}`;
  readonly subnetId: `subnet-${string}`;
  readonly zone: string;
  readonly connectivity: "public" | "private";
  /** Absent: it failed. */
  readonly interfaceId?: `eni-${string}`;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly deletedAt?: string;
  /** Private addresses by which it begins no connection any more, until they are taken from it. */
  readonly draining?: { readonly addresses: readonly string[]; readonly until: string };
  /** Those it had when it was deleted, or asked for when it failed. */
  readonly lastAddresses?: readonly NatGatewayAddress[];
  /** The one it was made by, if any. */
  readonly clientToken?: string;
}

/** How long one that failed or was deleted is shown. */
export const shownMs = 3_600_000;

export const natGatewayArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:natgateway/${id}`;

export const interfaceOfGateway = (
  { interfaceId }: NatGatewayRecord,
  records: Ec2Records,
): NetworkInterfaceRecord | undefined =>
  interfaceId === undefined ? undefined : records.get("network-interface", interfaceId);

/** It is available as long as its packets flow. */
export function natGatewayState(it: NatGatewayRecord, records: Ec2Records): NatGatewayState {
  const nic = interfaceOfGateway(it, records);
  if (it.deletedAt !== undefined) return nic ? "deleting" : "deleted";
  if (it.failure) return "failed";
  return nic?.so.ready ? "available" : "pending";
}

/** One that may carry packets, now or soon. */
export const isLive = (it: NatGatewayRecord | undefined): it is NatGatewayRecord =>
  it !== undefined && it.deletedAt === undefined && it.failure === undefined;

export function describeNatGateway(it: NatGatewayRecord, records: Ec2Records): NatGateway {
  const State = natGatewayState(it, records);
  return {
    NatGatewayId: it.id,
    VpcId: it.vpcId,
    SubnetId: it.subnetId,
    State,
    ConnectivityType: it.connectivity,
    AvailabilityMode: "zonal",
    NatGatewayAddresses: describeAddresses(it, records),
    CreateTime: new Date(it.createdAt),
    DeleteTime: it.deletedAt === undefined ? undefined : new Date(it.deletedAt),
    FailureCode: it.failure?.code,
    FailureMessage: it.failure?.message,
    Tags: describeTags(it.tags),
  };
}

/** The primary one first. */
export function describeAddresses(it: NatGatewayRecord, records: Ec2Records): NatGatewayAddress[] {
  const nic = interfaceOfGateway(it, records);
  if (!nic || it.lastAddresses) return [...(it.lastAddresses ?? [])];
  return addressesOf(nic).map((address, n) => {
    const mapped = records.publicAddressOf(nic.id, n === 0 ? undefined : address);
    return {
      NetworkInterfaceId: nic.id,
      PrivateIp: address,
      ...(mapped && {
        AllocationId: mapped.allocationId,
        AssociationId: mapped.associationId,
        PublicIp: mapped.id,
      }),
      IsPrimary: n === 0,
      Status: addressStatus(address, it, nic),
    };
  });
}

function addressStatus(
  address: string,
  { draining, connectivity }: NatGatewayRecord,
  { so }: NetworkInterfaceRecord,
): NatGatewayAddressStatus {
  const isPublic = connectivity === "public";
  if (draining?.addresses.includes(address)) return isPublic ? "disassociating" : "unassigning";
  if (so.ready) return "succeeded";
  return isPublic ? "associating" : "assigning";
}

export const natGatewayFilters = (records: Ec2Records): FilterTable<NatGatewayRecord> => ({
  "nat-gateway-id": (it) => it.id,
  state: (it) => natGatewayState(it, records),
  "subnet-id": (it) => it.subnetId,
  "vpc-id": (it) => it.vpcId,
});
