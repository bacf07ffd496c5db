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

/** A route over a region's pool, or some of it, that is not the region's own; one over the very pool before others. */
export const rivalRoute = (
  pool: string,
  ownLink: string,
  routes: readonly HostRoute[],
): HostRoute | undefined => {
  const rivals = routes.filter(
    ({ dst, dev, type }) => overlap(pool, dst) && dev !== ownLink && type !== claim,
  );
  return rivals.find(({ dst }) => dst === pool) ?? rivals[0];
};

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
