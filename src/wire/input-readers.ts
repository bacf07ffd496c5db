import type { ApiError } from "#api/error.ts";
import { bothBounds, brokenBound, isWithin } from "./bounds.ts";
import {
  boundedRow,
  shapeRow,
  wireNameOf,
  type BoundedRow,
  type Bounds,
  type ListRow,
  type MapRow,
  type MemberRow,
  type ScalarKind,
  type StructRow,
  type WireTable,
} from "./table.ts";
import type { Violations } from "./validation-error.ts";

/** What a protocol says of input that is wrong. `path` names the place: "Filter.1.Name". */
export interface InputDialect {
  /** Absent: members that are not known are ignored. */
  unknown?(name: string): ApiError;
  missing(path: string): ApiError;
  invalid(path: string, value: string, wanted: string): ApiError;
  notInEnum(path: string, value: string, values: readonly string[]): ApiError;
  /** Undefined: the operations themselves tell of this. */
  outOfBounds(path: string, excess: Excess): ApiError | undefined;
  /** Takes what is missing, in no enum or out of bounds; absent: the first of it is thrown. */
  readonly violations?: Violations;
}

/** Throws, or leaves the error to be told with others. */
export function refuse({ violations }: InputDialect, error: ApiError | undefined): void {
  if (!error) return;
  if (!violations) throw error;
  violations.add(error);
}

/** One whole input. */
export const readWhole = <Result>({ violations }: InputDialect, read: () => Result): Result =>
  violations ? violations.toldAfter(read) : read();

export interface Excess {
  /** Undefined: it is a secret. */
  readonly value: unknown;
  readonly bounds: Bounds;
  /** "Member must have length less than or equal to 10" */
  readonly constraint: string;
}

/** How values of one notation (parameters, JSON, XML …) are taken apart. Throws errors of the dialect it was made with. */
export interface InputSource<Node> {
  members(node: Node, path: string): Iterable<readonly [wireName: string, member: Node]>;
  items(node: Node, path: string, row: ListRow): Iterable<readonly [item: Node, path: string]>;
  entries(node: Node, path: string, row: MapRow): Iterable<readonly [key: string, value: Node, path: string]>;
  /** Undefined for what is not there. */
  scalar(node: Node, path: string, kind: ScalarKind): unknown;
}

export type Input = Record<string, unknown>;
export type Reader<Node, Value = unknown> = (node: Node, path?: string, depth?: number) => Value;

export interface InputReaders<Node> {
  /** The same reader for the same row. */
  struct(row: StructRow): Reader<Node, Input>;
  value(shape: number): Reader<Node>;
}

/** No input of AWS goes deeper but by schemas that contain themselves. */
const depthLimit = 64;

