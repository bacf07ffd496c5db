import { ApiError } from "#api/error.ts";
import { invalidCombination, invalidParameter } from "./errors.ts";

/**
 * One page of `items`, which come in a fixed order of `id`. The token names the last item served, so that items that come
 * and go between pages neither repeat nor hide others. Bounds as EC2 documents them: 5 (or 1) to 1,000.
 */
export function page<Item>(
  items: readonly Item[],
  id: (item: Item) => string,
  input: { MaxResults?: number | undefined; NextToken?: string | undefined },
  bounds: { min: number; max: number } = { min: 5, max: 1000 },
): { items: readonly Item[]; nextToken: string | undefined } {
  const { MaxResults: size, NextToken: token } = input;
  if (size !== undefined && size < bounds.min) throw outOfBounds(size, `greater than ${bounds.min}`);
  if (size !== undefined && size > bounds.max) throw outOfBounds(size, `less than ${bounds.max}`);
  const after = token === undefined ? undefined : decode(token);
  const start = after === undefined ? 0 : items.findIndex((item) => id(item) > after);
  if (start === -1) return { items: [], nextToken: undefined };
  const served = items.slice(start, size === undefined ? undefined : start + size);
  const last = served.at(-1);
  const more = start + served.length < items.length;
  return { items: served, nextToken: more && last !== undefined ? encode(id(last)) : undefined };
}

/** AWS's sentence, though the bounds themselves are allowed. */
const outOfBounds = (size: number, expected: string) =>
  invalidParameter(`Value ( ${size} ) for parameter maxResults is invalid. Expecting a value ${expected}.`);

/** Ids and pages exclude each other. */
export function refuseIdsWithPages(
  ids: readonly string[] | undefined,
  input: { MaxResults?: number | undefined },
  parameter: string,
): void {
  if (ids?.length && input.MaxResults !== undefined)
    throw invalidCombination(`The parameter ${parameter} cannot be used with the parameter maxResults`);
}

const encode = (id: string) => Buffer.from(`croft:${id}`).toString("base64url");
function decode(token: string): string {
  const text = Buffer.from(token, "base64url").toString();
  if (!text.startsWith("croft:")) throw new ApiError("InvalidNextToken", `The token '${token}' is invalid`);
  return text.slice("croft:".length);
}
