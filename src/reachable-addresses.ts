import { lookup, type LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Which addresses may be fetched from for whoever calls the API: those of the internet, and of networks (CIDR) that the operator allows. */
export function reachableAddresses(networks: readonly string[]): (address: string) => boolean {
  const allowed = blockList(networks);
  return (address) => {
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (allowed.check(address, family)) return true;
    return family === "ipv6"
      ? globalIpv6.check(address, family) && !notGlobal.check(address, family)
      : !notGlobal.check(address, family);
  };
}

/**
 * For a connection's `lookup`: a name that means any other address fails with `refused`. What the connection goes to is what was looked at:
 * a name cannot mean another address by then. Names that are addresses are not looked up; see `literalAddress`.
 */
export const guardedLookup =
  (isReachable: (address: string) => boolean, refused: (name: string) => Error): LookupFunction =>
  (name, { family, hints }, done) =>
    lookup(
      name,
      {
        all: true,
        ...(family !== undefined && { family: family === "IPv4" ? 4 : family === "IPv6" ? 6 : family }),
        ...(hints !== undefined && { hints }),
      },
      (error, found: LookupAddress[]) =>
        done(error ?? (found.every((it) => isReachable(it.address)) ? null : refused(name)), found),
    );

/** The address that a URL names itself; undefined: it has a name that is looked up. */
export function literalAddress({ hostname }: URL): string | undefined {
  const address = hostname.replaceAll(/[[\]]/g, "");
  return isIP(address) === 0 ? undefined : address;
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

/** Of IANA's registries of special addresses; also IPv6 that leads back into IPv4 (6to4, Teredo). */
const notGlobal = blockList([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
]);
const globalIpv6 = blockList(["2000::/3"]);
