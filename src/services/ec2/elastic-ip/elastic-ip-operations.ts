import type * as ec2 from "@aws-sdk/client-ec2";
import type { AllocateAddressRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  addressesNotFound,
  addressInUse,
  addressNotNamed,
  addressNotOwned,
  allocationNotFound,
  invalidCombination,
  invalidParameter,
  noFreePublicAddresses,
  tooManyAddresses,
  unsupportedParameter,
} from "../errors.ts";
import { addressCount, base, contains, isAddress, toAddress } from "../ipv4.ts";
import { freeAddress, inner } from "../network-interface/free-address.ts";
import { publicAddressInUse, type PublicAddressRecord } from "../network-interface/public-address.ts";
import { quotas } from "../quotas.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import {
  describeAddress,
  describeAddressAttribute,
  elasticIpArn,
  elasticIpFilters,
  mappingOf,
  placeClaim,
  type ElasticIpRecord,
} from "./elastic-ip.ts";

export const elasticIpOperations = {
  AllocateAddress: {
    resolve(input, context) {
      const { records, newId, now } = context;
      refuseOtherPools(input, context);
      onlyTags(["elastic-ip"], input.TagSpecifications);
      const place = freePlace(context);
      const common = { createdAt: now().toISOString() };
      const elastic: ElasticIpRecord = {
        id: newId("eipalloc"),
        address: newAddress(input.Address, context),
        place,
        tags: tagsFor("elastic-ip", input.TagSpecifications),
        ...common,
      };
      const inPool: PublicAddressRecord = {
        id: elastic.address,
        allocationId: elastic.id,
        tags: {},
        ...common,
      };
      const claim = records.key("public-address", inPool.id);
      const placeKey = records.key("claim", placeClaim(place));
      return {
        touches: [{ arn: elasticIpArn("*", context), tags: elastic.tags }],
        transaction: {
          expect: [{ absent: claim }, { absent: placeKey }],
          put: [
            { key: placeKey, value: elastic.id },
            { key: claim, value: inPool },
            { key: records.key("elastic-ip", elastic.id), value: elastic },
          ],
        },
        elastic,
      };
    },
    answer: ({ elastic }: { elastic: ElasticIpRecord }, { region }) => ({
      AllocationId: elastic.id,
      PublicIp: elastic.address,
      Domain: "vpc" as const,
      PublicIpv4Pool: "amazon",
      NetworkBorderGroup: region,
    }),
  },

  ReleaseAddress: {
    resolve(input, context): OperationPlan {
      const { records } = context;
      refuseOtherGroup(input, context);
      const elastic = elasticIpOf(input, context);
      const inPool = mappingOf(elastic, records);
      if (inPool.interfaceId !== undefined) throw addressInUse(elastic.address);
      return {
        touches: [{ arn: elasticIpArn(elastic.id, context), tags: elastic.tags }],
        transaction: {
          expect: [
            ...records.rewrite("elastic-ip", elastic).expect,
            ...records.rewrite("public-address", inPool).expect,
          ],
          delete: [
            records.key("elastic-ip", elastic.id),
            records.key("public-address", inPool.id),
            records.key("claim", placeClaim(elastic.place)),
          ],
        },
      };
    },
    answer: () => ({}),
  },

  DescribeAddresses: {
    resolve(input, context) {
      const { records } = context;
      const addresses = new Set(input.PublicIps);
      const all = records.all("elastic-ip");
      const known = new Set(all.map(({ address }) => address));
      const unknown = [...addresses].filter((it) => !known.has(it));
      if (unknown.length > 0) throw addressesNotFound(unknown);
      return describe(all, input, {
        ids: input.AllocationIds,
        parameter: "allocationIds",
        missing: allocationNotFound,
        filters: elasticIpFilters(records, context),
        shows: ({ address }) => addresses.size === 0 || addresses.has(address),
      });
    },
    answer: ({ items }: { items: readonly ElasticIpRecord[] }, context) => ({
      Addresses: items.map((it) => describeAddress(it, context.records, context)),
    }),
  },

  DescribeAddressesAttribute: {
    resolve: (input, { records }) =>
      describe(
        records.all("elastic-ip"),
        { MaxResults: input.MaxResults, NextToken: input.NextToken },
        {
          ids: input.AllocationIds,
          parameter: "allocationIds",
          missing: allocationNotFound,
          filters: {},
          bounds: { min: 1, max: 1000 },
        },
      ),
    answer: ({ items, nextToken }: { items: readonly ElasticIpRecord[]; nextToken?: string }) => ({
      Addresses: items.map(describeAddressAttribute),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** The address that a request names in one of two ways. */
export function elasticIpOf(
  {
    AllocationId: id,
    PublicIp: address,
  }: { AllocationId?: string | undefined; PublicIp?: string | undefined },
  { records }: Ec2Context,
): ElasticIpRecord {
  if (id !== undefined && address !== undefined)
    throw invalidCombination("You may specify public IP or allocation id, but not both in the same call");
  if (id !== undefined) {
    const elastic = records.get("elastic-ip", id);
    if (!elastic) throw allocationNotFound([id]);
    return elastic;
  }
  if (address === undefined) throw addressNotNamed();
  const elastic = records.all("elastic-ip").find((it) => it.address === address);
  if (!elastic) throw addressNotOwned(address);
  return elastic;
}

function refuseOtherPools(input: AllocateAddressRequest, context: Ec2Context): void {
  for (const name of ["CustomerOwnedIpv4Pool", "IpamPoolId"] as const)
    if (input[name]) throw unsupportedParameter(name);
  if ((input.PublicIpv4Pool ?? "amazon") !== "amazon") throw unsupportedParameter("PublicIpv4Pool");
  if ((input.Domain ?? "vpc") !== "vpc")
    throw invalidParameter(`Value (${input.Domain}) for parameter domain is invalid.`);
  refuseOtherGroup(input, context);
}

function refuseOtherGroup(
  { NetworkBorderGroup: group }: { NetworkBorderGroup?: string | undefined },
  { region }: Ec2Context,
): void {
  if ((group ?? region) !== region)
    throw invalidParameter(`Value (${group}) for parameter networkBorderGroup is invalid.`);
}

function freePlace({ records }: Ec2Context): number {
  const places = Array.from({ length: quotas.elasticAddressesPerRegion.value }, (_, n) => n);
  const place = places.find((it) => records.claimed(placeClaim(it)) === undefined);
  if (place === undefined) throw tooManyAddresses();
  return place;
}

/** The one asked for, or any that is free. */
function newAddress(asked: string | undefined, context: Ec2Context): string {
  const { records, publicPool } = context;
  const inUse = publicAddressInUse(records);
  if (asked !== undefined) {
    if (!isAddress(asked) || !isOfPool(asked, publicPool))
      throw invalidParameter(`invalid value for parameter address: ${asked}`);
    if (inUse(asked)) throw addressInUse(asked);
    return asked;
  }
  const address = freeAddress(inner(publicPool), new Set(), inUse, context);
  if (address === undefined) throw noFreePublicAddresses();
  return address;
}

/** All but its first and its last are given to somebody. */
const isOfPool = (address: string, pool: string) =>
  contains(pool, address) &&
  address !== toAddress(base(pool)) &&
  address !== toAddress(base(pool) + addressCount(pool) - 1);
