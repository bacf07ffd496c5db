import type { Ec2Context } from "../context.ts";
import { addressCount, base, toAddress } from "../ipv4.ts";

/**
 * An address that is neither in `used`, which then holds it, nor taken. Looks from a random one on, past the range's own first
 * and last.
 */
export function freeAddress(
  cidr: string,
  used: Set<string>,
  taken: (address: string) => boolean,
  { random }: Pick<Ec2Context, "random">,
): string | undefined {
  const [first, size] = [base(cidr) + 1, addressCount(cidr) - 2];
  const start = random(size);
  for (let n = 0; n < size; n++) {
    const address = toAddress(first + ((start + n) % size));
    if (used.has(address) || taken(address)) continue;
    used.add(address);
    return address;
  }
  return undefined;
}
