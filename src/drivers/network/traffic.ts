import { BlockList } from "node:net";
import { addressesOf } from "./network-driver.ts";
import type {
  FilterRule,
  InterfaceElement,
  NetworkElement,
  RouteTarget,
  SubnetElement,
  TrafficRule,
} from "./network-driver.ts";

/** A packet, with the network's own addresses on its own side. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  /** IANA number. */
  readonly protocol: number;
  /** TCP and UDP: where to. ICMP: the type; its code is 0. */
  readonly port?: number;
}

/** One thing that a packet met, in order: the last one stopped it, unless it arrived. */
interface Hop {
  readonly at:
    | "interface"
    | "table"
    | "filter"
    | "groups"
    | "check"
    | "public address"
    | "peering"
    | "outside";
  /** Of the interface, table, filter or peering; of groups and checks, the interface's. */
  readonly id: string;
}

interface Path {
  readonly arrives: boolean;
  readonly hops: readonly Hop[];
}

/** The elements of each network by its id. */
export type Networks = ReadonlyMap<string, ReadonlyMap<string, NetworkElement>>;

/**
 * What a network's elements mean, said once more without a kernel: whether they let `flow` begin. `networks`: also the others, for
 * what goes over peerings and to public addresses of theirs.
 */
export const passes = (
  elements: Iterable<NetworkElement>,
  flow: Flow,
  networks: Networks = new Map(),
): boolean => path(elements, flow, networks).arrives;

/**
 * The way of a flow's first packet, which came by a peering if `over` names one. An interface that forwards for others is taken to
 * forward. It arrives at the interface that it met last, or beyond all networks.
 */
export const path = (
  elements: Iterable<NetworkElement>,
  begun: Flow,
  networks: Networks,
  over?: string,
): Path => {
  const network = lookUp(elements);
  const hops: Hop[] = [];
  const meet = (at: Hop["at"], id: string, passed = true) => {
    hops.push({ at, id });
    return passed;
  };

  const leave = (
    source: InterfaceElement,
    towards: InterfaceElement | undefined,
    flow: Flow,
    by?: string,
  ): boolean => {
    const edge = towards?.subnet === source.subnet ? undefined : network.subnet(source.subnet)?.filter;
    if (edge !== undefined && !meet("filter", edge, network.filters(edge, "egress", flow.to, flow)))
      return false;
    return (
      source.nat === true || meet("groups", source.id, network.allows(source, "egress", flow.to, flow, by))
    );
  };
  /** `sender`: the address the packet comes from, as the interface sees it. From outside only a public address leads in. */
  const enter = (
    target: InterfaceElement,
    from: InterfaceElement | undefined,
    sender: string,
    flow: Flow,
  ): boolean => {
    const edge = from?.subnet === target.subnet ? undefined : network.subnet(target.subnet)?.filter;
    if (edge !== undefined && !meet("filter", edge, network.filters(edge, "ingress", sender, flow)))
      return false;
    // Nothing begins at a NAT gateway's own addresses.
    if (target.nat)
      return from !== undefined && !owns(target, flow.to) && translated.has(flow.protocol)
        ? true
        : meet("check", target.id, false);
    if (!owns(target, flow.to) && target.sourceCheck) return meet("check", target.id, false);
    return meet("groups", target.id, network.allows(target, "ingress", sender, flow, over));
  };

  const arrive = (
    target: InterfaceElement | undefined,
    from: InterfaceElement | undefined,
    flow: Flow,
  ): boolean => {
    if (target === undefined) return false;
    if (from && !leave(from, target, flow)) return false;
    if (!enter(target, from, flow.from, flow)) return false;
    meet("interface", target.id);
    if (owns(target, flow.to)) return true;
    return hops.length < mostHops && send(target, target.nat ? { ...flow, from: target.address } : flow);
  };
  const send = (source: InterfaceElement, flow: Flow): boolean => {
    const table = network.subnet(source.subnet)?.table;
    const via = table === undefined ? "network" : network.route(table, flow.to);
    if (table !== undefined && !meet("table", table, via !== "nowhere")) return false;
    if (via === "network") return arrive(network.owner(flow.to), source, flow);
    if (typeof via === "object" && "peering" in via) return cross(source, via.peering, flow);
    if (typeof via === "object") return arrive(network.byId(via.interface), source, flow);
    // Also of what it forwards for another.
    const publicAddress = network.publicOf(flow.from);
    if (publicAddress === undefined) return meet("public address", source.id, false);
    if (!leave(source, undefined, flow)) return false;
    const target = network.publicOwner(flow.to);
    if (!target) return meet("outside", flow.to) && land(publicAddress, flow);
    return comeIn(target, { ...flow, from: publicAddress, to: network.privateOf(flow.to) ?? flow.to });
  };
  /** From outside, to an interface's private address by now. */
  const comeIn = (target: InterfaceElement, flow: Flow): boolean => {
    const table = network.gatewayTable();
    const via = table === undefined ? "network" : network.route(table, flow.to);
    if (table !== undefined && !meet("table", table, via !== "nowhere")) return false;
    if (typeof via === "object" && "interface" in via)
      return arrive(network.byId(via.interface), undefined, flow);
    return via === "network" && arrive(target, undefined, flow);
  };

  /** Where its address is: in another network, or beyond them all. */
  const land = (publicAddress: string, flow: Flow): boolean => {
    for (const other of networks.values()) {
      const there = [...other.values()];
      const to = lookUp(there).privateOf(flow.to);
      if (to !== undefined) return goOn(path(there, { ...flow, from: publicAddress, to }, networks));
    }
    return true;
  };

  const cross = (source: InterfaceElement, id: string, flow: Flow): boolean => {
    if (!leave(source, undefined, flow, id)) return false;
    const peering = network.peering(id);
    if (!meet("peering", id, peering !== undefined) || !peering) return false;
    return goOn(path(networks.get(peering.network)?.values() ?? [], flow, networks, id));
  };
  const goOn = (beyond: Path): boolean => {
    hops.push(...beyond.hops);
    return beyond.arrives;
  };

  if (over !== undefined) {
    const expected = network.peering(over)?.ranges.some((it) => inRange(it, begun.from)) ?? false;
    return {
      arrives: meet("peering", over, expected) && arrive(network.owner(begun.to), undefined, begun),
      hops,
    };
  }
  const [source, target] = [network.owner(begun.from), network.owner(begun.to)];
  const arrives = source
    ? meet("interface", source.id) && send(source, begun)
    : target !== undefined &&
      meet("outside", begun.from) &&
      (network.publicOf(begun.to) === undefined
        ? meet("public address", target.id, false)
        : comeIn(target, begun));
  return { arrives, hops };
};

