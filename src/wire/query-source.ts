import type { InputDialect, InputSource } from "./input-readers.ts";
import type { Parameter, Parameters } from "./query-parameters.ts";
import { parseScalar, wantedWord } from "./scalar-text.ts";

/** The query protocols' notation: a tree of named and numbered parameters. */
export function querySource(dialect: InputDialect): InputSource<Parameter> {
  return {
    members: partsOf,
    items: (parameter, path, [, , item]) => numbered(parameter, path, item ? [item, "member"] : []),
    entries: (parameter, path, [, , keyName, valueName]) =>
      numbered(parameter, path, ["entry"]).map(([{ parts }, at]) => {
        const key = parts?.get(keyName)?.value;
        if (key === undefined) throw dialect.missing(`${at}.${keyName}`);
        return [key, parts?.get(valueName) ?? {}, `${at}.${valueName}`];
      }),
    scalar({ value: text, parts }, path, kind) {
      const [unexpected] = parts?.keys() ?? [];
      if (unexpected !== undefined && dialect.unknown) throw dialect.unknown(unexpected);
      const value = text === undefined ? undefined : parseScalar(text, kind);
      if (value === undefined && text !== undefined) throw dialect.invalid(path, text, wantedWord[kind]);
      return value;
    },
  };

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
}
