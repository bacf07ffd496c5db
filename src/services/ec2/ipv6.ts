import { isIPv6 } from "node:net";

/** `…/N` in RFC 5952's form with host bits cleared, as EC2 canonicalises rules; undefined when it is no IPv6 CIDR. */
export function canonicalIpv6Cidr(text: string): string | undefined {
  const [address = "", length = "", ...more] = text.split("/");
  if (more.length > 0 || !/^[\da-f:.]+$/i.test(address) || !isIPv6(address)) return undefined;
  if (!/^\d{1,3}$/.test(length) || Number(length) > 128) return undefined;
  const groups = groupsOf(address).map((group, n) => {
    const keptBits = Math.min(16, Math.max(0, Number(length) - 16 * n));
    return (group & ~(0xffff >> keptBits)).toString(16);
  });
  return `${shortest(groups.join(":"))}/${Number(length)}`;
}

/** The eight numbers of an address. */
function groupsOf(address: string): number[] {
  const [left = [], right = []] = shortest(address)
    .split("::")
    .map((side) => side.split(":").filter(Boolean));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

/** As URLs write it. */
const shortest = (address: string) => new URL(`http://[${address}]`).hostname.slice(1, -1);
