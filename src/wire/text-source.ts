import type { InputDialect, InputSource } from "./input-readers.ts";
import { parseScalar, wantedWord } from "./scalar-text.ts";

/** All values of a query parameter, or the one of a label or header; headers of one prefix, by the rest of their names. */
export interface Texts {
  readonly values: readonly string[];
  /** A header's list is one text, divided by commas. */
  readonly inHeader?: boolean;
  readonly named?: ReadonlyMap<string, string>;
}

/** The notation of what stands in path, query and headers. */
export function textSource(dialect: InputDialect): InputSource<Texts> {
  return {
    members: () => [],
    items: ({ values, inHeader }, path) =>
      (inHeader ? values.flatMap((text) => text.split(",").map((each) => each.trim())) : values).map(
        (text, index) => [{ values: [text] }, `${path}.${index + 1}`],
      ),
    entries: ({ named = new Map<string, string>() }, path) =>
      [...named].map(([key, text]) => [key, { values: [text] }, `${path}.${key}`]),
    scalar({ values: [text = ""] }, path, kind) {
      const value = parseScalar(text, kind);
      if (value === undefined) throw dialect.invalid(path, text, wantedWord[kind]);
      return value;
    },
  };
}
