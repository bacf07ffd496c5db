import type { InputDialect, InputSource } from "./input-readers.ts";
import { parseScalar, wantedWord } from "./scalar-text.ts";
import type { XmlElement } from "./xml-document.ts";

/** All elements of one name in one place, or the text of one attribute. */
export type XmlNode = readonly XmlElement[];

/** The notation of XML bodies. */
export function xmlSource(dialect: InputDialect): InputSource<XmlNode> {
  return {
    members(node) {
      const members = new Map<string, XmlElement[]>();
      for (const element of node) {
        for (const [name, text] of element.attributes)
          members.set(name, [{ name, attributes: [], children: [], text }]);
        for (const child of element.children) {
          const same = members.get(child.name);
          if (same) same.push(child);
          else members.set(child.name, [child]);
        }
      }
      return members;
    },
    items(node, path, [, , item, flat]) {
      const items = flat
        ? node
        : node.flatMap(({ children }) => children.filter(({ name }) => name === item));
      return items.map((each, index) => [[each], `${path}.${index + 1}`]);
    },
    entries(node, path, [, , keyName, valueName]) {
      const entries = node.flatMap(({ children }) => children.filter(({ name }) => name === "entry"));
      return entries.map(({ children }, index) => {
        const at = `${path}.${index + 1}`;
        const key = children.find(({ name }) => name === keyName)?.text;
        if (key === undefined) throw dialect.missing(`${at}.${keyName}`);
        return [key, children.filter(({ name }) => name === valueName), `${at}.${valueName}`];
      });
    },
    scalar(node, path, kind) {
      const element = node.at(-1);
      const value = element && element.children.length === 0 ? parseScalar(element.text, kind) : undefined;
      if (value === undefined)
        throw dialect.invalid(path, element?.text.slice(0, 128) ?? "", wantedWord[kind]);
      return value;
    },
  };
}
