import type { InterfaceElement, NetworkElement, PeeringElement } from "../network-driver.ts";
import { checkElement } from "../element-check.ts";
import { judgeOf, mayStop } from "../untracked.ts";
import { followConnections, markConnections } from "./connections.ts";
import { difference } from "./difference.ts";
import { edgeFacts, edgeFactsOf, factsOf, linkBatch, networkFacts } from "./link-facts.ts";
import type { Fact, InterfaceLinks, LinkBatch } from "./link-facts.ts";
import { interfaceLink, namespaceOf, natNamespace, networkLink, uplink } from "./names.ts";
import { ensureNamespace, namespacesUnder, removeNamespace } from "./namespace.ts";
import { NatGateway } from "./nat-gateway.ts";
import { withOverrides, type RoutedElement } from "./overriding-tables.ts";
import type { Peerings } from "./peerings.ts";
import {
  judgedMark,
  networkChains,
  networkTable,
  networkTables,
  quoteRules,
  rulesOf,
  usualIdle,
} from "./network-rules.ts";
import { RoutedNamespace } from "./routed-namespace.ts";
import { Ruleset } from "./ruleset.ts";
import { Turns } from "./turns.ts";

type Elements = ReadonlyMap<string, RoutedElement>;

/** One network of this host: a namespace that routes between its interfaces, and its link and routes in the edge. */
export class Network implements Disposable {
  readonly id: string;
  readonly namespace: string;
  readonly #edge: RoutedNamespace;
  readonly #peerings: Peerings;
  readonly #links: InterfaceLinks;
  readonly #turns = new Turns();
  #router: RoutedNamespace | undefined;
  #rules = new Ruleset(networkTable, networkChains);
  /** By their interfaces' ids. */
  readonly #nats = new Map<string, NatGateway>();
  /** What the kernel holds, as far as is known; undefined: read it back before changing anything. */
  #applied: Elements | undefined;

  constructor(prefix: string, id: string, edge: RoutedNamespace, peerings: Peerings, links: InterfaceLinks) {
    this.id = id;
    this.namespace = namespaceOf(prefix, id);
    this.#edge = edge;
    this.#peerings = peerings;
    this.#links = links;
  }

  get present(): boolean {
    return this.#router !== undefined;
  }

