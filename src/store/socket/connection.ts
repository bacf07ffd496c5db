import { once } from "node:events";
import { connect } from "node:net";
import type { Changes, Entry } from "../store.ts";
import { LineSocket } from "./line-socket.ts";
import { type Answers, type Reply, type Request, toldError } from "./messages.ts";

/** One connection to a served store. When it is lost, everything still unanswered throws `StoreUnavailable`. */
export class Connection {
  readonly #server: LineSocket;
  /** Who hears the replies to what was asked. */
  readonly #hearers = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  /** Throws what the socket has against it. */
  static async open(socketPath: string): Promise<Connection> {
    const socket = connect(socketPath);
    await once(socket, "connect");
    return new Connection(new LineSocket(socket));
  }

  private constructor(server: LineSocket) {
    this.#server = server;
    void this.#listen();
  }

  get lost(): boolean {
    return this.#server.gone.aborted;
  }

  close(): void {
    this.#server.destroy();
  }

  /** Asks once and is answered once; the parts of a listing come before. `request` is the whole `Request`, as JSON. */
  ask<Call extends keyof Answers>(
    _call: Call,
    request: string,
    onPart?: (entries: readonly Entry[]) => void,
  ): Promise<Answers[Call]> {
    const { promise, resolve, reject } = Promise.withResolvers<Answers[Call]>();
    const id = this.#begin(request, (reply) => {
      if ("part" in reply) return onPart?.(reply.part);
      this.#hearers.delete(id);
      // the other side promises it
      if ("answer" in reply) resolve((reply.answer ?? undefined) as Answers[Call]);
      if ("error" in reply) reject(toldError(reply.error));
    });
    return promise;
  }

  async *watch(prefix: string, from: number, signal: AbortSignal): AsyncGenerator<Changes> {
    const arrived: Changes[] = [];
    let error: Error | undefined;
    let news = Promise.withResolvers<void>();
    const wake = () => news.resolve();
    signal.addEventListener("abort", wake);
    const request: Request = { call: "watch", prefix, from, more: mostAhead };
    const id = this.#begin(JSON.stringify(request), (reply) => {
      if ("changes" in reply) arrived.push(reply.changes);
      if ("error" in reply) error = toldError(reply.error);
      wake();
    });
    try {
      let taken = 0;
      while (!signal.aborted) {
        const changes = arrived.shift();
        if (changes) {
          yield changes;
          if (++taken % askEvery === 0) this.#say(id, { call: "more", more: askEvery });
        } else if (error) {
          throw error;
        } else {
          news = Promise.withResolvers();
          await news.promise;
        }
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#hearers.delete(id);
      this.#say(id, { call: "end" });
    }
  }

  #begin(request: string, hear: (reply: Reply) => void): number {
    const id = ++this.#lastId;
    this.#hearers.set(id, hear);
    this.#server.send(`[${id},${request}]`).catch(() => hear(connectionLost));
    return id;
  }

  #say(id: number, request: Request): void {
    this.#server.send(JSON.stringify([id, request])).catch(() => {}); // nobody is left to hear it
  }

  async #listen(): Promise<void> {
    try {
      for await (const line of this.#server.lines()) {
        const [id, reply]: [number, Reply] = JSON.parse(line);
        this.#hearers.get(id)?.(reply);
      }
    } catch {
      this.close();
    }
    for (const hear of this.#hearers.values()) hear(connectionLost);
  }
}

const connectionLost: Reply = {
  error: { name: "StoreUnavailable", message: "the connection to the store is lost" },
};

/** Changes that may be on their way or waiting here; more are asked for when half of them are taken. */
const mostAhead = 128;
const askEvery = mostAhead / 2;
