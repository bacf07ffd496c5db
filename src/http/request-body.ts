import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { ApiError } from "#api/error.ts";

export interface BodyOptions {
  /** What is held in memory at most. */
  readonly limitBytes: number;
  /** Whether a longer body is handed on as a stream, and not refused. */
  readonly mayStream: boolean;
}

export interface RequestBody {
  readonly body: Buffer;
  /** In place of `body`; gives all of it, and fails when the client leaves. */
  readonly stream?: Readable;
}

/**
 * The whole body, or a stream of it. Throws RequestEntityTooLarge, at once where the length is announced; the rest is then
 * left unread.
 */
export function readBody(
  request: IncomingMessage,
  { limitBytes, mayStream }: BodyOptions,
): Promise<RequestBody> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = () => resolve({ body: Buffer.concat(chunks, length) });
    const broken = () => reject(new ApiError("RequestTimeout", "The request was cut short"));
    const tooLong = () => {
      request.off("data", take).off("end", end).off("error", broken).pause();
      if (mayStream) resolve({ body: Buffer.alloc(0), stream: streamOf(chunks, request) });
      else
        reject(
          new ApiError("RequestEntityTooLarge", `Request body is larger than ${limitBytes} bytes`, {
            status: 413,
          }),
        );
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > limitBytes) tooLong();
    };
    if (Number(request.headers["content-length"]) > limitBytes) return tooLong();
    request.on("data", take).on("end", end).on("error", broken);
  });
}

function streamOf(chunks: readonly Buffer[], rest: IncomingMessage): Readable {
  const stream = Readable.from(joined(chunks, rest), { objectMode: false });
  // Whoever reads it learns of the failure; when nobody does, it is nobody's.
  return stream.on("error", () => {});
}

async function* joined(chunks: readonly Buffer[], rest: IncomingMessage): AsyncGenerator<Buffer> {
  yield* chunks;
  yield* rest;
}
