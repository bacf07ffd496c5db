import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EC2 } from "@aws-sdk/client-ec2";
import { hostNames } from "#config.ts";
import { namespacesOf } from "#drivers/network/netns/namespace.ts";
import { destroyNetworks } from "#drivers/network/netns/netns-networks.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { startRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { factsIn, rulesIn } from "./kernel-state.ts";
import { patiently } from "./killed-programs.ts";
import { changingNetworks } from "./network-changes.ts";

/**
 * Changes networks at random by the API while Croft's programs are killed at random. In the end the kernel holds what it holds when the
 * same records make everything anew, and what was acknowledged is there.
 */
export async function changesUnderKills(t: TestContext, changes: number, seed: number): Promise<void> {
  await using region = await startRegion();
  const { AWS_REGION = "", AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = region.environment;
  using api = closing(
    new EC2({
      endpoint: region.endpoint,
      region: AWS_REGION,
      credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
      maxAttempts: 1,
    }),
  );
  const { prefix } = hostNames(region.dataDir);
  const random = seededRandom(seed);
  const networks = await changingNetworks(region, api.client, random);
  const outcomes = new Map<string, number>();
  for (let n = 0; n < changes; n++) {
    const kill = random(3) === 0 ? killSoon() : undefined;
    const did = await networks.change();
    outcomes.set(did, (outcomes.get(did) ?? 0) + 1);
    await kill;
  }
  t.diagnostic([...outcomes].map(([did, times]) => `${times} ${did}`).join(", "));

  await atRest();
  const left = await kernel();
  t.diagnostic(`${Object.keys(left).length} namespaces`);
  const ids = new Set(await everyId());
  for (const id of networks.acknowledged) assert.ok(ids.has(id), `${id} was acknowledged`);
  await region.stop();
  await destroyNetworks(prefix);
  await region.start();
  const anew = await until(kernel, (it) => JSON.stringify(it) === JSON.stringify(left), 120_000);
  assert.deepEqual(left, anew);

  /** Within a second, one of the three programs. */
  async function killSoon(): Promise<void> {
    await delay(random(1_000));
    const { programs } = await region.status();
    const pids = Object.values(programs).filter((pid) => pid !== null);
    const pid = pids[random(pids.length || 1)];
    if (pid === undefined) return;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It had ended.
    }
  }

  /** Nothing is on its way any more, and the kernel has not changed for three seconds. */
  async function atRest(): Promise<void> {
    const { client } = api;
    const settled = async () => {
      const { NatGateways = [] } = await patiently(() => client.describeNatGateways({}));
      const { Reservations = [] } = await patiently(() => client.describeInstances({}));
      const states = [
        ...NatGateways.map(({ State }) => State),
        ...Reservations.flatMap(({ Instances = [] }) => Instances.map(({ State }) => State?.Name)),
      ];
      const { programs, activity } = await region.status();
      return (
        states.every((it) => it && ["available", "deleted", "failed", "stopped"].includes(it)) &&
        Object.values(programs).every((pid) => pid !== null) &&
        activity?.troubles.length === 0
      );
    };
    assert.equal(await until(settled, Boolean, 180_000), true, "everything arrives where it is going");
    let before = "";
    const still = async () => {
      const [last, now] = [before, JSON.stringify(await kernel())];
      before = now;
      if (last !== now) await delay(3_000);
      return last === now;
    };
    assert.equal(await until(still, Boolean), true, "the kernel comes to rest");
  }

  /** Every namespace of the region's: its links, routes and rules. */
  async function kernel(): Promise<Record<string, { facts: string[]; rules: string[] }>> {
    const names = namespacesOf(prefix).toSorted();
    const found = names.map(async (name) => {
      const [facts, rules] = await Promise.all([factsIn(name), rulesIn(name)]);
      return [name, { facts, rules }] as const;
    });
    return Object.fromEntries(await Promise.all(found));
  }

  async function everyId(): Promise<string[]> {
    const { client } = api;
    const answers = [
      client.describeSubnets({}),
      client.describeSecurityGroups({}),
      client.describeRouteTables({}),
      client.describeNetworkAcls({}),
      client.describeNetworkInterfaces({}),
      client.describeAddresses({}),
    ];
    return [...JSON.stringify(await Promise.all(answers)).matchAll(/"([a-z]+-[0-9a-f]{17})"/g)].flatMap(
      ([, id]) => id ?? [],
    );
  }
}

const closing = (client: EC2) => ({ client, [Symbol.dispose]: () => client.destroy() });
