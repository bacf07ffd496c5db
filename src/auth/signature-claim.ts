import type { WireRequest } from "#wire/protocol.ts";
import { incompleteSignature, missingToken, signatureMismatch } from "./sign-in-error.ts";
import { algorithm, queryPairs, terminator } from "./signature.ts";

/** What a request says of its signature, complete and well formed but not yet believed. */
export interface SignatureClaim {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly amzDate: string;
  readonly signedHeaders: readonly string[];
  /** As sent: 64 hex digits, if it is one. */
  readonly signature: string;
  readonly sessionToken: string | undefined;
  /** Presigned: for how long from `amzDate` on. */
  readonly validMs?: number;
}

/** Throws MissingAuthenticationToken, IncompleteSignature, SignatureDoesNotMatch; URIError for a query that cannot be read. */
export function signatureClaim({ headers, query }: Pick<WireRequest, "headers" | "query">): SignatureClaim {
  const { authorization } = headers;
  if (authorization !== undefined) return headerClaim(authorization, headers);
  const parameters = new Map(queryPairs(query));
  if (!parameters.has("X-Amz-Algorithm")) throw missingToken();
  return presignedClaim(parameters);
}

const headerParts = ["Credential", "Signature", "SignedHeaders"];

function headerClaim(authorization: string, headers: WireRequest["headers"]): SignatureClaim {
  const [scheme, ...rest] = authorization.trim().split(/[\s,]+/);
  const parts = scheme === algorithm ? rest.filter(Boolean) : [];
  const said = new Map(parts.map((part) => splitOnce(part, "=")));
  const odd = parts.find((part) => !part.includes("="));
  if (odd !== undefined)
    throw incompleteSignature(
      `'${odd}' not a valid key=value pair (missing equal-sign) in Authorization header: '${authorization}'.`,
    );
  if (said.size < parts.length)
    throw incompleteSignature("Authorization header must contain each parameter only once.");
  const [credential, signature, signedHeaders] = headerParts.map((name) => said.get(name));
  const amzDate = headers["x-amz-date"];
  if (!credential || !signature || !signedHeaders || !amzDate) {
    const lacking = headerParts
      .filter((name) => !said.get(name))
      .map((name) => `Authorization header requires '${name}' parameter.`);
    // AWS would take a Date header too; no client of its own sends only that.
    if (!amzDate)
      lacking.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
    throw incompleteSignature(lacking.join(" "));
  }
  return {
    ...scopeOf(credential, amzDate),
    signedHeaders: signedHeaders.split(";"),
    signature,
    sessionToken: headers["x-amz-security-token"],
  };
}

function presignedClaim(parameters: ReadonlyMap<string, string>): SignatureClaim {
  const take = (name: string) => {
    const value = parameters.get(name);
    if (!value)
      throw incompleteSignature(
        `AWS query-string parameters must include '${name}'. Re-examine the query-string parameters.`,
      );
    return value;
  };
  if (take("X-Amz-Algorithm") !== algorithm)
    throw incompleteSignature(`Unsupported AWS 'algorithm': '${parameters.get("X-Amz-Algorithm")}'.`);
  const expiresSeconds = Number(take("X-Amz-Expires"));
  const week = 7 * 24 * 3600;
  if (!(expiresSeconds > 0 && expiresSeconds <= week))
    throw incompleteSignature("X-Amz-Expires must be between 1 and 604800 seconds");
  return {
    ...scopeOf(take("X-Amz-Credential"), take("X-Amz-Date")),
    signedHeaders: take("X-Amz-SignedHeaders").split(";"),
    signature: take("X-Amz-Signature"),
    sessionToken: parameters.get("X-Amz-Security-Token"),
    validMs: expiresSeconds * 1000,
  };
}

function scopeOf(credential: string, amzDate: string) {
  const [accessKeyId, day, region, service, last, more] = credential.split("/");
  if (!accessKeyId || !day || !region || !service || last !== terminator || more !== undefined)
    throw incompleteSignature(
      `Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${credential}'`,
    );
  if (!/^\d{8}T\d{6}Z$/.test(amzDate))
    throw incompleteSignature(
      `Date must be in ISO-8601 'basic format'. Got '${amzDate}'. See http://en.wikipedia.org/wiki/ISO_8601`,
    );
  if (day !== amzDate.slice(0, 8))
    throw signatureMismatch(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${day}' != '${amzDate.slice(0, 8)}', from '${amzDate}'.`,
    );
  return { accessKeyId, region, service, amzDate };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
