import { once } from "node:events";
import type { Socket } from "node:net";

/** A socket that speaks in lines, both ways, and never holds more than the other side keeps up with. */
export class LineSocket {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  #draining: Promise<unknown> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {}); // "close" follows, and says all that matters
    socket.on("close", () => this.#gone.abort());
  }

  /** Aborts when the connection is gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Ends with the connection, and ends it when no more are taken. Throws when a line is too long to be one of ours. */
  async *lines(): AsyncGenerator<string> {
    let begun: Buffer[] = [];
    let begunBytes = 0;
    try {
      for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
        let start = 0;
        for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
          yield Buffer.concat([...begun, chunk.subarray(start, end)]).toString();
          begun = [];
          begunBytes = 0;
          start = end + 1;
        }
        begun.push(chunk.subarray(start));
        begunBytes += chunk.length - start;
        if (begunBytes > mostLineBytes) throw new Error(`a line of over ${mostLineBytes} bytes`);
      }
    } finally {
      this.destroy();
    }
  }

  /** Resolves when there is room for more; rejects when the connection goes first. */
  async send(line: string): Promise<void> {
    this.gone.throwIfAborted();
    if (this.#socket.write(`${line}\n`)) return;
    this.#draining ??= once(this.#socket, "drain", { signal: this.gone }).finally(
      () => (this.#draining = undefined),
    );
    await this.#draining;
  }

  destroy(): void {
    this.#socket.destroy();
    this.#gone.abort();
  }
}

const newline = 0x0a;

/** Over what the largest transaction takes, also when every byte of it is escaped. */
const mostLineBytes = 16 << 20;
