/**
 * The slim form of one AWS service's schemas, written by `tools/generate-wire.ts`. Input and output are kept apart: a
 * shape used in both directions has one row for each, so a member has one wire name, and what only input needs (required
 * members, enum values, integers told from other numbers) is not repeated for output.
 */
export interface WireTable {
  /** All that the service understands. The first is its own: requests that are in none of them are answered in it. */
  readonly protocols: readonly [ProtocolName, ...ProtocolName[]];
  /** The API version, a date. */
  readonly version: string;
  readonly xmlNamespace?: string;
  /** The code of input that breaks its schema, where it is not the protocol's. */
  readonly validationCode?: string;
  /** What `x-amz-target` and the paths of rpc-cbor call the service. */
  readonly target?: string;
  readonly operations: Readonly<Record<string, OperationRow>>;
  /** The query protocol's code of each error whose name is another. */
  readonly errorCodes?: Readonly<Record<string, string>>;
  readonly shapes: readonly ShapeRow[];
}

export type ProtocolName =
  | "ec2-query"
  | "aws-query"
  | "aws-json-1.0"
  | "aws-json-1.1"
  | "rpc-cbor"
  | "rest-json"
  | "rest-xml";

/** Indexes of input and output in `shapes`; null for none. The REST protocols alone have `http`. */
export type OperationRow = readonly [input: number | null, output: number | null, http?: HttpRow];

/** `uri` is Smithy's: `/{Bucket}/{Key+}?uploads`. `root` is the XML element around an output without payload. */
export type HttpRow = readonly [method: string, uri: string, status: number, root?: string];

export type ShapeRow = ScalarRow | EnumRow | ListRow | MapRow | StructRow | UnionRow | BoundedRow;

export type ScalarKind =
  | "string"
  | "boolean"
  | "integer"
  | "float"
  | "blob"
  | "document"
  /** Bytes that may be too many to hold at once. */
  | "stream"
  /** A stream of events, which Croft does not speak. */
  | "events"
  | TimestampKind;
/** "time" is written as the protocol writes times by default. */
export type TimestampKind = "time" | "iso-time" | "http-time" | "epoch-time";

export type ScalarRow = readonly [kind: ScalarKind];
export type EnumRow = readonly [kind: "enum", values: readonly string[]];
/**
 * `item` is the wire name of one element: an XML tag, or the word before the number in aws-query. A flat list has no element
 * around it: the member's own tag is repeated.
 */
export type ListRow = readonly [kind: "list", element: number, item: string, flat?: "flat"];
export type MapRow = readonly [
  kind: "map",
  value: number,
  keyName: string,
  valueName: string,
  keyLength?: Bounds,
];
/** The first `required` members must be present. `namespace` is of the XML attributes among the members. */
export type StructRow = readonly [
  kind: "struct",
  required: number,
  members: readonly MemberRow[],
  namespace?: readonly [prefix: string, uri: string],
];
/** A structure of which exactly one member is present. */
export type UnionRow = readonly [kind: "union", members: readonly MemberRow[]];
/** What its shape takes only within bounds; of a secret nothing is repeated to the caller. Only input has such. */
export type BoundedRow = readonly [kind: "bounded", shape: number, bounds: Bounds, secret?: "secret"];
/** Of a number's value, or of a length; both included. */
export type Bounds = readonly [min: number | null, max: number | null];
/** The wire name is left out when it is the member's own. */
export type MemberRow = readonly [name: string, shape: number, wireName?: string | null, place?: MemberPlace];
/** Where a member stands that is not in the body; "headers" are all with the wire name as prefix. */
export type MemberPlace = "header" | "headers" | "query" | "label" | "payload" | "attribute";

/** What it is, within its bounds if it has any. */
export function shapeRow(table: WireTable, shape: number): Exclude<ShapeRow, BoundedRow> {
  const row = rowAt(table, shape);
  return row[0] === "bounded" ? shapeRow(table, row[1]) : row;
}

/** Undefined for a shape without bounds. */
export function boundedRow(table: WireTable, shape: number): BoundedRow | undefined {
  const row = rowAt(table, shape);
  return row[0] === "bounded" ? row : undefined;
}

function rowAt(table: WireTable, shape: number): ShapeRow {
  const row = table.shapes[shape];
  if (!row) throw new Error(`the table has no shape ${shape}`);
  return row;
}

/** An operation's input or output: a structure, empty when the table has none. */
export function structRow(table: WireTable, shape: number | null | undefined): StructRow {
  const row = typeof shape === "number" ? shapeRow(table, shape) : noMembers;
  if (row[0] !== "struct") throw new Error(`shape ${shape} is no structure`);
  return row;
}

const noMembers: StructRow = ["struct", 0, []];

export const wireNameOf = ([name, , wireName]: MemberRow): string => wireName ?? name;
