/** What Croft uses of @xmldom/xmldom, whose own types bring the whole of a browser's with them. */
export interface DomElement {
  readonly localName: string;
  readonly namespaceURI: string | null;
  readonly parentNode: object | null;
  readonly attributes: ArrayLike<{ readonly name: string; readonly value: string }>;
  getAttribute(name: string): string;
  getElementsByTagNameNS(namespace: string, name: string): ArrayLike<DomElement>;
}
export interface DomDocument {
  readonly documentElement: DomElement | null;
  getElementsByTagNameNS(namespace: string, name: string): ArrayLike<DomElement>;
}
export declare class DOMParser {
  constructor(options: { readonly errorHandler: (level: string, message: string) => void });
  parseFromString(text: string, type: "text/xml"): DomDocument;
}
