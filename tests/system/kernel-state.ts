import { run } from "#drivers/linux/commands.ts";
import { readFacts } from "#drivers/network/netns/kernel-facts.ts";

/** What the kernel has in a namespace, so that what is the same reads the same. */
export const factsIn = async (namespace: string): Promise<string[]> =>
  [...(await readFacts(namespace))].map(withoutChance).toSorted();

export const rulesIn = async (namespace: string): Promise<string[]> =>
  normal(await run("nft", ["-j", "list", "ruleset"], { namespace }));

/** A peering's end that waits in the edge for its network has whatever address the kernel gave it. */
const withoutChance = (fact: string): string =>
  fact.startsWith("settings pcx") && fact.endsWith(" down") ? fact.replace(/ address \S+/, "") : fact;

/**
 * nft's listing without what only tells of events: handles, the order of chains, sets and elements, what counters counted, and what
 * packets put into sets.
 */
const normal = (listing: string): string[] => {
  const { nftables }: { nftables: Record<string, Named>[] } = JSON.parse(listing, (key, value: unknown) => {
    if (key === "handle" || key === "packets" || key === "bytes") return undefined;
    return key === "elem" && Array.isArray(value)
      ? value.toSorted((a, b) => compare(JSON.stringify(a), JSON.stringify(b)))
      : value;
  });
  const place = (object: Record<string, Named>) =>
    Object.entries(object).map(([kind, { table, chain, name }]) => [table, kind, chain, name].join(" "))[0] ??
    "";
  return nftables
    .toSorted((a, b) => compare(place(a), place(b)))
    .map((object) =>
      JSON.stringify(object["set"]?.flags?.includes("dynamic") ? { ...object["set"], elem: [] } : object),
    );
};

interface Named {
  readonly table?: string;
  readonly chain?: string;
  readonly name?: string;
  readonly flags?: readonly string[];
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