  apply(wish: ReadonlyMap<string, NetworkElement>): Promise<void> {
    return this.#turns.take(async () => {
      if (wish.size === 0) return this.#remove();
      for (const [key, element] of wish) if (this.#applied?.get(key) !== element) checkElement(element);
      const desired = withOverrides(wish);
      const applied = this.#applied;
      this.#applied = undefined;
      // A difference the kernel refuses means that it does not hold what it was thought to.
      const done =
        applied !== undefined &&
        (await this.#update(applied, desired).then(
          () => true,
          () => false,
        ));
      if (!done) await this.#repair(desired);
      this.#applied = new Map(desired);
    });
  }

  /**
   * Whether someone else changed the network since it was applied; then the next `apply` reads it back. `strange`: what others did to
   * links and routes in the edge; `readBack`: look even if nothing says that anything happened.
   */
  disturbed({ strange, readBack }: Suspicion): Promise<boolean> {
    return this.#turns.take(async () => {
      const router = this.#router;
      if (this.#applied === undefined || router === undefined) return false;
      const changed = router.rulesChanged();
      const strangeHere = await router.strangeLinks();
      const moved =
        readBack ||
        strange === undefined ||
        [...strange].some((subject) => mentions(subject, networkLink(this.id))) ||
        strangeHere?.size !== 0;
      const same =
        !changed &&
        (!moved || (await this.#linksAreRight(router, this.#applied))) &&
        (await this.#natsAreRight({ readBack }));
      if (!same) this.#applied = undefined;
      return !same;
    });
  }

  /** Of its NAT gateways that are there, by their interfaces' ids. */
  async portErrors(): Promise<[interfaceId: string, count: number][]> {
    const asked = [...this.#nats].map(async ([id, nat]) => [id, await nat.portErrors()] as const);
    return (await Promise.allSettled(asked)).flatMap((it) =>
      it.status === "fulfilled" ? [[it.value[0], it.value[1]]] : [],
    );
  }

  /** The next `apply` starts from what the kernel holds. */
  forget(): Promise<void> {
    return this.#turns.take(async () => {
      this.#applied = undefined;
    });
  }

  [Symbol.dispose](): void {
    this.#router?.[Symbol.dispose]();
    this.#router = undefined;
    for (const nat of this.#nats.values()) nat[Symbol.dispose]();
    this.#nats.clear();
  }

  async #update(applied: Elements, desired: Elements): Promise<void> {
    const { gone, come } = difference(applied, desired);
    for (const it of peeringsOf(come)) await this.#peerings.ensure(it, this.namespace);
    const lines = this.#rules.change(gone.flatMap(rulesOf), come.flatMap(rulesOf));
    const nats = natsOf(come);
    await this.#change(
      lines,
      linkBatch(new Set(gone.flatMap(factsOf)), new Set(come.flatMap(factsOf)), this.#linksOf(nats)),
      linkBatch(this.#edgeFactsOf(gone), this.#edgeFactsOf(come), this.#linksOf([])),
      { gone: natsOf(gone).filter(({ id }) => !nats.some((it) => it.id === id)), come: nats },
    );
    if (mayStop(gone, desired)) this.#judge(applied, desired);
  }

  /** Connections under way that groups do not track, and no longer let pass, are from now on up to the rules, packet by packet. */
  #judge(applied: Elements, desired: Elements): void {
    const stops = judgeOf(applied.values(), desired.values());
    markConnections(this.namespace, (it) => (stops(it, it.mark === judgedMark) ? judgedMark : 0));
  }

  /** From whatever is there, also nothing, without touching what is right: machines run on, connections go on. */
  async #repair(desired: Elements): Promise<void> {
    await this.#router?.restoreName();
    await ensureNamespace(this.namespace);
    this.#router ??= new RoutedNamespace(this.namespace);
    await this.#ensureUplink(this.#router);
    const elements = [...desired.values()];
    for (const it of peeringsOf(elements)) await this.#peerings.ensure(it, this.namespace);
    const nats = natsOf(elements);
    await this.#removeNats(nats);
    for (const { id } of nats) await this.#nat(id).dropLostLink();
    const [have, edgeHave] = await Promise.all([this.#router.facts(), this.#edgeFactsThere()]);
    this.#rules = new Ruleset(networkTable, networkChains);
    this.#rules.change([], elements.flatMap(rulesOf));
    await this.#change(
      this.#rules.lines(),
      linkBatch(have, wanted(elements), this.#linksOf(nats)),
      linkBatch(edgeHave, this.#edgeWanted(elements), this.#linksOf([])),
      { gone: [], come: nats },
      { whole: true },
    );
    followConnections(this.namespace, following);
  }

  /** Links go before their rules do, and come after them. */
  async #change(
    rules: string[],
    links: LinkBatch,
    edgeLinks: LinkBatch,
    nats: { readonly gone: readonly InterfaceElement[]; readonly come: readonly InterfaceElement[] },
    { whole = false } = {},
  ): Promise<void> {
    const router = this.#router;
    if (router === undefined) throw new Error(`${this.namespace} is not there`);
    await this.#edge.removeLinks(edgeLinks);
    await router.removeLinks(links);
    for (const { id } of nats.gone) {
      await this.#nat(id).remove();
      this.#nats.delete(id);
    }
    if (whole) await router.loadRules(`${networkTables}${rules.join("\n")}\n`, quoteRules);
    else await router.changeRules(rules.join("\n"));
    await router.addLinks(links);
    for (const it of nats.come) await this.#nat(it.id).ensure(it);
    await this.#edge.addLinks(edgeLinks);
  }

  async #ensureUplink(router: RoutedNamespace): Promise<void> {
    if ([...(await router.facts())].some((fact) => mentions(fact, uplink))) return;
    const far = networkLink(this.id);
    // A namespace that went away while something held it open left its end in the edge.
    if ((await this.#edgeFactsThere()).size > 0) await this.#edge.changeLinks([`link del dev ${far}`]);
    await router.changeLinks([`link add dev ${uplink} type veth peer name ${far} netns ${this.#edge.name}`]);
  }

  async #remove(): Promise<void> {
    const gone = [...this.#edgeWanted([...(this.#applied?.values() ?? [])])];
    this.#applied = undefined;
    await this.#edge.removeLinks({ remove: [], add: [], gone, come: [] });
    await this.#removeNats([]);
    await removeNamespace(this.namespace);
    this[Symbol.dispose]();
  }

  #nat(interfaceId: string): NatGateway {
    const nat = this.#nats.get(interfaceId) ?? new NatGateway(this.namespace, interfaceId);
    this.#nats.set(interfaceId, nat);
    return nat;
  }

  /** Also those of which nobody knows but the kernel. */
  async #removeNats(wantedOnes: readonly InterfaceElement[]): Promise<void> {
    const names = new Set(wantedOnes.map(({ id }) => natNamespace(this.namespace, id)));
    for (const name of namespacesUnder(this.namespace)) if (!names.has(name)) await removeNamespace(name);
    for (const [id, nat] of this.#nats)
      if (!names.has(natNamespace(this.namespace, id))) {
        nat[Symbol.dispose]();
        this.#nats.delete(id);
      }
  }

  async #natsAreRight(options: { readonly readBack: boolean }): Promise<boolean> {
    for (const nat of this.#nats.values()) if (!(await nat.isRight(options))) return false;
    return true;
  }

  #linksOf(nats: readonly InterfaceElement[]): (link: string) => InterfaceLinks {
    const links = new Set(nats.map(({ id }) => interfaceLink(id)));
    return (link) => (links.has(link) ? "veth" : this.#links);
  }

  async #linksAreRight(router: RoutedNamespace, applied: Elements): Promise<boolean> {
    const elements = [...applied.values()];
    const [have, edgeHave] = await Promise.all([router.facts(), this.#edgeFactsThere()]);
    const batches = [
      linkBatch(have, wanted(elements), this.#linksOf([])),
      linkBatch(edgeHave, this.#edgeWanted(elements), this.#linksOf([])),
    ];
    return batches.every(({ remove, add }) => remove.length === 0 && add.length === 0);
  }

  async #edgeFactsThere(): Promise<Set<Fact>> {
    return new Set([...(await this.#edge.facts())].filter((fact) => mentions(fact, networkLink(this.id))));
  }

  #edgeWanted(elements: readonly RoutedElement[]): Set<Fact> {
    return new Set([...edgeFacts(this.id), ...this.#edgeFactsOf(elements)]);
  }

  #edgeFactsOf(elements: readonly RoutedElement[]): Set<Fact> {
    return new Set(elements.flatMap((element) => edgeFactsOf(element, this.id)));
  }
}

/** Where the kernel's is another. */
const following = { udp_timeout_stream: String(usualIdle.udpStream) };

interface Suspicion {
  readonly strange: ReadonlySet<string> | undefined;
  readonly readBack: boolean;
}

const wanted = (elements: readonly RoutedElement[]): Set<Fact> =>
  new Set([...networkFacts, ...elements.flatMap(factsOf)]);

const natsOf = (elements: readonly RoutedElement[]): InterfaceElement[] =>
  elements.filter((it): it is InterfaceElement => it.kind === "interface" && it.nat === true);

const peeringsOf = (elements: readonly RoutedElement[]): PeeringElement[] =>
  elements.filter((it): it is PeeringElement => it.kind === "peering");

const mentions = (fact: string, link: string): boolean => fact.split(" ").includes(link);
