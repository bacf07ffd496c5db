/** IPv4 addresses as numbers: 10.0.0.1 is 0x0a000001. */
export const toNumber = (address: string): number =>
  address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

export const toAddress = (number: number): string =>
  `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;

export const isAddress = (text: string): boolean => /^(\d{1,3}\.){3}\d{1,3}$/.test(text) && isCanonical(text);
const isCanonical = (text: string) =>
  text.split(".").every((part) => String(Number(part)) === part && Number(part) < 256);

export const prefixLength = (cidr: string): number => Number(cidr.split("/")[1]);
export const base = (cidr: string): number => toNumber(cidr.split("/")[0] ?? "");
export const addressCount = (cidr: string): number => 2 ** (32 - prefixLength(cidr));
/** Every address of a range. */
export const addressesIn = (cidr: string): string[] =>
  Array.from({ length: addressCount(cidr) }, (_, n) => toAddress(base(cidr) + n));
export const contains = (cidr: string, address: string): boolean => {
  const offset = toNumber(address) - base(cidr);
  return offset >= 0 && offset < addressCount(cidr);
};

/** Whether two ranges share an address. */
export const overlap = (a: string, b: string): boolean =>
  base(a) < base(b) + addressCount(b) && base(b) < base(a) + addressCount(a);
/** Whether every address of `inner` is one of `outer`. */
export const covers = (outer: string, inner: string): boolean =>
  base(outer) <= base(inner) && base(inner) + addressCount(inner) <= base(outer) + addressCount(outer);

/** `A.B.C.D/N` with host bits cleared, as EC2 canonicalises rules; undefined when it is no CIDR at all. */
export function canonicalCidr(text: string): string | undefined {
  const [address = "", length = "", ...more] = text.split("/");
  if (more.length > 0 || !isAddress(address) || !/^\d{1,2}$/.test(length) || Number(length) > 32)
    return undefined;
  const size = 2 ** (32 - Number(length));
  return `${toAddress(Math.floor(toNumber(address) / size) * size)}/${Number(length)}`;
}
