import type { InputDialect, InputSource } from "./input-readers.ts";
import { isObject, timeKinds } from "./output-value.ts";
import { wantedWord } from "./scalar-text.ts";
import type { ScalarKind } from "./table.ts";

/** What JSON and CBOR read differently; undefined for what is no such thing. */
export interface DocumentScalars {
  blob(value: unknown): Uint8Array | undefined;
  time(value: unknown): Date | undefined;
}

/** The notation of JSON and CBOR, decoded: objects, arrays, and scalars that are of a type already. Null is nothing. */
export function documentSource(dialect: InputDialect, scalars: DocumentScalars): InputSource<unknown> {
  return {
    members: (node, path) => present(node, path, "structure"),
    items(node, path) {
      if (!Array.isArray(node)) throw invalid(node, path, "list");
      const items: readonly unknown[] = node;
      return items.map((item, index) => {
        const at = `${path}.${index + 1}`;
        if (item === null || item === undefined) throw dialect.missing(at);
        return [item, at];
      });
    },
    entries: (node, path) => present(node, path, "map").map(([key, value]) => [key, value, `${path}.${key}`]),
    scalar(node, path, kind) {
      const value = scalarOf(node, kind);
      if (value === undefined) throw invalid(node, path, wantedWord[kind]);
      return value;
    },
  };

  function present(node: unknown, path: string, wanted: string): [string, unknown][] {
    if (!isObject(node) || Array.isArray(node) || node instanceof Uint8Array || node instanceof Date)
      throw invalid(node, path, wanted);
    return Object.entries(node).filter(([, value]) => value !== null && value !== undefined);
  }

  function scalarOf(node: unknown, kind: ScalarKind): unknown {
    if (kind === "string" || kind === "boolean") return typeof node === kind ? node : undefined;
    if (kind === "integer") return Number.isSafeInteger(node) ? node : undefined;
    if (kind === "float") return floatOf(node);
    if (kind === "document") return node;
    if (timeKinds.has(kind)) return scalars.time(node);
    return scalars.blob(node);
  }

  function invalid(node: unknown, path: string, wanted: string) {
    const value = isObject(node) ? (Array.isArray(node) ? "a list" : "a structure") : String(node);
    return dialect.invalid(path, value.slice(0, 128), wanted);
  }
}

function floatOf(node: unknown): number | undefined {
  if (typeof node === "number") return node;
  return typeof node === "string" && /^(NaN|-?Infinity)$/.test(node) ? Number(node) : undefined;
}
