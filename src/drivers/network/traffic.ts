import { BlockList } from "node:net";
import type { GroupElement, InterfaceElement, NetworkElement, TrafficRule } from "./network-driver.ts";

/** A flow's first packet, with the network's own addresses on its own side. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  /** IANA number. */
  readonly protocol: number;
  /** TCP and UDP: where to. ICMP: the type; its code is 0. */
  readonly port?: number;
}

/** What a network's elements mean, said once more without a kernel: whether they let `flow` begin. */
export const passes = (elements: Iterable<NetworkElement>, flow: Flow): boolean => {
  const all = [...elements];
  const interfaceAt = (address: string) =>
    all.find((element) => element.kind === "interface" && element.address === address);
  const [source, target] = [interfaceAt(flow.from), interfaceAt(flow.to)];
  if (source === undefined && target === undefined) return false;
  const allowed = (end: NetworkElement | undefined, way: "ingress" | "egress", peer: string) =>
    end?.kind === "interface"
      ? rulesOf(all, end, way).some((rule) => allows(rule, all, peer, flow))
      : hasWayOut(way === "egress" ? target : source);
  return allowed(source, "egress", flow.to) && allowed(target, "ingress", flow.from);
};

const hasWayOut = (end: NetworkElement | undefined): boolean =>
  end?.kind === "interface" && end.publicAddress !== undefined;

const rulesOf = (
  all: readonly NetworkElement[],
  { groups }: InterfaceElement,
  way: "ingress" | "egress",
): readonly TrafficRule[] =>
  all
    .filter((element): element is GroupElement => element.kind === "group" && groups.includes(element.id))
    .flatMap((group) => group[way]);

const allows = (
  { protocol, ports, peer }: TrafficRule,
  all: readonly NetworkElement[],
  address: string,
  flow: Flow,
): boolean => {
  const peerMatches =
    "group" in peer
      ? all.some((it) => it.kind === "member" && it.group === peer.group && it.address === address)
      : inRange(peer.cidr, address);
  if (!peerMatches || (protocol !== "any" && protocol !== flow.protocol)) return false;
  if (protocol === "any" || ports === undefined || ports.from === -1) return true;
  if (flow.port === undefined) return false;
  return protocol === 1
    ? flow.port === ports.from && (ports.to === -1 || ports.to === 0)
    : flow.port >= ports.from && flow.port <= ports.to;
};

const inRange = (cidr: string, address: string): boolean => {
  const [base = "", bits = ""] = cidr.split("/");
  if (base.includes(":")) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits));
  return list.check(address);
};
