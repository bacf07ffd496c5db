import { addressesOf } from "../network-driver.ts";
import type {
  FilterElement,
  FilterRule,
  InterfaceElement,
  PeeringElement,
  SubnetElement,
  TrafficRule,
} from "../network-driver.ts";
import { addressIn } from "./cidr.ts";
import {
  beforeReassembly,
  groupsName,
  insideOnly,
  interfaceLink,
  peeringLink,
  serviceAddresses,
  straight,
  tableNumber,
  uplink,
} from "./names.ts";
import type { RoutedElement, RoutedTable } from "./overriding-tables.ts";
import type { QuoteRule } from "./quoted-addresses.ts";
import type { NftObject } from "./ruleset.ts";

/**
 * The fixed part of a network's tables. Packets have no route until `arriving` marks them with their subnet's routing table, so
 * without these tables nothing passes. What is for an interface's address goes straight there; what a table leads to an interface must
 * be for that interface, or it forwards for others. If any filter holds anything back, `edges` asks those of both subnets, whatever was begun before, unless they are one. Then what belongs to
 * no connection yet is decided twice: by the groups of where it comes from, and `entering` by the groups of where it goes. Each packet
 * passes as few chains, names as few links and looks into as few sets as will do: that is what throughput and new connections cost.
 * DHCP answers go out to the leased address, so the route finds the link; a client that asked for a broadcast (the first bit of its
 * flags, which the answer repeats) gets its frame as one. An interface may send the services as many packets a second as AWS lets it
 * ("Amazon DNS attributes: quotas"), so that a flood ends in the kernel. A connection that an interface forwards between the outside
 * and an inspected address passes twice: its outer half has a zone of its own. Public addresses are no concern of connections: a packet
 * from outside has its private address before it is tracked, and one that leaves gets its public one last (decision 54). Fragments are
 * each asked where they come from, so that nobody adds to what another sends. Who asks by ARP asks as its own address, whatever it says:
 * the kernel notes whom it answers, and has room for so many in all namespaces together.
 */
