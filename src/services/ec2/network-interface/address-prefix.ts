import type { Ipv4PrefixSpecificationRequest } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import { addressInUse, invalidCombination, invalidParameter, noFreePrefixes } from "../errors.ts";
import {
  addressCount,
  addressesIn,
  base,
  canonicalCidr,
  covers,
  overlap,
  prefixLength,
  toAddress,
} from "../ipv4.ts";
import type { Ec2Records } from "../records.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { prefixAround, prefixClaim, isReserved, subnetAddressClaim } from "./private-address.ts";

/** Prefixes as a request names them, or as many as it wants. */
export interface WantedPrefixes {
  readonly Ipv4Prefixes?: readonly (string | Ipv4PrefixSpecificationRequest)[] | undefined;
  readonly Ipv4PrefixCount?: number | undefined;
}

/**
 * The /28 ranges of the subnet that an interface is to get: those named, or free ones, first of ranges that are reserved for prefixes.
 * Another call may win an address of one first; then the request is resolved anew. `beside`: addresses that the request names itself.
 */
export function newPrefixes(
  wanted: WantedPrefixes,
  subnet: SubnetRecord,
  context: Ec2Context,
  beside: readonly string[] = [],
): string[] {
  const { Ipv4Prefixes: listed = [], Ipv4PrefixCount: count = 0 } = wanted;
  if (listed.length > 0 && count > 0)
    throw invalidCombination(
      "The parameters Ipv4Prefixes and Ipv4PrefixCount may not be specified together.",
    );
  if (count < 0 || !Number.isInteger(count))
    throw invalidParameter(`Value (${count}) for parameter ipv4PrefixCount is invalid.`);
  if (listed.length + count > mostAtOnce)
    throw invalidParameter(`One request assigns up to ${mostAtOnce} prefixes.`);
  const named = listed.map((it) =>
    checkedPrefix(typeof it === "string" ? it : (it.Ipv4Prefix ?? ""), subnet),
  );
  const taken = beside.map(prefixAround);
  const free = (prefix: string) => !taken.includes(prefix) && isFree(prefix, subnet, context);
  for (const [n, prefix] of named.entries())
    if (named.indexOf(prefix) !== n || !free(prefix)) throw addressInUse(prefix);
  return count === 0 ? named : freePrefixes(count, subnet, free, context);
}

/** A transaction looks at each address of each. */
const mostAtOnce = 4;

/** What an interface takes its prefixes by: they are nobody's, and none of their addresses is. */
export const prefixWrites = (
  { id, subnetId }: { readonly id: string; readonly subnetId: string },
  prefixes: readonly string[],
  records: Ec2Records,
) => {
  const claims = prefixes.map((prefix) => records.key("claim", prefixClaim(subnetId, prefix)));
  return {
    expect: [
      ...claims.map((absent) => ({ absent })),
      ...prefixes
        .flatMap(addressesIn)
        .map((address) => ({ absent: records.key("claim", subnetAddressClaim(subnetId, address)) })),
    ],
    put: claims.map((key) => ({ key, value: id })),
  };
};

function checkedPrefix(text: string, { cidr }: SubnetRecord): string {
  const prefix = canonicalCidr(text);
  if (prefix === undefined || prefix !== text || prefixLength(prefix) !== 28)
    throw invalidParameter(
      `Value (${text}) for parameter ipv4Prefix is invalid. Expecting a /28 CIDR block.`,
    );
  if (!covers(cidr, prefix))
    throw invalidParameter(`Prefix ${text} does not fall within the subnet's address range`);
  return prefix;
}

function isFree(prefix: string, subnet: SubnetRecord, { records }: Ec2Context): boolean {
  return (
    records.claimed(prefixClaim(subnet.id, prefix)) === undefined &&
    addressesIn(prefix).every(
      (address) =>
        !isReserved(address, subnet) && records.claimed(subnetAddressClaim(subnet.id, address)) === undefined,
    )
  );
}

function freePrefixes(
  count: number,
  subnet: SubnetRecord,
  free: (prefix: string) => boolean,
  context: Ec2Context,
): string[] {
  const reservations = context.records.cidrReservationsOf(subnet.id);
  const forPrefixes = reservations.filter(({ type }) => type === "prefix");
  const explicit = reservations.filter(({ type }) => type === "explicit");
  const found: string[] = [];
  for (const range of [...forPrefixes.map(({ cidr }) => cidr), subnet.cidr]) {
    const blocks = Math.floor(addressCount(range) / 16);
    const start = blocks === 0 ? 0 : context.random(blocks);
    for (let n = 0; n < blocks && found.length < count; n++) {
      const prefix = prefixAround(toAddress(base(range) + ((start + n) % blocks) * 16));
      if (found.includes(prefix) || explicit.some(({ cidr }) => overlap(cidr, prefix))) continue;
      if (free(prefix)) found.push(prefix);
    }
  }
  if (found.length < count) throw noFreePrefixes();
  return found;
}
