import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, isIP, type Socket } from "node:net";
import { TLSSocket, createSecureContext } from "node:tls";
import { hasForeignOrigin } from "./foreign-caller.ts";
import { serveCalls, timeouts, type CallOptions, type Caller, type HttpServer } from "./http-server.ts";

export interface RelayedOptions extends CallOptions {
  /** Made anew; whoever can get to it may connect, and is believed. */
  readonly socketPath: string;
  /** PEM texts. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** How long the two may take to agree on keys. */
  readonly handshakeMs?: number;
}

/**
 * Serves HTTPS to callers whose connections a relay hands on over a Unix socket: first one line of JSON that says who calls,
 * `{"address", "network"}`, then what the caller sends.
 */
export async function listenForRelay({
  socketPath,
  tls,
  handshakeMs = 60_000,
  ...calls
}: RelayedOptions): Promise<Pick<HttpServer, "close">> {
  const callers = new WeakMap<Socket, Caller>();
  const secureContext = createSecureContext({ ...tls, minVersion: "TLSv1.2" });
  const http = createHttpServer({ ...timeouts, ...patience });
  const open = new Set<Socket>();
  const relayed = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.on("error", () => {});
    readCaller(socket, (caller) => {
      const secure = new TLSSocket(socket, { isServer: true, secureContext });
      secure.on("error", () => socket.destroy());
      callers.set(secure, caller);
      // HTTP's own time begins when there can be a request: an emulated guest on a busy host takes seconds to agree on keys.
      const timer = setTimeout(() => socket.destroy(), handshakeMs);
      socket.once("close", () => clearTimeout(timer));
      secure.once("secure", () => {
        clearTimeout(timer);
        http.emit("connection", secure);
      });
    });
  });
  relayed.maxConnections = mostConnections;
  serveCalls(http, {
    ...calls,
    open: () => relayed.listening,
    isRefused: ({ headers }) => hasForeignOrigin(headers),
    callerOf: (socket) => callers.get(socket) ?? { remoteAddress: "", byTls: true },
  });

  rmSync(socketPath, { force: true });
  // It listens nowhere itself; told that it does, it looks after connections on which nothing comes.
  http.emit("listening");
  relayed.listen(socketPath);
  await once(relayed, "listening");
  chmodSync(socketPath, 0o666);
  return {
    async close() {
      const closed = once(relayed, "close");
      relayed.close();
      http.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

const mostConnections = 2048;
const mostLine = 256;
const lineMs = 5_000;
const patience = { headersTimeout: 60_000, requestTimeout: 60_000 } as const;

/** Takes the first line, and nothing of what comes after it. A connection that does not begin so is closed. */
function readCaller(socket: Socket, found: (caller: Caller) => void): void {
  const timer = setTimeout(() => socket.destroy(), lineMs);
  socket.once("close", () => clearTimeout(timer));
  let held: Buffer = Buffer.alloc(0);
  const read = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    held = Buffer.concat([held, chunk]);
    const end = held.indexOf("\n");
    if (end === -1 && held.length <= mostLine) return;
    socket.off("readable", read);
    clearTimeout(timer);
    const caller = end === -1 ? undefined : callerIn(held.subarray(0, end).toString());
    if (!caller) return void socket.destroy();
    if (held.length > end + 1) socket.unshift(held.subarray(end + 1));
    found(caller);
  };
  socket.on("readable", read);
}

function callerIn(line: string): Caller | undefined {
  try {
    const { address, network }: { address?: unknown; network?: unknown } = JSON.parse(line);
    if (typeof address !== "string" || isIP(address) === 0 || typeof network !== "string") return undefined;
    return { remoteAddress: address, network, byTls: true };
  } catch {
    return undefined;
  }
}
