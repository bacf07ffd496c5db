/**
 * The slim form of one AWS service's schemas, written by `tools/generate-wire.ts`. Input and output are kept apart: a
 * shape used in both directions has one row for each, so a member has one wire name, and what only input needs (required
 * members, enum values, integers told from other numbers) is not repeated for output.
 */
export interface WireTable {
  readonly protocol: "ec2-query" | "aws-query";
  /** The API version, a date. */
  readonly version: string;
  readonly xmlNamespace: string;
  /** By operation name: the indexes of its input and its output in `shapes`; null for none. */
  readonly operations: Readonly<Record<string, readonly [input: number | null, output: number | null]>>;
  readonly shapes: readonly ShapeRow[];
}

export type ShapeRow = ScalarRow | EnumRow | ListRow | MapRow | StructRow;

export type ScalarRow = readonly [kind: "string" | "boolean" | "integer" | "float" | "blob" | TimestampKind];
export type TimestampKind = "iso-time" | "http-time" | "epoch-time";
export type EnumRow = readonly [kind: "enum", values: readonly string[]];
/** `item` is the wire name of one element: an XML tag, or the word before the number in aws-query. */
export type ListRow = readonly [kind: "list", element: number, item: string];
export type MapRow = readonly [kind: "map", value: number, keyName: string, valueName: string];
/** The first `required` members must be present. */
export type StructRow = readonly [kind: "struct", required: number, members: readonly MemberRow[]];
/** The wire name is left out when it is the member's own. */
export type MemberRow = readonly [name: string, shape: number, wireName?: string];

export function shapeRow(table: WireTable, shape: number): ShapeRow {
  const row = table.shapes[shape];
  if (!row) throw new Error(`the table has no shape ${shape}`);
  return row;
}
