import type { InterfaceElement, NetworkElement, TrafficRule } from "../network-driver.ts";
import { addressIn } from "./cidr.ts";
import { interfaceLink, serviceAddresses } from "./names.ts";
import type { NftObject } from "./ruleset.ts";

/**
 * The fixed part of a network's tables. Packets have no route until `arriving` marks them, so without these tables nothing
 * passes. Every forwarded packet is decided twice: `leaving` by the groups of where it comes from, `entering` by the groups
 * of where it goes. DHCP answers go out to the leased address, so the route finds the link; a client that asked for a
 * broadcast (the first bit of its flags, which the answer repeats) gets its frame as one. An interface may send the services
 * as many packets a second as AWS lets it ("Amazon DNS attributes: quotas"), so that a flood ends in the kernel.
 */
const servicePacketsPerSecond = 1024;
export const networkTable = "inet croft";
export const networkTables = `
table arp croft {
  chain arriving {
    type filter hook input priority filter; policy drop;
    iifname "eni*" meta mark set 1 accept
  }
}
table inet croft {
  set sources { typeof iifname . ether saddr . ip saddr; }
  set ports { typeof iifname . ether saddr; }
  set unchecked { typeof iifname . ether saddr; }
  set gateways { typeof ip daddr; }
  set resolvers { typeof ip daddr; elements = { ${serviceAddresses.resolver} } }
  set spent { typeof iifname; size 65535; flags dynamic,timeout; timeout 10s; }
  map egress { typeof iifname : verdict; }
  map ingress { typeof oifname : verdict; }
  map private_of { typeof ip daddr : ip daddr; }
  map public_of { typeof ip saddr : ip saddr; }

  chain arriving {
    type filter hook prerouting priority raw; policy drop;
    iifname "igw" meta nfproto ipv4 meta mark set 1 accept
    iifname . ether saddr . ip saddr @sources meta mark set 1 accept
    iifname . ether saddr @ports ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    fib daddr type local drop
    iifname . ether saddr @unchecked meta nfproto ipv4 meta mark set 1 accept
  }
  chain to_private {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "igw" dnat ip to ip daddr map @private_of
  }
  chain to_public {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "igw" snat ip to ip saddr map @public_of
  }
  chain leaving {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    oifname "igw" ip saddr != @public_of drop
    iifname "igw" ct status dnat accept
    iifname vmap @egress
  }
  chain entering {
    type filter hook forward priority filter + 10; policy drop;
    ct state established,related accept
    oifname "igw" accept
    oifname vmap @ingress
  }
  chain departing {
    type filter hook postrouting priority mangle; policy accept;
    oifname "igw" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
  chain to_services {
    type filter hook input priority filter; policy drop;
    iifname "igw" drop
    update @spent { iifname limit rate over ${servicePacketsPerSecond}/second burst ${servicePacketsPerSecond} packets } drop
    ct state established,related accept
    udp sport 68 udp dport 67 accept
    ip daddr ${serviceAddresses.metadata} tcp dport 80 accept
    ip daddr ${serviceAddresses.api} tcp dport { 80, 443 } accept
    ip daddr ${serviceAddresses.time} udp dport 123 accept
    ip daddr @resolvers udp dport 53 accept
    ip daddr @resolvers tcp dport 53 accept
    ip daddr @gateways icmp type echo-request accept
  }
  chain from_services {
    type filter hook output priority filter; policy drop;
    udp sport 67 udp dport 68 @th,144,1 1 ip daddr set 255.255.255.255
    udp sport 67 udp dport 68 accept
    ct state established,related accept
  }
}
`;

/** What one element adds to a network's table. */
export const rulesOf = (element: NetworkElement): NftObject[] => {
  switch (element.kind) {
    case "range":
      return [{ kind: "element", set: "resolvers", key: addressIn(element.cidr, 2) }];
    case "subnet":
      return [{ kind: "element", set: "gateways", key: addressIn(element.cidr, 1) }];
    case "interface":
      return interfaceRules(element);
    case "group":
      return [
        ...[...element.ingress, ...element.egress].flatMap(({ peer }) =>
          "group" in peer ? members(peer.group) : [],
        ),
        {
          kind: "chain",
          name: `in-${element.id}`,
          rules: element.ingress.flatMap((rule) => matches(rule, "saddr")),
        },
        {
          kind: "chain",
          name: `out-${element.id}`,
          rules: element.egress.flatMap((rule) => matches(rule, "daddr")),
        },
      ];
    case "member":
      return [
        members(element.group),
        { kind: "element", set: members(element.group).name, key: element.address },
      ];
  }
};

const interfaceRules = ({
  id,
  mac,
  address,
  groups,
  sourceCheck,
  publicAddress,
}: InterfaceElement): NftObject[] => {
  const link = interfaceLink(id);
  const port = `"${link}" . ${mac}`;
  return [
    element("ports", port),
    element("sources", `${port} . ${address}`),
    ...(sourceCheck ? [] : [element("unchecked", port)]),
    ...(["in", "out"] as const).flatMap((way): NftObject[] => [
      ...groups.map((group): NftObject => ({ kind: "chain", name: `${way}-${group}`, rules: [] })),
      { kind: "chain", name: `${way}-${link}`, rules: groups.map((group) => `jump ${way}-${group}`) },
    ]),
    element("egress", `"${link}"`, `jump out-${link}`),
    element("ingress", `"${link}"`, `jump in-${link}`),
    ...(publicAddress === undefined
      ? []
      : [element("private_of", publicAddress, address), element("public_of", address, publicAddress)]),
  ];
};

const element = (set: string, key: string, value?: string): NftObject =>
  value === undefined ? { kind: "element", set, key } : { kind: "element", set, key, value };

/** The addresses that rules naming `group` mean. */
const members = (group: string) =>
  ({ kind: "set", name: `members-${group}`, type: "typeof ip saddr" }) as const;

/** The nft rules that accept what `rule` allows: none when it speaks of IPv6, which is dropped whole. */
const matches = ({ protocol, ports, peer }: TrafficRule, side: "saddr" | "daddr"): string[] => {
  if (("cidr" in peer && peer.cidr.includes(":")) || protocol === icmpV6) return [];
  const who =
    "group" in peer
      ? `ip ${side} @${members(peer.group).name}`
      : peer.cidr.endsWith("/0")
        ? ""
        : `ip ${side} ${peer.cidr}`;
  return [[who, whatOf(protocol, ports), "accept"].filter((part) => part !== "").join(" ")];
};

const whatOf = (protocol: TrafficRule["protocol"], ports: TrafficRule["ports"]): string => {
  if (protocol === "any") return "";
  const name = new Map([
    [1, "icmp"],
    [6, "tcp"],
    [17, "udp"],
  ]).get(protocol);
  if (name === undefined || ports === undefined || ports.from === -1)
    return `meta l4proto ${name ?? protocol}`;
  if (name === "icmp") return `icmp type ${ports.from}${ports.to === -1 ? "" : ` icmp code ${ports.to}`}`;
  return `${name} dport ${ports.from === ports.to ? ports.from : `${ports.from}-${ports.to}`}`;
};

const icmpV6 = 58;
