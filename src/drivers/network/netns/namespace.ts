import { closeSync, existsSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { run } from "../../linux/commands.ts";
import { inNamespace } from "../../linux/namespaces.ts";

/** Whether `name` leads to a namespace. While `ip` adds or deletes one, or was killed meanwhile, it is a plain file. */
export const namespaceExists = (name: string): boolean => {
  const found = statSync(`/run/netns/${name}`, { throwIfNoEntry: false });
  return found !== undefined && found.dev !== statSync("/run/netns").dev;
};

/** Differs between two namespaces that had one name; 0 while there is none. */
export const namespaceIdentity = (name: string): bigint =>
  statSync(`/run/netns/${name}`, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;

/** Names of the namespaces that start with `prefix` and a dash. */
export const namespacesOf = (prefix: string): string[] => namesStarting(`${prefix}-`);

/** Those of a network's NAT gateways. */
export const namespacesUnder = (network: string): string[] => namesStarting(`${network}.`);

const namesStarting = (start: string): string[] =>
  existsSync("/run/netns") ? readdirSync("/run/netns").filter((name) => name.startsWith(start)) : [];

/** A namespace that forwards IPv4 between its links, answers ARP for what it can reach, and speaks no IPv6. */
export const ensureNamespace = async (name: string): Promise<void> => {
  if (!namespaceExists(name)) {
    rmSync(`/run/netns/${name}`, { force: true });
    await run("ip", ["netns", "add", name]);
  }
  inNamespace(name, () => {
    for (const [key, value] of sysctls) writeFileSync(`/proc/sys/net/${key}`, value);
    disableIpv6("all");
    disableIpv6("default");
  });
};

/** What `ip netns` calls a namespace by: `fd`, of this process, mounted on a file. */
export const nameNamespace = async (name: string, fd: number): Promise<void> => {
  const file = `/run/netns/${name}`;
  closeSync(openSync(file, "a", 0));
  // What the descriptor leads to has no path that `mount` could look up.
  await run("mount", ["--no-canonicalize", "--bind", `/proc/${process.pid}/fd/${fd}`, file]);
};

/** On a link of this thread's namespace; nothing where the kernel has no IPv6 at all. */
export const disableIpv6 = (link: string, root = "/proc/sys/net"): void => {
  const ipv6 = `${root}/ipv6/conf`;
  if (existsSync(ipv6)) writeFileSync(`${ipv6}/${link}/disable_ipv6`, "1");
};

/** Links go first: a machine or a server may hold the namespace itself open for longer. */
export const removeNamespace = async (name: string): Promise<void> => {
  if (!namespaceExists(name)) return rmSync(`/run/netns/${name}`, { force: true });
  const links: { ifname: string }[] = JSON.parse(
    await run("ip", ["-json", "link", "show"], { namespace: name }),
  );
  const input = links.flatMap(({ ifname }) => (ifname === "lo" ? [] : `link del dev ${ifname}\n`)).join("");
  await run("ip", ["-force", "-batch", "-"], { namespace: name, input }).catch(() => {});
  await run("ip", ["netns", "del", name]);
};

/**
 * `ip_forward` first, since it sets others back. The rules say who may come from which address, so the kernel need not look up each
 * packet's way back; nor whether a socket here waits for it, since nearly all are for others. A new namespace takes what is not said here
 * over from this host, where it may be set for other ends: that the router answers for its addresses on any link, and goes no sender's way.
 */
const sysctls: readonly Sysctl[] = [
  ["ipv4/ip_forward", "1"],
  ["ipv4/conf/all/rp_filter", "0"],
  ["ipv4/conf/default/rp_filter", "0"],
  ["ipv4/conf/default/proxy_arp", "1"],
  ["ipv4/conf/all/send_redirects", "0"],
  ["ipv4/conf/default/send_redirects", "0"],
  ["ipv4/conf/all/accept_redirects", "0"],
  ["ipv4/conf/default/accept_redirects", "0"],
  ["ipv4/conf/all/accept_local", "1"],
  ["ipv4/conf/all/accept_source_route", "0"],
  ["ipv4/conf/all/arp_ignore", "0"],
  ["ipv4/conf/default/arp_ignore", "0"],
  ["ipv4/ip_early_demux", "0"],
];
type Sysctl = readonly [path: string, value: string];
