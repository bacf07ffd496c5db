import type { PrivateIpAddressSpecification } from "@aws-sdk/client-ec2";
import type { Ec2Context } from "../context.ts";
import {
  addressInUse,
  invalidCombination,
  invalidParameter,
  noFreeAddresses,
  tooManyPrivateAddresses,
} from "../errors.ts";
import { instanceTypes } from "../instance-type/instance-type.ts";
import { addressCount, addressesIn, base, contains, isAddress, toAddress, toNumber } from "../ipv4.ts";
import { reservedAddresses, type SubnetRecord } from "../subnet/subnet.ts";
import { freeAddress, inner } from "./free-address.ts";

/** A claim: an address of a subnet is one interface's. */
export const subnetAddressClaim = (subnetId: string, address: string) =>
  `subnet-address/${subnetId}/${address}`;

/** A claim: a /28 of a subnet is one interface's. Who claims an address expects that nobody has the prefix around it, and the other way round. */
export const prefixClaim = (subnetId: string, prefix: string) => `subnet-prefix/${subnetId}/${prefix}`;
export const prefixAround = (address: string): string => `${toAddress(toNumber(address) & ~15)}/28`;

/** What a request says of an interface's addresses. */
export interface WantedAddresses {
  /** Absent: any. */
  readonly primary?: string;
  /** Those, or as many as that. */
  readonly secondary: readonly string[] | number;
}

export function wantedAddresses(
  input: {
    readonly PrivateIpAddress?: string | undefined;
    readonly PrivateIpAddresses?: readonly PrivateIpAddressSpecification[] | undefined;
    readonly SecondaryPrivateIpAddressCount?: number | undefined;
  },
  subnet: SubnetRecord,
): WantedAddresses {
  const listed = input.PrivateIpAddresses ?? [];
  const addresses = (primary: boolean) =>
    listed.filter((it) => (it.Primary ?? false) === primary).map((it) => it.PrivateIpAddress ?? "");
  const [single, primaries, secondaries] = [input.PrivateIpAddress, addresses(true), addresses(false)];
  if (primaries.length > 1 || (single !== undefined && primaries.some((it) => it !== single)))
    throw invalidCombination("Only one primary private IP address can be specified.");
  const count = input.SecondaryPrivateIpAddressCount ?? 0;
  if (count < 0 || !Number.isInteger(count))
    throw invalidParameter(`Value (${count}) for parameter secondaryPrivateIpAddressCount is invalid.`);
  if (count > 0 && listed.length > 0)
    throw invalidCombination(
      "The parameters PrivateIpAddresses and SecondaryPrivateIpAddressCount may not be specified together.",
    );
  const primary = single ?? primaries[0];
  const all = [...(primary === undefined ? [] : [primary]), ...secondaries];
  checkAddresses(all, subnet);
  return {
    ...(primary !== undefined && { primary }),
    secondary: secondaries.length > 0 ? secondaries : count,
  };
}

/** Each of them once, of the subnet, and none that it keeps for itself. */
export function checkAddresses(addresses: readonly string[], subnet: SubnetRecord): void {
  if (addresses.length === 0) return;
  for (const [n, address] of addresses.entries()) {
    if (addresses.indexOf(address) !== n)
      throw invalidParameter(`Address ${address} must not appear multiple times`);
    if (!isAddress(address) || !contains(subnet.cidr, address))
      throw invalidParameter(`Address ${address} does not fall within the subnet's address range`);
    if (isReserved(address, subnet))
      throw invalidParameter(`Address ${address} is in subnet's reserved address range`);
  }
}

/**
 * Takes addresses for interfaces of one subnet, each another, of its reserved ranges only those that are named. Another call may win one first; then the request is resolved
 * anew. `prefixes`: those that are taken with them. Throws InvalidIPAddress.InUse, InsufficientFreeAddressesInSubnet.
 */
export function addressTaker(
  subnet: SubnetRecord,
  context: Ec2Context,
  prefixes: readonly string[] = [],
): (wanted?: string) => string {
  const used = new Set(prefixes.flatMap(addressesIn));
  const isClaimed = (address: string) =>
    context.records.claimed(subnetAddressClaim(subnet.id, address)) !== undefined ||
    context.records.claimed(prefixClaim(subnet.id, prefixAround(address))) !== undefined;
  const ranges = context.records.cidrReservationsOf(subnet.id);
  const free = inner(subnet.cidr, reservedAddresses);
  const isTaken = (address: string) =>
    isClaimed(address) || ranges.some(({ cidr }) => contains(cidr, address));
  return (wanted) => {
    if (wanted !== undefined && (used.has(wanted) || isReserved(wanted, subnet) || isClaimed(wanted)))
      throw addressInUse(wanted);
    const address = wanted ?? freeAddress(free, used, isTaken, context);
    if (address === undefined) throw noFreeAddresses(subnet.id);
    used.add(address);
    return address;
  };
}

/** Of interfaces that are made together, each with the taker of its subnet. */
export function takenAddresses(
  interfaces: readonly { readonly wanted: WantedAddresses; readonly take: (wanted?: string) => string }[],
): { readonly address: string; readonly secondary: readonly string[] }[] {
  // What is named goes first, or it could be given to one that is not.
  for (const { wanted, take } of interfaces) for (const address of namedIn(wanted)) take(address);
  return interfaces.map(({ wanted: { primary, secondary }, take }) => ({
    address: primary ?? take(),
    secondary: typeof secondary === "number" ? Array.from({ length: secondary }, () => take()) : secondary,
  }));
}

export const namedIn = ({ primary, secondary }: WantedAddresses): string[] => [
  ...(primary === undefined ? [] : [primary]),
  ...(typeof secondary === "number" ? [] : secondary),
];

/** How many addresses an interface may have in all, on an instance of the type; on none: as on the largest. */
export function checkAddressCount(count: number, type?: string): void {
  const limit =
    type === undefined ? mostAddresses : (instanceTypes.get(type)?.addressesPerInterface ?? mostAddresses);
  if (count > limit) throw tooManyPrivateAddresses();
}

const mostAddresses = Math.max(
  ...[...instanceTypes.values()].map(({ addressesPerInterface }) => addressesPerInterface),
);

/** Whether it is one of the first of a subnet or the last, which it keeps for itself. */
export function isReserved(address: string, { cidr }: SubnetRecord): boolean {
  const place = toNumber(address) - base(cidr);
  return (place >= 0 && place < reservedAddresses.first) || place === addressCount(cidr) - 1;
}
