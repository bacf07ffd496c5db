import { createHash } from "node:crypto";
import { run } from "../../linux/commands.ts";
import type { Fact } from "./link-facts.ts";
import { failClosedRules, linkBatch } from "./link-facts.ts";
import { edgeNamespace, hostLink, outboundEnds, outboundLink, outboundMtu, uplinkMtu } from "./names.ts";
import { disableIpv6, ensureNamespace } from "./namespace.ts";
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

/** The namespace between the host and every network. Opens it, makes or repairs what it needs, and keeps connections. */
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
  await ensureNamespace(edge.name);
  await edge.loadRules(edgeTables(options));
  if (!(await hasLink(prefix))) {
    await run("ip", [
      "link",
      "add",
      "dev",
      prefix,
      "type",
      "veth",
      "peer",
      "name",
      hostLink,
      "netns",
      edge.name,
    ]);
  }
  disableIpv6(prefix);
  const facts = await edge.facts();
  // What belongs to the networks' links is theirs to repair.
  const have = new Set([...facts].filter((fact) => !/ net[0-9a-f]{12}\b/.test(fact)));
  const { remove, add } = linkBatch(have, edgeWants(options), "veth");
  await edge.changeLinks([...remove, ...add]);
  const onHost = linkBatch(new Set(), hostWants(options), "veth").add;
  await run("ip", ["-batch", "-"], { input: `${onHost.join("\n")}\n` });
};

/** Closes what has become this host's since the rules were loaded, and opens what is no longer; quick when nothing has. */
export const renewRules = async (edge: RoutedNamespace, options: EdgeOptions): Promise<void> => {
  const rules = edgeTables(options);
  if (edge.loaded !== rules) await edge.loadRules(rules);
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

const hasLink = (name: string): Promise<boolean> =>
  run("ip", ["link", "show", "dev", name]).then(
    () => true,
    () => false,
  );

const macs = { host: "02:00:00:00:00:05", edge: "02:00:00:00:00:04" } as const;

const edgeWants = (options: EdgeOptions): Set<Fact> => {
  const [host, edge] = hostAddresses(options);
  return new Set<Fact>([
    ...failClosedRules,
    `settings ${hostLink} address ${macs.edge} mtu ${uplinkMtu} up`,
    `address ${edge} dev ${hostLink}`,
    `route ${host} dev ${hostLink}`,
    `neighbour ${host} lladdr ${macs.host} dev ${hostLink}`,
    `route blackhole ${options.publicPool}`,
    ...(options.outbound ? outboundFacts : []),
  ]);
};

const outboundFacts: readonly Fact[] = [
  `link ${outboundLink}`,
  `settings ${outboundLink} address ${outboundEnds.edge.mac} mtu ${outboundMtu} up`,
  `address ${outboundEnds.edge.address} dev ${outboundLink}`,
  `route default via ${outboundEnds.pasta.address} dev ${outboundLink} onlink`,
  `neighbour ${outboundEnds.pasta.address} lladdr ${outboundEnds.pasta.mac} dev ${outboundLink}`,
];

const hostWants = (options: EdgeOptions): Set<Fact> => {
  const [host, edge] = hostAddresses(options);
  return new Set<Fact>([
    `settings ${options.prefix} address ${macs.host} mtu ${uplinkMtu} up`,
    `address ${host} dev ${options.prefix}`,
    `neighbour ${edge} lladdr ${macs.edge} dev ${options.prefix}`,
    `route ${options.publicPool} via ${edge} dev ${options.prefix} onlink src ${host}`,
  ]);
};

const hostAddresses = ({ prefix, hostAddresses: chosen }: EdgeOptions): readonly [string, string] => {
  if (chosen !== undefined) return chosen;
  const pair = createHash("sha256").update(prefix).digest().readUInt16BE() % 8192;
  const address = (offset: number) => `169.254.${64 + (pair >> 7)}.${((pair & 127) << 1) + offset}`;
  return [address(0), address(1)];
};

/** Guests and the host meet here: the host may begin, a guest may not, and a guest is only ever its public address. */
const edgeTables = (options: EdgeOptions): string => `
table inet croft {
${outboundRules({ inside: [options.publicPool, hostAddresses(options)[0]], to: options.outbound?.to })}
  chain arriving {
    type filter hook prerouting priority raw; policy drop;
    iifname "host" meta nfproto ipv4 meta mark set 1 accept
    iifname "net*" ip saddr ${options.publicPool} meta mark set 1 accept
    iifname "${outboundLink}" ip daddr ${outboundEnds.edge.address} meta mark set 1 accept
  }
  chain passing {
    type filter hook forward priority filter; policy drop;
    oifname "${outboundLink}" goto outward
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
