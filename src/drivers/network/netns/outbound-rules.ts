import { networkInterfaces } from "node:os";
import { beforeReassembly, outboundEnds, outboundLink } from "./names.ts";

/**
 * What passes to pasta, and as whom: nothing begins there, and of what guests begin nothing for this host's own addresses, or a
 * network that is not the internet's or that this host is connected to, but for those in `to`. Every packet is asked about, so
 * that what is closed later ends. Fragments stop here: pasta takes the first for the whole. `inside`: this side of it.
 */
export const outboundRules = ({ inside, to }: OutboundReach, host: HostNetworks = hostNetworks()): string => `
  set connections { typeof ip saddr; flags dynamic; size 65536; }
  chain whole {
    type filter hook prerouting priority ${beforeReassembly}; policy accept;
    ip frag-off & 0x3fff != 0 iifname "net*" ip daddr != { ${inside.join(", ")} } drop
  }
  chain outward {
    ${[...(to ? judgements(to, host) : []), "drop"].join("\n    ")}
  }
  chain to_world {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${outboundLink}" meta l4proto udp snat ip to ${outboundEnds.edge.address}:${datagramPorts}
    oifname "${outboundLink}" snat ip to ${outboundEnds.edge.address}
  }
  chain from_world {
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    tcp flags & (syn | rst) == 0 tcp window > ${mostWindow} tcp window set ${mostWindow}
  }`;

export interface OutboundReach {
  readonly inside: readonly string[];
  /** Absent: nothing passes. */
  readonly to: readonly string[] | undefined;
}

/** In CIDR notation. */
export interface HostNetworks {
  readonly addresses: readonly string[];
  readonly connected: readonly string[];
}

/** As of now. */
export const hostNetworks = (interfaces = networkInterfaces()): HostNetworks => {
  const all = Object.values(interfaces).flatMap((addresses = []) =>
    addresses.filter(({ family }) => family === "IPv4"),
  );
  return {
    addresses: [...new Set(all.map(({ address }) => `${address}/32`))].toSorted(),
    connected: [...new Set(all.map(({ cidr, address }) => cidr ?? `${address}/32`))].toSorted(),
  };
};

const judgements = (to: readonly string[], { addresses, connected }: HostNetworks): string[] => [
  'iifname != "net*" drop',
  "ct direction reply drop",
  "ct state invalid drop",
  ...about([...unroutable, ...addresses], "drop"),
  `ct state new add @connections { ip saddr ct count over ${connectionsPerGuest} } drop`,
  ...about(to, "accept"),
  ...about([...notTheInternet, ...connected], "drop"),
  "accept",
];

const about = (networks: readonly string[], verdict: "accept" | "drop"): string[] =>
  networks.map((network) => `ip daddr ${network} ${verdict}`);

/** RFC 6890: this host, loopback, link-local, and what is no one host's. */
const unroutable = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
/** RFC 1918, 6598 (carriers' own), 6890 and 2544: what a LAN may use. */
const notTheInternet = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
];

/** pasta binds this host's port of the same number: IANA's dynamic ones, on which no service is expected. */
const datagramPorts = "49152-65535";
/**
 * What a guest may have under way, as pasta scales it: 128 KiB. It offers all that the far end would take, and of what its own
 * socket then has no room for it says nothing until the guest tries again, ever more seldom.
 */
const mostWindow = (128 * 1024) / 256;
/** So that one guest leaves pasta, which serves all, room for the others. */
const connectionsPerGuest = 4096;
