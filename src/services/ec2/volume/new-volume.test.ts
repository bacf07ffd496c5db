import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CreateVolumeCommandInput } from "@aws-sdk/client-ec2";
import { testHost, testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const zone = "eu-central-1b";

test(
  "a volume is created blank in its zone, with its tags, becomes available, and is deleted",
  limit,
  async (t) => {
    const { client, records, disks, until, create } = await withRegion(t);
    const made = await create({
      Size: 10,
      VolumeType: "gp3",
      TagSpecifications: [{ ResourceType: "volume", Tags: [{ Key: "Name", Value: "data" }] }],
    });
    const id = made.VolumeId ?? "";
    assert.deepEqual(
      [made.State, made.Size, made.VolumeType, made.Iops, made.Throughput, made.AvailabilityZone],
      ["creating", 10, "gp3", 3000, 125, zone],
    );
    assert.deepEqual([made.SnapshotId, made.Encrypted, made.Attachments], ["", false, []]);
    assert.deepEqual(made.Tags, [{ Key: "Name", Value: "data" }]);
    await until(() => records.get("volume", id)?.so.ready === true);
    assert.deepEqual(await disks.list(), [id]);
    const { Volumes: [volume] = [] } = await client.describeVolumes({
      Filters: [{ Name: "status", Values: ["available"] }],
    });
    assert.equal(volume?.VolumeId, id);
    await client.deleteVolume({ VolumeId: id });
    await until(() => records.get("volume", id) === undefined);
    assert.deepEqual(await disks.list(), []);
    await assert.rejects(client.deleteVolume({ VolumeId: id }), { name: "InvalidVolume.NotFound" });
  },
);

test("each type has AWS's defaults", limit, async (t) => {
  const { create } = await withRegion(t);
  const shape = async (input: Partial<CreateVolumeCommandInput>) => {
    const { VolumeType, Size, Iops, Throughput } = await create(input);
    return [VolumeType, Size, Iops, Throughput];
  };
  assert.deepEqual(await shape({ Size: 1 }), ["gp2", 1, 100, undefined]);
  assert.deepEqual(await shape({ Size: 1000 }), ["gp2", 1000, 3000, undefined]);
  assert.deepEqual(await shape({ Size: 16_384, VolumeType: "gp2" }), ["gp2", 16_384, 16_000, undefined]);
  assert.deepEqual(await shape({ Size: 1, VolumeType: "gp3" }), ["gp3", 1, 3000, 125]);
  assert.deepEqual(await shape({ Size: 100, VolumeType: "gp3", Iops: 4000, Throughput: 1000 }), [
    "gp3",
    100,
    4000,
    1000,
  ]);
  assert.deepEqual(await shape({ Size: 4, VolumeType: "io1", Iops: 200 }), ["io1", 4, 200, undefined]);
  assert.deepEqual(await shape({ Size: 4, VolumeType: "io2", Iops: 4000 }), ["io2", 4, 4000, undefined]);
  assert.deepEqual(await shape({ Size: 125, VolumeType: "st1" }), ["st1", 125, undefined, undefined]);
  assert.deepEqual(await shape({ Size: 1, VolumeType: "standard" }), ["standard", 1, undefined, undefined]);
});

test("what a type does not allow has AWS's code and sentence, and makes nothing", limit, async (t) => {
  const { client, store, create } = await withRegion(t);
  const sized = (VolumeType: "gp2" | "gp3" | "io1" | "io2" | "st1" | "standard", Size: number, more = {}) =>
    create({ VolumeType, Size, ...more });
  const before = (await store.list("")).revision;
  for (const [attempt, name, message = /./] of [
    [
      () => sized("gp2", 0),
      "InvalidParameterValue",
      /^The volume size is invalid for gp2 volumes: 0 GiB\. gp2 volumes must be at least 1 GiB in size\. Please specify a volume size above the minimum limit\.$/,
    ],
    [() => sized("gp2", 16_385), "InvalidParameterValue", /at most 16384 GiB/],
    [() => sized("st1", 124), "InvalidParameterValue", /at least 125 GiB/],
    [() => sized("standard", 1025), "InvalidParameterValue", /at most 1024 GiB/],
    [
      () => sized("io2", 10),
      "InvalidParameterCombination",
      /^The parameter iops must be specified for io2 volumes\.$/,
    ],
    [
      () => sized("gp2", 10, { Iops: 100 }),
      "InvalidParameterCombination",
      /not supported for gp2 volumes\.$/,
    ],
    [
      () => sized("io1", 4, { Iops: 3000 }),
      "InvalidParameterValue",
      /^Iops to volume size ratio of 750\.000000 is too high; maximum is 50$/,
    ],
    [() => sized("gp3", 10, { Iops: 2999 }), "InvalidParameterValue", /2999 is too low; minimum is 3000/],
    [() => sized("gp3", 10, { Iops: 6000 }), "InvalidParameterValue", /ratio of 600\.000000 is too high/],
    [() => sized("io1", 4, { Iops: 99 }), "InvalidParameterValue", /minimum is 100/],
    [() => sized("io2", 1000, { Iops: 256_001 }), "InvalidParameterValue", /maximum is 256000/],
    [
      () => sized("gp3", 100, { Throughput: 1000 }),
      "InvalidParameterValue",
      /^Throughput \(MiBps\) to iops ratio of 0\.333333 is too high; maximum is 0\.250000 MiBps per iops\.$/,
    ],
    [() => sized("gp3", 100, { Throughput: 124 }), "InvalidParameterValue", /minimum is 125/],
    [
      () => sized("io1", 100, { Iops: 100, Throughput: 125 }),
      "InvalidParameterCombination",
      /^throughput can only be specified for volumeType gp3\.$/,
    ],
    [() => create({ Size: 1, VolumeType: "gp9" as "gp3" }), "InvalidParameterValue"],
    [() => create({}), "MissingParameter"],
    [() => client.createVolume({ Size: 1 }), "MissingParameter"],
    [() => create({ Size: 1, AvailabilityZone: "eu-central-1x" }), "InvalidParameterValue", /zone/],
    [() => create({ Size: 1, AvailabilityZoneId: "euc1-az1" }), "InvalidParameterCombination"],
    [() => create({ SnapshotId: "snap-0123456789abcdef0" }), "InvalidSnapshot.NotFound"],
    [
      () => create({ SnapshotId: testImage.snapshotId, Size: 7 }),
      "InvalidParameterValue",
      /^Volume of size 7GB is smaller than snapshot 'snap-0aaaaaaaaaaaaaaaa', expect size >= 8GB$/,
    ],
    [
      () => create({ Size: 1, MultiAttachEnabled: true }),
      "InvalidParameterCombination",
      "The parameter multiAttachEnabled is not supported for gp2 volumes.",
    ],
    [() => create({ Size: 1, DryRun: true }), "DryRunOperation"],
    [
      () => create({ Size: 1, TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "a" }] }] }),
      "InvalidParameterValue",
    ],
  ] as [() => Promise<unknown>, string, RegExp?][])
    await assert.rejects(attempt, { name, message });
  assert.equal((await store.list("")).revision, before);
});

