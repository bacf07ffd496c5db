import type { Filter } from "@aws-sdk/client-ec2";
import { filtered, type FilterTable } from "./filters.ts";
import { page, refuseIdsWithPages } from "./pagination.ts";

interface DescribeInput {
  Filters?: Filter[] | undefined;
  MaxResults?: number | undefined;
  NextToken?: string | undefined;
}

/** What nearly every Describe does: named ones or all of them, filtered, one page. Unknown ids are an error. */
export function describe<Item extends { readonly id: string }>(
  all: readonly Item[],
  input: DescribeInput,
  how: {
    readonly ids: readonly string[] | undefined;
    /** The ids' parameter, as AWS's error sentences spell it. */
    readonly parameter: string;
    readonly missing: (ids: readonly string[]) => Error;
    readonly filters: FilterTable<Item>;
    /** What the caller asked for beside ids and filters; others are left out, also when they are named. */
    readonly shows?: (item: Item) => boolean;
    readonly bounds?: { min: number; max: number };
  },
) {
  refuseIdsWithPages(how.ids, input, how.parameter);
  const named = how.ids?.length ? pick(all, how.ids, how.missing) : all;
  const matching = filtered(how.shows ? named.filter(how.shows) : named, input.Filters, how.filters);
  const { items, nextToken } = page(matching, (item) => item.id, input, how.bounds);
  return { touches: [], items, ...(nextToken !== undefined && { nextToken }) };
}

function pick<Item extends { readonly id: string }>(
  all: readonly Item[],
  ids: readonly string[],
  missing: (ids: readonly string[]) => Error,
): Item[] {
  const byId = new Map(all.map((item) => [item.id, item]));
  const unknown = ids.filter((id) => !byId.has(id));
  if (unknown.length > 0) throw missing(unknown);
  const wanted = new Set(ids);
  return all.filter((item) => wanted.has(item.id));
}
