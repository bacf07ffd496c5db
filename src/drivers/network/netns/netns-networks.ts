import { run } from "../../linux/commands.ts";
import type { NetworkDriver } from "../network-driver.ts";
import { edgeIsRight, isOfEdge, openEdge, renewRules, repairEdge } from "./edge.ts";
import type { EdgeOptions } from "./edge.ts";
import { checkId } from "../element-check.ts";
import { HostEnd } from "./host-end.ts";
import { readInterfaceIds } from "./kernel-facts.ts";
import type { InterfaceLinks } from "./link-facts.ts";
import { edgeNamespace, interfaceLink, namespaceOf } from "./names.ts";
import { namespaceExists, namespacesOf, removeNamespace } from "./namespace.ts";
import { Network } from "./network.ts";
import { Pasta, endPasta } from "./pasta.ts";
import { Peerings } from "./peerings.ts";

export interface NetnsNetworksOptions extends EdgeOptions {
  /** Default: taps, for machines. */
  readonly links?: InterfaceLinks;
  /** How often to look for others' changes. Default 500. */
  readonly lookMs?: number;
  /** How often to read the links back though nothing seems to have changed. Default 180,000. */
  readonly readBackMs?: number;
  /** Told of what goes wrong while nobody waits for an answer. */
  readonly onError: (error: unknown) => void;
}

export interface NetnsNetworks extends NetworkDriver {
  /** What keeps this host from the networks that cannot be repaired from here, in a sentence. */
  readonly conflict: string | undefined;
  /** Stops looking. Networks stay as they are. */
  close(): Promise<void>;
}

/**
 * Networks by the kernel's own routing and nftables. Every network is one namespace, every interface a /32 route to its own
 * link, so that every packet, also between neighbours, passes the rules.
 *
 *   machine ── eniX ─┐
 *   machine ── eniY ─┤ PREFIX-NETWORK ── igw ── netN ┤ PREFIX-edge ── host ── PREFIX ┤ this host
 *                      └ pcxZ ── pcxZ ┤ another       └── world ── pasta ── its sockets ┤ and beyond
 */
export const openNetnsNetworks = async (options: NetnsNetworksOptions): Promise<NetnsNetworks> => {
  const { prefix, links = "tap", lookMs = 500, readBackMs = 180_000, onError } = options;
  const edge = await openEdge(options);
  const hostEnd = new HostEnd(options);
  await hostEnd.repair();
  const pasta = options.outbound ? new Pasta(prefix, options.outbound, onError) : await endPasta(prefix);
  const peerings = new Peerings(prefix, edge);
  /** Also those that are gone: they may be on their way back. */
  const networks = new Map<string, Network>();
  const listeners: ((networkId: string) => void)[] = [];
  let readBackAt = Date.now() + readBackMs;

  const look = async () => {
    const thorough = Date.now() >= readBackAt;
    if (thorough) readBackAt = Date.now() + readBackMs;
    const strange = await edge.strangeLinks();
    const readBack = thorough || strange === undefined || [...strange].some(isOfEdge);
    const hostEndStood = await hostEnd.isRight({ readBack: thorough });
    const stood = (await edgeIsRight(edge, options, { readBack })) && hostEndStood;
    if (!stood) {
      await repairEdge(edge, options);
      await hostEnd.repair();
    }
    await renewRules(edge, options);
    await pasta?.look({ thorough: thorough || !stood });
    for (const network of networks.values()) {
      if (!network.present) continue;
      // A repair also undoes, unseen, what was done since the look.
      if (!stood) await network.forget();
      if (!stood || (await network.disturbed({ strange, readBack: thorough })))
        for (const tell of listeners) tell(network.id);
    }
  };
  let looking = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    looking = look()
      .catch(onError)
      .finally(() => {
        busy = false;
      });
  }, lookMs);
  timer.unref();

  return {
    get conflict() {
      return hostEnd.conflict;
    },

    async apply(networkId, desired) {
      checkId(networkId);
      const network = networks.get(networkId) ?? new Network(prefix, networkId, edge, peerings, links);
      networks.set(networkId, network);
      await network.apply(desired);
    },

    async observe() {
      const namespaces = namespacesOf(prefix).filter((name) => name !== edgeNamespace(prefix));
      // A NAT gateway's may be all that is left of its network.
      const ids = new Set(namespaces.map((name) => name.slice(prefix.length + 1).replace(/\..*/, "")));
      const found = [...ids].map(async (id) => {
        const name = namespaceOf(prefix, id);
        return [id, namespaceExists(name) ? await readInterfaceIds(name) : []] as const;
      });
      return new Map(await Promise.all(found));
    },

    port: (networkId, interfaceId) => ({
      namespace: namespaceOf(prefix, networkId),
      device: interfaceLink(interfaceId),
    }),

    async portErrors() {
      const errors: [interfaceId: string, count: number][] = [];
      for (const network of networks.values()) errors.push(...(await network.portErrors()));
      return new Map(errors);
    },

    onForeignChange: (listener) => void listeners.push(listener),

    async close() {
      clearInterval(timer);
      await looking;
      for (const network of networks.values()) network[Symbol.dispose]();
      hostEnd[Symbol.dispose]();
      edge[Symbol.dispose]();
    },
  };
};

/** Removes everything named by `prefix`, whoever made it and whatever state it is in. */
export const destroyNetworks = async (prefix: string): Promise<void> => {
  await endPasta(prefix);
  for (const name of namespacesOf(prefix)) await removeNamespace(name);
  await run("ip", ["link", "del", "dev", prefix]).catch(() => {});
};