test("a volume is made of the snapshot of an image, at least as large, and knows it", limit, async (t) => {
  const { disks, records, until, create } = await withRegion(t);
  const { VolumeId: id = "", Size, SnapshotId } = await create({ SnapshotId: testImage.snapshotId });
  assert.deepEqual([Size, SnapshotId], [8, testImage.snapshotId]);
  await until(() => records.get("volume", id)?.so.ready === true);
  assert.deepEqual((await disks.locate(id)).below, ["/cache/baked/disk.qcow2"]);
});

test("a ClientToken makes one volume, and is free again when that is deleted", limit, async (t) => {
  const { client, records, until, create } = await withRegion(t);
  const one = { Size: 1, ClientToken: "once" };
  const made = await Promise.all([create(one), create(one), create(one)]);
  const ids = new Set(made.map(({ VolumeId = "" }) => VolumeId));
  assert.equal(ids.size, 1);
  await assert.rejects(create({ ...one, Size: 2 }), { name: "IdempotentParameterMismatch" });
  const [id = ""] = ids;
  await until(() => records.get("volume", id)?.so.ready === true);
  await client.deleteVolume({ VolumeId: id });
  await until(() => records.get("volume", id) === undefined);
  assert.notEqual((await create({ ...one, Size: 2 })).VolumeId, id);
});

test("a host whose disk is full makes no volume", limit, async (t) => {
  const { store, feed, records, create } = await withRegion(t);
  const room = { memoryMiB: 1024, diskMiB: 100, keptDiskMiB: 1024 };
  const { revision } = await store.commit({
    put: [{ key: records.key("host", testHost.id), value: { ...testHost, room } }],
  });
  await feed.reached(revision);
  await assert.rejects(create({ Size: 1 }), { name: "InsufficientVolumeCapacity", message: /100 MiB left/ });
});

test("the status of a volume that works is ok; its attribute is described and changed", limit, async (t) => {
  const { client, records, until, create } = await withRegion(t);
  const { VolumeId = "" } = await create({ Size: 4, VolumeType: "io2", Iops: 100 });
  await until(() => records.get("volume", VolumeId)?.so.ready === true);
  const status = async (Name: string, value: string) =>
    (await client.describeVolumeStatus({ Filters: [{ Name, Values: [value] }] })).VolumeStatuses ?? [];
  const [found] = await status("volume-status.status", "ok");
  assert.deepEqual(
    [found?.VolumeId, found?.AvailabilityZone, found?.VolumeStatus?.Details],
    [
      VolumeId,
      zone,
      [
        { Name: "io-enabled", Status: "passed" },
        { Name: "io-performance", Status: "normal" },
      ],
    ],
  );
  assert.deepEqual(await status("volume-status.status", "impaired"), []);
  const attribute = async () =>
    (await client.describeVolumeAttribute({ VolumeId, Attribute: "autoEnableIO" })).AutoEnableIO?.Value;
  assert.equal(await attribute(), false);
  await client.modifyVolumeAttribute({ VolumeId, AutoEnableIO: { Value: true } });
  assert.equal(await attribute(), true);
  const { ProductCodes } = await client.describeVolumeAttribute({ VolumeId, Attribute: "productCodes" });
  assert.deepEqual(ProductCodes, []);
  await client.enableVolumeIO({ VolumeId });
  await assert.rejects(client.enableVolumeIO({ VolumeId: "vol-1" }), { name: "InvalidVolume.NotFound" });
  await assert.rejects(client.modifyVolumeAttribute({ VolumeId }), { name: "InvalidParameterCombination" });
});

test("a volume is deleted once, by however many", limit, async (t) => {
  const { client, records, until, create } = await withRegion(t);
  const { VolumeId = "" } = await create({ Size: 1 });
  await until(() => records.get("volume", VolumeId)?.so.ready === true);
  const attempts = await Promise.allSettled([1, 2, 3].map(() => client.deleteVolume({ VolumeId })));
  for (const it of attempts)
    if (it.status === "rejected") assert.equal((it.reason as Error).name, "InvalidVolume.NotFound");
  await until(() => records.all("volume").length === 0);
});

async function withRegion(t: TestContext) {
  const region = await testRegion(t);
  const create = (input: Partial<CreateVolumeCommandInput>) =>
    region.client.createVolume({ AvailabilityZone: zone, ...input });
  return { ...region, create };
}
