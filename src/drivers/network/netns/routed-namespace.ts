import { closeSync } from "node:fs";
import { run } from "../../linux/commands.ts";
import { factsTold, readFacts } from "./kernel-facts.ts";
import { openKernelWatch } from "./kernel-watch.ts";
import type { KernelWatch } from "./kernel-watch.ts";
import { subjectOf } from "./link-facts.ts";
import type { Fact, LinkBatch } from "./link-facts.ts";
import { namespaceExists, namespaceIdentity, nameNamespace } from "./namespace.ts";
import { changeNeighbours } from "./neighbours.ts";
import { addQuoteRules, type QuoteRule } from "./quoted-addresses.ts";
import { Turns } from "./turns.ts";

/** One namespace Croft made: the only way its rules and links are changed, and how others' changes to them are noticed. */
export class RoutedNamespace implements Disposable {
  readonly name: string;
  #watch: KernelWatch;
  /** Which namespace had the name when it was last loaded. */
  #identity: bigint;
  /** What the rules' generation is as long as nobody else changes them; undefined until first loaded. */
  #generation: number | undefined;
  #loaded = "";
  /** How Croft left each link, address, route and rule, by subject. */
  readonly #left = new Map<string, Fact>();
  readonly #strange = new Set<string>();
  #missedNews = false;
  /** Nobody listens while another's change is under way. */
  readonly #turns = new Turns();

  constructor(name: string) {
    this.name = name;
    this.#identity = namespaceIdentity(name);
    this.#watch = openKernelWatch(name);
  }

  /** What `loadRules` was last given. */
  get loaded(): string {
    return this.#loaded;
  }

  /** Gives the namespace its name back if someone took it: with all that is in it, and machines and services notice nothing. */
  async restoreName(): Promise<void> {
    if (namespaceExists(this.name)) return;
    const fd = this.#watch.namespace();
    try {
      await nameNamespace(this.name, fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Replaces every rule of the namespace at once, and adds those of `quotes`, of table `ip croft`; connections go on. Of IPv6 nothing passes. */
  async loadRules(text: string, quotes: readonly QuoteRule[] = []): Promise<void> {
    if (this.#identity !== namespaceIdentity(this.name)) {
      this.#watch[Symbol.dispose]();
      this.#identity = namespaceIdentity(this.name);
      this.#watch = openKernelWatch(this.name);
      this.#left.clear();
    }
    this.#generation = this.#watch.generation();
    await this.changeRules(`flush ruleset\n${noIpv6}${text}`);
    this.#loaded = text;
    if (quotes.length === 0) return;
    addQuoteRules(this.name, quotes);
    this.#countChange();
  }

  /** One transaction. */
  async changeRules(text: string): Promise<void> {
    if (text === "") return;
    await run("nft", ["-f", "-"], { namespace: this.name, input: text });
    this.#countChange();
  }

  /** The first half of a batch. */
  removeLinks({ remove, gone }: LinkBatch): Promise<void> {
    return this.#changing(remove, () => {
      changeNeighbours({ gone, come: [] }, this.name);
      for (const fact of gone) this.#left.delete(subjectOf(fact));
    });
  }

  /** The second. */
  addLinks({ add, come }: LinkBatch): Promise<void> {
    return this.#changing(add, () => {
      changeNeighbours({ gone: [], come }, this.name);
      for (const fact of come) this.#left.set(subjectOf(fact), fact);
    });
  }

  /** Lines of `ip -batch`; the next look takes what they did for another's doing, and finds it right. */
  async changeLinks(lines: readonly string[]): Promise<void> {
    if (lines.length > 0)
      await run("ip", ["-batch", "-"], { namespace: this.name, input: `${lines.join("\n")}\n` });
  }

  facts(): Promise<Set<Fact>> {
    return readFacts(this.name);
  }

  /** Whether someone else changed the rules since they were loaded, or put another namespace, or none, in this one's place. */
  rulesChanged(): boolean {
    return this.#identity !== namespaceIdentity(this.name) || this.#watch.generation() !== this.#generation;
  }

  /**
   * The subjects of what others did to links, addresses, routes and rules since the last call, as far as the kernel tells: what went
   * with a link or its state, it does not. Undefined: more than could be told.
   */
  strangeLinks(): Promise<ReadonlySet<string> | undefined> {
    return this.#turns.take(async () => {
      this.#listen("each");
      const strange = this.#missedNews ? undefined : new Set(this.#strange);
      this.#missedNews = false;
      this.#strange.clear();
      return strange;
    });
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #countChange(): void {
    if (this.#generation !== undefined) this.#generation = (this.#generation + 1) >>> 0;
  }

  #changing(lines: readonly string[], finish: () => void): Promise<void> {
    return this.#turns.take(async () => {
      this.#listen("each");
      await this.changeLinks(lines);
      finish();
      this.#listen("last");
    });
  }

  /** `last`: while Croft itself changed things, only how they ended counts. What was strange once is not strange again. */
  #listen(which: "each" | "last"): void {
    const news = this.#watch.news();
    if (news === undefined) this.#missedNews = true;
    const told = (news ?? []).flatMap((message) =>
      factsTold(message).map((fact): [string, Fact | undefined] => [
        subjectOf(fact),
        message.gone ? undefined : fact,
      ]),
    );
    for (const [subject, fact] of which === "each" ? told : new Map(told)) {
      const left = this.#left.get(subject);
      if (fact === left) continue;
      // A link of which nothing is wanted may be as it likes.
      if (left === undefined && subject.startsWith("settings ")) continue;
      this.#strange.add(subject);
      if (fact === undefined) this.#left.delete(subject);
      else this.#left.set(subject, fact);
    }
  }
}

const noIpv6 = `
table ip6 croft {
  chain arriving {
    type filter hook prerouting priority raw; policy drop;
  }
  chain leaving {
    type filter hook output priority filter; policy drop;
  }
}
`;
