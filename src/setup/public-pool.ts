import { isIPv4 } from "node:net";

/** The first of `pools` that no route of this host overlaps; `routed` are its routes' destinations (`ip -j route`). */
export const freePool = (pools: readonly string[], routed: readonly string[]): string | undefined =>
  pools.find((pool) => !routed.some((destination) => overlap(pool, destination)));

/** Destinations of `ip -j route show table all`, without the default route and what is not IPv4. */
export const routedDestinations = (json: string): string[] => {
  const routes: { readonly dst: string }[] = JSON.parse(json);
  return routes.map(({ dst }) => dst).filter((destination) => parse(destination) !== undefined);
};

/** Whether `cidr` is an IPv4 network, written by its first address, with room for `minimum` addresses or more. */
export const isNetwork = (cidr: string, minimum: number): boolean => {
  const network = cidr.includes("/") ? parse(cidr) : undefined;
  return network !== undefined && network.first % network.size === 0 && network.size >= minimum;
};

export const overlap = (one: string, other: string): boolean => {
  const [a, b] = [parse(one), parse(other)];
  if (!a || !b) return false;
  return a.first < b.first + b.size && b.first < a.first + a.size;
};

/** An address alone is a network of one. */
const parse = (cidr: string): { first: number; size: number } | undefined => {
  const [address = "", bits = "32", ...rest] = cidr.split("/");
  if (!isIPv4(address) || !/^([0-9]|[12][0-9]|3[0-2])$/.test(bits) || rest.length > 0) return undefined;
  const first = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return { first, size: 2 ** (32 - Number(bits)) };
};
