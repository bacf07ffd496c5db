import { createHash } from "node:crypto";
import { ApiError } from "#api/error.ts";
import type { XmlElement } from "#wire/xml-document.ts";
import { byArn } from "../iam/holder.ts";
import type { IamRecords } from "../iam/records.ts";
import { childrenOf, samlMetadata } from "../iam/saml-metadata.ts";
import type { FederatedIdentity } from "./federated-role.ts";
import { NotSigned, signedAssertion } from "./signed-assertion.ts";

/** What an assertion of a SAML provider says of its bearer. */
export interface SamlIdentity extends FederatedIdentity {
  readonly sessionName: string;
  /** As long as the assertion lets a session last; absent: it does not say. */
  readonly mostSeconds: number | undefined;
  readonly askedSeconds: number | undefined;
  readonly subjectType: string;
  readonly issuer: string;
  readonly nameQualifier: string;
}

interface Asked {
  readonly RoleArn: string;
  readonly PrincipalArn: string;
  readonly SAMLAssertion: string;
}

/**
 * The assertion, signed by the provider, for AWS, for this role, and in force. AWS, "Configure SAML assertions for the authentication response".
 * Throws InvalidIdentityToken, ExpiredTokenException, AccessDenied.
 */
export function samlIdentity(asked: Asked, records: IamRecords | undefined, now: Date): SamlIdentity {
  const { RoleArn, PrincipalArn } = asked;
  const provider = records && byArn("iam-saml-provider", PrincipalArn, records);
  if (!records || !provider) throw invalidToken("Specified provider doesn't exist");
  const { entityId, certificates } = samlMetadata(provider.metadata);
  const assertion = believed(asked.SAMLAssertion, certificates);
  const issuer = childrenOf(assertion, "Issuer").map(textOf).join();
  if (issuer !== entityId) throw invalidToken("Issuer not present in specified provider");
  checkTimes(assertion, now);
  const recipient = checkSubject(assertion, now);

  const attributes = attributesOf(assertion);
  const roles = attributes.get("Role") ?? [];
  if (!roles.some((it) => isPair(it, RoleArn, PrincipalArn)))
    throw new ApiError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", { status: 403 });
  const [sessionName] = attributes.get("RoleSessionName") ?? [];
  if (sessionName === undefined) throw invalidToken("RoleSessionName is required in AuthnResponse");
  if (!isName(sessionName))
    throw invalidToken("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}");
  const [sourceIdentity] = attributes.get("SourceIdentity") ?? [];
  if (sourceIdentity !== undefined && (!isName(sourceIdentity) || /^aws:/i.test(sourceIdentity)))
    throw invalidToken('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"');
  const nameId = childrenOf(assertion, "Subject").flatMap((it) => childrenOf(it, "NameID"))[0];
  const subject = nameId ? textOf(nameId) : "";
  if (subject === "") throw invalidToken("The subject of the assertion has no NameID.");
  const subjectType = (attributeOf(nameId, "Format") ?? "").replace(
    /^urn:oasis:names:tc:SAML:2\.0:nameid-format:(?=persistent$|transient$)/,
    "",
  );
  const doc = `${records.accountId}/${provider.name}`;
  const nameQualifier = createHash("sha1")
    .update(`${issuer}${records.accountId}/${provider.name}`)
    .digest("base64");
  return {
    provider: PrincipalArn,
    subject,
    audience: recipient,
    keys: {
      "saml:aud": recipient,
      "saml:iss": issuer,
      "saml:sub": subject,
      "saml:sub_type": subjectType,
      "saml:namequalifier": nameQualifier,
      "saml:doc": doc,
    },
    tags: [...attributes].flatMap(([name, values]) =>
      name.startsWith(tagPrefix) ? [{ Key: name.slice(tagPrefix.length), Value: onlyOne(name, values) }] : [],
    ),
    transitive: attributes.get("TransitiveTagKeys") ?? [],
    sourceIdentity,
    sessionName,
    askedSeconds: askedSeconds(attributes.get("SessionDuration")),
    mostSeconds: mostSeconds(assertion, now),
    subjectType,
    issuer,
    nameQualifier,
  };
}

function believed(encoded: string, certificates: readonly string[]): XmlElement {
  const bytes = Buffer.from(encoded, "base64");
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return signedAssertion(text, certificates);
  } catch (error) {
    if (error instanceof NotSigned || error instanceof TypeError || error instanceof ApiError)
      throw invalidToken("Response signature invalid", error);
    throw error;
  }
}

/** AWS: "Token must be redeemed within 5 minutes of issuance". */
const redeemedWithinMs = 300_000;
/** How far the provider's clock may be ahead. */
const skewMs = 60_000;

