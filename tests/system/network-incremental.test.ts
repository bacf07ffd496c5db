import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { readFacts } from "#drivers/network/netns/kernel-facts.ts";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { randomNetwork } from "#drivers/network/random-network.ts";
import { seededRandom } from "#testing/seeded-random.ts";

const prefix = "croft-ntr";

before(() => destroyNetworks(prefix));
after(() => destroyNetworks(prefix));

test("300 random changes one by one leave the kernel as the last of them alone would", async () => {
  let driver = await openDriver();
  const random = randomNetwork(seededRandom(3));
  for (let step = 1; step <= 300; step++) {
    const desired = random.step();
    await driver.apply("vpc", desired);
    if (step % 60 !== 0) continue;
    const incremental = await kernel();
    await driver.close();
    await destroyNetworks(prefix);
    driver = await openDriver();
    await driver.apply("vpc", desired);
    assert.deepEqual(incremental, await kernel(), `step ${step}`);
  }
  await driver.close();
});

const openDriver = () =>
  openNetnsNetworks({
    prefix,
    publicPool: "198.18.248.0/24",
    onError: (error) => assert.fail(String(error)),
  });

const kernel = async () => ({
  rules: normal(await run("nft", ["-j", "list", "ruleset"], { namespace: `${prefix}-vpc` })),
  router: [...(await readFacts(`${prefix}-vpc`))].toSorted(),
  edge: [...(await readFacts(`${prefix}-edge`))].toSorted(),
});

/** nft's listing without what only tells the order of events: handles, and the order of chains, sets and elements. */
const normal = (listing: string): string[] => {
  const { nftables }: { nftables: Record<string, Named>[] } = JSON.parse(listing, (key, value: unknown) => {
    if (key === "handle") return undefined;
    return key === "elem" && Array.isArray(value)
      ? value.toSorted((a, b) => compare(JSON.stringify(a), JSON.stringify(b)))
      : value;
  });
  const place = (object: Record<string, Named>) =>
    Object.entries(object).map(([kind, { table, chain, name }]) => [table, kind, chain, name].join(" "))[0] ??
    "";
  return nftables.toSorted((a, b) => compare(place(a), place(b))).map((object) => JSON.stringify(object));
};

interface Named {
  readonly table?: string;
  readonly chain?: string;
  readonly name?: string;
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
