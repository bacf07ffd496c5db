import { X509Certificate } from "node:crypto";
import { parseXml, type XmlElement } from "#wire/xml-document.ts";
import { invalidInput } from "./errors.ts";

/** What a SAML identity provider says of itself. */
export interface SamlMetadata {
  /** What its assertions name as their issuer. */
  readonly entityId: string;
  /** PEM: of the keys that it signs with. */
  readonly certificates: readonly string[];
}

/** Of a SAML 2.0 metadata document of one provider. Throws InvalidInput. */
export function samlMetadata(document: string): SamlMetadata {
  try {
    const root = parseXml(document);
    const entityId = root.attributes.find(([name]) => name === "entityID")?.[1] ?? "";
    const certificates = childrenOf(root, "IDPSSODescriptor")
      .flatMap((it) => childrenOf(it, "KeyDescriptor"))
      .filter(({ attributes }) => attributes.every(([name, value]) => name !== "use" || value === "signing"))
      .flatMap((it) => descendantsOf(it, "X509Certificate"))
      .map(({ text }) => new X509Certificate(Buffer.from(text, "base64")).toString());
    if (root.name === "EntityDescriptor" && entityId !== "" && certificates.length > 0)
      return { entityId, certificates };
  } catch {
    // Told below.
  }
  throw invalidInput("Could not parse metadata.");
}

export const childrenOf = ({ children }: XmlElement, name: string): XmlElement[] =>
  children.filter((it) => it.name === name);

function descendantsOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap((it) => (it.name === name ? [it] : descendantsOf(it, name)));
}
