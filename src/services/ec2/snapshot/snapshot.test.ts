import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CreateVolumeCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { recordImportedImage } from "../image/imported-image.ts";
import { volumeState } from "../volume/volume.ts";

const limit = { timeout: 60_000 };
const none = "snap-0123456789abcdef0";

test("a snapshot holds what its volume held then, and a volume made of it begins so", limit, async (t) => {
  const region = await withVolume(t, { Size: 4, VolumeType: "gp3" });
  const { client, disks, volumeId, snapshot, volumeOf } = region;
  disks.write(volumeId, "then");
  const made = await client.createSnapshot({
    VolumeId: volumeId,
    Description: "before",
    TagSpecifications: [{ ResourceType: "snapshot", Tags: [{ Key: "Name", Value: "s" }] }],
  });
  const id = made.SnapshotId ?? "";
  assert.match(id, /^snap-[0-9a-f]{17}$/);
  assert.deepEqual(
    [made.State, made.Progress, made.VolumeId, made.VolumeSize, made.OwnerId, made.Encrypted],
    ["pending", "0%", volumeId, 4, region.accountId, false],
  );
  await region.completes(id);
  const [shown] = await snapshot(id);
  assert.deepEqual(
    [shown?.State, shown?.Progress, shown?.Description, shown?.StorageTier, shown?.Tags],
    ["completed", "100%", "before", "standard", [{ Key: "Name", Value: "s" }]],
  );
  assert.ok(shown?.CompletionTime && shown.StartTime && shown.CompletionTime >= shown.StartTime);
  disks.write(volumeId, "now");
  const restored = await volumeOf({ SnapshotId: id });
  assert.deepEqual([disks.read(restored), disks.read(volumeId)], ["then", "now"]);
  const { Volumes: [volume] = [] } = await client.describeVolumes({ VolumeIds: [restored] });
  assert.deepEqual([volume?.Size, volume?.SnapshotId, volume?.VolumeType], [4, id, "gp2"]);
  assert.equal(region.disks.sizeOf(await volumeOf({ SnapshotId: id, Size: 6 })), 6);
  await assert.rejects(client.createVolume({ AvailabilityZone: zone, SnapshotId: id, Size: 3 }), {
    name: "InvalidParameterValue",
    message: `Volume of size 3GB is smaller than snapshot '${id}', expect size >= 4GB`,
  });
  const { Volumes: found = [] } = await client.describeVolumes({
    Filters: [{ Name: "snapshot-id", Values: [id] }],
  });
  assert.equal(found.length, 2);
});

test(
  "volumes and copies of a snapshot outlive it; it goes at once, and its bytes with them",
  limit,
  async (t) => {
    const region = await withVolume(t, { Size: 1 });
    const { client, disks, volumeId, snapshotNow, volumeOf } = region;
    disks.write(volumeId, "kept");
    const id = await snapshotNow();
    const { SnapshotId: copy = "", Tags } = await client.copySnapshot({
      SourceRegion: region.clientConfig.region,
      SourceSnapshotId: id,
      Description: "copy",
      TagSpecifications: [{ ResourceType: "snapshot", Tags: [{ Key: "a", Value: "b" }] }],
    });
    assert.deepEqual(Tags, [{ Key: "a", Value: "b" }]);
    await region.completes(copy);
    const [shown] = await region.snapshot(copy);
    assert.deepEqual([shown?.VolumeId, shown?.VolumeSize, shown?.Description], ["vol-ffffffff", 1, "copy"]);
    const restored = await volumeOf({ SnapshotId: id });
    await client.deleteSnapshot({ SnapshotId: id });
    const gone = { name: "InvalidSnapshot.NotFound", message: `The snapshot '${id}' does not exist.` };
    await assert.rejects(client.describeSnapshots({ SnapshotIds: [id] }), gone);
    await assert.rejects(client.deleteSnapshot({ SnapshotId: id }), gone);
    await assert.rejects(client.createVolume({ AvailabilityZone: zone, SnapshotId: id }), gone);
    await region.until(() => region.records.get("snapshot", id) === undefined);
    assert.deepEqual(await disks.snapshots(), [copy]);
    assert.equal(disks.read(restored), "kept");
    assert.equal(disks.read(await volumeOf({ SnapshotId: copy })), "kept");
    await client.deleteVolume({ VolumeId: volumeId });
    await client.deleteSnapshot({ SnapshotId: copy });
    await region.until(() => region.records.all("snapshot").length === 0);
    assert.deepEqual(await disks.snapshots(), []);
  },
);

