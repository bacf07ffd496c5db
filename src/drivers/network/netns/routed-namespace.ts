import { run } from "../../linux/commands.ts";
import { readFacts } from "./kernel-facts.ts";
import { openKernelWatch } from "./kernel-watch.ts";
import type { KernelWatch } from "./kernel-watch.ts";
import type { Fact } from "./link-facts.ts";
import { namespaceIdentity } from "./namespace.ts";

/** One namespace Croft made: the only way its rules and links are changed, and how others' changes to them are noticed. */
export class RoutedNamespace implements Disposable {
  readonly name: string;
  #watch: KernelWatch;
  /** Which namespace had the name when it was last loaded. */
  #identity: bigint;
  /** What the rules' generation is as long as nobody else changes them; undefined until first loaded. */
  #generation: number | undefined;
  #loaded = "";

  constructor(name: string) {
    this.name = name;
    this.#identity = namespaceIdentity(name);
    this.#watch = openKernelWatch(name);
  }

  /** What `loadRules` was last given. */
  get loaded(): string {
    return this.#loaded;
  }

  /** Replaces every rule of the namespace at once; connections go on. */
  async loadRules(text: string): Promise<void> {
    if (this.#identity !== namespaceIdentity(this.name)) {
      this.#watch[Symbol.dispose]();
      this.#identity = namespaceIdentity(this.name);
      this.#watch = openKernelWatch(this.name);
    }
    this.#generation = this.#watch.generation();
    await this.changeRules(`flush ruleset\n${text}`);
    this.#loaded = text;
  }

  /** One transaction. */
  async changeRules(text: string): Promise<void> {
    if (text === "") return;
    await run("nft", ["-f", "-"], { namespace: this.name, input: text });
    if (this.#generation !== undefined) this.#generation = (this.#generation + 1) >>> 0;
  }

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

  /** Whether links, addresses or routes may have changed since the last call, by whoever. */
  linksMoved(): boolean {
    return this.#watch.linksMoved();
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}
