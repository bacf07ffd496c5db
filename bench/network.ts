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
 * and at 0.9 of a router's with one rule. A packet passes three namespaces by public addresses, five by a NAT gateway: what as many
 * routers come to on this machine is printed too.
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
/** Two namespaces with so many routers between them. */
const ofChain = (routers: number) =>
  Array.from({ length: routers + 2 }, (_, n) => guest(`chain-${routers}-${n}`));
const namespaces = [...[0, 1, 3, 5].flatMap(ofChain), ...[...Object.keys(cards), "far"].map(guest)];
await using stack = new AsyncDisposableStack();
const networks = await freshNetworks(prefix, namespaces, stack);
await networks.apply("vpc", new Map(few));
await networks.apply(
  "far",
  new Map([...routedRange("10.0.0.0/16", subnets), group("sg-1", [5000, 6000]), far]),
);
for (const [name, [, it]] of [...Object.entries(cards), ["far", far] as const])
  if (!it.nat) await plugIn(guest(name), networks.port(name === "far" ? "far" : "vpc", it.id), it);
const bare = await chain(0);
const routed = await chain(1);
const [three, five] = [await chain(3), await chain(5)];
await addOneRule(ofChain(1)[1] ?? "");

const same: Side = { server: guest("server"), client: guest("same"), address: "10.0.1.10" };
const across: Side = { ...same, client: guest("across") };
const byElasticIp: Side = { server: guest("far"), client: guest("public"), address: `${pool}.9` };
const byNatGateway: Side = { ...byElasticIp, client: guest("behind") };
await serve(
  [bare, routed, three, five, same, byElasticIp].map(({ server }) => server),
  stack,
);

const ours = connections(same, stack);
const throughput = (name: string, side: Side, other = bare, what = "bare", streams = 1) =>
  comparePairs(`TCP ${name}`, "Gbit/s", { ours: tcp(side, streams), bare: tcp(other, streams) }, pairs, what);
await throughput("in a subnet", same);
await throughput("between subnets", across);
await throughput("by an elastic address", byElasticIp);
await throughput("by a NAT gateway", byNatGateway);
// One stream waits for its own acknowledgements; several show what a path can carry.
await throughput("by an elastic address, four streams", byElasticIp, bare, "bare", 4);
await throughput("by a NAT gateway, four streams", byNatGateway, bare, "bare", 4);
// What is left of it where a packet passes as many namespaces that hold nothing but routes: more than that no rules could give.
await throughput("by an elastic address", byElasticIp, three, "three routers without a rule");
await throughput("by a NAT gateway", byNatGateway, five, "five routers without a rule");
await throughput("by three routers without a rule", three);
await throughput("by five routers without a rule", five);
await comparePairs("new connections", "/s", { ours, bare: connections(bare, stack) }, pairs);
// The promise nearest to its bound; with more pairs the clients run out of ports, which are theirs for a minute.
await comparePairs(
  "new connections",
  "/s",
  { ours, bare: connections(routed, stack) },
  2 * pairs,
  "a router with one rule",
);

/** The link on the server's side of the router in place `n` is 192.0.2.4n/30. */
async function chain(routers: number): Promise<Side> {
  const all = ofChain(routers);
  const [server, client] = [all[0] ?? "", all[routers + 1] ?? ""];
  const at = (n: number, end: number) => `192.0.2.${4 * n + end}`;
  for (const name of all) await run("ip", ["netns", "add", name]);
  for (const [n, name] of all.slice(0, -1).entries()) {
    const next = all[n + 1] ?? "";
    const ends = ["link", "add", "dev", "right", "mtu", "9001", "netns", name, "type", "veth"];
    await run("ip", [...ends, "peer", "name", "left", "mtu", "9001", "netns", next]);
    await giveAddress(name, "right", `${at(n, 1)}/30`);
    await giveAddress(next, "left", `${at(n, 2)}/30`);
  }
  for (const [n, namespace] of all.entries()) {
    if (n > 1) await run("ip", ["route", "add", `${at(0, 0)}/30`, "via", at(n - 1, 1)], { namespace });
    if (n < routers)
      await run("ip", ["route", "add", `${at(routers, 0)}/30`, "via", at(n, 2)], { namespace });
    await run("sysctl", ["-qw", "net.ipv4.ip_forward=1"], { namespace });
  }
  return { server, client, address: at(0, 1) };
}

async function addOneRule(namespace: string): Promise<void> {
  const head = "type filter hook forward priority 0; policy drop;\n ct state new,established accept\n";
  const rules = `table inet one {\n chain passing {\n ${head} }\n }\n`;
  await run("nft", ["-f", "-"], { namespace, input: rules });
}

async function giveAddress(namespace: string, dev: string, cidr: string): Promise<void> {
  await run("ip", ["address", "add", cidr, "dev", dev], { namespace });
  await run("ip", ["link", "set", "dev", dev, "up"], { namespace });
}