test(
  "snapshots of an instance's volumes are made together, of those that were not excluded",
  limit,
  async (t) => {
    const region = await withVolume(t, { Size: 1, Tags: { team: "a" } });
    const { client, machines, volumeId } = region;
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs: { VolumeSize: 2 } }],
    });
    const instanceId = instance?.InstanceId ?? "";
    await region.until(() => region.records.get("instance", instanceId)?.so.state === "running");
    await client.attachVolume({ VolumeId: volumeId, InstanceId: instanceId, Device: "/dev/sdg" });
    await region.until(() => {
      const attachment = region.records.get("volume", volumeId)?.attachments[0];
      return attachment !== undefined && !attachment.plugging;
    });
    const before = machines.spec(instanceId)?.disks ?? [];
    const { Snapshots: made = [] } = await client.createSnapshots({
      InstanceSpecification: { InstanceId: instanceId },
      Description: "all",
      CopyTagsFromSource: "volume",
    });
    assert.deepEqual(
      made.map((it) => [it.VolumeSize, it.State, it.Description]),
      [
        [2, "pending", "all"],
        [1, "pending", "all"],
        [testImage.sizeGiB, "pending", "all"],
      ],
    );
    assert.deepEqual(made[1]?.Tags, [{ Key: "team", Value: "a" }]);
    for (const { SnapshotId = "" } of made) await region.completes(SnapshotId);
    const times = new Set(
      region.records.all("snapshot").map(({ so, together }) => `${so.completedAt} ${together}`),
    );
    assert.equal(times.size, 1);
    const after = machines.spec(instanceId)?.disks ?? [];
    assert.deepEqual(
      after.map(({ id, below }) => [id, below.length]),
      before.map(({ id, below }) => [id, below.length + 1]),
      "the machine writes on top of them",
    );
    const root = before[0]?.id ?? "";
    const chosen = async (spec: object) => {
      const { Snapshots = [] } = await client.createSnapshots({
        InstanceSpecification: { InstanceId: instanceId, ...spec },
      });
      for (const { SnapshotId = "" } of Snapshots) await region.completes(SnapshotId);
      return Snapshots.map(({ VolumeId }) => VolumeId);
    };
    assert.ok(!(await chosen({ ExcludeBootVolume: true })).includes(root));
    assert.ok(!(await chosen({ ExcludeDataVolumeIds: [volumeId] })).includes(volumeId));
    await assert.rejects(chosen({ ExcludeDataVolumeIds: [root] }), { name: "InvalidParameterValue" });
    await assert.rejects(chosen({ InstanceId: "i-0123456789abcdef0" }), {
      name: "InvalidInstanceID.NotFound",
    });
    await client.terminateInstances({ InstanceIds: [instanceId] });
    await region.until(() => region.records.get("volume", root) === undefined);
    const ofRoot = region.records.snapshotsOf(root)[0]?.id;
    const again = await region.volumeOf({ SnapshotId: ofRoot });
    assert.deepEqual(
      (await region.disks.locate(again)).below.at(-1),
      `/cache/${testImage.cacheEntry}/disk.qcow2`,
    );
  },
);

test("a launch makes volumes of snapshots, at least as large", limit, async (t) => {
  const region = await withVolume(t, { Size: 3 });
  const { client, disks, volumeId } = region;
  disks.write(volumeId, "data");
  const id = await region.snapshotNow();
  const launch = (Ebs: object) =>
    client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs }],
    });
  await assert.rejects(launch({ SnapshotId: id, VolumeSize: 2 }), { name: "InvalidBlockDeviceMapping" });
  await assert.rejects(launch({ SnapshotId: none }), { name: "InvalidSnapshot.NotFound" });
  const { Instances: [instance] = [] } = await launch({ SnapshotId: id });
  const instanceId = instance?.InstanceId ?? "";
  await client.deleteSnapshot({ SnapshotId: id });
  await region.until(() => region.records.get("instance", instanceId)?.so.state === "running");
  const [volume] = region.records.volumesOf(instanceId).filter(({ snapshotId }) => snapshotId === id);
  assert.deepEqual([volume?.sizeGiB, disks.read(volume?.id ?? "")], [3, "data"]);
});

