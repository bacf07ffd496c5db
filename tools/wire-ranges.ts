import { readFileSync } from "node:fs";
import type { Bounds } from "#wire/table.ts";

/**
 * By service, then by place in its input: `Struct.Member`, the elements of a list `Struct.Member.member`, the keys and values of a map
 * `Struct.Member.key` and `Struct.Member.value`.
 */
export type WireRanges = Readonly<Record<string, Readonly<Record<string, Bounds>>>>;

/** The ranges AWS states, as `generate-ranges.ts` wrote them. */
export const wireRanges: WireRanges = JSON.parse(
  readFileSync(new URL("wire-ranges.generated.json", import.meta.url), "utf8"),
);
