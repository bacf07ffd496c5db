import { isDeepStrictEqual } from "node:util";
import type { RoutedElement } from "./overriding-tables.ts";

type Elements = ReadonlyMap<string, RoutedElement>;

/** The elements to undo and to do; a changed one is both. */
export const difference = (
  applied: Elements,
  desired: Elements,
): { gone: RoutedElement[]; come: RoutedElement[] } => {
  const gone: RoutedElement[] = [];
  const come: RoutedElement[] = [];
  for (const [key, after] of desired) {
    const before = applied.get(key);
    if (before === after || isDeepStrictEqual(before, after)) continue;
    if (before !== undefined) gone.push(before);
    come.push(after);
  }
  for (const [key, before] of applied) if (!desired.has(key)) gone.push(before);
  return { gone, come };
};