const outerZone = 1;
/** Of connections that are judged by the rules packet by packet, since groups do not track them and no longer let them pass. */
export const judgedMark = 1;
/** Seconds: "Idle connection tracking timeout" of Amazon EC2's guide. TCP's, five days, are the kernel's too. */
export const usualIdle = { udp: 30, udpStream: 180 } as const;
const servicePacketsPerSecond = 1024;
export const networkTable = "ip croft";
const arpTable = "arp croft";
/** Chains of the fixed part whose rules are those of elements. */
const edges = "edges";
const fromUplink = `from-${uplink}`;
/** Of the fixed part: to the network's own interfaces only. */
const byNoTable = "by_no_table";
const idle = "idle";
export const networkChains = [edges, fromUplink, idle] as const;
const [quotedSource, quotedDestination] = ["quoted_source", "quoted_destination"];
const icmpErrors = "{ destination-unreachable, time-exceeded, parameter-problem }";
/** What an ICMP error says of a packet that left, or came, by a public address. */
export const quoteRules: readonly QuoteRule[] = [
  { chain: quotedSource, side: "source", map: "private_of" },
  { chain: quotedDestination, side: "destination", map: "public_of" },
];
export const networkTables = `
table ${arpTable} {
  map speakers { typeof iifname : arp saddr ip; }
  chain arriving {
    type filter hook input priority filter; policy drop;
    iifname "eni*" arp saddr ip set iifname map @speakers meta mark set ${insideOnly} accept
  }
}
table ip croft {
  set ports { typeof iifname . ether saddr; }
  set unchecked { typeof iifname . ether saddr; }
  set inside { typeof ip daddr; }
  set inspected { typeof ip saddr; }
  set gateways { typeof ip daddr; }
  set resolvers { typeof ip daddr; elements = { ${serviceAddresses.resolver} } }
  set spent { typeof iifname; size 65535; flags dynamic,timeout; timeout 10s; }
  set destinations { typeof oifname . ip daddr; }
  set forwarders { typeof oifname; }
  map sources { typeof iifname . ether saddr . ip saddr : verdict; }
  map arrivals { typeof iifname : verdict; elements = { "${uplink}" : goto arriving_from_outside } }
  map subnet_of { typeof iifname : verdict; }
  map idle_of { typeof iifname : verdict; }
  map leaves { typeof iifname : verdict; }
  map enters { typeof oifname : verdict; }
  map egress { typeof iifname : verdict; elements = { "${uplink}" : goto entering } }
  map ingress { typeof oifname : verdict; elements = { "${uplink}" : goto as_public } }
  map private_of { typeof ip daddr : ip daddr; }
  map public_of { typeof ip saddr : ip saddr; }

  chain ${fromUplink} { }
  chain ${edges} { }
  chain ${idle} { }
  chain arriving {
    type filter hook prerouting priority ${beforeReassembly}; policy drop;
    iifname . ether saddr . ip saddr vmap @sources
    iifname vmap @arrivals
    fib saddr type local drop
    iifname . ether saddr @ports ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    fib daddr type local drop
    iifname . ether saddr @unchecked ip saddr @inspected ct zone set ${outerZone}
    iifname . ether saddr @unchecked iifname vmap @subnet_of
  }
  chain arriving_from_outside {
    ip protocol icmp icmp type ${icmpErrors} jump ${quotedSource}
    ip daddr set ip daddr map @private_of goto arriving_as_private
  }
  chain arriving_as_private {
    ip daddr @inspected ct zone set ${outerZone}
    jump ${fromUplink}
    meta mark set ${straight} accept
  }
  chain ${byNoTable} {
    ip daddr @inside meta mark set ${straight} accept
    meta mark set ${insideOnly} accept
  }
  chain passing {
    type filter hook forward priority filter; policy drop;
    meta mark ${straight} goto inward
    oifname "${uplink}" goto outward
    oifname . ip daddr @destinations goto inward
    oifname @forwarders goto inward
    oifname "pcx*" goto inward
  }
  chain inward {
    jump ${edges}
    ct state established,related ct mark != ${judgedMark} accept
    ct state invalid drop
    jump ${idle}
    iifname vmap @egress
  }
  chain outward {
    ip protocol tcp tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    jump ${edges}
    ct state established,related ct mark != ${judgedMark} goto as_public
    ct state invalid drop
    jump ${idle}
    iifname vmap @egress
  }
  chain as_public {
    ip protocol icmp icmp type ${icmpErrors} jump ${quotedDestination}
    ip saddr set ip saddr map @public_of accept
  }
  chain ${quotedSource} { }
  chain ${quotedDestination} { }
  chain from_peering {
    ip daddr @inside meta mark set ${straight} accept
  }
  chain from_peer {
    oifname "eni*" goto entering
  }
  chain to_peer {
    iifname "eni*" accept
  }
  chain entering {
    oifname vmap @ingress
    drop
  }
  chain to_services {
    type filter hook input priority filter; policy drop;
    iifname "${uplink}" drop
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
export const rulesOf = (element: RoutedElement): NftObject[] => {
  switch (element.kind) {
    case "range":
      return [{ kind: "element", set: "resolvers", key: addressIn(element.cidr, 2) }];
    case "subnet":
      return subnetRules(element);
    case "table":
      return tableRules(element);
    case "route":
      return [];
    case "gateway": {
      const chain = byTable(element.table);
      return [
        { kind: "chain", name: chain, rules: [] },
        { kind: "chain", name: fromUplink, rules: [`goto ${chain}`] },
      ];
    }
    case "peering":
      return peeringRules(element);
    case "filter":
      return filterRules(element);
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
          rules: element.egress.flatMap((rule) => matches(rule, "daddr", allowedOut)),
        },
      ];
    case "member":
      return [
        members(element.group),
        { kind: "element", set: members(element.group).name, key: element.address },
      ];
  }
};

/** What is for an interface of the network needs no table, unless the table has other ways for it. */
const tableRules = ({ id, overrides }: RoutedTable): NftObject[] => [
  {
    kind: "chain",
    name: byTable(id),
    rules: [
      ...(overrides ? [] : [`ip daddr @inside meta mark set ${straight} accept`]),
      `meta mark set ${tableNumber(id)} accept`,
    ],
  },
];

/** What is routed by a table. */
const byTable = (table: string) => `by-${table}`;

/** Each in a chain of its own, so that another table or filter for a subnet is one rule, however many interfaces it has. */
const subnetRules = ({ id, cidr, table, filter }: SubnetElement): NftObject[] => [
  setElement("gateways", addressIn(cidr, 1)),
  linksOf(id),
  ...(table === undefined ? [] : [{ kind: "chain", name: byTable(table), rules: [] } as const]),
  {
    kind: "chain",
    name: `from-${id}`,
    rules: [`goto ${table === undefined ? byNoTable : byTable(table)}`],
  },
  ...(["leave", "enter"] as const).flatMap((way): NftObject[] => [
    ...(filter === undefined ? [] : [{ kind: "chain", name: `${way}-${filter}`, rules: [] } as const]),
    {
      kind: "chain",
      name: `${way}-${id}`,
      rules: [
        ...(way === "enter" ? [`iifname @${linksOf(id).name} return`] : []),
        ...(filter === undefined ? [] : [`jump ${way}-${filter}`]),
        way === "enter" ? "iifname vmap @leaves" : "return",
      ],
    },
  ]),
];

/** What comes over a peering goes to this network's own interfaces and nowhere else, and comes from the other's ranges. */
const peeringRules = ({ id, ranges }: PeeringElement): NftObject[] => [
  {
    kind: "chain",
    name: `from-${id}`,
    rules: ranges.map((cidr) => `ip saddr ${cidr} goto from_peering`),
  },
  setElement("arrivals", `"${peeringLink(id)}"`, `goto from-${id}`),
  setElement("egress", `"${peeringLink(id)}"`, "goto from_peer"),
  setElement("ingress", `"${peeringLink(id)}"`, "goto to_peer"),
];

/** The links of a subnet's interfaces. */
const linksOf = (subnet: string) =>
  ({ kind: "set", name: `links-${subnet}`, type: "typeof iifname" }) as const;

/** Edges are asked about only where some filter may hold something back: AWS's default ones let everything pass. */
const filterRules = ({ id, ingress, egress }: FilterElement): NftObject[] => {
  const enter = verdicts(ingress, "saddr");
  const leave = verdicts(egress, "daddr");
  return [
    { kind: "chain", name: `enter-${id}`, rules: enter },
    { kind: "chain", name: `leave-${id}`, rules: leave },
    ...(enter[0] === "return" && leave[0] === "return"
      ? []
      : [{ kind: "chain", name: edges, rules: ["oifname vmap @enters", "iifname vmap @leaves"] } as const]),
  ];
};

const verdicts = (rules: readonly FilterRule[], side: "saddr" | "daddr"): string[] => [
  ...rules.flatMap((rule) => matches(rule, side, rule.passes ? "return" : "drop")),
  "drop",
];

const interfaceRules = (it: InterfaceElement): NftObject[] => {
  const link = interfaceLink(it.id);
  const port = `"${link}" . ${it.mac}`;
  const addresses = addressesOf(it);
  return [
    setElement("ports", port),
    { kind: "element", table: arpTable, set: "speakers", key: `"${link}"`, value: it.address },
    ...addresses.flatMap(({ address }) => [
      setElement("inside", address),
      setElement("destinations", `"${link}" . ${address}`),
    ]),
    ...(it.nat ? [setElement("arrivals", `"${link}"`, `goto from-${it.subnet}`)] : []),
    ...(it.nat || it.sourceCheck ? [] : [setElement("unchecked", port)]),
    ...(it.nat || !it.sourceCheck ? [setElement("forwarders", `"${link}"`)] : []),
    linksOf(it.subnet),
    setElement(linksOf(it.subnet).name, `"${link}"`),
    ...["from", "leave", "enter"].map((way): NftObject => ({
      kind: "chain",
      name: `${way}-${it.subnet}`,
      rules: [],
    })),
    ...addresses.map(({ address }) =>
      setElement("sources", `${port} . ${address}`, `goto from-${it.subnet}`),
    ),
    setElement("subnet_of", `"${link}"`, `goto from-${it.subnet}`),
    setElement("leaves", `"${link}"`, `goto leave-${it.subnet}`),
    setElement("enters", `"${link}"`, `goto enter-${it.subnet}`),
    ...verdictOf(it, "egress"),
    ...verdictOf(it, "ingress"),
    ...idleRules(it),
    ...addresses.flatMap(({ address, publicAddress, inspected }) =>
      publicAddress === undefined
        ? []
        : [
            setElement("private_of", publicAddress, address),
            setElement("public_of", address, publicAddress),
            ...(inspected ? [setElement("inspected", address)] : []),
          ],
    ),
  ];
};

/** By its groups: one chain for all that are in the same ones, so that there are not as many chains as interfaces. */
const verdictOf = ({ id, groups, nat }: InterfaceElement, map: "ingress" | "egress"): NftObject[] => {
  const key = `"${interfaceLink(id)}"`;
  const way = map === "ingress" ? "in" : "out";
  const [first, ...more] = groups.toSorted();
  if (nat) return [setElement(map, key, map === "ingress" ? "accept" : allowedOut)];
  if (first === undefined) return [];
  const chains = groups.map((group): NftObject => ({ kind: "chain", name: `${way}-${group}`, rules: [] }));
  if (more.length === 0) return [...chains, setElement(map, key, `jump ${way}-${first}`)];
  const name = `${way}-${groupsName([first, ...more])}`;
  const rules = [first, ...more].map((group) => `jump ${way}-${group}`);
  return [...chains, { kind: "chain", name, rules }, setElement(map, key, `jump ${name}`)];
};

/** Interfaces with the same timeouts share a chain; what it sets counts for a connection that begins. */
const idleRules = ({ id, idle: timeouts }: InterfaceElement): NftObject[] => {
  if (timeouts === undefined) return [];
  const { tcpEstablished, udp, udpStream } = { ...usualIdle, ...timeouts };
  const [ofTcp, ofUdp] = [`tcp-${tcpEstablished}`, `udp-${udp}-${udpStream}`];
  const name = `idle-${tcpEstablished ?? "usual"}-${udp}-${udpStream}`;
  const policies = [
    ...(tcpEstablished === undefined ? [] : [["tcp", ofTcp, `established : ${tcpEstablished}`] as const]),
    ["udp", ofUdp, `unreplied : ${udp}, replied : ${udpStream}`] as const,
  ];
  return [
    ...policies.map(([protocol, of, times]): NftObject => ({
      kind: "timeout",
      name: of,
      policy: `protocol ${protocol}; l3proto ip; policy = { ${times} }`,
    })),
    {
      kind: "chain",
      name,
      rules: policies.map(([protocol, of]) => `meta l4proto ${protocol} ct timeout set "${of}"`),
    },
    { kind: "chain", name: idle, rules: ["iifname vmap @idle_of", "oifname vmap @idle_of"] },
    setElement("idle_of", `"${interfaceLink(id)}"`, `jump ${name}`),
  ];
};

const setElement = (set: string, key: string, value?: string): NftObject =>
  value === undefined ? { kind: "element", set, key } : { kind: "element", set, key, value };

/** The addresses that rules naming `group` mean. */
const members = (group: string) =>
  ({ kind: "set", name: `members-${group}`, type: "typeof ip saddr" }) as const;

/** What the groups of where a packet comes from let out, those of where it goes decide. */
const allowedOut = "goto entering";

/** The nft rules that give their verdict on what `rule` is about: none when it speaks of IPv6, which is dropped whole. */
const matches = (
  { protocol, ports, peer }: TrafficRule,
  side: "saddr" | "daddr",
  verdict = "accept",
): string[] => {
  if (("cidr" in peer && peer.cidr.includes(":")) || protocol === icmpV6) return [];
  const who =
    "group" in peer
      ? `${linkOf(peer.peering, side)}ip ${side} @${members(peer.group).name}`
      : peer.cidr.endsWith("/0")
        ? ""
        : `ip ${side} ${peer.cidr}`;
  return [[who, whatOf(protocol, ports), verdict].filter((part) => part !== "").join(" ")];
};

/** Networks may have the same addresses: what comes from another's group, or goes there, passes by its own link. */
const linkOf = (peering: string | undefined, side: "saddr" | "daddr"): string =>
  peering === undefined ? "" : `${side === "saddr" ? "iifname" : "oifname"} "${peeringLink(peering)}" `;

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
