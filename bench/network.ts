import { run } from "#drivers/linux/commands.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { plugIn } from "../tests/system/guest-namespace.ts";
import {
  card,
  connections,
  freshNetworks,
  group,
  pool,
  serve,
  subnets,
  tcp,
  type Entry,
  type Side,
} from "./network-sides.ts";
import { comparePairs } from "./pairs.ts";

/**
 * What the routed, filtered paths of networks cost against a bare veth between two namespaces. Needs root and iperf3.
 *
 *   node bin/croft run bench/network.ts [PAIRS]
 *
 * Promises: TCP within a network at 0.75 of bare or more, by public addresses and NAT gateways at 0.65; new connections at 0.6 of bare
 * and at 0.9 of a router's with one rule.
 */
const pairs = Number(process.argv[2] ?? 9);
const prefix = "croft-nb";

const cards = {
  server: card("eni-1", "one", "10.0.1.10"),
  same: card("eni-2", "one", "10.0.1.11"),
  across: card("eni-3", "two", "10.0.2.10"),
  public: card("eni-4", "two", "10.0.2.11", { publicAddress: `${pool}.4` }),
  behind: card("eni-5", "behind", "10.0.3.10"),
  nat: card("eni-6", "two", "10.0.2.12", { publicAddress: `${pool}.6`, groups: [], nat: true }),
};
/** Of another network. */
const far = card("eni-9", "one", "10.0.1.10", { publicAddress: `${pool}.9` });
const few: readonly Entry[] = [
  ...routedRange("10.0.0.0/16", subnets),
  ["subnet/behind", { kind: "subnet", id: "behind", cidr: subnets.behind, table: "behind" }],
  ["table/behind", { kind: "table", id: "behind" }],
  ["route/behind/10.0.0.0/16", { kind: "route", table: "behind", to: "10.0.0.0/16", via: "network" }],
  [
    "route/behind/0.0.0.0/0",
    { kind: "route", table: "behind", to: "0.0.0.0/0", via: { interface: "eni-6", address: "10.0.2.12" } },
  ],
  group("sg-1", [5000, 6000]),
  ...Object.values(cards),
];
const guest = (name: string) => `${prefix}guest-${name}`;
const [bareServer, bareClient, router] = [guest("bare-1"), guest("bare-2"), guest("router")];
const [routedServer, routedClient] = [guest("routed-1"), guest("routed-2")];
const namespaces = [
  bareServer,
  bareClient,
  router,
  routedServer,
  routedClient,
  ...[...Object.keys(cards), "far"].map(guest),
];
await using stack = new AsyncDisposableStack();
const networks = await freshNetworks(prefix, namespaces, stack);
await networks.apply("vpc", new Map(few));
await networks.apply(
  "far",
  new Map([...routedRange("10.0.0.0/16", subnets), group("sg-1", [5000, 6000]), far]),
);
for (const [name, [, it]] of [...Object.entries(cards), ["far", far] as const])
  if (!it.nat) await plugIn(guest(name), networks.port(name === "far" ? "far" : "vpc", it.id), it);
await connectBare();
await connectRouted();

const bare: Side = { server: bareServer, client: bareClient, address: "192.0.2.1" };
const routed: Side = { server: routedServer, client: routedClient, address: "192.0.2.1" };
const same: Side = { server: guest("server"), client: guest("same"), address: "10.0.1.10" };
const across: Side = { ...same, client: guest("across") };
const byElasticIp: Side = { server: guest("far"), client: guest("public"), address: `${pool}.9` };
const byNatGateway: Side = { ...byElasticIp, client: guest("behind") };
await serve(
  [bare, routed, same, byElasticIp].map(({ server }) => server),
  stack,
);

const ours = connections(same, stack);
const throughput = (name: string, side: Side) =>
  comparePairs(`TCP ${name}`, "Gbit/s", { ours: tcp(side), bare: tcp(bare) }, pairs);
await throughput("in a subnet", same);
await throughput("between subnets", across);
await throughput("by an elastic address", byElasticIp);
await throughput("by a NAT gateway", byNatGateway);
await comparePairs("new connections", "/s", { ours, bare: connections(bare, stack) }, pairs);
// The promise nearest to its bound; with more pairs the clients run out of ports, which are theirs for a minute.
await comparePairs(
  "new connections",
  "/s",
  { ours, bare: connections(routed, stack) },
  2 * pairs,
  "a router with one rule",
);

async function connectBare(): Promise<void> {
  for (const name of [bareServer, bareClient]) await run("ip", ["netns", "add", name]);
  await veth(bareServer, "eth0", bareClient, "eth0");
  await giveAddress(bareServer, "eth0", "192.0.2.1/24");
  await giveAddress(bareClient, "eth0", "192.0.2.2/24");
}

/** Two namespaces, and one between them that forwards what its only rule accepts. */
async function connectRouted(): Promise<void> {
  for (const name of [router, routedServer, routedClient]) await run("ip", ["netns", "add", name]);
  await veth(routedServer, "eth0", router, "one");
  await veth(routedClient, "eth0", router, "two");
  await giveAddress(routedServer, "eth0", "192.0.2.1/25");
  await giveAddress(routedClient, "eth0", "192.0.2.129/25");
  await giveAddress(router, "one", "192.0.2.126/25");
  await giveAddress(router, "two", "192.0.2.254/25");
  await run("ip", ["route", "add", "default", "via", "192.0.2.126"], { namespace: routedServer });
  await run("ip", ["route", "add", "default", "via", "192.0.2.254"], { namespace: routedClient });
  await run("sysctl", ["-qw", "net.ipv4.ip_forward=1"], { namespace: router });
  const chain = "type filter hook forward priority 0; policy drop;\n ct state new,established accept\n";
  const rules = `table inet one {\n chain passing {\n ${chain} }\n }\n`;
  await run("nft", ["-f", "-"], { namespace: router, input: rules });
}

async function veth(one: string, link: string, two: string, peer: string): Promise<void> {
  const ends = ["link", "add", "dev", link, "mtu", "9001", "netns", one, "type", "veth"];
  await run("ip", [...ends, "peer", "name", peer, "mtu", "9001", "netns", two]);
}

async function giveAddress(namespace: string, dev: string, cidr: string): Promise<void> {
  await run("ip", ["address", "add", cidr, "dev", dev], { namespace });
  await run("ip", ["link", "set", "dev", dev, "up"], { namespace });
}
