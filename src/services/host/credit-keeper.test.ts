import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import { startFeed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { FakeClock } from "#testing/fake-clock.ts";
import { recordKey } from "../ec2/records.ts";
import { regionalRecords } from "../ec2/regional-records.ts";
import { creditKeeper } from "./credit-keeper.ts";

const limit = { timeout: 10_000 };
const minute = 60_000;

test("what an instance earns is recorded at once and then each five minutes", limit, async (t) => {
  const region = await withInstance(t);
  await region.pass(0);
  const first = region.feed.revision;
  await region.pass(4 * minute);
  assert.equal(region.feed.revision, first);
  await region.pass(minute);
  assert.equal(region.feed.revision, first + 1);
  assert.equal(Math.round(region.record()?.account.earned ?? NaN), 1); // 12 an hour
});

test("a standard instance without credits is held to its baseline until it has some", limit, async (t) => {
  const { machines, pass } = await withInstance(t);
  await pass(0);
  assert.equal(machines.limit(id), 0.2);
  await pass(5 * minute);
  assert.equal(machines.limit(id), undefined);
  machines.run(id, 10 * minute);
  await pass(5 * minute);
  assert.equal(machines.limit(id), 0.2);
  await pass(10_000);
  assert.equal(machines.limit(id), 0.2, "ten seconds' income is not worth a burst");
});

test("an unlimited instance is never held, nor one that is not burstable counted", limit, async (t) => {
  const unlimited = await withInstance(t, { cpuCredits: "unlimited" });
  unlimited.machines.run(id, 100 * minute);
  await unlimited.pass(5 * minute);
  assert.equal(unlimited.machines.limit(id), undefined);
  assert.equal(unlimited.record()?.account.surplus, 100 - 12 / 12 + 1);
  const fixed = await withInstance(t, { type: "m5.large" });
  await fixed.pass(5 * minute);
  assert.equal(fixed.record(), undefined);
});

test("a program that comes later goes on from the record and the machine's own count", limit, async (t) => {
  const { machines, pass, record, again } = await withInstance(t);
  await pass(0);
  for (let hour = 0; hour < 5; hour++) await pass(60 * minute);
  assert.equal(Math.round(record()?.account.earned ?? NaN), 60);
  machines.run(id, 20 * minute);
  const later = again();
  await later(60 * minute);
  assert.equal(Math.round(record()?.account.earned ?? NaN), 60 + 12 - 20);
});

test("a stop is recorded at once; a restart a day later still has the credits", limit, async (t) => {
  const { machines, pass, record, become } = await withInstance(t);
  await pass(0);
  for (let hour = 0; hour < 5; hour++) await pass(60 * minute);
  await machines.stop(id);
  await pass(10_000);
  assert.equal(record()?.account.running, true, "a reboot looks the same for a moment");
  await become("stopped");
  await pass(10_000);
  assert.equal(record()?.account.running, false);
  await pass(24 * 60 * minute);
  await become("running");
  await machines.ensure(spec);
  await pass(10_000);
  assert.equal(Math.round(record()?.account.earned ?? NaN), 60);
});

test("nothing is recorded of an instance that is gone", limit, async (t) => {
  const { store, feed, key, pass, record, said } = await withInstance(t);
  await feed.reached((await store.commit({ delete: [key] })).revision);
  await pass(5 * minute);
  assert.equal(record(), undefined);
  assert.deepEqual(said, []);
});

const id = "i-1";
const scope = { accountId: "111122223333", region: "eu-central-1" };
const instance = {
  id,
  hostId: "host-1",
  type: "t3.micro",
  cpus: 2,
  memoryMiB: 1024,
  cpuCredits: "standard",
  wanted: { state: "running", generation: 1 },
  so: { generation: 1, state: "running", reboots: 0 },
};
const spec = {
  id,
  cpus: 2,
  threadsPerCore: 2,
  memoryMiB: 1024,
  identity: { uuid: "", product: "" },
  boot: { by: "bios" },
  disks: [],
  ports: [],
} as const;

/** One instance with its machine running; `pass` lets time go by and keeps the accounts once. */
async function withInstance(t: TestContext, more: object = {}) {
  const ending = new AbortController();
  const store = openMemoryStore();
  t.after(() => store.close());
  t.after(() => ending.abort());
  const key = recordKey("instance", scope, id);
  await store.commit({ put: [{ key, value: { ...instance, ...more } }] });
  const feed = await startFeed(store, ending.signal);
  const regions = regionalRecords(feed);
  const records = regions.in(scope);
  const clock = new FakeClock();
  const machines = createFakeMachines({ boots: false });
  await machines.ensure(spec);
  const said: string[] = [];
  const again = () => {
    const keep = creditKeeper("host-1", machines, regions, records.instancesOn, store, clock);
    return async (ms: number) => {
      await clock.advance(ms);
      await keep((line) => void said.push(line));
      await feed.reached((await store.list("")).revision);
    };
  };
  const become = async (state: "running" | "stopped") => {
    const value = { ...instance, ...more, wanted: { state, generation: 1 }, so: { ...instance.so, state } };
    await feed.reached((await store.commit({ put: [{ key, value }] })).revision);
  };
  return {
    store,
    feed,
    key,
    machines,
    said,
    again,
    become,
    pass: again(),
    record: () => records.get("credits", id),
  };
}
