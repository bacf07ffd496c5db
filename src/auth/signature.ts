import { createHmac, hash } from "node:crypto";
import { percentEncoded } from "#wire/percent-encoding.ts";
import type { WireRequest } from "#wire/protocol.ts";

/** What AWS's Signature Version 4 covers. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html */
export interface SignedContent {
  readonly request: Pick<WireRequest, "method" | "path" | "query" | "headers">;
  /** Undefined: it was left unsigned. */
  readonly body: Uint8Array | string | undefined;
  /** Lower case, in the order in which they are signed. */
  readonly signedHeaders: readonly string[];
  /** `YYYYMMDDTHHMMSSZ`; its day is the first part of the credential scope. */
  readonly amzDate: string;
  readonly region: string;
  readonly service: string;
}

/** In hexadecimal. Throws URIError when path or query are not properly percent-encoded. */
export function signatureOf(content: SignedContent, secretAccessKey: string): string {
  const day = content.amzDate.slice(0, 8);
  const scope = `${day}/${content.region}/${content.service}/${terminator}`;
  const text = [algorithm, content.amzDate, scope, hash("sha256", canonicalRequest(content))].join("\n");
  const key = signingKey(secretAccessKey, day, content.region, content.service);
  return createHmac("sha256", key).update(text).digest("hex");
}

export const algorithm = "AWS4-HMAC-SHA256";
export const terminator = "aws4_request";
/** Stands for the digest of a body that is not signed. */
export const unsignedPayload = "UNSIGNED-PAYLOAD";

export function amzDateOf(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function canonicalRequest({ request, body, signedHeaders }: SignedContent): string {
  const headers = signedHeaders.map((name) => `${name}:${canonicalValue(request.headers[name])}\n`);
  return [
    request.method,
    // Encoded a second time, as every service but S3 wants it.
    request.path.split("/").map(percentEncoded).join("/"),
    canonicalQuery(request.query),
    headers.join(""),
    signedHeaders.join(";"),
    body === undefined ? unsignedPayload : hash("sha256", body),
  ].join("\n");
}

function canonicalValue(value: unknown): string {
  return typeof value === "string" ? value.trim().replace(/ {2,}/g, " ") : "";
}

function canonicalQuery(query: string): string {
  return queryPairs(query)
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [percentEncoded(name), percentEncoded(value)] as const)
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** Decoded names and values. Throws URIError. */
export function queryPairs(query: string): [name: string, value: string][] {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      return equals < 0
        ? [decode(pair), ""]
        : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
    });
}

const decode = (text: string) => decodeURIComponent(text.replaceAll("+", " "));

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();

/** Good for a day, and costs more than all the rest: kept, the oldest making room. */
const signingKeys = new Map<string, Buffer>();
const signingKeysKept = 256;

function signingKey(secretAccessKey: string, day: string, region: string, service: string): Buffer {
  const id = [secretAccessKey, day, region, service].join("\n");
  const kept = signingKeys.get(id);
  if (kept) return kept;
  const key = [region, service, terminator].reduce(hmac, hmac(`AWS4${secretAccessKey}`, day));
  const [oldest] = signingKeys.keys();
  if (oldest !== undefined && signingKeys.size >= signingKeysKept) signingKeys.delete(oldest);
  signingKeys.set(id, key);
  return key;
}
