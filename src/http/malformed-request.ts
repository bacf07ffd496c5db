import { STATUS_CODES } from "node:http";
import { ApiError } from "#api/error.ts";
import type { WireAnswer } from "#wire/protocol.ts";

/** What to tell whoever sent something that Node's parser gave up on. */
export function malformedRequest({ code = "" }: NodeJS.ErrnoException): ApiError {
  if (code === "HPE_HEADER_OVERFLOW")
    return new ApiError("RequestHeaderSectionTooLarge", "The request headers are too large", { status: 431 });
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW")
    return new ApiError("RequestEntityTooLarge", "The chunk extensions are too large", { status: 413 });
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new ApiError("RequestTimeout", "The request was not sent within its time", { status: 408 });
  return new ApiError("BadRequest", "The request is not HTTP");
}

/** The last answer on a connection for which Node has no response object. */
export function rawAnswer(
  { status, headers, body }: WireAnswer & { body: string },
  requestId: string,
): string {
  const lines = Object.entries({
    ...headers,
    "x-amzn-requestid": requestId,
    connection: "close",
    "content-length": Buffer.byteLength(body),
  }).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, "", body].join("\r\n");
}
