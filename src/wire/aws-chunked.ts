import { Readable } from "node:stream";
import { ApiError } from "#api/error.ts";
import type { WireRequest } from "./protocol.ts";

/** Whether a body is in chunks of AWS's own, each with its signature; checksums may trail. */
export function isChunked({ headers }: WireRequest): boolean {
  return headers["x-amz-content-sha256"]?.startsWith("STREAMING-") ?? false;
}

/**
 * The bytes without what is around them; chunk signatures and trailers are not looked at. Throws, or the stream fails with,
 * IncompleteBody.
 */
export function decodedBody({ body, stream }: WireRequest): Pick<WireRequest, "body" | "stream"> {
  if (stream) return { body, stream: Readable.from(decodedStream(stream), { objectMode: false }) };
  const decoder = chunkDecoder();
  const parts = [...decoder.take(body)];
  decoder.end();
  return { body: Buffer.concat(parts) };
}

async function* decodedStream(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = chunkDecoder();
  for await (const bytes of stream) yield* decoder.take(bytes);
  decoder.end();
}

function chunkDecoder() {
  /** A part of a line, or of the end of a chunk, that is not all there yet. */
  let kept: Buffer = Buffer.alloc(0);
  let state: "size" | "data" | "after" | "trailers" = "size";
  let left = 0;
  return { take, end };

  function* take(bytes: Buffer): Generator<Buffer> {
    let rest: Buffer = kept.length > 0 ? Buffer.concat([kept, bytes]) : bytes;
    while (rest.length > 0 && state !== "trailers") {
      if (state === "data") {
        const data = rest.subarray(0, left);
        left -= data.length;
        rest = rest.subarray(data.length);
        if (left === 0) state = "after";
        yield data;
        continue;
      }
      const line = lineOf(rest);
      if (line === undefined) break;
      rest = rest.subarray(line.length + 2);
      if (state === "size") startChunk(line);
      else if (line === "") state = "size";
      else throw incomplete();
    }
    kept = state === "trailers" ? Buffer.alloc(0) : rest;
  }

  function lineOf(bytes: Buffer): string | undefined {
    const length = bytes.indexOf("\r\n");
    if (length > lineLimit || (length < 0 && bytes.length > lineLimit)) throw incomplete();
    return length < 0 ? undefined : bytes.toString("latin1", 0, length);
  }

  function startChunk(line: string): void {
    const [, size] = /^([0-9a-fA-F]{1,8})(?:;.*)?$/.exec(line) ?? [];
    if (size === undefined) throw incomplete();
    left = Number.parseInt(size, 16);
    state = left === 0 ? "trailers" : "data";
  }

  function end(): void {
    if (state !== "trailers") throw incomplete();
  }
}

const lineLimit = 1024;

const incomplete = () =>
  new ApiError(
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header",
  );
