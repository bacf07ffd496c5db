import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace, openSocket } from "#drivers/linux/namespaces.ts";
import type { InterfaceElement, NetworkElement } from "#drivers/network/network-driver.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { connectionRate, dial, plugIn } from "../tests/system/guest-namespace.ts";
import { comparePairs, median } from "./pairs.ts";

/**
 * What the routed, filtered paths of networks cost against a bare veth between two namespaces, how they fare with a thousand
 * interfaces, and what changes cost then. Needs root and iperf3.
 *
 *   node bin/croft run bench/network.ts [PAIRS]
 *
 * Promises: TCP within a network at 0.75 of bare or more, by public addresses and NAT gateways at 0.65; new connections at 0.6 of bare
 * and at 0.9 of a router's with one rule; all that with 1,000 interfaces and 200 groups at 0.9 of what it is with few. A rule changed at
 * 1,000 interfaces: 50 ms until a packet passes. An interface added at 1,000: twice what it takes at 10.
 */
const pairs = Number(process.argv[2] ?? 9);
const prefix = "croft-nb";
const pool = "198.18.247";

interface Side {
  readonly server: string;
  readonly client: string;
  /** Of the server, as the client calls it. */
  readonly address: string;
}

type Entry = [key: string, element: NetworkElement];
const subnets = { one: "10.0.1.0/24", two: "10.0.2.0/24", behind: "10.0.3.0/24", many: "10.0.16.0/20" };
const card = (id: string, subnet: string, address: string, more: Partial<InterfaceElement> = {}): Entry => [
  `interface/${id}`,
  {
    kind: "interface",
    subnet,
    id,
    mac: `02:aa:${address
      .split(".")
      .map((byte) => Number(byte).toString(16).padStart(2, "0"))
      .join(":")}`,
    address,
    groups: ["sg-1"],
    sourceCheck: true,
    ...more,
  },
];
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
const group = (id: string, ports: readonly [from: number, to: number]): Entry => [
  `group/${id}`,
  {
    kind: "group",
    id,
    ingress: [{ protocol: 6, ports: { from: ports[0], to: ports[1] }, peer: { cidr: "0.0.0.0/0" } }],
    egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }],
  },
];
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
/** A thousand interfaces and two hundred groups, each interface in five, which know each other. */
const many = Array.from({ length: 1000 }, (_, n) =>
  card(`eni-m${n}`, "many", `10.0.${16 + (n >> 7)}.${10 + (n & 127)}`, {
    groups: Array.from({ length: 5 }, (_k, k) => `sg-m${(n + 40 * k) % 200}`),
  }),
);
const crowd: readonly Entry[] = [
  ...many,
  ...many.flatMap(([, it]) =>
    it.kind === "interface"
      ? it.groups.map((id): Entry => [
          `member/${id}/${it.address}`,
          { kind: "member", group: id, address: it.address },
        ])
      : [],
  ),
  ...Array.from({ length: 200 }, (_, n): Entry => [
    `group/sg-m${n}`,
    {
      kind: "group",
      id: `sg-m${n}`,
      ingress: [{ protocol: 6, ports: { from: 443, to: 443 }, peer: { group: `sg-m${(n + 1) % 200}` } }],
      egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }],
    },
  ]),
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
const clean = async () => {
  await destroyNetworks(prefix);
  await Promise.allSettled(namespaces.map((name) => run("ip", ["netns", "del", name])));
};

await clean();
await using stack = new AsyncDisposableStack();
stack.defer(clean);
const networks = await openNetnsNetworks({
  prefix,
  publicPool: `${pool}.0/24`,
  links: "veth",
  onError: console.error,
});
stack.defer(() => networks.close());
const apply = (...more: readonly Entry[]) => networks.apply("vpc", new Map([...few, ...more]));
await apply();
await networks.apply(
  "far",
  new Map([...routedRange("10.0.0.0/16", subnets), group("sg-1", [5000, 6000]), far]),
);
for (const [name, [, it]] of [...Object.entries(cards), ["far", far] as const])
  if (it.kind === "interface" && !it.nat)
    await plugIn(guest(name), networks.port(name === "far" ? "far" : "vpc", it.id), it);
