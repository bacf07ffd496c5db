import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "#drivers/linux/commands.ts";
import {
  accept,
  bind,
  check,
  connect,
  ioctl,
  lastError,
  recv,
  send,
  setsockopt,
  socket,
} from "#drivers/linux/libc.ts";
import { inNamespace } from "#drivers/linux/namespaces.ts";
import type { InterfaceElement } from "#drivers/network/network-driver.ts";
import { otherEnd } from "#drivers/network/netns/names.ts";

/** A namespace in place of a machine, on the far end of an interface whose link is a veth; /24, first address the gateway. */
export const plugIn = async (
  name: string,
  port: { readonly namespace: string; readonly device: string },
  { mac, address }: Pick<InterfaceElement, "mac" | "address">,
): Promise<void> => {
  const gateway = address.replace(/\d+$/, "1");
  await run("ip", ["netns", "add", name]);
  await run("ip", ["link", "set", "dev", otherEnd(port.device), "netns", name], {
    namespace: port.namespace,
  });
  const lines = [
    "link set dev lo up",
    `link set dev ${otherEnd(port.device)} name eth0 address ${mac} mtu 9001 up`,
    `address add ${address}/24 dev eth0`,
    `route add default via ${gateway}`,
  ];
  await run("ip", ["-batch", "-"], { namespace: name, input: `${lines.join("\n")}\n` });
};

/** "connected", or why not: "ECONNREFUSED" when something answered so, "timeout" when nothing answered in time. */
export const dial = (
  namespace: string | undefined,
  to: string,
  port: number,
  { from, timeoutMs = 250 }: { readonly from?: string; readonly timeoutMs?: number } = {},
): string =>
  inside(namespace, () => {
    const fd = openSocket(SOCK_STREAM, { timeoutMs, ...(from === undefined ? {} : { from }) });
    try {
      const name = socketAddress(to, port);
      if (uninterrupted(() => connect(fd, name, name.length)) === 0) return "connected";
      const reason = lastError();
      return silent.has(reason) ? "timeout" : reason;
    } finally {
      closeSync(fd);
    }
  });

/** A call that waits, begun again for as long as signals (a child's end) break it off. */
const uninterrupted = (call: () => number): number => {
  for (;;) {
    const result = call();
    if (result !== -1 || lastError() !== "EINTR") return result;
  }
};

/** How a blocking connect says that its time is over. */
const silent: ReadonlySet<string> = new Set(["EINPROGRESS", "EAGAIN", "EALREADY"]);

export interface Dial {
  /** A namespace; this host, if none. */
  readonly from: string | undefined;
  readonly to: string;
  readonly port: number;
}

