import type { NetworkElement } from "../network-driver.ts";
import { checkElement } from "../element-check.ts";
import { difference } from "./difference.ts";
import { edgeFacts, edgeFactsOf, factsOf, linkBatch, networkFacts } from "./link-facts.ts";
import type { Fact, InterfaceLinks } from "./link-facts.ts";
import { namespaceOf, networkLink, uplink } from "./names.ts";
import { ensureNamespace, namespaceExists, removeNamespace } from "./namespace.ts";
import { networkTable, networkTables, rulesOf } from "./network-rules.ts";
import { RoutedNamespace } from "./routed-namespace.ts";
import { Ruleset } from "./ruleset.ts";
import { Turns } from "./turns.ts";

type Elements = ReadonlyMap<string, NetworkElement>;

/** One network of this host: a namespace that routes between its interfaces, and its link and routes in the edge. */
export class Network implements Disposable {
  readonly id: string;
  readonly namespace: string;
  readonly #edge: RoutedNamespace;
  readonly #links: InterfaceLinks;
  readonly #turns = new Turns();
  #router: RoutedNamespace | undefined;
  #rules = new Ruleset(networkTable);
  /** What the kernel holds, as far as is known; undefined: read it back before changing anything. */
  #applied: Elements | undefined;

  constructor(prefix: string, id: string, edge: RoutedNamespace, links: InterfaceLinks) {
    this.id = id;
    this.namespace = namespaceOf(prefix, id);
    this.#edge = edge;
    this.#links = links;
  }

  get present(): boolean {
    return this.#router !== undefined;
  }

  apply(desired: Elements): Promise<void> {
    return this.#turns.take(async () => {
      if (desired.size === 0) return this.#remove();
      for (const [key, element] of desired) if (this.#applied?.get(key) !== element) checkElement(element);
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
   * Whether someone else changed the network since it was applied; then the next `apply` reads it back. `readBack`: look even
   * if nothing says that anything happened.
   */
  disturbed({ readBack }: { readonly readBack: boolean }): Promise<boolean> {
    return this.#turns.take(async () => {
      const router = this.#router;
      if (this.#applied === undefined || router === undefined) return false;
      const changed = router.rulesChanged();
      const moved = router.linksMoved() || readBack;
      const same = !changed && (!moved || (await this.#linksAreRight(router, this.#applied)));
      if (!same) this.#applied = undefined;
      return !same;
    });
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
  }

  async #update(applied: Elements, desired: Elements): Promise<void> {
    const { gone, come } = difference(applied, desired);
    const lines = this.#rules.change(gone.flatMap(rulesOf), come.flatMap(rulesOf));
    await this.#change(
      lines,
      linkBatch(new Set(gone.flatMap(factsOf)), new Set(come.flatMap(factsOf)), this.#links),
      linkBatch(this.#edgeFactsOf(gone), this.#edgeFactsOf(come), this.#links),
    );
  }

  /** From whatever is there, also nothing, without touching what is right: machines run on, connections go on. */
  async #repair(desired: Elements): Promise<void> {
    await ensureNamespace(this.namespace);
    this.#router ??= new RoutedNamespace(this.namespace);
    await this.#ensureUplink(this.#router);
    const elements = [...desired.values()];
    const [have, edgeHave] = await Promise.all([this.#router.facts(), this.#edgeFactsThere()]);
    this.#rules = new Ruleset(networkTable);
    this.#rules.change([], elements.flatMap(rulesOf));
    await this.#change(
      this.#rules.lines(),
      linkBatch(have, wanted(elements), this.#links),
      linkBatch(edgeHave, this.#edgeWanted(elements), this.#links),
      { whole: true },
    );
  }

  /** Links go before their rules do, and come after them. */
  async #change(rules: string[], links: Batch, edgeLinks: Batch, { whole = false } = {}): Promise<void> {
    const router = this.#router;
    if (router === undefined) throw new Error(`${this.namespace} is not there`);
    await this.#edge.changeLinks(edgeLinks.remove);
    await router.changeLinks(links.remove);
    if (whole) await router.loadRules(`${networkTables}${rules.join("\n")}\n`);
    else await router.changeRules(rules.join("\n"));
    await router.changeLinks(links.add);
    await this.#edge.changeLinks(edgeLinks.add);
  }

  async #ensureUplink(router: RoutedNamespace): Promise<void> {
    if ([...(await router.facts())].some((fact) => mentions(fact, uplink))) return;
    const far = networkLink(this.id);
    // A namespace that went away while something held it open left its end in the edge.
    if ((await this.#edgeFactsThere()).size > 0) await this.#edge.changeLinks([`link del dev ${far}`]);
    await router.changeLinks([`link add dev ${uplink} type veth peer name ${far} netns ${this.#edge.name}`]);
  }

  async #remove(): Promise<void> {
    this.#applied = undefined;
    if (namespaceExists(this.namespace)) await removeNamespace(this.namespace);
    this[Symbol.dispose]();
  }

  async #linksAreRight(router: RoutedNamespace, applied: Elements): Promise<boolean> {
    const elements = [...applied.values()];
    const [have, edgeHave] = await Promise.all([router.facts(), this.#edgeFactsThere()]);
    const batches = [
      linkBatch(have, wanted(elements), this.#links),
      linkBatch(edgeHave, this.#edgeWanted(elements), this.#links),
    ];
    return batches.every(({ remove, add }) => remove.length === 0 && add.length === 0);
  }

  async #edgeFactsThere(): Promise<Set<Fact>> {
    return new Set([...(await this.#edge.facts())].filter((fact) => mentions(fact, networkLink(this.id))));
  }

  #edgeWanted(elements: readonly NetworkElement[]): Set<Fact> {
    return new Set([...edgeFacts(this.id), ...this.#edgeFactsOf(elements)]);
  }

  #edgeFactsOf(elements: readonly NetworkElement[]): Set<Fact> {
    return new Set(elements.flatMap((element) => edgeFactsOf(element, this.id)));
  }
}

type Batch = ReturnType<typeof linkBatch>;

const wanted = (elements: readonly NetworkElement[]): Set<Fact> =>
  new Set([...networkFacts, ...elements.flatMap(factsOf)]);

const mentions = (fact: Fact, link: string): boolean => fact.split(" ").includes(link);
