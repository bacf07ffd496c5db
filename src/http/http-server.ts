import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { RefusedRequest } from "#api/answered-call.ts";
import { ApiError } from "#api/error.ts";
import { ec2Error } from "#wire/ec2-query.ts";
import type { WireAnswer, WireRequest } from "#wire/protocol.ts";
import { hasForeignOrigin, isForeign } from "./foreign-caller.ts";
import { malformedRequest, rawAnswer } from "./malformed-request.ts";
import { readBody } from "./request-body.ts";

export interface HttpRequest extends WireRequest {
  /** A UUID; the answer carries it as `x-amzn-requestid`. */
  readonly requestId: string;
  readonly remoteAddress: string;
  /** The network of this region that the caller is an instance of; absent: it calls from elsewhere. */
  readonly network?: string | undefined;
  /** Whether nobody on the way could read it. */
  readonly byTls: boolean;
}

/** Who called. */
export type Caller = Pick<HttpRequest, "remoteAddress" | "network" | "byTls">;

export interface ListenOptions extends CallOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM texts: speak TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface CallOptions {
  /** Answers its own failures; what it throws all the same is written to stderr and answered InternalError. */
  readonly handle: (request: HttpRequest) => WireAnswer | Promise<WireAnswer>;
  /** By default EC2's, 1 MiB. */
  readonly bodyLimitBytes?: number;
  /** Which requests' longer bodies are handed on as streams; by default none. */
  readonly mayStream?: (request: Omit<WireRequest, "body" | "stream">) => boolean;
  /** Told of what never reached `handle`; it neither waits nor throws. */
  readonly refused?: (request: RefusedRequest) => void;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no new calls; those under way have a second to end. */
  close(): Promise<void>;
}

/** Serves HTTP, to clients and never to web pages of others. Rejects when the address is taken. */
export async function listen({ host, port, tls, ...calls }: ListenOptions): Promise<HttpServer> {
  const server = tls
    ? createTlsServer({ ...timeouts, ...tls, minVersion: "TLSv1.2" })
    : createServer(timeouts);
  serveCalls(server, {
    ...calls,
    open: () => server.listening,
    // Of a certificate's names none can be bound to another address than ours.
    isRefused: ({ headers }) => (tls ? hasForeignOrigin(headers) : isForeign(headers)),
    callerOf: (socket) => ({ remoteAddress: socket.remoteAddress ?? "", byTls: tls !== undefined }),
  });
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : port,
    async close() {
      const closed = once(server, "close");
      server.close();
      const timer = setTimeout(() => server.closeAllConnections(), closeMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

interface ServeOptions extends CallOptions {
  /** Whether connections are kept for more calls. */
  readonly open: () => boolean;
  /** Whether a web page may be behind it. */
  readonly isRefused: (request: IncomingMessage) => boolean;
  readonly callerOf: (socket: Socket) => Caller;
}

/** Answers the server's requests. */
export function serveCalls(
  server: Server,
  {
    handle,
    bodyLimitBytes = 1024 * 1024,
    mayStream = () => false,
    refused,
    open,
    isRefused,
    callerOf,
  }: ServeOptions,
): void {
  const answering = new WeakMap<Socket, Set<ServerResponse>>();
  server.on("request", (request, response) => void serve(request, response));
  server.on("clientError", refuseMalformed);

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [requestId, begunMs] = [randomUUID(), performance.now()];
    const { remoteAddress: source, network } = callerOf(request.socket);
    noteAnswering(request.socket, response);
    const answer = await answerTo(request, requestId).catch((thrown: unknown) => {
      const error = toldToCaller(thrown, requestId);
      refused?.({ requestId, source, network, latencyMs: performance.now() - begunMs, error });
      return ec2Error(error, requestId);
    });
    // A client that has gone, or a call that outlived the server.
    if (response.destroyed) return;
    const last = !open() || !request.complete;
    const headers = {
      ...answer.headers,
      "x-amzn-requestid": requestId,
      ...(last ? { connection: "close" } : {}),
    };
    if (answer.body instanceof Readable) {
      response.writeHead(answer.status, headers);
      // A stream that breaks off breaks the connection, so that nobody takes half an answer for a whole one.
      await pipeline(answer.body, response).catch(() => response.destroy());
      return;
    }
    const { body } = answer;
    if (typeof body === "string" || Buffer.isBuffer(body)) {
      response.writeHead(answer.status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
      return;
    }
    const bytes = body.reduce((sum, { length }) => sum + length, 0);
    response.writeHead(answer.status, { ...headers, "content-length": bytes });
    for (const piece of body) response.write(piece);
    response.end();
  }

  function noteAnswering(socket: Socket, response: ServerResponse): void {
    const responses = answering.get(socket) ?? new Set<ServerResponse>();
    answering.set(socket, responses.add(response));
    response.once("close", () => responses.delete(response));
  }

  /** Of what Node's parser does not take for HTTP, or not within its time. A call that this ends learns of it by its body. */
  function refuseMalformed(thrown: NodeJS.ErrnoException, socket: Socket): void {
    const [underWay, ...more] = answering.get(socket) ?? [];
    if (!socket.writable || socket.bytesRead === 0 || underWay?.headersSent || more.length > 0) {
      socket.destroy();
      return;
    }
    const [error, requestId] = [malformedRequest(thrown), randomUUID()];
    const { remoteAddress: source, network } = callerOf(socket);
    socket.end(rawAnswer(ec2Error(error, requestId), requestId), () => socket.destroy());
    if (!underWay) refused?.({ requestId, source, network, latencyMs: 0, error });
  }

  async function answerTo(request: IncomingMessage, requestId: string): Promise<WireAnswer> {
    if (isRefused(request))
      throw new ApiError(
        "AccessDenied",
        "Web pages of other sites may not call this API, nor may calls name another host",
        { status: 403 },
      );
    if (saysTwice(request.rawHeaders))
      throw new ApiError("BadRequest", "The request says twice whom it calls, or who calls");
    const { method = "", url = "", socket } = request;
    const question = url.indexOf("?");
    const asked = {
      method,
      path: question < 0 ? url : url.slice(0, question),
      query: question < 0 ? "" : url.slice(question + 1),
      headers: singleValued(request.headers),
    };
    const body = await readBody(request, { limitBytes: bodyLimitBytes, mayStream: mayStream(asked) });
    return handle({
      ...asked,
      ...body,
      requestId,
      ...callerOf(socket),
    });
  }
}

/** Of what one call and one connection may take. */
export const timeouts = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 } as const;

/** Of the second that is promised. */
const closeMs = 900;

function toldToCaller(error: unknown, requestId: string): ApiError {
  if (error instanceof ApiError) return error;
  console.error(`${requestId}:`, error);
  return new ApiError("InternalError", "An internal error has occurred", { status: 500 });
}

/** Of these Node drops all but the first; whoever stands between may have gone by another. Names and values take turns. */
function saysTwice(rawHeaders: readonly string[]): boolean {
  const times = { host: 0, authorization: 0 };
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase();
    if (name === "host" || name === "authorization") times[name] += 1;
  }
  return times.host > 1 || times.authorization > 1;
}

function singleValued(headers: IncomingMessage["headers"]): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]),
  );
}
