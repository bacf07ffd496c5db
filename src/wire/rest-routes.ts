import { ApiError } from "#api/error.ts";
import type { WireRequest } from "./protocol.ts";
import { structRow, wireNameOf, type HttpRow, type WireTable } from "./table.ts";

export interface RouteMatch {
  readonly operation: string;
  /** Decoded, by member name. */
  readonly labels: ReadonlyMap<string, string>;
}

/** A query's parameters by name, decoded, each with all its values. */
export type QueryValues = ReadonlyMap<string, readonly string[]>;

/**
 * Finds the operation that a method, path and query mean. Where several fit (S3's PutObject and CopyObject), it is the one
 * of which the request has most: path, words of the query, required headers and parameters.
 */
export function restRoutes(table: WireTable) {
  const routes = Object.entries(table.operations)
    .flatMap(([operation, [input, , http]]) => (http ? [routeOf(table, operation, input, http)] : []))
    .toSorted((a, b) => b.rank - a.rank);

  return ({ method, path, headers }: WireRequest, query: QueryValues): RouteMatch | undefined => {
    const segments = path.slice(1).split("/");
    const fitting = routes.filter((route) => route.method === method && fits(route, segments, query));
    const whole = fitting.filter(
      ({ headerNames, queryNames }) =>
        headerNames.every((name) => headers[name] !== undefined) &&
        queryNames.every((name) => query.has(name)),
    );
    const [best, ...others] = whole.length > 0 ? whole : fitting;
    if (!best) return undefined;
    const named = others.find(({ rank, id }) => rank === best.rank && query.get("x-id")?.[0] === id);
    const { operation, parts } = named ?? best;
    return { operation, labels: labelsOf(parts, segments) };
  };
}

interface Route {
  readonly operation: string;
  readonly method: string;
  readonly parts: readonly Part[];
  /** Words the query must have; a value of undefined stands for any. */
  readonly words: readonly (readonly [name: string, value: string | undefined])[];
  readonly headerNames: readonly string[];
  readonly queryNames: readonly string[];
  readonly id: string | undefined;
  readonly rank: number;
}
type Part = { readonly literal: string } | { readonly label: string; readonly greedy: boolean };

function routeOf(table: WireTable, operation: string, input: number | null, [method, uri]: HttpRow): Route {
  const [path = "", query = ""] = uri.split("?");
  const parts = segmentsOf(path.slice(1).split("/")).map(partOf);
  const allWords = query.split("&").filter(Boolean).map(wordOf);
  const words = allWords.filter(([name]) => name !== "x-id");
  const [, required, members] = structRow(table, input);
  const namesAt = (wanted: string) =>
    members
      .slice(0, required)
      .filter(([, , , place]) => place === wanted)
      .map(wireNameOf);
  const [headerNames, queryNames] = [namesAt("header"), namesAt("query")];
  const literals = parts.filter((part) => "literal" in part).length;
  const id = allWords.find(([name]) => name === "x-id")?.[1];
  const rank =
    literals * 1000 + parts.length * 100 + words.length * 10 + headerNames.length + queryNames.length;
  return { operation, method, parts, words, headerNames, queryNames, id, rank };
}

function wordOf(word: string): readonly [string, string | undefined] {
  const [name = "", value] = word.split("=");
  return [name, value];
}

function partOf(segment: string): Part {
  const [, label, greedy] = /^\{(\w+)(\+?)\}$/.exec(segment) ?? [];
  return label ? { label, greedy: greedy === "+" } : { literal: segment };
}

function fits({ parts, words }: Route, sent: readonly string[], query: QueryValues): boolean {
  const greedy = parts.some((part) => "label" in part && part.greedy);
  const segments = greedy ? sent : segmentsOf(sent);
  if (greedy ? segments.length < parts.length : segments.length !== parts.length) return false;
  return (
    parts.every((part, index) =>
      "literal" in part
        ? part.literal === segments[index]
        : (part.greedy ? segments.slice(index).join("/") : segments[index]) !== "",
    ) &&
    words.every(([name, value]) => {
      const values = query.get(name);
      return values !== undefined && (value === undefined || values.includes(value));
    })
  );
}

/** A slash at the end names nothing more. */
function segmentsOf(segments: readonly string[]): readonly string[] {
  return segments.at(-1) === "" ? segments.slice(0, -1) : segments;
}

function labelsOf(parts: readonly Part[], segments: readonly string[]): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [index, part] of parts.entries())
    if ("label" in part)
      labels.set(
        part.label,
        decoded(part.greedy ? segments.slice(index).join("/") : (segments[index] ?? "")),
      );
  return labels;
}

export function queryValues(query: string): QueryValues {
  const values = new Map<string, string[]>();
  const pairs = query.split("&", pairLimit + 1);
  if (pairs.length > pairLimit)
    throw new ApiError("MalformedQueryString", "The query string has too many parameters");
  for (const pair of pairs) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals), true);
    const value = equals < 0 ? "" : decoded(pair.slice(equals + 1), true);
    const sofar = values.get(name);
    if (sofar) sofar.push(value);
    else values.set(name, [value]);
  }
  return values;
}

const pairLimit = 10_000;

function decoded(text: string, inQuery = false): string {
  try {
    return decodeURIComponent(inQuery ? text.replaceAll("+", " ") : text);
  } catch {
    throw new ApiError("InvalidURI", "Couldn't parse the specified URI.");
  }
}