test(
  "snapshots are found by their owners, by whom they are shared with, by filters and in pages",
  limit,
  async (t) => {
    const region = await withVolume(t, { Size: 1 });
    const { client, volumeId } = region;
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push(await region.snapshotNow());
    const [first = "", second = ""] = ids;
    const found = async (input: object) =>
      ((await client.describeSnapshots(input)).Snapshots ?? [])
        .map(({ SnapshotId = "" }) => SnapshotId)
        .toSorted();
    const all = ids.toSorted();
    for (const owner of ["self", region.accountId]) assert.deepEqual(await found({ OwnerIds: [owner] }), all);
    for (const owner of ["amazon", "123456789012"]) assert.deepEqual(await found({ OwnerIds: [owner] }), []);
    await client.modifySnapshotAttribute({
      SnapshotId: first,
      Attribute: "createVolumePermission",
      OperationType: "add",
      UserIds: ["123456789012"],
    });
    await client.modifySnapshotAttribute({
      SnapshotId: second,
      CreateVolumePermission: { Add: [{ Group: "all" }, { UserId: "210987654321" }] },
    });
    assert.deepEqual(await found({ RestorableByUserIds: ["self"] }), all);
    assert.deepEqual(await found({ RestorableByUserIds: ["123456789012"] }), [first]);
    assert.deepEqual(await found({ RestorableByUserIds: ["all"] }), [second]);
    const filters = {
      "volume-id": volumeId,
      status: "completed",
      progress: "100%",
      "volume-size": "1",
      "owner-id": region.accountId,
    };
    for (const [Name, value] of Object.entries(filters))
      assert.deepEqual(await found({ Filters: [{ Name, Values: [value] }] }), all, Name);
    assert.deepEqual(await found({ Filters: [{ Name: "status", Values: ["pending"] }] }), []);
    const page = await client.describeSnapshots({ MaxResults: 5 });
    assert.equal(page.Snapshots?.length, 5);
    assert.equal((await found({ MaxResults: 5, NextToken: page.NextToken })).length, 1);
    await assert.rejects(client.describeSnapshots({ SnapshotIds: ["snap-x"] }), {
      name: "InvalidSnapshotID.Malformed",
    });
    const { SnapshotTierStatuses: tiers = [] } = await client.describeSnapshotTierStatus({
      Filters: [{ Name: "snapshot-id", Values: [first] }],
    });
    assert.deepEqual(
      tiers.map((it) => [it.SnapshotId, it.StorageTier, it.Status, it.VolumeId]),
      [[first, "standard", "completed", volumeId]],
    );
  },
);

test("an instance starts when the snapshots that were asked for before are made", limit, async (t) => {
  const region = await withVolume(t, { Size: 1 });
  const { client, disks, machines, records, until } = region;
  const launch = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
  const { Instances: [instance] = [] } = await client.runInstances(launch);
  const id = instance?.InstanceId ?? "";
  const reaches = (state: string) => until(() => records.get("instance", id)?.so.state === state);
  await reaches("running");
  await client.stopInstances({ InstanceIds: [id], Force: true });
  await reaches("stopped");
  const order: string[] = [];
  const [snapshot, ensure] = [disks.snapshot.bind(disks), machines.ensure.bind(machines)];
  const asked = Promise.withResolvers<void>();
  disks.snapshot = async (...args) => {
    await asked.promise;
    await snapshot(...args);
    order.push("snapshot");
  };
  machines.ensure = async (spec) => {
    order.push("start");
    await ensure(spec);
  };
  await client.createSnapshots({ InstanceSpecification: { InstanceId: id } });
  await client.startInstances({ InstanceIds: [id] });
  await new Promise((resolve) => setImmediate(resolve));
  asked.resolve();
  await reaches("running");
  assert.deepEqual(order.slice(0, 2), ["snapshot", "start"]);
});

