import { bytesOf, fieldsOf, itemsOf, timeKinds, timeOf } from "./output-value.ts";
import {
  shapeRow,
  wireNameOf,
  type MemberRow,
  type ScalarKind,
  type StructRow,
  type WireTable,
} from "./table.ts";

/** What JSON and CBOR write differently. */
export interface DocumentForm {
  blob(bytes: Uint8Array): unknown;
  time(time: Date, kind: ScalarKind): unknown;
  float(value: number): unknown;
}

type Writer = (value: unknown) => unknown;

/** Gives the writers of outputs as plain values that JSON or CBOR can say. */
export function documentWriters(table: WireTable, form: DocumentForm) {
  const writers: Writer[] = [];
  return { struct: ([, , members]: StructRow) => structWriter(members), value: writerOf };

  function writerOf(shape: number): Writer {
    return (writers[shape] ??= compile(shape));
  }

  function compile(shape: number): Writer {
    const row = shapeRow(table, shape);
    if (row[0] === "struct") return structWriter(row[2]);
    if (row[0] === "union") return structWriter(row[1]);
    if (row[0] === "list")
      return (value) =>
        itemsOf(value)
          .filter(isPresent)
          .map((item) => writerOf(row[1])(item));
    if (row[0] === "map")
      return (value) =>
        Object.fromEntries(
          Object.entries(fieldsOf(value))
            .filter(([, each]) => isPresent(each))
            .map(([key, each]) => [key, writerOf(row[1])(each)]),
        );
    return row[0] === "enum" ? String : scalarWriter(row[0]);
  }

  function structWriter(members: readonly MemberRow[]): Writer {
    return (value) => {
      const fields = fieldsOf(value);
      const document: Record<string, unknown> = {};
      for (const member of members) {
        const field = fields[member[0]];
        if (isPresent(field)) document[wireNameOf(member)] = writerOf(member[1])(field);
      }
      return document;
    };
  }

  function scalarWriter(kind: ScalarKind): Writer {
    if (timeKinds.has(kind)) return (value) => form.time(timeOf(value), kind);
    if (kind === "blob") return (value) => form.blob(bytesOf(value));
    if (kind === "float" || kind === "integer") return (value) => form.float(Number(value));
    return kind === "string" ? String : (value) => value;
  }
}

const isPresent = (value: unknown) => value !== undefined && value !== null;
