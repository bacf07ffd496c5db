import { addressesOf } from "../network-driver.ts";
import type { NetworkElement, RouteElement } from "../network-driver.ts";
import { addressIn } from "./cidr.ts";
import {
  guestMtu,
  interfaceLink,
  networkLink,
  outboundLink,
  outboundQueue,
  peeringEnd,
  peeringLink,
  routerMac,
  serviceAddresses,
  straight,
  tableNumber,
  uplink,
  uplinkEnds,
  uplinkMtu,
  otherEnd,
} from "./names.ts";
import type { RoutedElement } from "./overriding-tables.ts";

/**
 * One thing true of the links, addresses, routes and rules of a namespace, in the words of `ip`. Sets of facts are compared;
 * `kernel-facts.ts` reads the same words back.
 */
export type Fact =
  | `rule ${string}`
  | `link ${string}`
  | `settings ${string}`
  | `address ${string} dev ${string}`
  | `route ${string}`
  | `neighbour ${string}`;

/** How an interface ends here: a tap for a machine, or a veth whose other end is for a namespace. */
export type InterfaceLinks = "tap" | "veth";

/**
 * What holds in every namespace that forwards: unmarked packets from outside have no route, not even to the host itself. Each packet
 * passes as few rules and tables as will do, since each of them is a part of what it costs (decision 56).
 */
export const failClosedRules: readonly Fact[] = [
  `rule pref 1 fwmark 0x${straight.toString(16)} lookup main`,
  "rule pref 5 iif lo lookup local",
  "rule pref 10 iif lo lookup main",
  "rule pref 40 fwmark 0 unreachable",
  "rule pref 50 lookup local",
  "rule pref 32766 lookup main",
  "rule pref 32767 lookup default",
  "settings lo up",
];

/** An address of such a namespace's own, where the main table may know another way: it gives the address back. */
export const ownAddress = (address: string, link: string): Fact[] => [
  `address ${address} dev ${link}`,
  `route throw ${address}`,
];

/** What holds in every network's namespace. */
export const networkFacts: readonly Fact[] = [
  ...failClosedRules,
  ...Object.values(serviceAddresses).map((address): Fact => `address ${address} dev lo`),
  `settings ${uplink} address ${uplinkEnds.network.mac} mtu ${uplinkMtu} up`,
  `neighbour ${uplinkEnds.edge.address} lladdr ${uplinkEnds.edge.mac} dev ${uplink}`,
];

/** What one element adds to its network's namespace. */
export const factsOf = (element: RoutedElement): Fact[] => {
  switch (element.kind) {
    case "range":
      return [`route unreachable ${element.cidr}`, `address ${addressIn(element.cidr, 2)} dev lo`];
    case "subnet":
      return [`address ${addressIn(element.cidr, 1)} dev lo`];
    case "table": {
      const number = tableNumber(element.id);
      const marked = `fwmark 0x${number.toString(16)} lookup ${number}` as const;
      return [
        // Before the network's own addresses are looked for, which are not its business then.
        ...(element.overrides ? [] : [`rule pref 2 ${marked}` as const]),
        `rule pref 100 ${marked}`,
        ...Object.values(serviceAddresses).map((it): Fact => `route throw ${it} table ${number}`),
        `route unreachable default table ${number} metric 4294967295`,
      ];
    }
    case "route":
      return [`route ${wayOf(element)} table ${tableNumber(element.table)}`];
    case "interface": {
      const link = interfaceLink(element.id);
      return [
        `link ${link}`,
        `settings ${link} alias ${element.id} address ${routerMac} mtu ${guestMtu} up`,
        ...addressesOf(element).flatMap(({ address }): Fact[] => [
          `route ${address} dev ${link}`,
          `neighbour ${address} lladdr ${element.mac} dev ${link}`,
        ]),
      ];
    }
    case "peering": {
      const link = peeringLink(element.id);
      return [
        `link ${link}`,
        `settings ${link} alias ${element.id} address ${peeringEnd.mac} mtu ${guestMtu} up`,
        `neighbour ${peeringEnd.address} lladdr ${peeringEnd.mac} dev ${link}`,
      ];
    }
    case "gateway":
    case "filter":
    case "group":
    case "member":
      return [];
  }
};

/** `throw`: on to the main table, which knows the interfaces. */
const wayOf = ({ to, via }: RouteElement): string => {
  const range = to === "0.0.0.0/0" ? "default" : to.replace(/\/32$/, "");
  if (via === "network") return `throw ${range}`;
  if (via === "nowhere") return `blackhole ${range}`;
  if (via === "outside") return `${range} via ${uplinkEnds.edge.address} dev ${uplink} onlink`;
  if ("peering" in via) return `${range} via ${peeringEnd.address} dev ${peeringLink(via.peering)} onlink`;
  return `${range} via ${via.address} dev ${interfaceLink(via.interface)} onlink`;
};

