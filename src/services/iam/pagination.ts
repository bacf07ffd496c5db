import { invalidInput } from "./errors.ts";

interface Paged {
  readonly Marker?: string | undefined;
  readonly MaxItems?: number | undefined;
}

/**
 * One page of `items` in the order of `key`, 100 unless `MaxItems` says otherwise. The marker names the last item served, so that
 * items that come and go between pages neither repeat nor hide others.
 */
export function page<Item>(
  items: readonly Item[],
  key: (item: Item) => string,
  { Marker: marker, MaxItems: most = 100 }: Paged,
  invalidMarker = () => invalidInput("The marker is invalid."),
): { readonly items: readonly Item[]; readonly truncation: Truncation } {
  const after = marker === undefined ? "" : decode(marker, invalidMarker);
  const sorted = items
    .map((item) => ({ item, at: key(item) }))
    .filter(({ at }) => at > after)
    .toSorted((a, b) => (a.at < b.at ? -1 : 1));
  const served = sorted.slice(0, most);
  const last = served.at(-1);
  return {
    items: served.map(({ item }) => item),
    truncation:
      served.length < sorted.length && last
        ? { IsTruncated: true, Marker: encode(last.at) }
        : { IsTruncated: false },
  };
}

export interface Truncation {
  readonly IsTruncated: boolean;
  readonly Marker?: string;
}

const encode = (key: string) => Buffer.from(`croft:${key}`).toString("base64url");
function decode(marker: string, invalid: () => Error): string {
  const text = Buffer.from(marker, "base64url").toString();
  if (!text.startsWith("croft:")) throw invalid();
  return text.slice("croft:".length);
}