/** Which of them are connected, all begun at once, when all have an answer or the time is over. */
export const answered = async (dials: readonly Dial[], patienceMs: number): Promise<boolean[]> => {
  const outcomes: (boolean | undefined)[] = dials.map(() => undefined);
  const calls = dials.map(({ from, to, port }) => {
    const fd = inside(from, () =>
      check("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
    );
    const name = socketAddress(to, port);
    return { fd, ask: () => connect(fd, name, name.length) };
  });
  for (const end = performance.now() + patienceMs; ; await sleep(10)) {
    for (const [n, { ask }] of calls.entries()) {
      if (outcomes[n] !== undefined) continue;
      if (ask() === 0 || lastError() === "EISCONN") outcomes[n] = true;
      else if (!silent.has(lastError())) outcomes[n] = false;
    }
    if (!outcomes.includes(undefined) || performance.now() > end) break;
  }
  for (const { fd } of calls) closeSync(fd);
  return outcomes.map((it) => it === true);
};

/** For what should be answered: a loaded machine may be slow, and a lost SYN is sent again after a second. */
export const patiently = { timeoutMs: 8_000 } as const;

/** An open TCP connection's descriptor. */
export const dialed = (namespace: string | undefined, to: string, port: number): number =>
  inside(namespace, () => {
    const fd = openSocket(SOCK_STREAM, patiently);
    const name = socketAddress(to, port);
    check(
      `connect ${to}`,
      uninterrupted(() => connect(fd, name, name.length)),
    );
    // Node leaves its writes waiting, and with them the far end, when that is in this process too.
    limitWaits(fd, 250);
    return fd;
  });

/** How many connections a second can be made to a listening socket of this process and closed again. */
export const connectionRate = (
  namespace: string,
  to: string,
  port: number,
  listener: number,
  count: number,
): number => {
  const start = performance.now();
  for (let n = 0; n < count; n++) {
    const fd = dialed(namespace, to, port);
    const other = check(
      "accept",
      uninterrupted(() => accept(listener, null, null)),
    );
    closeSync(fd);
    closeSync(other);
  }
  return (count * 1000) / (performance.now() - start);
};

export const sendDatagram = (
  namespace: string | undefined,
  to: string,
  port: number,
  { from, data = "x" }: { readonly from?: string; readonly data?: string } = {},
): void =>
  inside(namespace, () => {
    const fd = openSocket(SOCK_DGRAM, from === undefined ? {} : { from });
    try {
      const name = socketAddress(to, port);
      check(`connect ${to}`, connect(fd, name, name.length));
      check("send", send(fd, Buffer.from(data), data.length, 0));
    } finally {
      closeSync(fd);
    }
  });

/** Eight bytes, or a multiple of them, of what a packet carries; `at`: after how many others. */
interface Fragment {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  /** The packet's. */
  readonly id: number;
  readonly at: number;
  readonly last: boolean;
  readonly data: Buffer;
}

/** From any address. */
export const sendFragment = (namespace: string, { from, to, protocol, id, at, last, data }: Fragment): void =>
  inside(namespace, () => {
    // The kernel adds the length and the checksum.
    const header = Buffer.alloc(20);
    header.set([0x45, 0, 0, 0, id >> 8, id & 0xff, 0, 0, 64, protocol]);
    header.writeUInt16BE((last ? 0 : 0x2000) | (at / 8), 6);
    header.set(from.split(".").map(Number), 12);
    header.set(to.split(".").map(Number), 16);
    const fd = openSocket(SOCK_RAW, { protocol: IPPROTO_RAW });
    try {
      const name = socketAddress(to, 0);
      check(`connect ${to}`, connect(fd, name, name.length));
      check("send", send(fd, Buffer.concat([header, data]), header.length + data.length, 0));
    } finally {
      closeSync(fd);
    }
  });

/** Whether an ICMP echo request is answered within a second; `bytes`: in it, all zero. */
export const pings = (namespace: string, to: string, { bytes = 0 } = {}): boolean =>
  inside(namespace, () => {
    const fd = openSocket(SOCK_RAW, { protocol: IPPROTO_ICMP, timeoutMs: 1_000 });
    try {
      const name = socketAddress(to, 0);
      check(`connect ${to}`, connect(fd, name, name.length));
      // Type 8, the checksum of it all, an identifier of its own: otherwise it belongs to the exchange before.
      identifier += 1;
      const request = Buffer.alloc(8 + bytes);
      request.set([8, 0, 0, 0, 0, identifier]);
      request.writeUInt16BE(0xffff - 0x0800 - identifier, 2);
      check("send", send(fd, request, request.length, 0));
      const answer = Buffer.alloc(128);
      const size = uninterrupted(() => recv(fd, answer, answer.length, 0));
      return size >= 28 && answer[20] === 0;
    } finally {
      closeSync(fd);
    }
  });

let identifier = 0;

/** The whole IP packet, if any, of the first ICMP message that comes to a namespace because of a datagram, within a second. */
export const icmpAnswer = (namespace: string | undefined, to: string, port: number): Buffer =>
  inside(namespace, () => {
    const fd = openSocket(SOCK_RAW, { protocol: IPPROTO_ICMP, timeoutMs: 1_000 });
    try {
      sendDatagram(undefined, to, port);
      const answer = Buffer.alloc(1500);
      const size = uninterrupted(() => recv(fd, answer, answer.length, 0));
      return answer.subarray(0, Math.max(size, 0));
    } finally {
      closeSync(fd);
    }
  });

/** Takes the datagrams (or bytes) that wait on a socket. */
export const received = (fd: number): string[] => {
  const data = Buffer.alloc(2048);
  const taken: string[] = [];
  for (let size; (size = recv(fd, data, data.length, MSG_DONTWAIT)) > 0;)
    taken.push(data.toString("latin1", 0, size));
  return taken;
};

/** How many there were; takes them. */
export const waiting = (fd: number): number => received(fd).length;

/** Bytes sent on a connection that its far end has not acknowledged. */
export const unacknowledged = (fd: number): number => {
  const count = Buffer.alloc(4);
  check("SIOCOUTQ", ioctl(fd, SIOCOUTQ, count));
  return count.readInt32LE();
};

const inside = <T>(namespace: string | undefined, fn: () => T): T =>
  namespace === undefined ? fn() : inNamespace(namespace, fn);

interface SocketOptions {
  readonly from?: string;
  readonly protocol?: number;
  readonly timeoutMs?: number;
}

/** Of each call that waits. */
const limitWaits = (fd: number, timeoutMs: number): void => {
  const timeout = Buffer.alloc(16);
  timeout.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
  timeout.writeBigInt64LE(BigInt(timeoutMs % 1000) * 1000n, 8);
  check("SO_SNDTIMEO", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, timeout, timeout.length));
  check("SO_RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length));
};

const openSocket = (type: number, { from, protocol = 0, timeoutMs = 250 }: SocketOptions = {}): number => {
  const fd = check("socket", socket(AF_INET, type | SOCK_CLOEXEC, protocol));
  limitWaits(fd, timeoutMs);
  if (from !== undefined) {
    const name = socketAddress(from, 0);
    check(`bind ${from}`, bind(fd, name, name.length));
  }
  return fd;
};

const socketAddress = (address: string, port: number): Buffer => {
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(address.split(".").map(Number), 4);
  return name;
};

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;
const IPPROTO_RAW = 255;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o200_0000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_DONTWAIT = 0x40;
const SIOCOUTQ = 0x5411;
