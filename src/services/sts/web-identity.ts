import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from "jose";
import { ApiError } from "#api/error.ts";
import type { IamContext } from "../iam/context.ts";
import { arnOf } from "../iam/holder.ts";
import { type Issuer, IssuerUnfit, IssuerUnknown, IssuerUnreachable } from "../iam/issuer-keys.ts";
import type { IamRecords, OidcProviderRecord } from "../iam/records.ts";
import type { FederatedIdentity } from "./federated-role.ts";

/** What a token of an OIDC provider says of its bearer. AWS, "Available keys for AWS OIDC federation", "Passing session tags using AssumeRoleWithWebIdentity". */
export type WebIdentity = FederatedIdentity;

/**
 * The token, signed by a provider of the account, for one of the audiences that are registered for it, and in force. A provider is asked for
 * its keys only when it is registered. Throws InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError.
 */
export async function verifiedToken(
  {
    WebIdentityToken: token,
    ProviderId: oauth,
  }: { WebIdentityToken: string; ProviderId?: string | undefined },
  records: IamRecords | undefined,
  context: Pick<IamContext, "issuerKeys" | "now">,
): Promise<WebIdentity> {
  if (oauth !== undefined)
    throw invalidToken(`Croft takes OpenID Connect's tokens only, and none of ${oauth}.`);
  const { iss } = undecided(token);
  const name = iss?.startsWith("https://") ? iss.slice("https://".length) : "";
  const provider = records?.named("iam-oidc-provider", name);
  if (!records || provider?.name !== name)
    throw invalidToken(`No OpenIDConnect provider found in your account for ${iss}`);
  const claims = await signed(token, { url: `https://${name}`, thumbprints: provider.thumbprints }, context);
  return identityOf(claims, provider, records, context.now());
}

/** What it says, which nobody has vouched for yet. */
function undecided(token: string): JWTPayload {
  try {
    decodeProtectedHeader(token);
    return decodeJwt(token);
  } catch {
    throw invalidToken(
      "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
    );
  }
}

/** What AWS takes: no secret that is shared, and nothing unsigned. */
const algorithms = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];

async function signed(
  token: string,
  issuer: Issuer,
  { issuerKeys, now }: Pick<IamContext, "issuerKeys" | "now">,
): Promise<JWTPayload> {
  const options = {
    algorithms,
    issuer: issuer.url,
    currentDate: now(),
    requiredClaims: ["sub", "aud", "exp", "iat"],
  };
  const verified = async (renewed: boolean) =>
    (await jwtVerify(token, await issuerKeys.of(issuer, { renewed }), options)).payload;
  try {
    return await verified(false).catch((error: unknown) => {
      // The issuer may have another key by now.
      if (error instanceof errors.JWKSNoMatchingKey) return verified(true);
      throw error;
    });
  } catch (error) {
    throw refusal(error, now());
  }
}

function refusal(error: unknown, now: Date): unknown {
  if (error instanceof errors.JWTExpired) return expired(error.payload.exp ?? 0, now);
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalidToken(
      error.reason === "missing"
        ? `Missing a required claim: ${error.claim}`
        : `The claim ${error.claim} of the token does not hold.`,
    );
  if (error instanceof IssuerUnreachable)
    return new ApiError("IDPCommunicationError", "The identity provider could not be reached.", {
      cause: error,
    });
  if (error instanceof IssuerUnknown)
    return invalidToken(
      "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
      error,
    );
  if (error instanceof IssuerUnfit || error instanceof errors.JWKSNoMatchingKey)
    return invalidToken(
      "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
      error,
    );
  if (error instanceof errors.JOSEError) return invalidToken("The token's signature does not hold.", error);
  return error;
}

function identityOf(
  claims: JWTPayload,
  provider: OidcProviderRecord,
  records: IamRecords,
  now: Date,
): WebIdentity {
  const { sub: subject, azp, amr, email, iat = 0 } = claims;
  if (typeof subject !== "string" || subject === "" || subject.length > 255)
    throw invalidToken("The claim sub of the token does not hold.");
  if (iat * 1000 > now.getTime() + skewMs) throw invalidToken("The token is issued in the future.");
  const audiences = [claims.aud ?? []].flat();
  const party = typeof azp === "string" ? azp : undefined;
  const audience = (party === undefined ? audiences : [party]).find((it) => provider.clientIds.includes(it));
  if (audience === undefined) throw invalidToken("Incorrect token audience");
  const methods = [amr ?? []].flat().filter((it) => typeof it === "string");
  const keys = {
    aud: audience,
    sub: subject,
    ...(party !== undefined && audiences.length > 0 && { oaud: audiences }),
    ...(methods.length > 0 && { amr: methods }),
    ...(typeof email === "string" && { email }),
  };
  const sourceIdentity = claims[`${aws}source_identity`];
  if (sourceIdentity !== undefined && !isSourceIdentity(sourceIdentity))
    throw invalidToken("The source identity in the token is not well formed.");
  return {
    provider: arnOf("iam-oidc-provider", provider, records),
    subject,
    audience,
    keys: Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${provider.name}:${key}`, value])),
    ...sessionTagsIn(claims),
    sourceIdentity,
  };
}

/** How far an issuer's clock may be ahead. */
const skewMs = 300_000;
const aws = "https://aws.amazon.com/";

/** In one object, or each in a claim of its own. */
function sessionTagsIn(claims: JWTPayload): Pick<WebIdentity, "tags" | "transitive"> {
  const tags = new Map<string, string>();
  const add = (key: string, value: unknown) => {
    const [first, ...more] = Array.isArray(value) ? value : [value];
    if (typeof first !== "string" || more.length > 0 || tags.has(key)) throw badTags();
    tags.set(key, first);
  };
  const nested = claims[`${aws}tags`];
  if (nested !== undefined && !isObject(nested)) throw badTags();
  const principal = nested?.["principal_tags"] ?? {};
  if (!isObject(principal)) throw badTags();
  for (const [key, value] of Object.entries(principal)) add(key, value);
  const prefix = `${aws}tags/principal_tags/`;
  for (const [claim, value] of Object.entries(claims))
    if (claim.startsWith(prefix)) add(claim.slice(prefix.length), value);
  const transitive = nested?.["transitive_tag_keys"] ?? claims[`${aws}tags/transitive_tag_keys`] ?? [];
  if (!Array.isArray(transitive) || !transitive.every((it) => typeof it === "string")) throw badTags();
  return { tags: [...tags].map(([Key, Value]) => ({ Key, Value })), transitive };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** As the wire wants it of AssumeRole. */
const isSourceIdentity = (value: unknown): value is string =>
  typeof value === "string" && /^[\w+=,.@-]{2,64}$/.test(value);

const badTags = () => invalidToken("The session tags in the token are not well formed.");
const invalidToken = (message: string, cause?: unknown) =>
  new ApiError("InvalidIdentityToken", message, { cause });
function expired(exp: number, now: Date): ApiError {
  const seconds = Math.trunc(now.getTime() / 1000);
  return new ApiError(
    "ExpiredTokenException",
    `Token expired: current date/time ${seconds} must be before the expiration date/time ${exp}`,
  );
}
