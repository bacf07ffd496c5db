import { closeSync } from "node:fs";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace, openSocket } from "#drivers/linux/namespaces.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { InterfaceElement, NetworkDriver, NetworkElement } from "#drivers/network/network-driver.ts";
import { connectionRate } from "../tests/system/guest-namespace.ts";
import type { Measure } from "./pairs.ts";

/** Who calls whom in a measurement. */
export interface Side {
  readonly server: string;
  readonly client: string;
  /** Of the server, as the client calls it. */
  readonly address: string;
}

export type Entry = [key: string, element: NetworkElement];

export const subnets = {
  one: "10.0.1.0/24",
  two: "10.0.2.0/24",
  behind: "10.0.3.0/24",
  many: "10.0.16.0/20",
};

/** The driver, after and before whatever is there under these names has gone. */
export async function freshNetworks(
  prefix: string,
  namespaces: readonly string[],
  stack: AsyncDisposableStack,
): Promise<NetworkDriver> {
  const clean = async () => {
    await destroyNetworks(prefix);
    await Promise.allSettled(namespaces.map((name) => run("ip", ["netns", "del", name])));
  };
  await clean();
  stack.defer(clean);
  const networks = await openNetnsNetworks({
    prefix,
    publicPool: `${pool}.0/24`,
    links: "veth",
    onError: console.error,
  });
  stack.defer(() => networks.close());
  return networks;
}
export const pool = "198.18.244";

/** An interface, as networks are given it. */
export const card = (
  id: string,
  subnet: string,
  address: string,
  more: Partial<InterfaceElement> = {},
): [key: string, element: InterfaceElement] => [
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

/** A group that lets TCP in on these ports, and everything out. */
export const group = (id: string, [from, to]: readonly [from: number, to: number]): Entry => [
  `group/${id}`,
  {
    kind: "group",
    id,
    ingress: [{ protocol: 6, ports: { from, to }, peer: { cidr: "0.0.0.0/0" } }],
    egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }],
  },
];

/** What `tcp` talks to, in each of these namespaces. */
export async function serve(namespaces: readonly string[], stack: AsyncDisposableStack): Promise<void> {
  for (const namespace of namespaces)
    stack.adopt(
      inNamespace(namespace, () => spawn("iperf3", ["-s"], { stdio: "ignore" })),
      (child) => void child.kill(),
    );
  await sleep(500);
}

/** Gbit/s, in one second, of so many streams together. */
export const tcp =
  ({ client: namespace, address }: Side, streams = 1): Measure =>
  async () => {
    const result: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(
      await run("iperf3", ["-c", address, "-t", "1", "-P", String(streams), "-J"], { namespace }),
    );
    return result.end.sum_received.bits_per_second / 1e9;
  };

/** New connections a second, of 500. */
export function connections({ server, client, address }: Side, stack: AsyncDisposableStack): Measure {
  const listener = openSocket(server, { type: "tcp", address: "0.0.0.0", port: 5999 });
  stack.defer(() => closeSync(listener));
  return async () => connectionRate(client, address, 5999, listener, 500);
}