function checkTimes(assertion: XmlElement, now: Date): void {
  const issued = Date.parse(attributeOf(assertion, "IssueInstant") ?? "");
  if (Number.isNaN(issued) || issued > now.getTime() + skewMs)
    throw invalidToken("The assertion is not issued at a time that has come.");
  if (now.getTime() - issued >= redeemedWithinMs)
    throw expired("Token must be redeemed within 5 minutes of issuance");
  const [conditions, ...more] = childrenOf(assertion, "Conditions");
  if (!conditions || more.length > 0) throw invalidToken("Response does not contain the required audience.");
  const from = Date.parse(attributeOf(conditions, "NotBefore") ?? "1970-01-01T00:00:00Z");
  if (!(from <= now.getTime() + skewMs)) throw invalidToken("The assertion is not in force yet.");
  const until = attributeOf(conditions, "NotOnOrAfter");
  if (until !== undefined && !(Date.parse(until) > now.getTime()))
    throw expired("The assertion has expired.");
  const restrictions = childrenOf(conditions, "AudienceRestriction");
  const isForAws = (restriction: XmlElement) =>
    childrenOf(restriction, "Audience").some(
      (it) => isAws(textOf(it)) || textOf(it) === "urn:amazon:webservices",
    );
  if (restrictions.length === 0 || !restrictions.every(isForAws))
    throw invalidToken("Response does not contain the required audience.");
}

/** The recipient, which is AWS. */
function checkSubject(assertion: XmlElement, now: Date): string {
  const confirmations = childrenOf(assertion, "Subject").flatMap((it) =>
    childrenOf(it, "SubjectConfirmation"),
  );
  const [confirmation] = confirmations;
  const data = confirmation && childrenOf(confirmation, "SubjectConfirmationData")[0];
  const recipient = attributeOf(data, "Recipient") ?? "";
  if (
    confirmations.length !== 1 ||
    attributeOf(confirmation, "Method") !== "urn:oasis:names:tc:SAML:2.0:cm:bearer" ||
    !isAws(recipient)
  )
    throw invalidToken("The subject of the assertion is not confirmed to AWS.");
  if (!(Date.parse(attributeOf(data, "NotOnOrAfter") ?? "") > now.getTime()))
    throw expired("The confirmation of the assertion's subject has expired.");
  return recipient;
}

/** AWS's sign-in, of all regions or of one. */
const isAws = (url: string): boolean =>
  /^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/(static\/)?saml(\/acs\/[\w-]+)?$/.test(url);

/** Values by name, without what AWS's names begin with. */
function attributesOf(assertion: XmlElement): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const statement of childrenOf(assertion, "AttributeStatement"))
    for (const attribute of childrenOf(statement, "Attribute")) {
      const name = (attributeOf(attribute, "Name") ?? "").replace(
        "https://aws.amazon.com/SAML/Attributes/",
        "",
      );
      const values = childrenOf(attribute, "AttributeValue").map(textOf);
      found.set(name, [...(found.get(name) ?? []), ...values]);
    }
  return found;
}

/** A role and a provider, in either order. */
function isPair(text: string, role: string, provider: string): boolean {
  const parts = text.split(",").map((it) => it.trim());
  return parts.length === 2 && parts.includes(role) && parts.includes(provider);
}

function askedSeconds(values: readonly string[] | undefined): number | undefined {
  if (!values) return undefined;
  const seconds = Number(onlyOne("SessionDuration", values));
  if (!Number.isInteger(seconds) || seconds < 900 || seconds > 43_200)
    throw invalidToken("SessionDuration in AuthnResponse must be from 900 to 43200.");
  return seconds;
}

function mostSeconds(assertion: XmlElement, now: Date): number | undefined {
  const ends = childrenOf(assertion, "AuthnStatement").flatMap(
    (it) => attributeOf(it, "SessionNotOnOrAfter") ?? [],
  );
  if (ends.length === 0) return undefined;
  const seconds = Math.min(...ends.map((it) => Math.trunc((Date.parse(it) - now.getTime()) / 1000)));
  if (!(seconds > 0)) throw expired("The session of the assertion has ended.");
  return seconds;
}

function onlyOne(name: string, [value, ...more]: readonly string[]): string {
  if (value === undefined || more.length > 0)
    throw invalidToken(`${name} in AuthnResponse must have one value.`);
  return value;
}

const tagPrefix = "PrincipalTag:";
const isName = (text: string) => /^[\w+=,.@-]{2,64}$/.test(text);
const textOf = ({ text }: XmlElement): string => text.trim();
const attributeOf = (element: XmlElement | undefined, wanted: string): string | undefined =>
  element?.attributes.find(([name]) => name === wanted)?.[1];
const invalidToken = (message: string, cause?: unknown) =>
  new ApiError("InvalidIdentityToken", message, { cause });
const expired = (message: string) => new ApiError("ExpiredTokenException", message);
