import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { systemClock } from "#clock.ts";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { createFakePassingKeys } from "#drivers/fake-passing-keys.ts";
import { regionActivity } from "../../host/region-activity.ts";
import { testImage, testRegion } from "#testing/region.ts";
import { instanceStores } from "./instance-store.ts";
import { machineSpec } from "./machine-spec.ts";

const limit = { timeout: 60_000 };

test(
  "an instance has its type's NVMe instance stores from launch on, unmapped, empty after each stop and the same after a reboot",
  limit,
  async (t) => {
    const { client, disks, id, machines, metadata, becomes } = await launched(t, {
      InstanceType: "i3.8xlarge",
    });
    const stores = storesOf(machines.spec(id));
    assert.equal(stores.length, 4);
    for (const store of stores) {
      assert.match(store, /^AWS[\dA-F]{17}$/);
      // 1,900 billion bytes
      assert.equal((disks.sizeOf(store) ?? 0) * 2 ** 30, 1900e9);
      disks.write(store, "scratch");
    }
    assert.equal(new Set(stores).size, 4);
    assert.ok(!Object.keys(metadata()).some((key) => key.includes("ephemeral")));
    const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds: [id] });
    const mapped = reservation?.Instances?.[0]?.BlockDeviceMappings;
    assert.deepEqual(
      mapped?.map((it) => it.DeviceName),
      [testImage.rootDevice],
    );

    await client.rebootInstances({ InstanceIds: [id] });
    await becomes("running", { reboots: 1 });
    assert.equal(disks.read(stores[0] ?? ""), "scratch");

    await client.stopInstances({ InstanceIds: [id] });
    await becomes("stopped");
    assert.deepEqual(storesOf(await diskIds(disks)), []);
    await client.startInstances({ InstanceIds: [id] });
    await becomes("running");
    assert.deepEqual(storesOf(machines.spec(id)), stores);
    assert.equal(disks.read(stores[0] ?? ""), "");

    await client.terminateInstances({ InstanceIds: [id] });
    await becomes("terminated");
    assert.deepEqual(await disks.list(), []);
  },
);

test("a type that is chosen while the instance is off brings its own", limit, async (t) => {
  const { client, id, machines, becomes } = await launched(t, { InstanceType: "m5.large" });
  assert.equal(storesOf(machines.spec(id)).length, 0);
  await client.stopInstances({ InstanceIds: [id] });
  await becomes("stopped");
  await client.modifyInstanceAttribute({ InstanceId: id, InstanceType: { Value: "m5d.12xlarge" } });
  await client.startInstances({ InstanceIds: [id] });
  await becomes("running");
  assert.equal(storesOf(machines.spec(id)).length, 2);
});

test(
  "instance stores that are not of NVMe come where the launch maps them; others are not mapped",
  limit,
  async (t) => {
    const BlockDeviceMappings = [
      { DeviceName: "/dev/sdb", VirtualName: "ephemeral1" },
      { DeviceName: "/dev/sdc", VirtualName: "ephemeral7" },
    ];
    const { id, disks, machines, metadata } = await launched(t, {
      InstanceType: "m3.xlarge",
      BlockDeviceMappings,
    });
    const [store = "", ...others] = storesOf(machines.spec(id));
    assert.equal(others.length, 0);
    assert.equal((disks.sizeOf(store) ?? 0) * 2 ** 30, 40e9);
    while (metadata()["block-device-mapping/ephemeral1"] !== "sdb") await sleep(5);
    assert.ok(!("block-device-mapping/ephemeral7" in metadata()));

    const nvme = await launched(t, { InstanceType: "m5d.large", BlockDeviceMappings });
    assert.equal(storesOf(nvme.machines.spec(nvme.id)).length, 1);
    assert.ok(!("block-device-mapping/ephemeral1" in nvme.metadata()));
    const none = await launched(t, { InstanceType: "t3.micro", BlockDeviceMappings });
    assert.equal(none.machines.spec(none.id)?.disks.length, 1);
  },
);

