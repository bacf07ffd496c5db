import { isDeepStrictEqual } from "node:util";

/** A named thing of an nft table. Chains and sets that several elements need are emitted by each of them. */
export type NftObject =
  | { readonly kind: "set"; readonly name: string; readonly type: string }
  /** A `ct timeout`, which always says the same under its name. */
  | { readonly kind: "timeout"; readonly name: string; readonly policy: string }
  /** No rules: it must exist; whoever gives it rules says which, and who else does the same ones. */
  | { readonly kind: "chain"; readonly name: string; readonly rules: readonly string[] }
  | {
      readonly kind: "element";
      /** Another one than the rest is of; its sets' names are no others' names. */
      readonly table?: string;
      readonly set: string;
      readonly key: string;
      readonly value?: string;
    };

/**
 * The changing part of one nft table, as it should be: each object with the number of those who need it. `change` moves it
 * on and answers the lines of one nft transaction that take the kernel along; `lines` makes it all from an empty table.
 */
export class Ruleset {
  readonly #table: string;
  readonly #held = new Map<string, Held>();

  /** `table` as nft names it: family and name. `chains` are there already, and stay. */
  constructor(table: string, chains: readonly string[] = []) {
    this.#table = table;
    for (const name of chains) this.change([], [{ kind: "chain", name, rules: [] }]);
  }

  change(gone: readonly NftObject[], come: readonly NftObject[]): string[] {
    const before = new Map<string, NftObject | undefined>();
    const touch = (object: NftObject, by: 1 | -1) => {
      const key = keyOf(object);
      const held = this.#held.get(key) ?? { object: bare(object), owners: 0, authors: 0 };
      if (!before.has(key)) before.set(key, held.owners > 0 ? held.object : undefined);
      const owners = held.owners + by;
      const authors = held.authors + (hasBody(object) ? by : 0);
      const body = hasBody(object) && by > 0 ? object : held.object;
      if (owners === 0) this.#held.delete(key);
      else this.#held.set(key, { owners, authors, object: authors > 0 ? body : bare(body) });
    };
    for (const object of gone) touch(object, -1);
    for (const object of come) touch(object, 1);
    return difference(
      this.#table,
      [...before].map(([key, was]) => [was, this.#held.get(key)?.object]),
    );
  }

  lines(): string[] {
    return difference(
      this.#table,
      [...this.#held.values()].map(({ object }) => [undefined, object]),
    );
  }
}

interface Held {
  readonly object: NftObject;
  readonly owners: number;
  /** Those who gave it its rules, all the same ones. */
  readonly authors: number;
}

const keyOf = (object: NftObject): string =>
  object.kind === "element" ? `element ${object.set} ${object.key}` : `${object.kind} ${object.name}`;

const hasBody = (object: NftObject): boolean => object.kind === "chain" && object.rules.length > 0;
const bare = (object: NftObject): NftObject => (object.kind === "chain" ? { ...object, rules: [] } : object);

type Change = readonly [before: NftObject | undefined, after: NftObject | undefined];

/** In the order that nft needs: nothing is named before it exists, or removed while it is named. */
const difference = (table: string, changes: readonly Change[]): string[] => {
  const real = changes.filter(([before, after]) => !isDeepStrictEqual(before, after));
  const come = real.flatMap(([before, after]) => (after && !before ? [after] : []));
  const gone = real.flatMap(([before, after]) => (before && !after ? [before] : []));
  const changedElements = real.filter(([before, after]) => before?.kind === "element" && after);
  return [
    ...come.flatMap((object) =>
      object.kind === "set" ? `add set ${table} ${object.name} { ${object.type}; }` : [],
    ),
    ...come.flatMap((object) =>
      object.kind === "timeout" ? `add ct timeout ${table} ${object.name} { ${object.policy}; }` : [],
    ),
    ...come.flatMap((object) => (object.kind === "chain" ? `add chain ${table} ${object.name}` : [])),
    ...elementLines("delete", table, [...gone, ...changedElements.flatMap(([before]) => before ?? [])]),
    ...real.flatMap(([before]) => (before?.kind === "chain" ? `flush chain ${table} ${before.name}` : [])),
    ...real.flatMap(([, after]) =>
      after?.kind === "chain" ? after.rules.map((rule) => `add rule ${table} ${after.name} ${rule}`) : [],
    ),
    ...elementLines("add", table, [...come, ...changedElements.flatMap(([, after]) => after ?? [])]),
    ...gone.flatMap((object) => (object.kind === "chain" ? `delete chain ${table} ${object.name}` : [])),
    ...gone.flatMap((object) =>
      object.kind === "timeout" ? `delete ct timeout ${table} ${object.name}` : [],
    ),
    ...gone.flatMap((object) => (object.kind === "set" ? `delete set ${table} ${object.name}` : [])),
  ];
};

/** One line per set: loading a thousand elements one by one takes twenty times as long. */
const elementLines = (verb: "add" | "delete", table: string, objects: readonly NftObject[]): string[] => {
  const bySet = new Map<string, string[]>();
  for (const object of objects) {
    if (object.kind !== "element") continue;
    const text =
      verb === "add" && object.value !== undefined ? `${object.key} : ${object.value}` : object.key;
    const set = `${object.table ?? table} ${object.set}`;
    bySet.set(set, [...(bySet.get(set) ?? []), text]);
  }
  return [...bySet].map(([set, texts]) => `${verb} element ${set} { ${texts.join(", ")} }`);
};
