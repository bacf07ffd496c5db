import type { Server } from "node:http";
import type { Socket } from "node:net";
import { fdOf } from "#drivers/linux/fd-passing.ts";
import { setsockopt } from "#drivers/linux/libc.ts";
import { createHttpServer } from "./http-servers.ts";
import { answerImds } from "./imds.ts";
import type { NetworkView } from "./network-view.ts";
import type { SessionTokens } from "./session-token.ts";

/** Serves instance metadata to `network` on a listening socket. Who asks is told by the source address, which the network vouches for. */
export const imdsServer = (network: NetworkView, tokens: SessionTokens): Server => {
  const server = createHttpServer(limits, (request, response) => {
    const client = network.byAddress(request.socket.remoteAddress ?? "");
    if (!client) return void request.socket.destroy();
    const { method = "", url = "", headers } = request;
    const answer = answerImds({ method, url, headers }, client, tokens);
    if (answer.carriesToken) limitHops(request.socket, client.metadata.hopLimit);
    response.writeHead(answer.status, {
      Server: "EC2ws",
      "Content-Length": Buffer.byteLength(answer.body),
      ...answer.headers,
      // Nothing here takes a body: whoever sends one gets an answer and no chance to keep sending.
      ...(hasBody(headers) && { Connection: "close" }),
    });
    response.end(answer.body);
  });
  server.timeout = 10_000;
  return server;
};

/** What one slow or greedy client can hold: 8 KiB of headers, 10 s. */
const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
} as const;

const hasBody = (headers: NodeJS.Dict<string | string[]>): boolean =>
  headers["transfer-encoding"] !== undefined ||
  !["0", undefined].includes(String(headers["content-length"] ?? "0"));

/**
 * Never raised again on this connection: a client that delays its acknowledgements could otherwise have the token sent after
 * the limit was lifted for its next request.
 */
const limitHops = (socket: Socket, hops: number): void => {
  const value = Buffer.alloc(4);
  value.writeInt32LE(hops);
  if (setsockopt(fdOf(socket), IPPROTO_IP, IP_TTL, value, value.length) === -1) socket.destroy();
};

const IPPROTO_IP = 0;
const IP_TTL = 2;
