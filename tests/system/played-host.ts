import { openSync, writeFileSync } from "node:fs";
import { run } from "#drivers/linux/commands.ts";
import { check, setns } from "#drivers/linux/libc.ts";
import { inNamespace } from "#drivers/linux/namespaces.ts";

/** Two namespaces: a host with a LAN, and what it sees beyond it. */
export interface PlayedHost {
  readonly host: string;
  readonly world: string;
  /** The host's: the first on its LAN, 192.168.77.0/24. */
  readonly ownAddresses: readonly string[];
  /** Elsewhere, by way of the LAN's 192.168.77.1. */
  readonly worldAddresses: readonly string[];
}

/**
 * From here on everything this process does, and starts, happens on the played host: no packet of it comes to this machine's network.
 */
export const playHost = async ({ host, world, ownAddresses, worldAddresses }: PlayedHost): Promise<void> => {
  const configure = (namespace: string, ...lines: string[]) =>
    run("ip", ["-batch", "-"], { namespace, input: `${lines.join("\n")}\n` });
  for (const name of [host, world]) await run("ip", ["netns", "add", name]);
  await configure(
    host,
    "link set dev lo up",
    `link add dev eth0 type veth peer name lan netns ${world}`,
    "link set dev eth0 up",
    ...ownAddresses.map((address, index) => `address add ${address}/${index === 0 ? 24 : 32} dev eth0`),
  );
  await configure(
    world,
    "link set dev lo up",
    "link set dev lan up",
    "address add 192.168.77.1/24 dev lan",
    ...worldAddresses.map((address) => `address add ${address}/32 dev lo`),
    ...ownAddresses.slice(1).map((address) => `route add ${address}/32 via ${ownAddresses[0]}`),
  );
  await configure(host, "route add default via 192.168.77.1");
  // As on Debian: anybody may ping.
  inNamespace(host, () => writeFileSync("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
  check("setns", setns(openSync(`/run/netns/${host}`, "r"), 0));
};
