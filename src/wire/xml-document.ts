import { ApiError } from "#api/error.ts";

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  /** With their prefixes. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly children: XmlElement[];
  /** Of this element alone; white space as it stands. */
  text: string;
}

/**
 * Reads as much of XML 1.0 as AWS's clients send, into its root element. There are no document types, so no entities but the
 * five of XML and numbers. Throws MalformedXML.
 */
export function parseXml(document: string): XmlElement {
  const holder: XmlElement = { name: "", attributes: [], children: [], text: "" };
  const open: XmlElement[] = [holder];
  let at = 0;
  for (; at < document.length;) {
    const inside = open.at(-1)!;
    const next = document.indexOf("<", at);
    const end = next < 0 ? document.length : next;
    if (end > at) inside.text += unescapeXml(document.slice(at, end));
    at = end;
    if (next < 0) break;
    if (document.startsWith("<!--", at)) at = past("-->", at + 4);
    else if (document.startsWith("<?", at)) at = past("?>", at + 2);
    else if (document.startsWith("<![CDATA[", at)) {
      const close = past("]]>", at + 9);
      inside.text += document.slice(at + 9, close - 3);
      at = close;
    } else at = tag(inside);
  }
  const [root, second] = holder.children;
  if (!root || second || open.length > 1 || holder.text.trim() !== "") throw malformed();
  return root;

  function past(word: string, from: number): number {
    const found = document.indexOf(word, from);
    if (found < 0) throw malformed();
    return found + word.length;
  }

  function tag(inside: XmlElement): number {
    const closing = /<\/([^\s<>/]+)\s*>/y;
    closing.lastIndex = at;
    const closed = closing.exec(document);
    if (closed) {
      if (open.length === 1 || localName(closed[1]!) !== inside.name) throw malformed();
      open.pop();
      return closing.lastIndex;
    }
    const opening = /<([A-Za-z_][^\s<>/=]*)((?:\s+[^\s<>/="']+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
    opening.lastIndex = at;
    const opened = opening.exec(document);
    if (!opened || open.length > depthLimit) throw malformed();
    const [, name = "", attributes = "", empty] = opened;
    const element: XmlElement = {
      name: localName(name),
      attributes: attributesOf(attributes),
      children: [],
      text: "",
    };
    inside.children.push(element);
    if (!empty) open.push(element);
    return opening.lastIndex;
  }
}

const depthLimit = 64;

function attributesOf(text: string): [string, string][] {
  return [...text.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)]
    .map(([, name = "", double, single]): [string, string] => [name, unescapeXml(double ?? single ?? "")])
    .filter(([name]) => name !== "xmlns" && !name.startsWith("xmlns:"));
}

const localName = (name: string) => name.slice(name.indexOf(":") + 1);

function unescapeXml(text: string): string {
  const lines = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  if (!lines.includes("&")) return lines;
  return lines.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));|&/g, (_, decimal, hex, name) => {
    if (name !== undefined) return entities.get(name) ?? fail();
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : fail();
  });
}

const entities = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

function fail(): never {
  throw malformed();
}

const malformed = () =>
  new ApiError(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );
