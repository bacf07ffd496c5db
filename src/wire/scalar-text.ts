import type { ScalarKind } from "./table.ts";

/** What text has to be to be of a kind, in AWS's words. */
export const wantedWord: Readonly<Record<ScalarKind, string>> = {
  string: "string",
  boolean: "boolean",
  integer: "integer",
  float: "number",
  blob: "blob",
  document: "document",
  stream: "blob",
  events: "event stream",
  time: "timestamp",
  "iso-time": "timestamp",
  "http-time": "timestamp",
  "epoch-time": "timestamp",
};

/** The value that text stands for, in parameters, XML, headers; undefined when it is not of that kind. */
export function parseScalar(text: string, kind: ScalarKind): unknown {
  return parsers[kind](text);
}

const parsers: Readonly<Record<ScalarKind, (text: string) => unknown>> = {
  string: (text) => text,
  boolean: parseBoolean,
  integer: parseInteger,
  float: parseNumber,
  blob: (text) => new Uint8Array(Buffer.from(text, "base64")),
  document: () => undefined,
  stream: () => undefined,
  events: () => undefined,
  time: parseTime,
  "iso-time": parseTime,
  "http-time": parseTime,
  "epoch-time": parseTime,
};

/** A time as text; `kind` "time" as ISO 8601. */
export function formatTime(time: Date, kind: ScalarKind): string {
  if (kind === "http-time") return time.toUTCString();
  return kind === "epoch-time" ? String(time.getTime() / 1000) : time.toISOString();
}

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
export function parseTime(text: string): Date | undefined {
  const zoneless = /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(text);
  const time = new Date(/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : zoneless ? `${text}Z` : text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
