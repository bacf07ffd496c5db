import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { randomNetwork } from "#drivers/network/random-network.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { factsIn, rulesIn } from "./kernel-state.ts";

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
  rules: await rulesIn(`${prefix}-vpc`),
  router: await factsIn(`${prefix}-vpc`),
  edge: await factsIn(`${prefix}-edge`),
});
