import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "#clock.ts";
import { workClock } from "#reconcile/work-clock.ts";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";
import { instanceState, type InstanceRecord } from "./instance.ts";
import { reconcileInstance } from "./instance-reconciler.ts";
import { instanceCheck, systemCheck } from "./status-checks.ts";

const limit = { timeout: 10_000 };

test(
  "only running instances have a status, also when others are named, unless all are asked for",
  limit,
  async (t) => {
    const { client, records, until } = await testRegion(t);
    const { Instances = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 2,
      MaxCount: 2,
    });
    const InstanceIds = Instances.map(({ InstanceId = "" }) => InstanceId);
    const states = () => records.all("instance").map(instanceState).join();
    await until(() => states() === "running,running");
    await client.stopInstances({ InstanceIds: InstanceIds.slice(0, 1) });
    await until(() => states().includes("stopped"));
    const shown = async (more: { IncludeAllInstances?: boolean }) => {
      const { InstanceStatuses = [] } = await client.describeInstanceStatus({ InstanceIds, ...more });
      return new Set(InstanceStatuses.map((it) => it.InstanceId));
    };
    assert.deepEqual(await shown({}), new Set(InstanceIds.slice(1)));
    assert.deepEqual(await shown({ IncludeAllInstances: true }), new Set(InstanceIds));
    await assert.rejects(client.describeInstanceStatus({ InstanceIds: ["i-00000000000000000"] }), {
      name: "InvalidInstanceID.NotFound",
    });
  },
);

test(
  "after its host's boot an instance's checks are initializing until it runs there, and until its guest has come up",
  limit,
  async (t) => {
    const { client, feed, machines, records, store, until } = await testRegion(t);
    const { key, value } = await booted(client, records, until);
    await machines.stop(value.id);
    const seen: string[] = [];
    feed.onChange((_key, now) => {
      const it = now?.value as InstanceRecord;
      seen.push([instanceState(it), systemCheck(it), instanceCheck(it)].join(" "));
    });
    await store.commit({
      put: [{ key, value: { ...value, so: { ...value.so, bootId: "an earlier one" } } }],
    });
    await until(() => seen.length > 1 && seen.at(-1) === "running ok ok");
    assert.deepEqual(seen.slice(1), [
      "running initializing initializing",
      "running ok initializing",
      "running ok ok",
    ]);
  },
);

test("a guest that had shut itself down before its host did is not started again", limit, async (t) => {
  const { client, machines, queue, records, until } = await testRegion(t);
  const { value } = await booted(client, records, until);
  const outcome = await reconcileInstance(value.id, records, {
    hostId: value.hostId,
    bootId: "a later one",
    memoryMiB: 0,
    machines: { ...machines, observe: async () => ({ state: "off", how: "powered-off" }) },
    storeKeys: { forget: () => assert.fail("it has no instance store") },
    machineSpec: () => assert.fail("it is not to be started"),
    disks: { remove: async () => assert.fail("it has no instance store") },
    queue,
    worked: workClock(systemClock),
    now: () => new Date(),
  });
  const [put] = outcome.kind === "moved" ? (outcome.transaction.put ?? []) : [];
  const stopping = put?.value as InstanceRecord | undefined;
  assert.equal(stopping?.so.state, "stopping");
  assert.equal(stopping.so.reason?.code, "Client.InstanceInitiatedShutdown");
});

test(
  "an instance that cannot write to its disk is impaired, and says since when, until it can",
  limit,
  async (t) => {
    const { client, machines, records, until } = await testRegion(t);
    const { Instances: [launched] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    });
    const id = launched?.InstanceId ?? "";
    await until(() => records.get("instance", id)?.so.booted === true);
    const checks = async () => {
      const { InstanceStatuses: [it] = [] } = await client.describeInstanceStatus({ InstanceIds: [id] });
      return [it?.InstanceStatus?.Status, it?.SystemStatus?.Status, it?.AttachedEbsStatus];
    };
    const reachable = (Status: string) => ({ Name: "reachability", Status });
    const well = ["ok", "ok", { Status: "ok", Details: [reachable("passed")] }];
    assert.deepEqual(await checks(), well);

    machines.pause(id, "the disk of this host is full");
    await until(() => records.get("instance", id)?.so.paused !== undefined);
    const [instance, system, volumes] = await checks();
    assert.deepEqual([instance, system], ["impaired", "ok"]);
    assert.ok(typeof volumes === "object" && volumes.Status === "impaired");
    assert.equal(volumes.Details?.[0]?.Status, "failed");
    assert.ok(volumes.Details?.[0]?.ImpairedSince instanceof Date);
    assert.equal(records.get("instance", id)?.so.paused?.why, "the disk of this host is full");
    const filters = [{ Name: "attached-ebs-status.status", Values: ["impaired"] }];
    assert.equal((await client.describeInstanceStatus({ Filters: filters })).InstanceStatuses?.length, 1);

    machines.pause(id, undefined);
    await until(() => records.get("instance", id)?.so.paused === undefined);
    assert.deepEqual(await checks(), well);
  },
);

test(
  "an instance whose interface has lost its link is impaired, and so is its host, until it has one again",
  limit,
  async (t) => {
    const { client, machines, records, until } = await testRegion(t);
    const { value } = await booted(client, records, until);
    const checks = async () => {
      const { InstanceStatuses: [it] = [] } = await client.describeInstanceStatus({
        InstanceIds: [value.id],
      });
      return [it?.InstanceStatus, it?.SystemStatus, it?.AttachedEbsStatus];
    };
    machines.cutOff(value.id, [records.interfacesOf(value.id)[0]?.id ?? ""]);
    await until(() => records.get("instance", value.id)?.so.cutOff !== undefined);
    const [instance, system, volumes] = await checks();
    assert.deepEqual([instance?.Status, system?.Status, volumes?.Status], ["impaired", "impaired", "ok"]);
    for (const it of [instance, system]) assert.ok(it?.Details?.[0]?.ImpairedSince instanceof Date);
    machines.cutOff(value.id, []);
    await until(() => records.get("instance", value.id)?.so.cutOff === undefined);
    assert.deepEqual(
      (await checks()).map((it) => it?.Status),
      ["ok", "ok", "ok"],
    );
  },
);

async function booted(
  client: TestRegion["client"],
  records: TestRegion["records"],
  until: TestRegion["until"],
) {
  const launch = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
  const { Instances: [instance] = [] } = await client.runInstances(launch);
  const id = instance?.InstanceId ?? "";
  await until(() => records.get("instance", id)?.so.booted === true);
  return records.entry("instance", id) ?? assert.fail(`${id} is gone`);
}