/** More than a way through appliances that do not send in circles. */
const mostHops = 64;

const owns = (it: InterfaceElement, address: string): boolean =>
  addressesOf(it).some((own) => own.address === address);
/** By NAT gateways: ICMP, TCP and UDP. */
const translated: ReadonlySet<number> = new Set([1, 6, 17]);

/** Where things are among a network's elements. */
export const lookUp = (elements: Iterable<NetworkElement>) => {
  const all = [...elements];
  const ofKind = <Kind extends NetworkElement["kind"]>(kind: Kind) =>
    all.filter((it): it is Extract<NetworkElement, { kind: Kind }> => it.kind === kind);
  const interfaces = ofKind("interface");
  const owners = new Map(
    interfaces.flatMap((it) => addressesOf(it).map(({ address }) => [address, it] as const)),
  );
  const groups = new Map(ofKind("group").map((it) => [it.id, it]));
  const rules = (it: InterfaceElement, way: "ingress" | "egress"): readonly TrafficRule[] =>
    it.groups.flatMap((id) => groups.get(id)?.[way] ?? []);
  return {
    owner: (address: string) => owners.get(address),
    /** Those of its groups together. */
    rules,
    peering: (id: string) => ofKind("peering").find((it) => it.id === id),
    byId: (id: string) => interfaces.find((it) => it.id === id),
    publicOwner: (address: string) =>
      interfaces.find((it) => addressesOf(it).some(({ publicAddress }) => publicAddress === address)),
    privateOf: (publicAddress: string) =>
      interfaces.flatMap(addressesOf).find((it) => it.publicAddress === publicAddress)?.address,
    publicOf: (address: string) =>
      interfaces.flatMap(addressesOf).find((it) => it.address === address)?.publicAddress,
    gatewayTable: () => ofKind("gateway")[0]?.table,
    subnet: (id: string): SubnetElement | undefined => ofKind("subnet").find((it) => it.id === id),
    route: (table: string, to: string): RouteTarget =>
      ofKind("route")
        .filter((it) => it.table === table && inRange(it.to, to))
        .toSorted((a, b) => bitsOf(b.to) - bitsOf(a.to))[0]?.via ?? "nowhere",
    filters: (id: string, way: "ingress" | "egress", peer: string, flow: Flow): boolean =>
      ofKind("filter")
        .find((it) => it.id === id)
        ?.[way].find((rule) => concerns(rule, flow) && inRange(rule.peer.cidr, peer))?.passes ?? false,
    allows: (
      it: InterfaceElement,
      way: "ingress" | "egress",
      peer: string,
      flow: Flow,
      over?: string,
    ): boolean => rules(it, way).some((rule) => concerns(rule, flow) && isPeer(rule.peer, peer, over)),
  };

  function isPeer(peer: TrafficRule["peer"], address: string, over: string | undefined): boolean {
    return "group" in peer
      ? (peer.peering === undefined || peer.peering === over) &&
          ofKind("member").some((it) => it.group === peer.group && it.address === address)
      : inRange(peer.cidr, address);
  }
};

/** Whether a rule's protocol and ports are the flow's. */
export const concerns = ({ protocol, ports }: TrafficRule | FilterRule, flow: Flow): boolean => {
  if (protocol !== "any" && protocol !== flow.protocol) return false;
  if (protocol === "any" || ports === undefined || ports.from === -1) return true;
  if (flow.port === undefined) return false;
  return protocol === 1
    ? flow.port === ports.from && (ports.to === -1 || ports.to === 0)
    : flow.port >= ports.from && flow.port <= ports.to;
};

const bitsOf = (cidr: string): number => Number(cidr.split("/")[1]);

const inRange = (cidr: string, address: string): boolean => {
  const [base = ""] = cidr.split("/");
  if (base.includes(":")) return false;
  const list = new BlockList();
  list.addSubnet(base, bitsOf(cidr));
  return list.check(address);
};
