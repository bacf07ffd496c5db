import { fieldsOf, isObject, itemsOf, scalarText, timeKinds } from "./output-value.ts";
import {
  shapeRow,
  wireNameOf,
  type ListRow,
  type MapRow,
  type MemberRow,
  type StructRow,
  type WireTable,
} from "./table.ts";
import { XmlBody } from "./xml-body.ts";
import { escapeXml } from "./xml-text.ts";

/** Adds a value to an answer. */
export type XmlWriter = (value: unknown, to: XmlBody) => void;

/** Gives the writers of outputs as XML: the elements of its members, without one around them. */
export function outputWriters(table: WireTable) {
  const writers: XmlWriter[] = [];
  return { struct: ([, , members]: StructRow) => structWriter(members), value: writerOf, element };

  function writerOf(shape: number): XmlWriter {
    return (writers[shape] ??= compile(shape));
  }

  function compile(shape: number): XmlWriter {
    const row = shapeRow(table, shape);
    if (row[0] === "struct") return structWriter(row[2].filter(([, , , place]) => place !== "attribute"));
    if (row[0] === "union") return structWriter(row[1]);
    if (row[0] === "list") return listWriter(row);
    if (row[0] === "map") return mapWriter(row);
    const text = scalarText(row[0] === "enum" ? "string" : row[0]);
    return needsNoEscape.has(row[0])
      ? (value, to) => to.add(text(value))
      : (value, to) => to.add(escapeXml(text(value)));
  }

  function structWriter(members: readonly MemberRow[]): XmlWriter {
    // Members are compiled at first use: a struct may contain itself, and most members of most structs are never set.
    const elements: XmlWriter[] = [];
    return (value, to) => {
      const fields = fieldsOf(value);
      for (let i = 0; i < members.length; i++) {
        const member = members[i]!;
        const field = fields[member[0]];
        if (field !== undefined && field !== null)
          (elements[i] ??= element(wireNameOf(member), member[1]))(field, to);
      }
    };
  }

  /** With its tags around it; a flat list is each of its items in them. `attributes` stand in the first. */
  function element(tag: string, shape: number, attributes = ""): XmlWriter {
    const row = shapeRow(table, shape);
    if (row[0] === "list" && row[3]) return listWriter(row, tag);
    const write = writerOf(shape);
    const own = row[0] === "struct" && row[3] ? attributeWriter(row, row[3]) : undefined;
    const [open, close] = [`<${tag}${attributes}`, `</${tag}>`];
    return keepingFrozen((value, to) => {
      to.add(open);
      own?.(value, to);
      to.add(">");
      write(value, to);
      to.add(close);
    });
  }

  function attributeWriter([, , members]: StructRow, [prefix, uri]: readonly [string, string]): XmlWriter {
    const attributes = members.filter(([, , , place]) => place === "attribute");
    return (value, to) => {
      const fields = fieldsOf(value);
      to.add(` xmlns:${prefix}="${uri}"`);
      for (const member of attributes) {
        const field = fields[member[0]];
        if (field === undefined || field === null) continue;
        to.add(` ${wireNameOf(member)}="`);
        writerOf(member[1])(field, to);
        to.add('"');
      }
    };
  }

  function listWriter([, shape, item]: ListRow, tag = item): XmlWriter {
    const write = lazy(() => element(tag, shape));
    return (value, to) => {
      for (const each of itemsOf(value)) if (each !== undefined && each !== null) write(each, to);
    };
  }

  function mapWriter([, shape, keyName, valueName]: MapRow): XmlWriter {
    const write = lazy(() => element(valueName, shape));
    return (value, to) => {
      for (const [key, each] of Object.entries(fieldsOf(value))) {
        if (each === undefined || each === null) continue;
        to.add(`<entry><${keyName}>${escapeXml(key)}</${keyName}>`);
        write(each, to);
        to.add("</entry>");
      }
    };
  }
}

/** What is frozen stays as it is, and so does what it looks like: it is written once. */
function keepingFrozen(write: XmlWriter): XmlWriter {
  const kept = new WeakMap<object, Buffer>();
  return (value, to) => {
    if (!isObject(value) || !Object.isFrozen(value)) return write(value, to);
    let bytes = kept.get(value);
    if (!bytes) {
      const body = new XmlBody();
      write(value, body);
      const whole = body.whole();
      bytes = typeof whole === "string" ? Buffer.from(whole) : Buffer.concat(whole);
      kept.set(value, bytes);
    }
    to.addBytes(bytes);
  };
}

const needsNoEscape: ReadonlySet<string> = new Set(["boolean", "integer", "float", "blob", ...timeKinds]);

function lazy(make: () => XmlWriter): XmlWriter {
  let made: XmlWriter | undefined;
  return (value, to) => (made ??= make())(value, to);
}
