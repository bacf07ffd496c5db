import type { IncomingMessage } from "node:http";
import { ApiError } from "#api/error.ts";

/** The whole body. Throws RequestEntityTooLarge, at once where the length is announced; the rest is then left unread. */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const refuse = () => {
      request.removeListener("data", take).pause();
      reject(
        new ApiError("RequestEntityTooLarge", `Request body is larger than ${limitBytes} bytes`, {
          status: 413,
        }),
      );
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) refuse();
      else chunks.push(chunk);
    };
    if (Number(request.headers["content-length"]) > limitBytes) return refuse();
    request.on("data", take);
    request.on("end", () => resolve(Buffer.concat(chunks, length)));
    request.on("error", () => reject(new ApiError("RequestTimeout", "The request was cut short")));
  });
}
