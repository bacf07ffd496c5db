import type { Address, AddressAttribute } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import type { FilterTable } from "../filters.ts";
import type { PublicAddressRecord } from "../network-interface/public-address.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** An address of the pool that the account keeps until it releases it. What it is mapped to says its `public-address` record. */
export interface ElasticIpRecord extends ResourceRecord {
  readonly id: `eipalloc-${string}`;
  readonly address: string;
  /** Among those that the account may have, from 0. */
  readonly place: number;
}

/** A claim: so many places, so many addresses, whoever allocates at once. */
export const placeClaim = (place: number) => `elastic-ip-place/${place}`;

export const elasticIpArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:elastic-ip/${id}`;

/** The record of its address in the pool: the two come and go together. */
export const mappingOf = (
  { address, createdAt }: ElasticIpRecord,
  records: Ec2Records,
): PublicAddressRecord => records.get("public-address", address) ?? { id: address, tags: {}, createdAt };

/** The same, mapped anew to an interface's primary address, or to a secondary one. */
export const mappedTo = (
  elastic: ElasticIpRecord,
  interfaceId: string,
  secondary: string | undefined,
  { records, newId }: Ec2Context,
): PublicAddressRecord => ({
  id: elastic.address,
  interfaceId,
  ...(secondary !== undefined && { secondary }),
  allocationId: elastic.id,
  associationId: newId("eipassoc"),
  tags: {},
  createdAt: mappingOf(elastic, records).createdAt,
});

export function describeAddress(it: ElasticIpRecord, records: Ec2Records, scope: Scope): Address {
  const { associationId, interfaceId, nic, privateAddress } = target(it, records);
  return {
    AllocationId: it.id,
    PublicIp: it.address,
    Domain: "vpc",
    PublicIpv4Pool: "amazon",
    NetworkBorderGroup: scope.region,
    ...(interfaceId !== undefined && {
      AssociationId: associationId,
      InstanceId: nic?.attachment?.instanceId ?? "",
      NetworkInterfaceId: interfaceId,
      NetworkInterfaceOwnerId: scope.accountId,
      PrivateIpAddress: privateAddress,
    }),
    Tags: describeTags(it.tags),
  };
}

/** Nobody gives an address a name of its own here. */
export const describeAddressAttribute = ({ id, address }: ElasticIpRecord): AddressAttribute => ({
  AllocationId: id,
  PublicIp: address,
});

export const elasticIpFilters = (records: Ec2Records, scope: Scope): FilterTable<ElasticIpRecord> => ({
  "allocation-id": (it) => it.id,
  "association-id": (it) => target(it, records).associationId,
  domain: () => "vpc",
  "instance-id": (it) => target(it, records).nic?.attachment?.instanceId,
  "network-border-group": () => scope.region,
  "network-interface-id": (it) => target(it, records).interfaceId,
  "network-interface-owner-id": (it) => target(it, records).interfaceId && scope.accountId,
  "private-ip-address": (it) => target(it, records).privateAddress,
  "public-ip": (it) => it.address,
});

function target(it: ElasticIpRecord, records: Ec2Records) {
  const { interfaceId, secondary, associationId } = mappingOf(it, records);
  const nic = interfaceId === undefined ? undefined : records.get("network-interface", interfaceId);
  return { interfaceId, associationId, nic, privateAddress: secondary ?? nic?.address };
}
