import { createHash } from "node:crypto";
import { run } from "../../linux/commands.ts";
import type { EdgeOptions } from "./edge.ts";
import { factsIn } from "./kernel-facts.ts";
import { openKernelWatch } from "./kernel-watch.ts";
import { linkBatch, type Fact } from "./link-facts.ts";
import { uplinkMtu } from "./names.ts";
import { disableIpv6 } from "./namespace.ts";
import { changeNeighbours } from "./neighbours.ts";

/** The link's two ends: this host's, and the edge's. */
export const linkEnds = ({ prefix, hostAddresses }: EdgeOptions) => {
  const [host, edge] = hostAddresses ?? ownAddresses(prefix);
  return {
    host: { address: host, mac: "02:00:00:00:00:05" },
    edge: { address: edge, mac: "02:00:00:00:00:04" },
  };
};

/**
 * This host's end of the link to the edge: the one link and the one route that a region has on it. What others do to them is
 * undone; others' routes are left as they are, also where they take the region's addresses away.
 */
export class HostEnd implements Disposable {
  readonly #options: EdgeOptions;
  readonly #watch = openKernelWatch();
  #rivals: readonly Route[] = [];

  constructor(options: EdgeOptions) {
    this.#options = options;
  }

  /** What others route of the region's addresses, as a sentence for the operator. */
  get conflict(): string | undefined {
    if (this.#rivals.length === 0) return undefined;
    const routes = this.#rivals.map(({ dst, dev, type }) =>
      `${dst} ${dev ? `dev ${dev}` : (type ?? "")}`.trim(),
    );
    return `this host also routes ${routes.join(", ")}, of this region's public addresses ${this.#options.publicPool}: instances with such addresses may not be reached while it does`;
  }

  /** Whether it is as `repair` left it; `readBack`: look even if nothing says that anything happened. */
  async isRight({ readBack }: { readonly readBack: boolean }): Promise<boolean> {
    if (this.#watch.news()?.length === 0 && !readBack) return true;
    await this.#lookForRivals();
    const have = await this.#facts();
    return [...this.#wants()].every((fact) => have.has(fact));
  }

  /** The link is there: it is set up, addressed and routed to. Repeating it cuts no connection. */
  async repair(): Promise<void> {
    const { prefix } = this.#options;
    disableIpv6(prefix);
    await this.#lookForRivals();
    const batch = linkBatch(new Set(), this.#wants(), () => "veth");
    await run("ip", ["-batch", "-"], { input: `${batch.add.join("\n")}\n` });
    changeNeighbours(batch);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #wants(): Set<Fact> {
    const { prefix, publicPool } = this.#options;
    const { host, edge } = linkEnds(this.#options);
    // To put one's own route in place of another's would cut whatever that one leads to.
    const taken = this.#rivals.some(
      ({ dst, metric = 0, table = "main" }) => dst === publicPool && metric === 0 && table === "main",
    );
    return new Set<Fact>([
      `settings ${prefix} address ${host.mac} mtu ${uplinkMtu} up`,
      `address ${host.address} dev ${prefix}`,
      `neighbour ${edge.address} lladdr ${edge.mac} dev ${prefix}`,
      ...(taken
        ? []
        : [`route ${publicPool} via ${edge.address} dev ${prefix} onlink src ${host.address}` as const]),
    ]);
  }

  /** Nothing when there is no such link. */
  async #facts(): Promise<Set<Fact>> {
    const { prefix, publicPool } = this.#options;
    const questions = [
      `address show dev ${prefix}`,
      `route show table main root ${publicPool}`,
      // Of every link: asked about one, `ip` does not say which.
      "neighbour show nud permanent",
      "rule show",
      `link show dev ${prefix}`,
    ];
    const answer = run("ip", ["-json", "-batch", "-"], { input: `${questions.join("\n")}\n` });
    return answer.then(factsIn, () => new Set<Fact>());
  }

  async #lookForRivals(): Promise<void> {
    const { prefix, publicPool } = this.#options;
    const routes: Route[] = JSON.parse(
      await run("ip", ["-json", "-4", "route", "show", "table", "all", "root", publicPool]),
    );
    // A region that is being made claims its pool by a blackhole, which its own route replaces.
    this.#rivals = routes.filter(
      ({ dev, type }) => dev !== prefix && type !== "blackhole" && type !== "broadcast",
    );
  }
}

/** Two of 169.254.64.0/18 by the prefix. */
const ownAddresses = (prefix: string): readonly [host: string, edge: string] => {
  const pair = createHash("sha256").update(prefix).digest().readUInt16BE() % 8192;
  const address = (offset: number) => `169.254.${64 + (pair >> 7)}.${((pair & 127) << 1) + offset}`;
  return [address(0), address(1)];
};

/** Of `ip -json route`. */
interface Route {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
  readonly metric?: number;
  /** Absent: "main". */
  readonly table?: string;
}
