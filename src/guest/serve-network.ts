import { createSocket } from "node:dgram";
import type { RemoteInfo } from "node:dgram";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { apiRelay, caServer } from "./api-relay.ts";
import { limitConnections } from "./connection-limit.ts";
import { answerDhcp, dhcpClientPort } from "./dhcp.ts";
import { encodeFrame, readFrames } from "./dns-frames.ts";
import type { DnsForwarder } from "./dns-forwarder.ts";
import { answerDns } from "./dns.ts";
import { guestSockets } from "./guest-snapshot.ts";
import { imdsServer } from "./imds-server.ts";
import type { NetworkView } from "./network-view.ts";
import { answerNtp } from "./ntp.ts";
import type { SessionTokens } from "./session-token.ts";

export interface Services extends RegionApi {
  readonly forwarder: DnsForwarder;
  readonly tokens: SessionTokens;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: (line: string) => void;
}

/** What guests are told of the region's API. */
export interface RegionApi {
  /** The Unix socket it listens on for them. */
  readonly apiSocket: string;
  /** The certificate authority it is known by, in PEM; absent while there is none. */
  readonly ca?: string | undefined;
  /** Whether AWS's names lead to the real AWS, but those of what the region serves. */
  readonly realAws: boolean;
}

/** Serves `network` on `fds` (in the order of `guestSockets`), which it owns from now on, until closed. */
export const serveNetwork = (
  network: NetworkView,
  fds: readonly number[],
  services: Services,
): Disposable => {
  const serving = new DisposableStack();
  for (const [index, { name }] of guestSockets.entries())
    serving.defer(servers[name](network, fds[index] ?? -1, services));
  return serving;
};

/** Starts one service on one socket and answers how to close it. */
type Serve = (network: NetworkView, fd: number, services: Services) => () => void;

const dhcp: Serve = (network, fd, { log }) =>
  serveDatagrams(fd, log, (message, _from, reply) => {
    const answer = answerDhcp(message, network);
    if (answer) reply(answer.message, dhcpClientPort, answer.to);
  });

const ntp: Serve = (_network, fd, { clock, log }) =>
  serveDatagrams(fd, log, (message, from, reply) => {
    const answer = answerNtp(message, clock());
    if (answer) reply(answer, from.port, from.address);
  });

const dns: Serve = (network, fd, { forwarder, realAws, log }) =>
  serveDatagrams(fd, log, async (message, from, reply) => {
    const answer = await answerDns(message, {
      network,
      client: from.address,
      transport: "udp",
      forwarder,
      realAws,
    });
    if (answer) reply(answer, from.port, from.address);
  });

const dnsTcp: Serve = (network, fd, { forwarder, realAws, log }) => {
  const server = createServer((socket) => {
    const client = socket.remoteAddress ?? "";
    const answer = async (message: Buffer) => {
      const reply = await answerDns(message, {
        network,
        client,
        transport: "tcp",
        forwarder,
        realAws,
      });
      // A client that asks on without reading is not worth the memory.
      if (socket.writableLength > 256 * 1024) socket.destroy();
      else if (reply && socket.writable) socket.write(encodeFrame(reply));
    };
    socket.on(
      "data",
      readFrames((message) => {
        answer(message).catch((error: unknown) => log(`dns: ${String(error)}`));
      }),
    );
    socket.on("error", () => {});
    socket.setTimeout(10_000, () => socket.destroy());
  });
  return serveConnections(server, fd, log, { network, perClient: 16 });
};

const imds: Serve = (network, fd, { tokens, log }) =>
  serveConnections(imdsServer(network, tokens), fd, log, { network, perClient: 64 });

const api: Serve = (network, fd, { apiSocket, log }) =>
  serveConnections(apiRelay(network, apiSocket), fd, log, { network, perClient: 64 });

const apiCa: Serve = (network, fd, { ca, log }) =>
  serveConnections(caServer(network, ca), fd, log, { network, perClient: 8 });

const servers: Record<(typeof guestSockets)[number]["name"], Serve> = {
  dhcp,
  dns,
  "dns-tcp": dnsTcp,
  "dns-vpc": dns,
  "dns-vpc-tcp": dnsTcp,
  imds,
  api,
  "api-ca": apiCa,
  ntp,
};

type Reply = (message: Buffer, port: number, address: string) => void;

/** Whatever a datagram does to its handler, the next one is served: one guest must not take the service from the others. */
const serveDatagrams = (
  fd: number,
  log: (line: string) => void,
  handle: (message: Buffer, from: RemoteInfo, reply: Reply) => void | Promise<void>,
): (() => void) => {
  const socket = createSocket("udp4");
  let open = true;
  const reply: Reply = (message, port, address) => {
    if (open) socket.send(message, port, address, () => {});
  };
  socket.on("message", (message, from) => {
    const handled = async () => handle(message, from, reply);
    handled().catch((error: unknown) => log(`datagram from ${from.address}: ${String(error)}`));
  });
  socket.on("error", (error) => log(`datagram socket: ${error.message}`));
  socket.bind({ fd });
  return () => {
    open = false;
    socket.close();
  };
};

const serveConnections = (
  server: Server,
  fd: number,
  log: (line: string) => void,
  { network, perClient }: { readonly network: NetworkView; readonly perClient: number },
): (() => void) => {
  const isKnown = (address: string) => network.byAddress(address) !== undefined;
  const close = limitConnections(server, perClient, isKnown);
  server.on("error", (error) => log(`listening socket: ${error.message}`));
  server.listen({ fd });
  return close;
};
