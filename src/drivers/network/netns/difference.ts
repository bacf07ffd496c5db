import { isDeepStrictEqual } from "node:util";
import type { NetworkElement } from "../network-driver.ts";

type Elements = ReadonlyMap<string, NetworkElement>;

/** The elements to undo and to do; a changed one is both. */
export const difference = (
  applied: Elements,
  desired: Elements,
): { gone: NetworkElement[]; come: NetworkElement[] } => {
  const gone: NetworkElement[] = [];
  const come: NetworkElement[] = [];
  for (const [key, after] of desired) {
    const before = applied.get(key);
    if (before === after || isDeepStrictEqual(before, after)) continue;
    if (before !== undefined) gone.push(before);
    come.push(after);
  }
  for (const [key, before] of applied) if (!desired.has(key)) gone.push(before);
  return { gone, come };
};
