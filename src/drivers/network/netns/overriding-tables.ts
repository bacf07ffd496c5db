import type { NetworkElement, TableElement } from "../network-driver.ts";
import { covers } from "./cidr.ts";

/** A routing table as its network's kernel has it. */
export interface RoutedTable extends TableElement {
  /** Some of its routes take what is for the network's own addresses, which otherwise goes straight to their interfaces. */
  readonly overrides?: true;
}

export type RoutedElement = Exclude<NetworkElement, TableElement> | RoutedTable;

/** The elements of a network, its tables with what their routes make of them. */
export const withOverrides = (
  elements: ReadonlyMap<string, NetworkElement>,
): ReadonlyMap<string, RoutedElement> => {
  const all = [...elements.values()];
  const ranges = all.flatMap((it) => (it.kind === "range" ? [it.cidr] : []));
  const overriding = new Set(
    all.flatMap((it) =>
      it.kind === "route" && it.via !== "network" && ranges.some((range) => covers(range, it.to))
        ? [it.table]
        : [],
    ),
  );
  if (overriding.size === 0) return elements;
  return new Map(
    [...elements].map(([key, it]) => [
      key,
      it.kind === "table" && overriding.has(it.id) ? { ...it, overrides: true } : it,
    ]),
  );
};
