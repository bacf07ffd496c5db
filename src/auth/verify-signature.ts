import { timingSafeEqual } from "node:crypto";
import type { Caller } from "#api/caller.ts";
import type { WireRequest } from "#wire/protocol.ts";
import { signatureOf, unsignedPayload } from "./signature.ts";
import { signatureClaim, type SignatureClaim } from "./signature-claim.ts";
import {
  expiredToken,
  malformedQuery,
  requestExpired,
  signatureMismatch,
  unknownAccessKey,
  wrongSecret,
} from "./sign-in-error.ts";

export interface SignedIn {
  readonly accessKeyId: string;
  readonly region: string;
  /** The name AWS signs by: "ec2", "sts". */
  readonly service: string;
  readonly caller: Caller;
}

/** An access key, and whose it is. */
export interface AccessKey {
  readonly secretAccessKey: string;
  readonly caller: Caller;
}

/** Undefined: nobody's, or one that was made inactive, or without the token that belongs to it. */
export type FindKey = (accessKeyId: string, sessionToken: string | undefined) => AccessKey | undefined;

/** How far the caller's clock may be from ours. */
const skewMs = 15 * 60_000;

/**
 * Who signed the request, in a header or in the query, by Signature Version 4 over this very body. Throws `ApiError` in the
 * words of the service that was asked for.
 */
export function verifySignature(
  request: Pick<WireRequest, "method" | "path" | "query" | "headers">,
  body: Buffer,
  findKey: FindKey,
  nowMs: number,
): SignedIn {
  const claim = wellEncoded(() => signatureClaim(request));
  const { accessKeyId, region, service, sessionToken } = claim;
  if (!claim.signedHeaders.includes("host"))
    throw signatureMismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  const key = findKey(accessKeyId, sessionToken);
  if (!key) throw unknownAccessKey(service);
  checkTime(claim, nowMs);
  const expected = Buffer.from(
    wellEncoded(() =>
      signatureOf(
        { ...claim, request, body: isSigned(request, claim) ? body : undefined },
        key.secretAccessKey,
      ),
    ),
  );
  const given = Buffer.from(claim.signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw wrongSecret(service);
  const { session } = key.caller;
  if (session && session.expiresAt * 1000 <= nowMs) throw expiredToken(service);
  return { accessKeyId, region, service, caller: key.caller };
}

/** The body. By TLS clients leave that of PutSnapshotBlock unsigned, as its model says; the checksum is signed, and the operation holds it to that. */
const isSigned = (
  { method, headers }: Pick<WireRequest, "method" | "headers">,
  claim: SignatureClaim,
): boolean =>
  headers[contentDigest] !== unsignedPayload ||
  claim.service !== "ebs" ||
  method !== "PUT" ||
  ![contentDigest, "x-amz-checksum"].every((name) => claim.signedHeaders.includes(name));
const contentDigest = "x-amz-content-sha256";

function checkTime({ service, amzDate, validMs }: SignatureClaim, nowMs: number): void {
  const signedMs = Date.parse(amzDate.replace(/(....)(..)(..T..)(..)(..Z)/, "$1-$2-$3:$4:$5"));
  // A presigned request lives as long as it says; the clocks' difference counts only towards its beginning.
  const late = nowMs > signedMs + (validMs ?? skewMs);
  const early = signedMs > nowMs + skewMs;
  if (late || early || Number.isNaN(signedMs)) throw requestExpired(service, amzDate, nowMs);
}

function wellEncoded<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof URIError ? malformedQuery() : error;
  }
}
