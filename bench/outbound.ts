import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace } from "#drivers/linux/namespaces.ts";
import type { InterfaceElement, NetworkElement } from "#drivers/network/network-driver.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { dial, plugIn } from "../tests/system/guest-namespace.ts";
import { playHost } from "../tests/system/played-host.ts";
import { comparePairs } from "./pairs.ts";

/**
 * What the way out by pasta costs against this host's own connections to the same server, over the same link. Needs root and iperf3.
 */
const prefix = "croft-ob";
const [host, world, guest] = ["croft-obhost", "croft-obworld", "croft-obguest"];
const server = "203.0.113.10";
const card: InterfaceElement = {
  kind: "interface",
  subnet: "one",
  id: "eni-1",
  mac: "02:aa:00:00:00:01",
  address: "10.0.1.10",
  groups: ["sg"],
  sourceCheck: true,
  publicAddress: "198.18.246.11",
};
const anything = [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }] as const;

const clean = async () => {
  await destroyNetworks(prefix);
  for (const name of [host, world, guest]) await run("ip", ["netns", "del", name]).catch(() => {});
};
await clean();
await using stack = new AsyncDisposableStack();
stack.defer(clean);
const directory = mkdtempSync(join(tmpdir(), "croft-ob-"));
stack.defer(() => rmSync(directory, { recursive: true }));
await playHost({ host, world, ownAddresses: ["192.168.77.2"], worldAddresses: [server] });
const networks = await openNetnsNetworks({
  prefix,
  publicPool: "198.18.246.0/24",
  links: "veth",
  outbound: { uid: 0x7fff_fff1, complaints: join(directory, "pasta.log"), to: [] },
  onError: console.error,
});
stack.defer(() => networks.close());
await networks.apply(
  "vpc",
  new Map<string, NetworkElement>([
    ...routedRange("10.0.0.0/16", { one: "10.0.1.0/24" }),
    ["group/sg", { kind: "group", id: "sg", ingress: anything, egress: anything }],
    ["interface/eni-1", card],
  ]),
);
await plugIn(guest, networks.port("vpc", card.id), card);
stack.adopt(
  inNamespace(world, () => spawn("iperf3", ["-s", "-B", server], { stdio: "ignore" })),
  (child) => void child.kill(),
);
while (dial(guest, server, 5201) !== "connected") await sleep(100);

for (const [way, ...args] of [["up"], ["down", "-R"]] as const) {
  const tcp = (namespace: string) => async (): Promise<number> => {
    const result: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(
      await run("iperf3", ["-c", server, "-t", "1", "-J", ...args], { namespace }),
    );
    return result.end.sum_received.bits_per_second / 1e9;
  };
  await comparePairs(`TCP out to the internet, ${way}`, "Gbit/s", { ours: tcp(guest), bare: tcp(host) });
}
