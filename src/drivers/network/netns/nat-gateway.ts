import { run } from "../../linux/commands.ts";
import { addressesOf } from "../network-driver.ts";
import type { InterfaceElement } from "../network-driver.ts";
import { followConnections } from "./connections.ts";
import { failClosedRules, linkBatch, ownAddress } from "./link-facts.ts";
import type { Fact } from "./link-facts.ts";
import {
  beforeReassembly,
  guestMtu,
  interfaceLink,
  natGateway,
  natLink,
  natNamespace,
  otherEnd,
  straight,
} from "./names.ts";
import { ensureNamespace, namespaceExists, removeNamespace } from "./namespace.ts";
import { RoutedNamespace } from "./routed-namespace.ts";

/** A NAT gateway: a namespace of its own at the far end of an interface's link, which sends back by that link what came by it. */
export class NatGateway implements Disposable {
  readonly #name: string;
  readonly #network: string;
  readonly #link: string;
  #router: RoutedNamespace | undefined;
  #facts: ReadonlySet<Fact> = new Set();

  constructor(networkNamespace: string, interfaceId: string) {
    this.#name = natNamespace(networkNamespace, interfaceId);
    this.#network = networkNamespace;
    this.#link = interfaceLink(interfaceId);
  }

  /** Its interface's link goes when its far end is lost, in a namespace that has no name any more but is held open. */
  async dropLostLink(): Promise<void> {
    if (namespaceExists(this.#name) && (await this.#isPluggedIn())) return;
    await run("ip", ["link", "del", "dev", this.#link], { namespace: this.#network }).catch(() => {});
  }

  /** From whatever is there; what is right is left alone, and connections go on. The interface's link is there. */
  async ensure(element: InterfaceElement): Promise<void> {
    await ensureNamespace(this.#name);
    followConnections(this.#name, following);
    await this.#plugIn();
    this.#router ??= new RoutedNamespace(this.#name);
    const rules = natTables(element);
    if (this.#router.loaded !== rules || this.#router.rulesChanged()) await this.#router.loadRules(rules);
    this.#facts = natFacts(element);
    const batch = linkBatch(await this.#router.facts(), this.#facts, () => "veth");
    await this.#router.removeLinks(batch);
    await this.#router.addLinks(batch);
  }

  /** Whether it is as `ensure` left it; `readBack`: look even if nothing says that anything happened. */
  async isRight({ readBack }: { readonly readBack: boolean }): Promise<boolean> {
    const router = this.#router;
    if (router === undefined || router.rulesChanged()) return false;
    if ((await router.strangeLinks())?.size === 0 && !readBack) return true;
    const { remove, add } = linkBatch(await router.facts(), this.#facts, () => "veth");
    return remove.length + add.length === 0;
  }

  /** Connections it had no port for, since its rules were last loaded. */
  async portErrors(): Promise<number> {
    const { nftables }: { nftables: { counter?: { packets: number } }[] } = JSON.parse(
      await run("nft", ["-j", "list", "counter", "ip", "croft", "exhausted"], { namespace: this.#name }),
    );
    return nftables.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
  }

  async remove(): Promise<void> {
    await removeNamespace(this.#name);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#router?.[Symbol.dispose]();
    this.#router = undefined;
  }

  async #isPluggedIn(): Promise<boolean> {
    const links = await run("ip", ["-brief", "link", "show"], { namespace: this.#name });
    return new RegExp(`^${natLink}(@| )`, "m").test(links);
  }

  /** The far end of the interface's link, once: after that it is here, under its own name. */
  async #plugIn(): Promise<void> {
    if (await this.#isPluggedIn()) return;
    const far = otherEnd(this.#link);
    await run("ip", ["link", "set", "dev", far, "netns", this.#name], { namespace: this.#network });
    await run("ip", ["link", "set", "dev", far, "name", natLink], { namespace: this.#name });
  }
}

const natFacts = (element: InterfaceElement): Set<Fact> =>
  new Set<Fact>([
    ...failClosedRules,
    `settings ${natLink} address ${element.mac} mtu ${guestMtu} up`,
    ...addressesOf(element).flatMap(({ address }) => ownAddress(address, natLink)),
    `route default via ${natGateway.address} dev ${natLink} onlink`,
    `neighbour ${natGateway.address} lladdr ${natGateway.mac} dev ${natLink}`,
  ]);

/**
 * Nothing begins at the gateway's own addresses. What belongs to a connection that was idle for too long is answered by RST. Each
 * address has room for so many connections to one destination (address, protocol and port); one more is dropped and counted. Of what
 * comes in fragments datagrams of UDP alone pass ("Compare NAT gateways and NAT instances" of Amazon VPC's guide).
 */
const natTables = (element: InterfaceElement): string => {
  const own = addressesOf(element);
  const addresses = own.filter(({ draining }) => !draining);
  return `
table ip croft {
  counter exhausted { }
  set destinations { typeof ip daddr . meta l4proto . th dport; size 65535; flags dynamic; }
  chain arriving {
    type filter hook prerouting priority ${beforeReassembly}; policy drop;
    ip frag-off & 0x3fff != 0 ip protocol != udp drop
    iifname "${natLink}" ip saddr != { ${own.map(({ address }) => address).join(", ")} } meta mark set ${straight} accept
  }
  chain passing {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    meta l4proto tcp ct state invalid reject with tcp reset
    ct state invalid drop
    meta l4proto { tcp, udp } add @destinations { ip daddr . meta l4proto . th dport ct count over ${connectionsPerAddress * addresses.length} } counter name exhausted drop
    meta l4proto { icmp, tcp, udp } accept
  }
  chain to_nat {
    type filter hook input priority filter; policy drop;
  }
${addresses
  .map(
    ({ address }, index) => `  chain as_${index} {
    meta l4proto { tcp, udp } snat ip to ${address}:1024-65535
    snat ip to ${address}
  }`,
  )
  .join("\n")}
  chain translated {
    type nat hook postrouting priority srcnat; policy accept;
    iifname "${natLink}" numgen random mod ${addresses.length} vmap { ${addresses.map((_, index) => `${index} : goto as_${index}`).join(", ")} }
  }
}
`;
};

/** "NAT gateway basics" of Amazon VPC's guide. */
const connectionsPerAddress = 55_000;
const idleSeconds = "350";

const following = {
  tcp_timeout_established: idleSeconds,
  udp_timeout: idleSeconds,
  udp_timeout_stream: idleSeconds,
  icmp_timeout: idleSeconds,
  // What is in the midst of a connection that is not known belongs to none.
  tcp_loose: "0",
};
