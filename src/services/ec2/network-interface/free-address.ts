import type { Ec2Context } from "../context.ts";
import { addressCount, base, toAddress } from "../ipv4.ts";

/**
 * An address that is neither in `used`, which then holds it, nor taken. Tries random ones, which finds one soon until nearly all
 * are taken; then looks at every one, past the range's own first and last.
 */
export function freeAddress(
  cidr: string,
  used: Set<string>,
  taken: (address: string) => boolean,
  { random }: Pick<Ec2Context, "random">,
): string | undefined {
  const [first, size] = [base(cidr) + 1, addressCount(cidr) - 2];
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
