import { gunzipSync } from "node:zlib";
import { ApiError } from "#api/error.ts";
import type { WireProtocol, WireRequest } from "./protocol.ts";

/** The same protocol for bodies that clients compress, as they do with CloudWatch's metrics. */
export function readingCompressed(protocol: WireProtocol): WireProtocol {
  return {
    ...protocol,
    parse: (request) => protocol.parse(isCompressed(request) ? inflated(request) : request),
  };
}

const isCompressed = ({ headers }: WireRequest) => headers["content-encoding"] === "gzip";

function inflated(request: WireRequest): WireRequest {
  try {
    return { ...request, body: gunzipSync(request.body, { maxOutputLength: inflatedLimitBytes }) };
  } catch (error) {
    if (error instanceof RangeError)
      throw new ApiError("RequestEntityTooLarge", `Request body is larger than ${inflatedLimitBytes} bytes`, {
        status: 413,
      });
    throw new ApiError("SerializationException", "The request body is not valid gzip");
  }
}

/** A few bytes can stand for very many. */
const inflatedLimitBytes = 4 * 1024 * 1024;
