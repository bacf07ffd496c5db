import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { createHttpServer } from "./http-servers.ts";
import { jsonLine } from "./lines.ts";
import type { NetworkView } from "./network-view.ts";

/**
 * Hands each connection on to the region's API, after one line of JSON that says who calls: `{"address", "network"}`. TLS goes
 * through it unread.
 */
export const apiRelay = (network: NetworkView, apiSocket: string): Server =>
  createServer({ allowHalfOpen: true, pauseOnConnect: true }, (guest) => {
    const api = connect({ path: apiSocket, allowHalfOpen: true });
    api.write(jsonLine({ address: guest.remoteAddress, network: network.id }));
    for (const [from, to] of [
      [guest, api],
      [api, guest],
    ] as const) {
      from.setTimeout(idleMs, () => from.destroy());
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  });

/** Longer than the API keeps an idle connection. */
const idleMs = 120_000;

/** Tells guests, by plain HTTP, whom to trust when they call the API: `GET /ca.pem`. `ca`: absent while there is none. */
export const caServer = (network: NetworkView, ca: string | undefined): Server => {
  const server = createHttpServer(limits, (request, response) => {
    const known = network.byAddress(request.socket.remoteAddress ?? "") !== undefined;
    const found = known && request.method === "GET" && request.url === "/ca.pem" && ca !== undefined;
    response.writeHead(found ? 200 : 404, { "Content-Type": "text/plain", Connection: "close" });
    response.end(found ? ca : "404 - Not Found\n");
  });
  server.timeout = 10_000;
  return server;
};

const limits = { maxHeaderSize: 8 * 1024, headersTimeout: 5_000, requestTimeout: 10_000 } as const;
