import type { PeeringElement } from "../network-driver.ts";
import { namespaceOf, peeringLink } from "./names.ts";
import { namespaceExists } from "./namespace.ts";
import { run } from "../../linux/commands.ts";
import type { RoutedNamespace } from "./routed-namespace.ts";
import { Turns } from "./turns.ts";

/**
 * The links of peerings: veths straight from network to network. Each network makes sure of its own end. The first makes the pair and
 * leaves the other end in the edge, down, where the second fetches it; who finds neither makes another pair.
 */
export class Peerings {
  readonly #prefix: string;
  readonly #edge: RoutedNamespace;
  /** Two networks do not reach for one link at once. */
  readonly #turns = new Turns();

  constructor(prefix: string, edge: RoutedNamespace) {
    this.#prefix = prefix;
    this.#edge = edge;
  }

  /** Of the network in `namespace`. A new end is down. */
  ensure(peering: PeeringElement, namespace: string): Promise<void> {
    return this.#turns.take(async () => {
      const link = peeringLink(peering.id);
      if (await isIn(namespace, link)) return;
      if (await isIn(this.#edge.name, link))
        return this.#edge.changeLinks([`link set dev ${link} netns ${namespace}`]);
      // What the other network has is the end of a link whose other end is lost; it will fetch the new one.
      const other = namespaceOf(this.#prefix, peering.network);
      if (namespaceExists(other))
        await run("ip", ["link", "del", "dev", link], { namespace: other }).catch(() => {});
      const far = ["peer", "name", link, "netns", this.#edge.name];
      await run("ip", ["link", "add", "dev", link, "type", "veth", ...far], { namespace });
    });
  }
}

const isIn = (namespace: string, link: string): Promise<boolean> =>
  run("ip", ["link", "show", "dev", link], { namespace }).then(
    () => true,
    () => false,
  );