test(
  "an instance store is encrypted by a key of its own; without it, after the host's boot, it is empty",
  limit,
  async (t) => {
    const { disks, networks, machines, records } = await launched(t, { InstanceType: "m5d.large" });
    const [record] = records.all("instance");
    assert.ok(record);
    const [{ id: store } = { id: "" }] = instanceStores(record);
    assert.deepEqual((await disks.locate(store)).encrypted, { key: `passing:${store}`, files: 1 });
    disks.write(store, "scratch");
    const parts = {
      disks,
      networks,
      machines,
      storeKeys: createFakePassingKeys(),
      imageKernel: () => undefined,
    };
    parts.storeKeys.key(store);
    await machineSpec(record, records, parts);
    assert.equal(disks.read(store), "scratch");
    await machineSpec(record, records, { ...parts, storeKeys: createFakePassingKeys() });
    assert.equal(disks.read(store), "");
  },
);

test("a launch that maps instance stores wrongly is refused", limit, async (t) => {
  const { client } = await testRegion(t);
  for (const BlockDeviceMappings of [
    [{ DeviceName: "/dev/sdb", VirtualName: "fast" }],
    [{ VirtualName: "ephemeral0" }],
    [{ DeviceName: "/dev/sdb", VirtualName: "ephemeral0", Ebs: { VolumeSize: 1 } }],
    [{ DeviceName: testImage.rootDevice, VirtualName: "ephemeral0" }],
    [
      { DeviceName: "/dev/sdb", VirtualName: "ephemeral0" },
      { DeviceName: "/dev/sdb", VirtualName: "ephemeral1" },
    ],
    [
      { DeviceName: "/dev/sdb", VirtualName: "ephemeral0" },
      { DeviceName: "/dev/sdb", Ebs: { VolumeSize: 1 } },
    ],
  ])
    await assert.rejects(client.runInstances({ ...launch, InstanceType: "m3.large", BlockDeviceMappings }), {
      name: "InvalidBlockDeviceMapping",
    });
});

test("what instance stores may come to is told while their instance is not off", limit, async (t) => {
  const { client, feed, id, records, becomes } = await launched(t, { InstanceType: "m5d.large" });
  const [record] = records.all("instance");
  const [store] = record ? instanceStores(record) : [];
  const activity = regionActivity(feed, systemClock);
  const promisedGiB = 75e9 / 2 ** 30;
  assert.deepEqual(activity.instanceStores, { count: 1, promisedGiB });
  assert.deepEqual(activity.disks[1], {
    id: store?.id,
    region: "eu-central-1",
    promisedGiB,
    usedBytes: null,
  });
  await client.stopInstances({ InstanceIds: [id] });
  await becomes("stopped");
  assert.equal(regionActivity(feed, systemClock).instanceStores.count, 0);
});

const launch = { ImageId: testImage.id, MinCount: 1, MaxCount: 1 };

async function launched(t: TestContext, what: Partial<RunInstancesCommandInput>) {
  const region = await testRegion(t, { boots: "at once" });
  const { client, guests, records, until } = region;
  const { Instances: [instance] = [] } = await client.runInstances({ ...launch, ...what });
  const id = instance?.InstanceId ?? "";
  const becomes = (state: string, { reboots = 0 } = {}) =>
    until(() => {
      const now = records.get("instance", id);
      return (
        now?.so.state === state && now.so.generation === now.wanted.generation && now.so.reboots >= reboots
      );
    });
  await becomes("running");
  return {
    ...region,
    id,
    becomes,
    metadata: () => guests.get(instance?.VpcId ?? "")?.interfaces[0]?.metadata.tree ?? {},
  };
}

const storesOf = (spec?: { readonly disks: readonly { readonly id: string }[] }): string[] =>
  spec?.disks.map(({ id }) => id).filter((id) => id.startsWith("AWS")) ?? [];
const diskIds = async (disks: Pick<DiskDriver, "list">) => ({
  disks: (await disks.list()).map((id) => ({ id })),
});
