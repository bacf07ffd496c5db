import { isIPv4 } from "node:net";

/** One line of `ip -j -4 route`. */
export interface HostRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
}

/** Those of `pools` that no route of this host overlaps. */
export const freePools = (pools: readonly string[], routes: readonly HostRoute[]): string[] =>
  pools.filter((pool) => !routes.some(({ dst }) => overlap(pool, dst)));

/** The route that takes a region's pool away from it: one over other than its own link. */
export const rivalRoute = (
  pool: string,
  ownLink: string,
  routes: readonly HostRoute[],
): HostRoute | undefined =>
  routes.find(({ dst, dev, type }) => overlap(pool, dst) && dev !== ownLink && type !== claim);

/** A pool is claimed by a route of this type until the region's own route replaces it. */
export const claim = "blackhole";

/** Whether `cidr` is an IPv4 network, written by its first address, with room for `minimum` addresses or more. */
export const isNetwork = (cidr: string, minimum: number): boolean => {
  const network = cidr.includes("/") ? parse(cidr) : undefined;
  return network !== undefined && network.first % network.size === 0 && network.size >= minimum;
};

/** False for the default route, which is no network. */
const overlap = (one: string, other: string): boolean => {
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
