import type { ApiError } from "#api/error.ts";
import type { Parameter, Parameters } from "./query-parameters.ts";
import { shapeRow, type MemberRow, type ScalarRow, type WireTable } from "./table.ts";

/** How the two query protocols differ in what they refuse. `path` names a parameter: "Filter.1.Name". */
export interface QueryDialect {
  unknownAction(action: string): ApiError;
  /** Absent: parameters that are not known are ignored. */
  unknown?(name: string): ApiError;
  missing(path: string): ApiError;
  invalid(path: string, value: string, wanted: string): ApiError;
  notInEnum(path: string, value: string, values: readonly string[]): ApiError;
}

/** Gives the reader of an operation's input: parameters to typed values, or one of the dialect's errors. */
export function inputReaders(table: WireTable, dialect: QueryDialect) {
  const inputs: Reader<Input>[] = [];
  const readers: Reader[] = [];
  return (shape: number | null): Reader<Input> =>
    shape === null ? structReader(0, []) : (inputs[shape] ??= inputReader(shape));

  function inputReader(shape: number): Reader<Input> {
    const row = shapeRow(table, shape);
    if (row[0] !== "struct") throw new Error(`shape ${shape} is no input`);
    return structReader(row[1], row[2]);
  }

  function readerOf(shape: number): Reader {
    return (readers[shape] ??= compile(shape));
  }

  function compile(shape: number): Reader {
    const row = shapeRow(table, shape);
    if (row[0] === "struct") return structReader(row[1], row[2]);
    if (row[0] === "list") return listReader(row[1], row[2]);
    if (row[0] === "map") return mapReader(row[1], row[2], row[3]);
    return row[0] === "enum" ? enumReader(row[1]) : scalarReader(scalars[row[0]]);
  }

  function structReader(required: number, members: readonly MemberRow[]): Reader<Input> {
    const byWireName = new Map(members.map((member) => [member[2] ?? member[0], member]));
    const needed = members.slice(0, required);
    return (parameter, path) => {
      const input: Input = {};
      const prefix = path && `${path}.`;
      for (const [key, part] of partsOf(parameter, path)) {
        const member = byWireName.get(key);
        if (member) input[member[0]] = readerOf(member[1])(part, prefix + key);
        else if (dialect.unknown) throw dialect.unknown(key);
      }
      for (const [name, , wireName = name] of needed)
        if (input[name] === undefined) throw dialect.missing(prefix + wireName);
      return input;
    };
  }

  function listReader(element: number, item: string): Reader {
    const words = item ? [item, "member"] : [];
    return (parameter, path) =>
      numbered(parameter, path, words).map(([part, at]) => readerOf(element)(part, at));
  }

  function mapReader(value: number, keyName: string, valueName: string): Reader {
    return (parameter, path) =>
      Object.fromEntries(
        numbered(parameter, path, ["entry"]).map(([{ parts }, at]) => {
          const key = parts?.get(keyName)?.value;
          if (key === undefined) throw dialect.missing(`${at}.${keyName}`);
          return [key, readerOf(value)(parts?.get(valueName) ?? {}, `${at}.${valueName}`)];
        }),
      );
  }

  /** Elements in the order of their numbers, gaps closed; between list and number may stand one of `words`. */
  function numbered(
    parameter: Parameter,
    path: string,
    words: readonly string[],
  ): [Parameter, path: string][] {
    let parts = partsOf(parameter, path);
    const [only] = parts.size === 1 ? parts.keys() : [];
    const wrapped = only && words.includes(only) ? parts.get(only) : undefined;
    if (wrapped) parts = partsOf(wrapped, path);
    return [...parts]
      .map(([key, part]) => {
        if (!/^[1-9]\d{0,8}$/.test(key))
          throw dialect.unknown?.(key) ?? dialect.invalid(path, key, "list index");
        return [Number(key), part] as const;
      })
      .toSorted(([a], [b]) => a - b)
      .map(([number, part]) => [part, `${path}.${number}`]);
  }

  /** An empty value stands for an empty list or structure; any other is not one. */
  function partsOf({ parts, value }: Parameter, path: string): Parameters {
    if (value) throw dialect.invalid(path, value, "structure");
    return parts ?? new Map<string, Parameter>();
  }

  function enumReader(values: readonly string[]): Reader {
    const known = new Set(values);
    return (parameter, path) => {
      const value = textOf(parameter);
      if (value !== undefined && !known.has(value)) throw dialect.notInEnum(path, value, values);
      return value;
    };
  }

  function scalarReader(scalar: Scalar): Reader {
    return (parameter, path) => {
      const text = textOf(parameter);
      const value = text === undefined ? undefined : scalar.parse(text);
      if (value === undefined && text !== undefined) throw dialect.invalid(path, text, scalar.wanted);
      return value;
    };
  }

  function textOf({ value, parts }: Parameter): string | undefined {
    const [unexpected] = parts?.keys() ?? [];
    if (unexpected !== undefined && dialect.unknown) throw dialect.unknown(unexpected);
    return value;
  }
}

type Input = Record<string, unknown>;
type Reader<Value = unknown> = (parameter: Parameter, path: string) => Value;

/** `parse` gives undefined for text that is not `wanted`. */
interface Scalar {
  readonly wanted: string;
  parse(text: string): unknown;
}

const scalars: Readonly<Record<ScalarRow[0], Scalar>> = {
  string: { wanted: "string", parse: (text) => text },
  boolean: { wanted: "boolean", parse: parseBoolean },
  integer: { wanted: "integer", parse: parseInteger },
  float: { wanted: "number", parse: parseNumber },
  blob: { wanted: "blob", parse: (text) => new Uint8Array(Buffer.from(text, "base64")) },
  "iso-time": { wanted: "timestamp", parse: parseTime },
  "http-time": { wanted: "timestamp", parse: parseTime },
  "epoch-time": { wanted: "timestamp", parse: parseTime },
};

function parseBoolean(text: string): boolean | undefined {
  if (/^true$/i.test(text)) return true;
  return /^false$/i.test(text) ? false : undefined;
}

function parseInteger(text: string): number | undefined {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function parseNumber(text: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** ISO 8601 (UTC when it names no zone), RFC 7231's form, or seconds since 1970. */
function parseTime(text: string): Date | undefined {
  const zoneless = /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text);
  const time = new Date(/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : zoneless ? `${text}Z` : text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
