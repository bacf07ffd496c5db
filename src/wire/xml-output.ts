import { shapeRow, type EnumRow, type MemberRow, type ScalarRow, type WireTable } from "./table.ts";
import { escapeXml } from "./xml-text.ts";

/** Gives the writer of an operation's output: the elements of its members, without one around them. */
export function outputWriters(table: WireTable) {
  const writers: Writer[] = [];
  return writerOf;

  function writerOf(shape: number): Writer {
    return (writers[shape] ??= compile(shape));
  }

  function compile(shape: number): Writer {
    const row = shapeRow(table, shape);
    if (row[0] === "struct") return structWriter(row[2]);
    if (row[0] === "list") return listWriter(row[1], row[2]);
    return row[0] === "map" ? mapWriter(row[1], row[2], row[3]) : scalars[row[0]];
  }

  function structWriter(members: readonly MemberRow[]): Writer {
    // Members are compiled at first use: a struct may contain itself, and most members of most structs are never set.
    const elements: Writer[] = [];
    return (value) => {
      const fields = fieldsOf(value);
      let xml = "";
      for (let i = 0; i < members.length; i++) {
        const [name, shape, wireName = name] = members[i]!;
        const field = fields[name];
        if (field !== undefined && field !== null) xml += (elements[i] ??= element(wireName, shape))(field);
      }
      return xml;
    };
  }

  function element(tag: string, shape: number): Writer {
    const [open, write, close] = [`<${tag}>`, writerOf(shape), `</${tag}>`];
    return (value) => open + write(value) + close;
  }

  function listWriter(shape: number, item: string): Writer {
    const write = lazy(() => element(item, shape));
    return (value) => {
      let xml = "";
      for (const each of itemsOf(value)) if (each !== undefined && each !== null) xml += write(each);
      return xml;
    };
  }

  function mapWriter(shape: number, keyName: string, valueName: string): Writer {
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

type Writer = (value: unknown) => string;

const scalars: Readonly<Record<ScalarRow[0] | EnumRow[0], Writer>> = {
  string: (value) => escapeXml(String(value)),
  enum: (value) => escapeXml(String(value)),
  boolean: String,
  integer: String,
  float: String,
  blob: (value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : wrong("bytes", value),
  "iso-time": (value) => dateOf(value).toISOString(),
  "http-time": (value) => dateOf(value).toUTCString(),
  "epoch-time": (value) => String(dateOf(value).getTime() / 1000),
};

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : wrong("an object", value);
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : wrong("a list", value);
}

function dateOf(value: unknown): Date {
  return value instanceof Date ? value : wrong("a Date", value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object";
}

function wrong(wanted: string, value: unknown): never {
  throw new TypeError(`an answer holds ${typeof value} where AWS has ${wanted}`);
}

function lazy(make: () => Writer): Writer {
  let made: Writer | undefined;
  return (value) => (made ??= make())(value);
}
