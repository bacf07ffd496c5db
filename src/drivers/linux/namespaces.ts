import { closeSync, openSync } from "node:fs";
import { bind, check, ioctl, listen, setns, setsockopt, socket } from "./libc.ts";

/**
 * Runs `fn` with this thread inside network namespace `name` (an entry of /run/netns). `fn` must be synchronous: whatever it
 * leaves for later happens outside. Sockets, files of /dev/net and /proc/sys/net, and child processes belong to the
 * namespace they were opened or started in.
 */
export const inNamespace = <T>(name: string, fn: () => T): T => {
  const inside = openSync(`/run/netns/${name}`, "r");
  const outside = openSync("/proc/thread-self/ns/net", "r");
  try {
    check(`setns ${name}`, setns(inside, CLONE_NEWNET));
    try {
      return fn();
    } finally {
      // A process that goes on in a network of its guests would serve and command the wrong one.
      if (setns(outside, CLONE_NEWNET) === -1) process.abort();
    }
  } finally {
    closeSync(inside);
    closeSync(outside);
  }
};

/** A descriptor of the namespace that a socket, or a tap, belongs to. */
export const namespaceOfSocket = (fd: number): number =>
  check("SIOCGSKNS", ioctl(fd, SIOCGSKNS, Buffer.alloc(0)));

/** A non-blocking socket bound inside `namespace`, whether or not it has the address yet; TCP: already listening. */
export const openSocket = (
  namespace: string,
  { type, address, port }: { readonly type: "udp" | "tcp"; readonly address: string; readonly port: number },
): number =>
  inNamespace(namespace, () => {
    const kind = type === "tcp" ? SOCK_STREAM : SOCK_DGRAM;
    const fd = check("socket", socket(AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    try {
      check("SO_REUSEADDR", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length));
      check("IP_FREEBIND", setsockopt(fd, IPPROTO_IP, IP_FREEBIND, one, one.length));
      const name = Buffer.alloc(16);
      name.writeUInt16LE(AF_INET, 0);
      name.writeUInt16BE(port, 2);
      name.set(address.split(".").map(Number), 4);
      check(`bind ${address}:${port}`, bind(fd, name, name.length));
      if (type === "tcp") check("listen", listen(fd, 512));
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });

const one = Buffer.from([1, 0, 0, 0]);

const SIOCGSKNS = 0x894c;
const CLONE_NEWNET = 0x4000_0000;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o200_0000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
