import type { Filter } from "@aws-sdk/client-ec2";
import { invalidParameter, tooManyFilterValues } from "./errors.ts";

/** For each filter name a Describe documents: the values an item has under it. */
export type FilterTable<Item> = Readonly<
  Record<string, (item: Item) => readonly (string | undefined)[] | string | undefined>
>;

/**
 * The items that match every filter; a filter matches when any of its values does. `*` and `?` are wildcards, a backslash
 * takes their meaning away. `tag:KEY` and `tag-key` are known for every kind. Follows the EC2 guide, "Filtering".
 */
export function filtered<Item extends object>(
  items: readonly Item[],
  filters: readonly Filter[] | undefined,
  table: FilterTable<Item>,
): Item[] {
  const values = (filters ?? []).reduce((sum, { Values }) => sum + (Values?.length ?? 0), 0);
  if (values > mostValues) throw tooManyFilterValues(mostValues);
  const tests = (filters ?? []).map((filter) => matcher(filter, table));
  return items.filter((item) => tests.every((test) => test(item)));
}

/** Filters that AWS documents, of what nothing here ever has: they are known, and nothing matches them. */
export const matchingNothing = (...names: readonly string[]): FilterTable<unknown> =>
  Object.fromEntries(names.map((name) => [name, () => undefined]));

/** Of all filters of a request together. */
const mostValues = 200;

function matcher<Item extends object>({ Name: name, Values: wanted }: Filter, table: FilterTable<Item>) {
  if (name === undefined || !wanted?.length)
    throw invalidParameter(`The filter '${name ?? "null"}' must have a name and at least one value`);
  const valuesOf = Object.hasOwn(table, name) ? table[name] : tagValues(name);
  if (!valuesOf) throw invalidParameter(`The filter '${name}' is invalid`);
  const patterns = wanted.map(pattern);
  return (item: Item) => {
    const values = valuesOf(item);
    return (Array.isArray(values) ? values : [values]).some(
      (value) => value !== undefined && patterns.some((matches) => matches(String(value))),
    );
  };
}

function tagValues(name: string) {
  const tags = (item: object) => ("tags" in item ? (item.tags as Readonly<Record<string, string>>) : {});
  if (name === "tag-key") return (item: object) => Object.keys(tags(item));
  if (!name.startsWith("tag:")) return undefined;
  const key = name.slice("tag:".length);
  return (item: object) => (Object.hasOwn(tags(item), key) ? tags(item)[key] : undefined);
}

/** Matching without regular expressions, so that a pattern cannot make it take long. */
export function pattern(text: string): (value: string) => boolean {
  if (!/[*?\\]/.test(text)) return (value) => value === text;
  const tokens: ("any" | "one" | { char: string })[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === "*") tokens.push("any");
    else if (char === "?") tokens.push("one");
    else tokens.push({ char: char === "\\" && i + 1 < text.length ? text.charAt(++i) : char });
  }
  return (value) => {
    let token = 0;
    let at = 0;
    let star: { token: number; at: number } | undefined;
    while (at < value.length) {
      const now = tokens[token];
      if (now === "any") star = { token: ++token, at };
      else if (now === "one" || (now !== undefined && now.char === value[at])) {
        token++;
        at++;
      } else if (star) {
        token = star.token;
        at = ++star.at;
      } else return false;
    }
    while (tokens[token] === "any") token++;
    return token === tokens.length;
  };
}