test("who may make volumes of a snapshot is shown, added, taken away and reset", limit, async (t) => {
  const region = await withVolume(t, { Size: 1 });
  const { client } = region;
  const SnapshotId = await region.snapshotNow();
  const shared = async () => {
    const answer = await client.describeSnapshotAttribute({
      SnapshotId,
      Attribute: "createVolumePermission",
    });
    return answer.CreateVolumePermissions?.map((it) => it.UserId ?? it.Group);
  };
  assert.deepEqual(await shared(), []);
  const change = (CreateVolumePermission: object) =>
    client.modifySnapshotAttribute({ SnapshotId, CreateVolumePermission });
  await change({ Add: [{ UserId: "123456789012" }, { Group: "all" }] });
  await change({ Add: [{ UserId: "123456789012" }], Remove: [{ Group: "all" }] });
  assert.deepEqual(await shared(), ["123456789012"]);
  await assert.rejects(change({ Add: [{ UserId: "me" }] }), { name: "InvalidUserID.Malformed" });
  await assert.rejects(change({}), { name: "MissingParameter" });
  await client.resetSnapshotAttribute({ SnapshotId, Attribute: "createVolumePermission" });
  assert.deepEqual(await shared(), []);
  const { ProductCodes } = await client.describeSnapshotAttribute({ SnapshotId, Attribute: "productCodes" });
  assert.deepEqual(ProductCodes, []);
});

test("a locked snapshot is not deleted; how it is unlocked depends on its mode", limit, async (t) => {
  const region = await withVolume(t, { Size: 1 });
  const { client } = region;
  const SnapshotId = await region.snapshotNow();
  const locked = async () => (await client.describeLockedSnapshots({})).Snapshots ?? [];
  const refused = { name: "OperationNotPermitted" };
  assert.deepEqual(await locked(), []);
  await assert.rejects(client.unlockSnapshot({ SnapshotId }), { name: "IncorrectState" });
  const made = await client.lockSnapshot({ SnapshotId, LockMode: "governance", LockDuration: 2 });
  assert.deepEqual([made.LockState, made.LockDuration], ["governance", 2]);
  assert.equal(Number(made.LockExpiresOn) - Number(made.LockDurationStartTime), 2 * 24 * 3_600_000);
  assert.deepEqual(
    (await locked()).map((it) => [it.SnapshotId, it.LockState, it.OwnerId]),
    [[SnapshotId, "governance", region.accountId]],
  );
  await assert.rejects(client.deleteSnapshot({ SnapshotId }), refused);
  await client.unlockSnapshot({ SnapshotId });
  assert.deepEqual(await locked(), []);

  const compliance = { SnapshotId, LockMode: "compliance" } as const;
  const cooling = await client.lockSnapshot({ ...compliance, LockDuration: 3, CoolOffPeriod: 1 });
  assert.equal(cooling.LockState, "compliance-cooloff");
  await client.unlockSnapshot({ SnapshotId });
  await client.lockSnapshot({ ...compliance, LockDuration: 3 });
  await assert.rejects(client.unlockSnapshot({ SnapshotId }), refused);
  await assert.rejects(client.deleteSnapshot({ SnapshotId }), refused);
  await assert.rejects(client.lockSnapshot({ ...compliance, LockDuration: 2 }), refused);
  await assert.rejects(client.lockSnapshot({ SnapshotId, LockMode: "governance", LockDuration: 9 }), refused);
  assert.equal((await client.lockSnapshot({ ...compliance, LockDuration: 4 })).LockDuration, 4);
});

test("what cannot be locked so is refused", limit, async (t) => {
  const region = await withVolume(t, { Size: 1 });
  const SnapshotId = await region.snapshotNow();
  const governance = { SnapshotId, LockMode: "governance" } as const;
  const soon = new Date(Date.now() + 1e9);
  for (const [input, name] of [
    [governance, "MissingParameter"],
    [{ ...governance, LockDuration: 1, ExpirationDate: soon }, "InvalidParameterCombination"],
    [{ ...governance, LockDuration: 1, CoolOffPeriod: 1 }, "InvalidParameterCombination"],
    [{ ...governance, LockDuration: 36_501 }, "InvalidParameterValue"],
    [{ ...governance, ExpirationDate: new Date(0) }, "InvalidParameterValue"],
  ] as const)
    await assert.rejects(region.client.lockSnapshot(input), { name });
});