/** The one way from any notation to an operation's input: typed, with what is required, enums and bounds checked. */
export function inputReaders<Node>(
  table: WireTable,
  dialect: InputDialect,
  source: InputSource<Node>,
): InputReaders<Node> {
  const readers: Reader<Node>[] = [];
  const structs = new Map<StructRow, Reader<Node, Input>>();
  return { struct, value: readerOf };

  function struct(row: StructRow): Reader<Node, Input> {
    const made = structs.get(row) ?? structReader(row[1], row[2]);
    structs.set(row, made);
    return made;
  }

  function readerOf(shape: number): Reader<Node> {
    return (readers[shape] ??= compile(shape));
  }

  function compile(shape: number): Reader<Node> {
    const bounded = boundedRow(table, shape);
    if (bounded) return boundedReader(bounded);
    const row = shapeRow(table, shape);
    if (row[0] === "struct") return structReader(row[1], row[2]);
    if (row[0] === "union") return unionReader(row[1]);
    if (row[0] === "list") return listReader(row);
    if (row[0] === "map") return mapReader(row);
    if (row[0] === "enum") return enumReader(row[1]);
    const [kind] = row;
    return (node, path = "") => source.scalar(node, path, kind);
  }

  function structReader(required: number, members: readonly MemberRow[]): Reader<Node, Input> {
    const byWireName = new Map(members.map((member) => [wireNameOf(member), member]));
    const needed = members.slice(0, required);
    return (node, path = "", depth = 0) => {
      const input: Input = {};
      const prefix = path && `${path}.`;
      for (const [key, part] of source.members(node, path)) {
        const member = byWireName.get(key);
        if (member) input[member[0]] = readerOf(member[1])(part, prefix + key, deeper(path, depth));
        else if (dialect.unknown) throw dialect.unknown(key);
      }
      for (const member of needed)
        if (input[member[0]] === undefined) refuse(dialect, dialect.missing(prefix + wireNameOf(member)));
      return input;
    };
  }

  function unionReader(members: readonly MemberRow[]): Reader<Node, Input> {
    const read = structReader(0, members);
    return (node, path = "", depth = 0) => {
      const input = read(node, path, depth);
      const present = Object.keys(input).length;
      if (present !== 1) throw dialect.invalid(path, `${present} members`, "union of exactly one member");
      return input;
    };
  }

  function listReader(row: ListRow): Reader<Node> {
    const element = elementOf(row[1]);
    return (node, path = "", depth = 0) => {
      const items: unknown[] = [];
      for (const [item, at] of source.items(node, path, row))
        items.push(readerOf(element.shape)(item, at, deeper(at, depth)));
      checkEach("Member", items, element, items, path);
      return items;
    };
  }

  function mapReader(row: MapRow): Reader<Node> {
    const element = elementOf(row[1]);
    return (node, path = "", depth = 0) => {
      const entries: [string, unknown][] = [];
      for (const [key, value, at] of source.entries(node, path, row))
        entries.push([key, readerOf(element.shape)(value, at, deeper(at, depth))]);
      // Unlike assignment, this makes a member even of "__proto__".
      const map = Object.fromEntries(entries);
      checkEach("Map keys", Object.keys(map), { bounds: row[4], secret: element.secret }, map, path);
      checkEach("Map value", Object.values(map), element, map, path);
      return map;
    };
  }

  /** Of what is in a list or map AWS tells at the place of the list or map. */
  function checkEach(
    what: string,
    values: readonly unknown[],
    { bounds, secret }: Pick<Element, "bounds" | "secret">,
    value: unknown,
    path: string,
  ): void {
    if (bounds && !values.every((each) => isWithin(each, bounds)))
      exceeds(path, {
        value: secret ? undefined : value,
        bounds,
        constraint: `${what} must satisfy constraint: [${bothBounds(values[0], bounds)}]`,
      });
  }

  function boundedReader([, shape, bounds, secret]: BoundedRow): Reader<Node> {
    const read = readerOf(shape);
    return (node, path = "", depth = 0) => {
      const value = read(node, path, depth);
      if (value !== undefined && !isWithin(value, bounds))
        exceeds(path, { value: secret ? undefined : value, bounds, constraint: brokenBound(value, bounds) });
      return value;
    };
  }

  function exceeds(path: string, excess: Excess): void {
    refuse(dialect, dialect.outOfBounds(path, excess));
  }

  function elementOf(shape: number): Element {
    const row = boundedRow(table, shape);
    return { shape: row?.[1] ?? shape, bounds: row?.[2], secret: row?.[3] === "secret" };
  }

  function enumReader(values: readonly string[]): Reader<Node> {
    const known = new Set(values);
    return (node, path = "") => {
      const value = source.scalar(node, path, "string");
      if (typeof value === "string" && !known.has(value))
        refuse(dialect, dialect.notInEnum(path, value, values));
      return value;
    };
  }

  function deeper(path: string, depth: number): number {
    if (depth < depthLimit) return depth + 1;
    throw dialect.invalid(path.slice(0, 64), "…", `structure at most ${depthLimit} deep`);
  }
}

/** What a list or map is of. */
interface Element {
  readonly shape: number;
  readonly bounds: Bounds | undefined;
  readonly secret: boolean;
}
