import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { receiveWithFds } from "#drivers/linux/fd-passing.ts";
import { randomBytes } from "node:crypto";
import { dnsForwarder } from "./dns-forwarder.ts";
import { guestSockets } from "./guest-snapshot.ts";
import type { GuestHello, GuestMessage, GuestSettings } from "./guest-snapshot.ts";
import { jsonLine, readLines } from "./lines.ts";
import { networkView } from "./network-view.ts";
import type { NetworkView } from "./network-view.ts";
import { serveNetwork } from "./serve-network.ts";
import type { RegionApi, Services } from "./serve-network.ts";
import { sessionTokens } from "./session-token.ts";

export interface GuestOptions extends RegionApi {
  /** Where croft-host listens (`serveGuests`). */
  readonly socketPath: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** Milliseconds since 1970; default: this host's. */
  readonly clock?: () => number;
  /** Between two attempts to reach croft-host; default 500. */
  readonly reconnectMs?: number;
}

/**
 * The croft-guest program: serves every network it is told of, and goes on with what it has while croft-host is away. Returns
 * only when `signal` aborts. From its first await on it opens no file, so the caller may then give up every privilege.
 */
export const startGuest = async (options: GuestOptions): Promise<void> => {
  const { socketPath, signal, log, clock = Date.now, reconnectMs = 500, ...api } = options;
  using served = servedNetworks(clock, log, api);
  let lastReason = "";
  while (!signal.aborted) {
    using arrived = arrivals(served);
    try {
      await receiveWithFds(socketPath, arrived.take, signal, jsonLine(served.hello()));
      lastReason = "";
    } catch (error) {
      // One line for each reason, not two a second for as long as croft-host is down.
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== lastReason) log(`croft-host: ${reason}`);
      lastReason = reason;
    }
    await sleep(reconnectMs, undefined, { signal }).catch(() => {});
  }
};

/** One connection's stream: messages, and the sockets that arrived for a message still on its way. */
const arrivals = (served: ServedNetworks) => {
  const waiting: number[] = [];
  const read = readLines((line) => {
    // croft-host is root and of the same release: its word is taken.
    const message: GuestMessage = JSON.parse(line);
    const enclosed = message.type === "network" && message.sockets === "enclosed" ? guestSockets.length : 0;
    if (waiting.length < enclosed) throw new Error(`only ${waiting.length} sockets came with a network`);
    served.apply(message, waiting.splice(0, enclosed));
  });
  return {
    take: (chunk: Buffer, fds: readonly number[]) => {
      waiting.push(...fds);
      read(chunk);
    },
    [Symbol.dispose]: () => {
      for (const fd of waiting) closeSync(fd);
    },
  };
};

interface ServedNetworks extends Disposable {
  hello(): GuestHello;
  /** `fds`: all of the network's sockets, or none. */
  apply(message: GuestMessage, fds: readonly number[]): void;
}

const servedNetworks = (
  clock: () => number,
  log: (line: string) => void,
  { apiSocket, ca, realAws }: RegionApi,
): ServedNetworks => {
  let settings: GuestSettings = { tokenKey: randomBytes(32).toString("base64"), resolvers: [] };
  const services: Services = {
    forwarder: dnsForwarder(() => settings.resolvers),
    tokens: sessionTokens(clock, () => settings.tokenKey),
    clock,
    log,
    apiSocket,
    ca,
    realAws,
  };
  const networks = new Map<string, { namespace: string; view: NetworkView; serving: Disposable }>();

  const stop = (id: string) => {
    networks.get(id)?.serving[Symbol.dispose]();
    networks.delete(id);
  };
  const tellWhole = (
    { network, namespace }: Extract<GuestMessage, { type: "network" }>,
    fds: readonly number[],
  ) => {
    if (fds.length === 0) return networks.get(network.id)?.view.replace(network);
    stop(network.id);
    const view = networkView(network);
    networks.set(network.id, { namespace, view, serving: serveNetwork(view, fds, services) });
  };

  return {
    hello: () => ({ holds: Object.fromEntries([...networks].map(([id, { namespace }]) => [id, namespace])) }),
    apply(message, fds) {
      switch (message.type) {
        case "settings":
          settings = message;
          return;
        case "network":
          return tellWhole(message, fds);
        case "interfaces":
          return networks.get(message.network)?.view.update(message.changed, message.gone);
        case "network-gone":
          return stop(message.network);
      }
    },
    [Symbol.dispose]: () => {
      for (const id of networks.keys()) stop(id);
    },
  };
};