test(
  "a volume that is not there yet, or not any more, has no snapshot; nor is one made of a pending one",
  limit,
  async (t) => {
    const region = await withVolume(t, { Size: 1 });
    const { client, records, disks, volumeId } = region;
    await assert.rejects(client.createSnapshot({ VolumeId: "vol-0123456789abcdef0" }), {
      name: "InvalidVolume.NotFound",
    });
    await assert.rejects(client.createSnapshot({ VolumeId: volumeId, DryRun: true }), {
      name: "DryRunOperation",
    });
    assert.deepEqual(records.all("snapshot"), []);
    const snapshot = disks.snapshot.bind(disks);
    const held = Promise.withResolvers<void>();
    disks.snapshot = async (...args) => {
      await held.promise;
      return snapshot(...args);
    };
    const pending: string[] = [];
    for (let n = 0; n < 5; n++)
      pending.push((await client.createSnapshot({ VolumeId: volumeId })).SnapshotId ?? "");
    await assert.rejects(client.createSnapshot({ VolumeId: volumeId }), {
      name: "ConcurrentSnapshotLimitExceeded",
      message: "Maximum allowed in-progress snapshots for a single volume exceeded.",
    });
    const [first = "", second = ""] = pending;
    await assert.rejects(client.createVolume({ AvailabilityZone: zone, SnapshotId: first }), {
      name: "IncorrectState",
      message: "Snapshot is in invalid state - pending",
    });
    await client.deleteSnapshot({ SnapshotId: second });
    await client.deleteVolume({ VolumeId: volumeId });
    held.resolve();
    for (const id of [first, ...pending.slice(2)]) await region.completes(id);
    await region.until(() => records.get("volume", volumeId) === undefined);
    await region.until(() => records.get("snapshot", second) === undefined);
    assert.deepEqual((await disks.snapshots()).toSorted(), [first, ...pending.slice(2)].toSorted());
  },
);

test(
  "a deregistered image's files stay until the last snapshot that came of it is gone",
  limit,
  async (t) => {
    const region = await withVolume(t, { Size: 1 });
    const { client, records, store } = region;
    const scope = { accountId: region.accountId, region: region.clientConfig.region };
    const imageId = "ami-0cccccccccccccccc";
    const image = { id: imageId, name: "mine", description: "", architecture: "x86_64", sizeGiB: 2 } as const;
    await recordImportedImage({ ...image, bootMode: "uefi" }, scope, store, new Date());
    await region.until(() => records.get("image", imageId) !== undefined);
    const ofImage = records.get("image", imageId)?.snapshotId ?? "";
    await assert.rejects(client.deleteSnapshot({ SnapshotId: ofImage }), {
      name: "InvalidSnapshot.InUse",
      message: `The snapshot ${ofImage} is currently in use by ${imageId}`,
    });
    const made = await region.volumeOf({ SnapshotId: ofImage });
    const { SnapshotId: id = "" } = await client.createSnapshot({ VolumeId: made });
    await region.completes(id);
    const again = await region.volumeOf({ SnapshotId: id });
    await client.deregisterImage({ ImageId: imageId });
    await client.deleteVolume({ VolumeId: made });
    await client.deleteSnapshot({ SnapshotId: id });
    await region.until(() => records.get("snapshot", id) === undefined);
    assert.deepEqual([records.get("image", imageId)?.deregistered, region.removedImages], [true, []]);
    await client.deleteVolume({ VolumeId: again });
    await region.until(() => records.get("image", imageId) === undefined);
    assert.deepEqual(region.removedImages, [imageId]);
  },
);

const zone = "eu-central-1a";

async function withVolume(
  t: TestContext,
  { Tags, ...input }: Omit<CreateVolumeCommandInput, "AvailabilityZone"> & { Tags?: Record<string, string> },
) {
  const region = await testRegion(t);
  const { client, records, until } = region;
  const volumeOf = async (wanted: Omit<CreateVolumeCommandInput, "AvailabilityZone">) => {
    const { VolumeId: id = "" } = await client.createVolume({ AvailabilityZone: zone, ...wanted });
    await until(() => {
      const volume = records.get("volume", id);
      return volume !== undefined && volumeState(volume) === "available";
    });
    return id;
  };
  const tags = Object.entries(Tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
  const volumeId = await volumeOf({
    ...input,
    ...(tags.length > 0 && { TagSpecifications: [{ ResourceType: "volume", Tags: tags }] }),
  });
  const completes = (id: string) => until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
  return {
    ...region,
    volumeId,
    volumeOf,
    completes,
    snapshot: async (id: string) => (await client.describeSnapshots({ SnapshotIds: [id] })).Snapshots ?? [],
    snapshotNow: async () => {
      const { SnapshotId: id = "" } = await client.createSnapshot({ VolumeId: volumeId });
      await completes(id);
      return id;
    },
  };
}
