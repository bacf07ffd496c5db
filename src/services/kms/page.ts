import { page as pageOf } from "../iam/pagination.ts";
import { invalidMarker } from "./errors.ts";

interface Paged {
  readonly Marker?: string | undefined;
  readonly Limit?: number | undefined;
}

/** One page of `items` in the order of `key`, `most` unless `Limit` says otherwise, and what KMS calls its continuation. */
export function page<Item>(
  items: readonly Item[],
  key: (item: Item) => string,
  { Marker, Limit }: Paged,
  most: number,
): Page<Item> {
  const asked = { Marker, MaxItems: Limit ?? most };
  const { items: served, truncation } = pageOf(items, key, asked, invalidMarker);
  const { IsTruncated: Truncated, Marker: NextMarker } = truncation;
  return { items: served, truncation: { Truncated, ...(NextMarker !== undefined && { NextMarker }) } };
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly truncation: { readonly Truncated: boolean; readonly NextMarker?: string };
}
