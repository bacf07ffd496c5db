import type { InterfaceElement, NetworkElement, TrafficRule } from "./network-driver.ts";
import { concerns, lookUp } from "./traffic.ts";
import type { Flow } from "./traffic.ts";

/**
 * Which connections that are under way a change of groups stops, as AWS tells it: an interface's groups do not track TCP and UDP that
 * they let in from everywhere, or out to everywhere, when they let everything pass the other way; so they judge every packet of it. What
 * they track goes on, whatever becomes of the rules, and so does what passes a NAT gateway, which is always tracked. `stopped`: whether it
 * was before; then it is until the groups at each of its ends let it pass. Source: "Security group connection tracking" of Amazon EC2's guide.
 */
export const judgeOf = (
  before: Iterable<NetworkElement>,
  after: Iterable<NetworkElement>,
): ((flow: Flow, stopped: boolean) => boolean) => {
  const [old, now] = [lookUp(before), lookUp(after)];
  const untracked = ({ it, way, peer }: End, flow: Flow): boolean =>
    old.rules(it, way).some((rule) => isOpen(rule) && concerns(rule, flow)) &&
    old.rules(it, way === "ingress" ? "egress" : "ingress").some((rule) => isWideOpen(rule, flow.protocol)) &&
    !(way === "egress" && passesNat(it, peer));
  const passesNat = (source: InterfaceElement, to: string): boolean => {
    const table = old.subnet(source.subnet)?.table;
    const via = table === undefined ? "network" : old.route(table, to);
    return typeof via === "object" && "interface" in via && old.byId(via.interface)?.nat === true;
  };
  return (flow, stopped) =>
    ends(flow, stopped ? now.owner : old.owner).some((end) => {
      const it = now.byId(end.it.id);
      return (
        it !== undefined && !now.allows(it, end.way, end.peer, flow) && (stopped || untracked(end, flow))
      );
    });
};

/** Whether a change from `gone` may have stopped or let go on anything. */
export const mayStop = (
  gone: readonly NetworkElement[],
  after: ReadonlyMap<string, NetworkElement>,
): boolean =>
  gone.some((it) => {
    if (it.kind === "group") return true;
    const now = it.kind === "interface" ? after.get(`interface/${it.id}`) : undefined;
    return it.kind === "interface" && now?.kind === "interface" && now.groups.join() !== it.groups.join();
  });

interface End {
  readonly it: InterfaceElement;
  readonly way: "ingress" | "egress";
  readonly peer: string;
}

/** The interfaces of the network that a connection begins and ends at, of those that have groups. */
const ends = (
  { from, to }: Flow,
  owner: (address: string) => InterfaceElement | undefined,
): readonly End[] => {
  const [source, target] = [owner(from), owner(to)];
  return [
    ...(source && !source.nat ? [{ it: source, way: "egress", peer: to } as const] : []),
    ...(target && !target.nat ? [{ it: target, way: "ingress", peer: from } as const] : []),
  ];
};

const isOpen = ({ peer }: TrafficRule): boolean => "cidr" in peer && peer.cidr === "0.0.0.0/0";

const isWideOpen = (rule: TrafficRule, protocol: number): boolean =>
  isOpen(rule) &&
  (rule.protocol === "any" ||
    (rule.protocol === protocol &&
      (rule.ports === undefined ||
        rule.ports.from === -1 ||
        (rule.ports.from === 0 && rule.ports.to === 65_535))));