/** What a network needs in the edge's namespace. */
export const edgeFacts = (networkId: string): Fact[] => [
  `settings ${networkLink(networkId)} alias ${networkId} address ${uplinkEnds.edge.mac} mtu ${uplinkMtu} up`,
  `neighbour ${uplinkEnds.network.address} lladdr ${uplinkEnds.network.mac} dev ${networkLink(networkId)}`,
];

/** What one element adds to the edge's namespace. */
export const edgeFactsOf = (element: NetworkElement, networkId: string): Fact[] =>
  element.kind === "interface"
    ? addressesOf(element).flatMap(({ publicAddress }): Fact[] =>
        publicAddress === undefined
          ? []
          : [`route ${publicAddress} via ${uplinkEnds.network.address} dev ${networkLink(networkId)} onlink`],
      )
    : [];

/** Lines for `ip -batch`, first `remove`, then `add`; what is true no more, and what is true then. `neighbours.ts` does the rest. */
export interface LinkBatch {
  readonly remove: readonly string[];
  readonly add: readonly string[];
  readonly gone: readonly Fact[];
  readonly come: readonly Fact[];
}

/** Makes what is wanted of what is there. Repeating it does no harm. */
export const linkBatch = (
  have: ReadonlySet<Fact>,
  want: ReadonlySet<Fact>,
  linksOf: (link: string) => InterfaceLinks,
): LinkBatch => {
  const gone = without(have, want);
  return {
    remove: inOrder(withoutLinks(gone)).toReversed().flatMap(removal),
    add: inOrder(without(want, have)).flatMap((fact) => addition(fact, linksOf)),
    gone,
    come: [...want],
  };
};

/** What is on a link that goes goes with it. */
const withoutLinks = (gone: readonly Fact[]): Fact[] => {
  const links = new Set(
    gone.flatMap((fact) => (fact.startsWith("link ") ? [fact.slice("link ".length)] : [])),
  );
  return gone.filter((fact) => !links.has(/ dev (\S+)/.exec(fact)?.[1] ?? ""));
};

/** What a fact is about: there is one such fact at most. */
export const subjectOf = (fact: Fact): string =>
  fact.startsWith("settings ") ? fact.split(" ", 2).join(" ") : fact;

const without = (facts: ReadonlySet<Fact>, others: ReadonlySet<Fact>): Fact[] =>
  [...facts].filter((fact) => !others.has(fact));

/** Each kind stands on the ones before it. */
const kinds = ["rule", "link", "settings", "address", "route", "neighbour"];
const kindOf = (fact: Fact): number => kinds.indexOf(fact.slice(0, fact.indexOf(" ")));
const inOrder = (facts: readonly Fact[]): Fact[] => facts.toSorted((a, b) => kindOf(a) - kindOf(b));

const addition = (fact: Fact, linksOf: (link: string) => InterfaceLinks): string[] => {
  const [kind = "", name = ""] = fact.split(" ");
  const words = fact.slice(fact.indexOf(" ") + 1);
  switch (kind) {
    case "rule":
      // Without a mask `ip` takes mark 0 for "no mark given".
      return [`rule add ${words.replace("fwmark 0 ", "fwmark 0/0xffffffff ")}`];
    case "link":
      return linkCreation(name, linksOf(name));
    case "settings":
      return [`link set dev ${words}`];
    case "neighbour":
      return [];
    default:
      return [`${kind} replace ${words}`];
  }
};

const removal = (fact: Fact): string[] => {
  const [kind = "", name = ""] = fact.split(" ");
  const words = fact.slice(fact.indexOf(" ") + 1);
  switch (kind) {
    case "link":
      return [`link del dev ${name}`];
    case "settings":
    case "neighbour":
      return [];
    default:
      return [`${kind} del ${words}`];
  }
};

const linkCreation = (name: string, links: InterfaceLinks): string[] => {
  // `peerings.ts` has made it: its two ends are for two networks.
  if (name.startsWith("pcx")) return [];
  if (name === outboundLink)
    return [`tuntap add dev ${name} mode tap`, `link set dev ${name} txqueuelen ${outboundQueue}`];
  return links === "tap"
    ? [`tuntap add dev ${name} mode tap vnet_hdr`]
    : [`link add dev ${name} type veth peer name ${otherEnd(name)}`];
};
