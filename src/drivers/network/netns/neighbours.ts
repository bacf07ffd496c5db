import { closeSync, writeFileSync } from "node:fs";
import { check, ioctl, lastError, socket } from "../../linux/libc.ts";
import { inNamespace } from "../../linux/namespaces.ts";
import { AF_INET } from "../../linux/netlink.ts";
import type { Fact, LinkBatch } from "./link-facts.ts";

/**
 * The part of a batch that is about ARP: `ip` would read every link of the namespace first, so that it would cost what the namespace
 * holds. `namespace`: absent, this host.
 */
export const changeNeighbours = (
  { gone, come }: Pick<LinkBatch, "gone" | "come">,
  namespace?: string,
): void => {
  const [old, fresh] = [gone.flatMap(neighbourOf), come.flatMap(neighbourOf)];
  const links = come.flatMap((fact) => (fact.startsWith("settings ") ? [fact.split(" ", 2)[1] ?? ""] : []));
  if (old.length + fresh.length + links.length === 0) return;
  const change = () => {
    using stack = new DisposableStack();
    const fd = stack.adopt(check("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), closeSync);
    for (const it of old)
      if (ioctl(fd, SIOCDARP, request(it, 0)) === -1 && !alreadyGone.has(lastError()))
        throw new Error(`SIOCDARP ${it.address} ${it.link}: ${lastError()}`);
    for (const it of fresh)
      check(`SIOCSARP ${it.address} ${it.link}`, ioctl(fd, SIOCSARP, request(it, ATF_COM | ATF_PERM)));
    // Otherwise the kernel waits a random 0 to 0.8 s before it answers for another; the namespace's default is not heeded.
    for (const link of links) writeFileSync(`/proc/sys/net/ipv4/neigh/${link}/proxy_delay`, "0");
  };
  if (namespace === undefined) change();
  else inNamespace(namespace, change);
};

interface Neighbour {
  readonly address: string;
  readonly mac: string;
  readonly link: string;
}

const neighbourOf = (fact: Fact): Neighbour[] => {
  const [kind, address = "", , mac = "", , link = ""] = fact.split(" ");
  return kind === "neighbour" ? [{ address, mac, link }] : [];
};

/** `struct arpreq` of arp(7). */
const request = ({ address, mac, link }: Neighbour, flags: number): Buffer => {
  const bytes = Buffer.alloc(68);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.set(address.split(".").map(Number), 4);
  bytes.writeUInt16LE(ARPHRD_ETHER, 16);
  bytes.set(Buffer.from(mac.replaceAll(":", ""), "hex"), 18);
  bytes.writeUInt32LE(flags, 32);
  bytes.write(link, 52, 15);
  return bytes;
};

/** The neighbour is not there, or its link is not. */
const alreadyGone: ReadonlySet<string> = new Set(["ENXIO", "ENODEV", "ENOENT"]);

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o200_0000;
const SIOCDARP = 0x8953;
const SIOCSARP = 0x8955;
const ARPHRD_ETHER = 1;
const ATF_COM = 2;
const ATF_PERM = 4;
