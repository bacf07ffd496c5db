import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignedXml } from "xml-crypto";
import { temporaryDirectory, type Undone } from "./temporary-directory.ts";

export type TestSamlProvider = Awaited<ReturnType<typeof makeSamlProvider>>;

const exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
const aws = "https://aws.amazon.com/SAML/Attributes/";
export const signIn = "https://signin.aws.amazon.com/saml";

/** A SAML identity provider: its metadata, and responses that it signs. */
export async function makeSamlProvider(t: Undone, entityId = "https://idp.example.com/saml") {
  const dir = await temporaryDirectory(t);
  const [keyFile, certFile, metadataFile] = [join(dir, "key"), join(dir, "cert"), join(dir, "metadata.xml")];
  const making = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=idp -keyout ${keyFile} -out ${certFile}`;
  execFileSync("openssl", making.split(" "), { stdio: "ignore" });
  const [privateKey, publicCert] = [readFileSync(keyFile, "utf8"), readFileSync(certFile, "utf8")];
  const base64 = publicCert.replaceAll(/-----.*-----|\s/g, "");
  const metadata =
    `<?xml version="1.0"?>\n<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}">` +
    `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">` +
    `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${base64}</ds:X509Certificate>` +
    `</ds:X509Data></ds:KeyInfo></md:KeyDescriptor></md:IDPSSODescriptor></md:EntityDescriptor>`;
  writeFileSync(metadataFile, metadata);

  /** With its signature after the issuer of what is signed. */
  function sign(xml: string, what: "Assertion" | "Response" = "Assertion", by: SigningOptions = {}): string {
    const { digest = "http://www.w3.org/2001/04/xmlenc#sha256", ...more } = by;
    const signer = new SignedXml({
      privateKey,
      publicCert,
      canonicalizationAlgorithm: exclusive,
      signatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
      ...more,
    });
    const xpath = `//*[local-name(.)='${what}']`;
    const transforms = ["http://www.w3.org/2000/09/xmldsig#enveloped-signature", exclusive];
    signer.addReference({ xpath, transforms, digestAlgorithm: digest });
    const location = { reference: `${xpath}/*[local-name(.)='Issuer']`, action: "after" as const };
    signer.computeSignature(xml, { prefix: "ds", location });
    return signer.getSignedXml();
  }
  return {
    entityId,
    metadata,
    metadataFile,
    sign,
    response: (about: AssertionFacts) => unsignedResponse({ entityId, ...about }),
    /** As AssumeRoleWithSAML takes it. */
    assertion: (about: AssertionFacts): string => encoded(sign(unsignedResponse({ entityId, ...about }))),
  };
}

export const encoded = (xml: string): string => Buffer.from(xml).toString("base64");

type SigningOptions = Partial<ConstructorParameters<typeof SignedXml>[0]> & { readonly digest?: string };

interface AssertionFacts {
  /** ARNs: whose role it is for, and as whose assertion. */
  readonly role: string;
  readonly provider: string;
  readonly entityId?: string;
  readonly subject?: string;
  readonly audience?: string;
  readonly recipient?: string;
  /** When it was issued; it is good for five minutes. */
  readonly issued?: Date;
  readonly until?: Date;
  readonly sessionName?: string | undefined;
  /** Further ones, by AWS's names. */
  readonly attributes?: Readonly<Record<string, readonly string[]>>;
  readonly sessionUntil?: Date;
}

function unsignedResponse({
  role,
  provider,
  entityId = "",
  subject = "ada",
  audience = signIn,
  recipient = signIn,
  issued = new Date(),
  until = new Date(issued.getTime() + 300_000),
  sessionName = "ada",
  attributes = {},
  sessionUntil,
}: AssertionFacts): string {
  const said = { Role: [`${role},${provider}`], RoleSessionName: [sessionName], ...attributes };
  const written = Object.entries(said).map(
    ([name, values]) =>
      `<saml:Attribute Name="${aws}${name}">${values.map((it) => `<saml:AttributeValue>${it}</saml:AttributeValue>`).join("")}</saml:Attribute>`,
  );
  const at = issued.toISOString();
  const end = sessionUntil ? ` SessionNotOnOrAfter="${sessionUntil.toISOString()}"` : "";
  const issuer = `<saml:Issuer>${entityId}</saml:Issuer>`;
  return (
    `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="response" Version="2.0" IssueInstant="${at}">` +
    `${issuer}<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` +
    `<saml:Assertion ID="assertion" Version="2.0" IssueInstant="${at}">${issuer}` +
    `<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${subject}</saml:NameID>` +
    `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${until.toISOString()}" Recipient="${recipient}"/></saml:SubjectConfirmation></saml:Subject>` +
    `<saml:Conditions NotBefore="${at}" NotOnOrAfter="${until.toISOString()}"><saml:AudienceRestriction><saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
    `<saml:AuthnStatement AuthnInstant="${at}"${end}/>` +
    `<saml:AttributeStatement>${written.join("")}</saml:AttributeStatement></saml:Assertion></samlp:Response>`
  );
}
