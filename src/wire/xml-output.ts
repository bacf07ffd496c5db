import { fieldsOf, itemsOf, scalarText, timeKinds } from "./output-value.ts";
import {
  shapeRow,
  wireNameOf,
  type ListRow,
  type MapRow,
  type MemberRow,
  type StructRow,
  type WireTable,
} from "./table.ts";
import { escapeXml } from "./xml-text.ts";

/** Gives the writers of outputs as XML: the elements of its members, without one around them. */
export function outputWriters(table: WireTable) {
  const writers: Writer[] = [];
  return { struct: ([, , members]: StructRow) => structWriter(members), value: writerOf, element };

  function writerOf(shape: number): Writer {
    return (writers[shape] ??= compile(shape));
  }

  function compile(shape: number): Writer {
    const row = shapeRow(table, shape);
    if (row[0] === "struct") return structWriter(row[2].filter(([, , , place]) => place !== "attribute"));
    if (row[0] === "union") return structWriter(row[1]);
    if (row[0] === "list") return listWriter(row);
    if (row[0] === "map") return mapWriter(row);
    const text = scalarText(row[0] === "enum" ? "string" : row[0]);
    return needsNoEscape.has(row[0]) ? text : (value) => escapeXml(text(value));
  }

  function structWriter(members: readonly MemberRow[]): Writer {
    // Members are compiled at first use: a struct may contain itself, and most members of most structs are never set.
    const elements: Writer[] = [];
    return keepingFrozen((fields) => {
      let xml = "";
      for (let i = 0; i < members.length; i++) {
        const member = members[i]!;
        const field = fields[member[0]];
        if (field !== undefined && field !== null)
          xml += (elements[i] ??= element(wireNameOf(member), member[1]))(field);
      }
      return xml;
    });
  }

  /** With its tags around it; a flat list is each of its items in them. `attributes` stand in the first. */
  function element(tag: string, shape: number, attributes = ""): Writer {
    const row = shapeRow(table, shape);
    if (row[0] === "list" && row[3]) return listWriter(row, tag);
    const write = writerOf(shape);
    const own = row[0] === "struct" && row[3] ? attributeWriter(row, row[3]) : undefined;
    const [open, close] = [`<${tag}${attributes}`, `</${tag}>`];
    return own
      ? (value) => `${open}${own(value)}>${write(value)}${close}`
      : (value) => `${open}>${write(value)}${close}`;
  }

  function attributeWriter([, , members]: StructRow, [prefix, uri]: readonly [string, string]): Writer {
    const attributes = members.filter(([, , , place]) => place === "attribute");
    return (value) => {
      const fields = fieldsOf(value);
      let text = ` xmlns:${prefix}="${uri}"`;
      for (const member of attributes) {
        const field = fields[member[0]];
        if (field !== undefined && field !== null)
          text += ` ${wireNameOf(member)}="${writerOf(member[1])(field)}"`;
      }
      return text;
    };
  }

  function listWriter([, shape, item]: ListRow, tag = item): Writer {
    const write = lazy(() => element(tag, shape));
    return (value) => {
      let xml = "";
      for (const each of itemsOf(value)) if (each !== undefined && each !== null) xml += write(each);
      return xml;
    };
  }

  function mapWriter([, shape, keyName, valueName]: MapRow): Writer {
    const write = lazy(() => element(valueName, shape));
    return (value) => {
      let xml = "";
      for (const [key, each] of Object.entries(fieldsOf(value)))
        if (each !== undefined && each !== null)
          xml += `<entry><${keyName}>${escapeXml(key)}</${keyName}>${write(each)}</entry>`;
      return xml;
    };
  }
}

/** What is frozen stays as it is, and so does what it looks like: it is written once. */
function keepingFrozen(write: (fields: Fields) => string): Writer {
  const kept = new WeakMap<object, string>();
  return (value) => {
    const fields = fieldsOf(value);
    if (!Object.isFrozen(fields)) return write(fields);
    const before = kept.get(fields);
    if (before !== undefined) return before;
    const xml = write(fields);
    kept.set(fields, xml);
    return xml;
  };
}

type Fields = ReturnType<typeof fieldsOf>;
type Writer = (value: unknown) => string;

const needsNoEscape: ReadonlySet<string> = new Set(["boolean", "integer", "float", "blob", ...timeKinds]);

function lazy(make: () => Writer): Writer {
  let made: Writer | undefined;
  return (value) => (made ??= make())(value);
}
