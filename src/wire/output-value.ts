import { formatTime } from "./scalar-text.ts";
import type { ScalarKind } from "./table.ts";

/** What an answer holds, taken apart for a writer. Throws TypeError where it is not what AWS's schema says: our fault. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : wrong("an object", value);
}

export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : wrong("a list", value);
}

export function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : wrong("bytes", value);
}

export function timeOf(value: unknown): Date {
  return value instanceof Date ? value : wrong("a Date", value);
}

/** Gives the writer of a kind as it stands in XML and in headers, not yet escaped. */
export function scalarText(kind: ScalarKind): (value: unknown) => string {
  if (kind === "blob") return (value) => Buffer.from(bytesOf(value)).toString("base64");
  return timeKinds.has(kind) ? (value) => formatTime(timeOf(value), kind) : String;
}

export const timeKinds: ReadonlySet<ScalarKind> = new Set([
  "time",
  "iso-time",
  "http-time",
  "epoch-time",
] as const);

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function wrong(wanted: string, value: unknown): never {
  throw new TypeError(`an answer holds ${typeof value} where AWS has ${wanted}`);
}
