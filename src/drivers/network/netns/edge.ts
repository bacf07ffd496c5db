import { run } from "../../linux/commands.ts";
import { linkEnds } from "./host-end.ts";
import type { Fact } from "./link-facts.ts";
import { failClosedRules, linkBatch, ownAddress } from "./link-facts.ts";
import {
  edgeNamespace,
  hostLink,
  outboundEnds,
  outboundLink,
  outboundMtu,
  outboundQueue,
  straight,
  uplinkMtu,
} from "./names.ts";
import { ensureNamespace } from "./namespace.ts";
import { outboundRules } from "./outbound-rules.ts";
import { RoutedNamespace } from "./routed-namespace.ts";

export interface EdgeOptions {
  /** Also the name of the link on the host: at most 15 characters. */
  readonly prefix: string;
  /** Routed from this host to the networks. */
  readonly publicPool: string;
  /** The link's two addresses, the host's and the edge's; absent: two of 169.254.64.0/18 by the prefix. */
  readonly hostAddresses?: readonly [host: string, edge: string];
  /** Absent: guests reach nothing beyond this host's networks. */
  readonly outbound?: OutboundOptions;
}

/** The way out, by pasta, of guests that have a public address. */
export interface OutboundOptions {
  /** pasta's user, nobody else's. */
  readonly uid: number;
  /** The file that pasta's complaints go to. */
  readonly complaints: string;
  /** Of the networks that are closed to guests (`outbound-rules.ts`), those that are not. */
  readonly to: readonly string[];
}

/**
 * The namespace between the host and every network, and its link to the host. Opens it, makes or repairs what it needs, and keeps
 * connections.
 */
export const openEdge = async (options: EdgeOptions): Promise<RoutedNamespace> => {
  await ensureNamespace(edgeNamespace(options.prefix));
  const edge = new RoutedNamespace(edgeNamespace(options.prefix));
  try {
    await repairEdge(edge, options);
    return edge;
  } catch (error) {
    edge[Symbol.dispose]();
    throw error;
  }
};

export const repairEdge = async (edge: RoutedNamespace, options: EdgeOptions): Promise<void> => {
  const { prefix } = options;
  await edge.restoreName();
  await ensureNamespace(edge.name);
  await edge.loadRules(edgeTables(options));
  if (!(await isJoined(edge, prefix))) await join(edge, prefix);
  const facts = await edge.facts();
  // What belongs to the networks' links is theirs to repair.
  const have = new Set([...facts].filter(isOfEdge));
  const batch = linkBatch(have, edgeWants(options), () => "veth");
  await edge.removeLinks(batch);
  await edge.addLinks(batch);
  if (options.outbound) await keepOrder(edge);
};

/** Whether a fact, or its subject, is about the edge's own part and not about a network's link. */
export const isOfEdge = (fact: string): boolean => !/ net[0-9a-f]{12}\b/.test(fact);

/**
 * The kernel's usual queue takes packets from several processors without a lock, and now and then turns two of them round. pasta
 * throws away what comes too early, until the guest's patience ends: an upload stood still for half a minute, and broke off.
 */
const keepOrder = async (edge: RoutedNamespace): Promise<void> => {
  const queue = ["root", "pfifo", "limit", String(outboundQueue)];
  await run("tc", ["qdisc", "replace", "dev", outboundLink, ...queue], { namespace: edge.name });
};

/**
 * Closes what has become this host's since the rules were loaded, and opens what is no longer; quick when nothing has. Rules that
 * someone else changed are left for the next look to find.
 */
export const renewRules = async (edge: RoutedNamespace, options: EdgeOptions): Promise<void> => {
  const rules = edgeTables(options);
  if (edge.loaded !== rules && !edge.rulesChanged()) await edge.loadRules(rules);
};

/** Whether the edge's own part of its namespace is as `repairEdge` left it; `readBack`: also the links. */
export const edgeIsRight = async (
  edge: RoutedNamespace,
  options: EdgeOptions,
  { readBack }: { readonly readBack: boolean },
): Promise<boolean> => {
  if (edge.rulesChanged()) return false;
  if (!readBack) return true;
  const facts = await edge.facts();
  return [...edgeWants(options)].every((fact) => facts.has(fact));
};

/** Whether both ends of the link are where they belong. */
const isJoined = async (edge: RoutedNamespace, prefix: string): Promise<boolean> => {
  const ends = [run("ip", ["link", "show", "dev", prefix]), edge.changeLinks([`link show dev ${hostLink}`])];
  return (await Promise.allSettled(ends)).every(({ status }) => status === "fulfilled");
};

/** An end whose other was renamed, or is in a namespace that is gone but held open, goes first. */
const join = async (edge: RoutedNamespace, prefix: string): Promise<void> => {
  await run("ip", ["link", "del", "dev", prefix]).catch(() => {});
  await edge.changeLinks([`link del dev ${hostLink}`]).catch(() => {});
  const far = ["peer", "name", hostLink, "netns", edge.name];
  await run("ip", ["link", "add", "dev", prefix, "type", "veth", ...far]);
};

const edgeWants = (options: EdgeOptions): Set<Fact> => {
  const { host, edge } = linkEnds(options);
  return new Set<Fact>([
    ...failClosedRules,
    `settings ${hostLink} address ${edge.mac} mtu ${uplinkMtu} up`,
    ...ownAddress(edge.address, hostLink),
    `route ${host.address} dev ${hostLink}`,
    `neighbour ${host.address} lladdr ${host.mac} dev ${hostLink}`,
    `route blackhole ${options.publicPool}`,
    ...(options.outbound ? outboundFacts : []),
  ]);
};

const outboundFacts: readonly Fact[] = [
  `link ${outboundLink}`,
  `settings ${outboundLink} address ${outboundEnds.edge.mac} mtu ${outboundMtu} up`,
  ...ownAddress(outboundEnds.edge.address, outboundLink),
  `route default via ${outboundEnds.pasta.address} dev ${outboundLink} onlink`,
  `neighbour ${outboundEnds.pasta.address} lladdr ${outboundEnds.pasta.mac} dev ${outboundLink}`,
];

/**
 * Guests and the host meet here: the host may begin, a guest may not, and a guest is only ever its public address. What networks send
 * each other is not tracked here: both ends do.
 */
const edgeTables = (options: EdgeOptions): string => `
table ip croft {
${outboundRules({ inside: [options.publicPool, linkEnds(options).host.address], to: options.outbound?.to })}
  chain arriving {
    type filter hook prerouting priority raw; policy drop;
    iifname "net*" ip saddr ${options.publicPool} ip daddr ${options.publicPool} notrack meta mark set ${straight} accept
    fib saddr type local drop
    iifname "host" meta mark set ${straight} accept
    iifname "net*" ip saddr ${options.publicPool} meta mark set ${straight} accept
    iifname "${outboundLink}" ip daddr ${outboundEnds.edge.address} meta mark set ${straight} accept
  }
  chain passing {
    type filter hook forward priority filter; policy drop;
    ct state untracked oifname "net*" accept
    oifname "${outboundLink}" goto outward
    iifname "${outboundLink}" jump from_world
    ct state established,related accept
    ct state invalid drop
    iifname "${outboundLink}" drop
    oifname "net*" accept
  }
  chain to_edge {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "host" icmp type echo-request accept
  }
  chain from_edge {
    type filter hook output priority filter; policy drop;
    ct state established,related accept
  }
}
`;
