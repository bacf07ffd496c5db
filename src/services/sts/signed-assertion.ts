import { DOMParser, type DomDocument, type DomElement } from "@xmldom/xmldom";
import { SignedXml } from "xml-crypto";
import { parseXml, type XmlElement } from "#wire/xml-document.ts";
import { childrenOf } from "../iam/saml-metadata.ts";

/** Why a SAML response is not believed. */
export class NotSigned extends Error {}

/**
 * The one assertion of a SAML 2.0 response, read out of the very bytes that one of the certificates vouches for, and of nothing beside them:
 * what else stands in the response cannot take its place. Throws `NotSigned`.
 */
export function signedAssertion(response: string, certificates: readonly string[]): XmlElement {
  const document = wellFormed(response);
  const root = document.documentElement;
  if (root?.namespaceURI !== protocol || root.localName !== "Response")
    throw new NotSigned("it is no SAML response");
  const [assertion, ...more] = Array.from(document.getElementsByTagNameNS(saml, "Assertion"));
  if (!assertion || more.length > 0 || assertion.parentNode !== root)
    throw new NotSigned("it does not hold exactly one assertion that is not encrypted");
  refuseSameIds(document);
  const signatures = Array.from(document.getElementsByTagNameNS(dsig, "Signature"));
  const ofAssertion = signatures.filter((it) => it.parentNode === assertion);
  const ofResponse = signatures.filter((it) => it.parentNode === root);
  if (
    signatures.length === 0 ||
    ofAssertion.length > 1 ||
    ofResponse.length > 1 ||
    ofAssertion.length + ofResponse.length < signatures.length
  )
    throw new NotSigned("it is not signed once, as a whole or in its assertion");
  const whole = ofResponse.map((it) => vouchedFor(it, root, response, certificates))[0];
  const part = ofAssertion.map((it) => vouchedFor(it, assertion, response, certificates))[0];
  if (part) return part;
  const [only, ...others] = whole ? childrenOf(whole, "Assertion") : [];
  if (!only || others.length > 0) throw new NotSigned("it does not hold exactly one assertion");
  return only;
}

const protocol = "urn:oasis:names:tc:SAML:2.0:protocol";
const saml = "urn:oasis:names:tc:SAML:2.0:assertion";
const dsig = "http://www.w3.org/2000/09/xmldsig#";
const exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
const enveloped = `${dsig}enveloped-signature`;

/** Nothing but elements and text: no document types, no instructions, and no comments, which readers pass over in ways of their own. */
function wellFormed(text: string): DomDocument {
  const body = text.replace(/^\uFEFF?<\?xml[^>]*\?>/, "").trim();
  if (/<[!?]/.test(body) || !body.startsWith("<") || !body.endsWith(">"))
    throw new NotSigned("it holds more than elements and text");
  const fail = (_level: string, message: string): never => {
    throw new NotSigned(`it is not well formed: ${message}`);
  };
  try {
    return new DOMParser({ errorHandler: fail }).parseFromString(text, "text/xml");
  } catch (error) {
    throw error instanceof NotSigned ? error : new NotSigned("it is not well formed", { cause: error });
  }
}

/** A signature names what it is of by an ID: it must be of one thing only, by whatever attribute it is looked for. */
function refuseSameIds(document: DomDocument): void {
  const seen = new Set<string>();
  for (const element of Array.from(document.getElementsByTagNameNS("*", "*")))
    for (const { name, value } of Array.from(element.attributes)) {
      if (name.toLowerCase() !== "id" && !name.toLowerCase().endsWith(":id")) continue;
      if (seen.has(value)) throw new NotSigned("two of its elements have one ID");
      seen.add(value);
    }
}

/** What the signature is of, as it was signed. */
function vouchedFor(
  signature: DomElement,
  of: DomElement,
  response: string,
  certificates: readonly string[],
): XmlElement {
  const id = of.getAttribute("ID");
  const within = (name: string) => Array.from(signature.getElementsByTagNameNS(dsig, name));
  const [reference, ...references] = within("Reference");
  const algorithms = (name: string) => within(name).map((it) => it.getAttribute("Algorithm"));
  if (
    id === "" ||
    within("SignedInfo").length !== 1 ||
    within("Object").length > 0 ||
    references.length > 0 ||
    reference?.getAttribute("URI") !== `#${id}` ||
    !algorithms("Transform").every((it) => it === enveloped || it === exclusive) ||
    !algorithms("CanonicalizationMethod").every((it) => it === exclusive) ||
    !algorithms("SignatureMethod").every((it) => /#(rsa-sha(256|384|512)|sha256-rsa-MGF1)$/.test(it)) ||
    !algorithms("DigestMethod").every((it) => /#sha(256|384|512)$/.test(it))
  )
    throw new NotSigned("its signature is not of it, or by means that are not believed");
  for (const certificate of certificates) {
    const bytes = verifiedBytes(signature, response, certificate);
    if (bytes === undefined) continue;
    const signed = parseXml(bytes);
    const isOf = signed.attributes.some(([name, value]) => name === "ID" && value === id);
    if (signed.name === of.localName && isOf) return signed;
  }
  throw new NotSigned("its signature does not hold");
}

function verifiedBytes(signature: DomElement, response: string, certificate: string): string | undefined {
  // What the response itself says of keys is not asked.
  const verifier = new SignedXml({ publicCert: certificate, getCertFromKeyInfo: () => null });
  try {
    verifier.loadSignature(signature);
    if (!verifier.checkSignature(response)) return undefined;
    const signed = verifier.getSignedReferences();
    return signed.length === 1 ? signed[0] : undefined;
  } catch {
    return undefined;
  }
}