await connectBare();
await connectRouted();

const bare: Side = { server: bareServer, client: bareClient, address: "192.0.2.1" };
const routed: Side = { server: routedServer, client: routedClient, address: "192.0.2.1" };
const same: Side = { server: guest("server"), client: guest("same"), address: "10.0.1.10" };
const across: Side = { ...same, client: guest("across") };
const byElasticIp: Side = { server: guest("far"), client: guest("public"), address: `${pool}.9` };
const byNatGateway: Side = { ...byElasticIp, client: guest("behind") };
for (const { server } of [bare, routed, same, byElasticIp])
  stack.adopt(
    inNamespace(server, () => spawn("iperf3", ["-s"], { stdio: "ignore" })),
    (child) => void child.kill(),
  );
await sleep(500);

const tcp =
  ({ client: namespace, address }: Side) =>
  async (): Promise<number> => {
    const result: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(
      await run("iperf3", ["-c", address, "-t", "1", "-J"], { namespace }),
    );
    return result.end.sum_received.bits_per_second / 1e9;
  };
const connections = ({ server, client, address }: Side) => {
  const listener = openSocket(server, { type: "tcp", address: "0.0.0.0", port: 5999 });
  stack.defer(() => closeSync(listener));
  return async () => connectionRate(client, address, 5999, listener, 500);
};
const [ours, direct, oneRule] = [connections(same), connections(bare), connections(routed)];

const throughput = (name: string, side: Side) =>
  comparePairs(`TCP ${name}`, "Gbit/s", { ours: tcp(side), bare: tcp(bare) }, pairs);
await throughput("in a subnet", same);
await throughput("between subnets", across);
await throughput("by an elastic address", byElasticIp);
await throughput("by a NAT gateway", byNatGateway);
await comparePairs("new connections", "/s", { ours, bare: direct }, pairs);
await comparePairs("new connections", "/s", { ours, bare: oneRule }, pairs, "a router with one rule");

const atTen = await interfaceAdded([]);
const crowding = performance.now();
await apply(...crowd);
console.log(`1,000 interfaces and 200 groups added: ${(performance.now() - crowding).toFixed(0)} ms`);
const crowded = await interfaceAdded(crowd);
console.log(`an interface added: ${atTen.toFixed(1)} ms at 10, ${crowded.toFixed(1)} ms at 1,000`);
await ruleChanged();
const settled = { tcp: await several(tcp(same)), rate: await several(ours) };
await apply();
const alone = { tcp: await several(tcp(same)), rate: await several(ours) };
console.log(
  `with 1,000 interfaces, of what it is with few: TCP ${(settled.tcp / alone.tcp).toFixed(2)}, new connections ${(settled.rate / alone.rate).toFixed(2)} (medians of ${pairs})`,
);

async function several(measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let n = 0; n < pairs; n++) values.push(await measure());
  return median(values);
}

/** Milliseconds from the call until it is there; median of ten. */
async function interfaceAdded(besides: readonly Entry[]): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 10; n++) {
    const start = performance.now();
    await apply(...besides, card("eni-new", "two", "10.0.2.99"));
    times.push(performance.now() - start);
    await apply(...besides);
  }
  return median(times);
}

/** From the call until a packet passes that did not before. */
async function ruleChanged(): Promise<void> {
  const listener = openSocket(same.server, { type: "tcp", address: "0.0.0.0", port: 7000 });
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const start = performance.now();
    await apply(...crowd, group("sg-1", [5000, 7000]));
    if (dial(same.client, same.address, 7000) !== "connected") throw new Error("the rule is not there");
    times.push(performance.now() - start);
    await apply(...crowd);
  }
  closeSync(listener);
  const worst = Math.max(...times).toFixed(1);
  console.log(
    `rule changed at 1,000 interfaces, until a packet passes: median ${median(times).toFixed(1)} ms, worst of 20 ${worst} ms`,
  );
}

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
