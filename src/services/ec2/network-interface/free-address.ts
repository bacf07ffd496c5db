import type { Ec2Context } from "../context.ts";
import { addressCount, base, toAddress } from "../ipv4.ts";

/** Addresses as numbers, without those that nobody may have. */
export interface AddressRange {
  readonly first: number;
  readonly size: number;
}

/** All of a range but its own first and last, or but more of either end. */
export const inner = (cidr: string, { first, last } = { first: 1, last: 1 }): AddressRange => ({
  first: base(cidr) + first,
  size: addressCount(cidr) - first - last,
});

/**
 * An address that is neither in `used`, which then holds it, nor taken. Tries random ones, which finds one soon until nearly all
 * are taken; then looks at every one.
 */
export function freeAddress(
  { first, size }: AddressRange,
  used: Set<string>,
  taken: (address: string) => boolean,
  { random }: Pick<Ec2Context, "random">,
): string | undefined {
  const start = random(size);
  for (let n = 0; n < tries + size; n++) {
    const address = toAddress(first + (n < tries ? random(size) : (start + n) % size));
    if (used.has(address) || taken(address)) continue;
    used.add(address);
    return address;
  }
  return undefined;
}

/** A walk alone would take ever longer ways: what is taken clusters. */
const tries = 32;
