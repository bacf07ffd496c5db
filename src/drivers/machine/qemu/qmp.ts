import { connect } from "node:net";
import type { Socket } from "node:net";
import { sendWithFds } from "#drivers/linux/fd-passing.ts";

export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** QEMU refused a command; the message is its own. */
export class QmpError extends Error {
  override readonly name = "QmpError";
}

/** A conversation with one QEMU, by the QEMU Machine Protocol, on the Unix socket it listens on. */
export class Qmp {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #greeting = Promise.withResolvers<void>();
  #lastId = 0;
  #unread = "";
  #onEvent: (event: QmpEvent) => void = () => {};
  /** Resolves when the conversation is over, whoever ended it. */
  readonly closed: Promise<void>;

  /** Ready for commands. Rejects when nobody listens, or `signal` aborts before QEMU answers. */
  static async connect(path: string, signal: AbortSignal): Promise<Qmp> {
    signal.throwIfAborted();
    const qmp = new Qmp(connect(path));
    const abort = () => qmp.#end(toError(signal.reason));
    signal.addEventListener("abort", abort);
    try {
      await qmp.#greeting.promise;
      await qmp.execute("qmp_capabilities");
      return qmp;
    } catch (error) {
      qmp.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#greeting.promise.catch(() => {});
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#read(text));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => {
      this.#end(new Error("QEMU closed the connection"));
      closed.resolve();
    });
  }

  /**
   * The command's answer. Rejects with `QmpError` when QEMU refuses it, or when there is no answer in time. Of `fds` QEMU gets
   * copies.
   */
  async execute(
    command: string,
    args: object = {},
    { timeoutMs = 5000, fds = [] }: { readonly timeoutMs?: number; readonly fds?: readonly number[] } = {},
  ): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Error(`${command}: no answer in ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      if (this.#socket.destroyed) throw new Error(`${command}: not connected`);
      const line = `${JSON.stringify({ execute: command, arguments: args, id })}\n`;
      const written =
        fds.length === 0 ? this.#socket.write(line) : sendWithFds(this.#socket, Buffer.from(line), fds);
      await Promise.race([answer.promise, written]);
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  onEvent(listener: (event: QmpEvent) => void): void {
    this.#onEvent = listener;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#unread += text;
    const lines = text.includes("\n") ? this.#unread.split("\n") : [this.#unread];
    this.#unread = lines.pop() ?? "";
    // The peer serves a hostile guest: it must not make us keep, or fail on, whatever it likes.
    if (this.#unread.length > MAX_MESSAGE_CHARACTERS)
      return this.#end(new Error("QEMU sent a message without end"));
    for (const line of lines) {
      const message = parse(line);
      if (message === undefined) return this.#end(new Error("QEMU sent what is no message"));
      this.#receive(message);
    }
  }

  #receive(message: Readonly<Record<string, unknown>>): void {
    if ("QMP" in message) this.#greeting.resolve();
    else if (typeof message["event"] === "string") this.#onEvent(toEvent(message["event"], message["data"]));
    else if (typeof message["id"] === "number") {
      const answer = this.#waiting.get(message["id"]);
      if (isRecord(message["error"])) answer?.reject(new QmpError(String(message["error"]["desc"])));
      else answer?.resolve(message["return"]);
    }
  }

  #end(error: Error): void {
    this.#greeting.reject(error);
    for (const answer of this.#waiting.values()) answer.reject(error);
    this.#socket.destroy();
  }
}

/** Of a machine with many disks that stand on many files each, QEMU has a lot to say. */
const MAX_MESSAGE_CHARACTERS = 8 * 1024 * 1024;

const parse = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const message: unknown = JSON.parse(line);
    return isRecord(message) ? message : undefined;
  } catch {
    return undefined;
  }
};

const toEvent = (event: string, data: unknown): QmpEvent => (isRecord(data) ? { event, data } : { event });

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const toError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
