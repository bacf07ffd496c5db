import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace, openSocket } from "#drivers/linux/namespaces.ts";
import type { InterfaceElement, NetworkElement } from "#drivers/network/network-driver.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { connectionRate, plugIn } from "../tests/system/guest-namespace.ts";
import { comparePairs } from "./pairs.ts";

/**
 * What the routed, filtered path between two interfaces costs against a bare veth between two namespaces. Needs root and
 * iperf3. Promise: TCP at 0.75 of bare or more.
 */
const prefix = "croft-nb";
const bare = { server: `${prefix}bare-1`, client: `${prefix}bare-2`, address: "192.0.2.1" };
const card = (n: number): InterfaceElement => ({
  kind: "interface",
  subnet: "one",
  id: `eni-${n}`,
  mac: `02:aa:00:00:00:0${n}`,
  address: `10.0.1.${9 + n}`,
  groups: ["sg-1"],
  sourceCheck: true,
});
const [one, two] = [card(1), card(2)];
const ours = { server: `${prefix}guest-1`, client: `${prefix}guest-2`, address: one.address };
const group = {
  kind: "group",
  id: "sg-1",
  ingress: [],
  egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }],
} as const;
const network = (port: number): Map<string, NetworkElement> =>
  new Map<string, NetworkElement>([
    ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
    ["interface/eni-1", one],
    ["interface/eni-2", two],
    [
      "group/sg-1",
      { ...group, ingress: [{ protocol: 6, ports: { from: 5000, to: port }, peer: { group: "sg-1" } }] },
    ],
    [`member/sg-1/${two.address}`, { kind: "member", group: "sg-1", address: two.address }],
  ]);

const clean = async () => {
  await destroyNetworks(prefix);
  for (const name of [bare.server, bare.client, ours.server, ours.client])
    await run("ip", ["netns", "del", name]).catch(() => {});
};

await clean();
await using stack = new AsyncDisposableStack();
stack.defer(clean);
const networks = await openNetnsNetworks({
  prefix,
  publicPool: "198.18.247.0/24",
  links: "veth",
  onError: console.error,
});
stack.defer(() => networks.close());
await networks.apply("vpc", network(6000));
await plugIn(ours.server, networks.port("vpc", one.id), one);
await plugIn(ours.client, networks.port("vpc", two.id), two);
await connectBare();

for (const { server } of [ours, bare]) stack.adopt(startServer(server), (child) => void child.kill());
await sleep(300);

const tcp = (side: typeof ours) => async (): Promise<number> => {
  const args = ["-c", side.address, "-t", "1", "-J"];
  const result: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(
    await run("iperf3", args, { namespace: side.client }),
  );
  return result.end.sum_received.bits_per_second / 1e9;
};
await comparePairs("TCP between two interfaces", "Gbit/s", { ours: tcp(ours), bare: tcp(bare) });

const connections = (side: typeof ours) => {
  const listener = stack.adopt(
    openSocket(side.server, { type: "tcp", address: "0.0.0.0", port: 5999 }),
    closeSync,
  );
  return async () => connectionRate(side.client, side.address, 5999, listener, 1000);
};
await comparePairs("new TCP connections", "/s", { ours: connections(ours), bare: connections(bare) });

const changes: number[] = [];
for (let n = 0; n < 50; n++) {
  const start = performance.now();
  await networks.apply("vpc", network(6001 + n));
  changes.push(performance.now() - start);
}
changes.sort((a, b) => a - b);
console.log(
  `group rule changed: median ${changes[25]?.toFixed(1)} ms, worst of 50 ${changes[49]?.toFixed(1)} ms`,
);

async function connectBare(): Promise<void> {
  for (const name of [bare.server, bare.client]) await run("ip", ["netns", "add", name]);
  const link = ["link", "add", "dev", "eth0", "mtu", "9001", "netns", bare.server, "type", "veth"];
  await run("ip", [...link, "peer", "name", "eth0", "mtu", "9001", "netns", bare.client]);
  for (const [namespace, address] of [
    [bare.server, "192.0.2.1/24"],
    [bare.client, "192.0.2.2/24"],
  ] as const) {
    await run("ip", ["address", "add", address, "dev", "eth0"], { namespace });
    await run("ip", ["link", "set", "dev", "eth0", "up"], { namespace });
  }
}

function startServer(namespace: string) {
  return inNamespace(namespace, () => spawn("iperf3", ["-s"], { stdio: "ignore" }));
}
