import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { ResourceType } from "@aws-sdk/client-rbin";
import type { Tag } from "@aws-sdk/client-ec2";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import { workClock } from "#reconcile/work-clock.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere, type CrashScene } from "#testing/crash-everywhere.ts";
import { rbinClient, type RuleRequest } from "#testing/rbin-client.ts";
import { testHost, testImage, testRegion, type TestRegion } from "#testing/region.ts";
import { reconcileImage } from "../image/image-reconciler.ts";
import type { ImageRecord } from "../image/image.ts";
import { parseKey, recordKey } from "../records.ts";
import { regionalRecords } from "../regional-records.ts";
import { reconcileSnapshot } from "../snapshot/snapshot-reconciler.ts";
import type { SnapshotRecord } from "../snapshot/snapshot.ts";
import { reconcileVolume } from "../volume/volume-reconciler.ts";
import { volumeState, type VolumeRecord } from "../volume/volume.ts";

const limit = { timeout: 30_000 };
const zone = "eu-central-1a";
const volumes = "EBS_VOLUME" as ResourceType;
const mark: Tag = { Key: "aws:recycle-bin:resource-in-bin", Value: "true" };
const keep: Tag = { Key: "keep", Value: "yes" };

test(
  "a deleted snapshot that a rule keeps is in the bin alone, and whole when it is restored",
  limit,
  async (t) => {
    const region = await withRule(t, { ResourceType: "EBS_SNAPSHOT" }, 3);
    const { client, disks, records } = region;
    const VolumeId = await region.volume();
    disks.write(VolumeId, "bytes");
    const SnapshotId = await region.snapshot(VolumeId, [keep]);
    await client.modifySnapshotAttribute({
      SnapshotId,
      CreateVolumePermission: { Add: [{ UserId: "222233334444" }] },
    });
    const { client: other } = await region.newAccount("222233334444");
    const missing = { name: "InvalidSnapshot.NotFound" };
    await assert.rejects(client.restoreSnapshotFromRecycleBin({ SnapshotId }), missing);

    await client.deleteSnapshot({ SnapshotId });
    const { Snapshots: [inside] = [] } = await client.listSnapshotsInRecycleBin({});
    assert.deepEqual(
      [inside?.SnapshotId, inside?.VolumeId, inside?.Description],
      [SnapshotId, VolumeId, "made"],
    );
    const stays = Number(inside?.RecycleBinExitTime) - Number(inside?.RecycleBinEnterTime);
    assert.equal(stays, 3 * 86_400_000);
    for (const by of [client, other])
      for (const call of [
        () => by.describeSnapshots({ SnapshotIds: [SnapshotId] }),
        () => by.createVolume({ SnapshotId, AvailabilityZone: zone }),
        () => by.copySnapshot({ SourceSnapshotId: SnapshotId, SourceRegion: "eu-central-1" }),
      ])
        await assert.rejects(call, missing);
    await assert.rejects(client.deleteSnapshot({ SnapshotId }), missing);
    await assert.rejects(other.restoreSnapshotFromRecycleBin({ SnapshotId }), missing);
    assert.deepEqual((await other.listSnapshotsInRecycleBin({})).Snapshots, []);
    await assert.rejects(
      client.listSnapshotsInRecycleBin({ SnapshotIds: ["snap-0123456789abcdef0"] }),
      missing,
    );

    const further: Tag = { Key: "further", Value: "1" };
    await client.createTags({ Resources: [SnapshotId], Tags: [further] });
    await assert.rejects(client.deleteTags({ Resources: [SnapshotId], Tags: [{ Key: mark.Key }] }), {
      name: "InvalidParameterValue",
    });
    const tags = async () =>
      (await client.describeTags({ Filters: [{ Name: "resource-id", Values: [SnapshotId] }] })).Tags ?? [];
    assert.deepEqual(
      (await tags()).map((it) => it.Key),
      [mark.Key, "further", "keep"],
    );

    const restored = await client.restoreSnapshotFromRecycleBin({ SnapshotId });
    assert.deepEqual(
      [restored.SnapshotId, restored.State, restored.Progress, restored.VolumeId, restored.VolumeSize],
      [SnapshotId, "completed", "100%", VolumeId, 1],
    );
    assert.deepEqual((await client.listSnapshotsInRecycleBin({})).Snapshots, []);
    assert.deepEqual((await client.describeSnapshots({ SnapshotIds: [SnapshotId] })).Snapshots?.[0]?.Tags, [
      further,
      keep,
    ]);
    assert.equal((await other.describeSnapshots({ SnapshotIds: [SnapshotId] })).Snapshots?.length, 1);
    assert.equal(disks.read(await region.volume({ SnapshotId })), "bytes");
    assert.equal(records.get("snapshot", SnapshotId)?.bin, undefined);
  },
);

test(
  "the rule that keeps longest counts; tags choose what one keeps, or what it does not",
  limit,
  async (t) => {
    const region = await withRule(t, { ResourceType: "EBS_SNAPSHOT", ResourceTags: [pair(keep)] }, 2);
    const scratch: Tag = { Key: "scratch", Value: "yes" };
    const VolumeId = await region.volume();
    const keptDays = async (...tags: Tag[]) => {
      const SnapshotId = await region.snapshot(VolumeId, tags);
      await region.client.deleteSnapshot({ SnapshotId });
      const { bin } = region.records.get("snapshot", SnapshotId) ?? {};
      return bin ? (Date.parse(bin.exitsAt) - Date.parse(bin.enteredAt)) / 86_400_000 : 0;
    };
    assert.deepEqual(
      [await keptDays(keep), await keptDays({ Key: "keep", Value: "no" }), await keptDays()],
      [2, 0, 0],
    );
    const excluding = { ResourceType: "EBS_SNAPSHOT" as const, ExcludeResourceTags: [pair(scratch)] };
    await region.rule(excluding, 5);
    await region.rule({ ResourceType: "EC2_IMAGE" }, 9);
    assert.deepEqual([await keptDays(keep), await keptDays(), await keptDays(scratch)], [5, 5, 0]);
    assert.equal(await keptDays(keep, scratch), 2);
  },
);

test(
  "when its time is over, what is in the bin goes with its bytes; a rule that changes meanwhile does not matter",
  limit,
  async (t) => {
    const region = await withRule(t, { ResourceType: "EBS_SNAPSHOT" }, 3);
    const { client, rbin, records, disks } = region;
    const VolumeId = await region.volume();
    const SnapshotId = await region.snapshot(VolumeId);
    await client.deleteSnapshot({ SnapshotId });
    const exitsAt = records.get("snapshot", SnapshotId)?.bin?.exitsAt;
    await rbin.deleteRule({ Identifier: region.ruleId });
    assert.equal(records.get("snapshot", SnapshotId)?.bin?.exitsAt, exitsAt);
    await region.rule({ ResourceType: volumes }, 1);
    await client.deleteVolume({ VolumeId });
    assert.deepEqual([await disks.list(), await disks.snapshots()], [[VolumeId], [SnapshotId]]);
    await region.over("snapshot", SnapshotId);
    await region.over("volume", VolumeId);
    await region.until(() => !records.get("snapshot", SnapshotId) && !records.get("volume", VolumeId));
    assert.deepEqual([await disks.list(), await disks.snapshots()], [[], []]);
    await assert.rejects(client.restoreVolumeFromRecycleBin({ VolumeId }), {
      name: "InvalidVolume.NotFound",
    });
  },
);

test("what a volume is made of in time outlives the snapshot that goes from the bin", limit, async (t) => {
  const region = await withRule(t, { ResourceType: "EBS_SNAPSHOT" }, 1);
  const { client, records, disks } = region;
  const VolumeId = await region.volume();
  disks.write(VolumeId, "bytes");
  const SnapshotId = await region.snapshot(VolumeId);
  const made = await region.volume({ SnapshotId });
  const { SnapshotId: copy = "" } = await client.copySnapshot({
    SourceSnapshotId: SnapshotId,
    SourceRegion: "eu-central-1",
  });
  await client.deleteSnapshot({ SnapshotId });
  await region.over("snapshot", SnapshotId);
  await region.until(() => !records.get("snapshot", SnapshotId));
  await region.until(() => records.get("snapshot", copy)?.so.completedAt !== undefined);
  assert.deepEqual(
    [disks.read(made), disks.read(await region.volume({ SnapshotId: copy }))],
    ["bytes", "bytes"],
  );
});

test(
  "a snapshot that is deleted while it is made completes in the bin; one that failed is not kept",
  limit,
  async (t) => {
    const region = await withRule(t, { ResourceType: "EBS_SNAPSHOT" }, 1);
    const { client, records, disks, store, feed } = region;
    const VolumeId = await region.volume();
    const held = Promise.withResolvers<void>();
    const snapshot = disks.snapshot.bind(disks);
    disks.snapshot = async (...args) => {
      await held.promise;
      return snapshot(...args);
    };
    const { SnapshotId = "" } = await client.createSnapshot({ VolumeId });
    await client.deleteSnapshot({ SnapshotId });
    held.resolve();
    await region.until(() => records.get("snapshot", SnapshotId)?.so.completedAt !== undefined);
    assert.equal((await client.restoreSnapshotFromRecycleBin({ SnapshotId })).State, "completed");
    const whole = records.get("snapshot", SnapshotId);
    assert.ok(whole);
    const broken = records.rewrite("snapshot", { ...whole, so: { failed: "the disk is broken" } });
    await feed.reached((await store.commit(broken)).revision);
    await client.deleteSnapshot({ SnapshotId });
    await region.until(() => records.get("snapshot", SnapshotId) === undefined);
  },
);

test(
  "an image in the bin is launched by nobody, and restored once its snapshots are there again",
  limit,
  async (t) => {
    const region = await withRule(t, { ResourceType: "EC2_IMAGE" }, 4);
    const { client, records } = region;
    await region.rule({ ResourceType: "EBS_SNAPSHOT" }, 4);
    const { SnapshotId, ImageId, wanted } = await region.image([keep]);
    await client.disableImageBlockPublicAccess({});
    await client.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ Group: "all" }] } });
    const { client: other } = await region.newAccount("222233334444");
    const deregistered = await client.deregisterImage({ ImageId, DeleteAssociatedSnapshots: true });
    assert.deepEqual(deregistered.DeleteSnapshotResults, [{ SnapshotId, ReturnCode: "success" }]);
    const { Images: [inside] = [] } = await client.listImagesInRecycleBin({ ImageIds: [ImageId] });
    assert.deepEqual([inside?.ImageId, inside?.Name, inside?.Description], [ImageId, "mine", "an image"]);
    assert.equal(Number(inside?.RecycleBinExitTime) - Number(inside?.RecycleBinEnterTime), 4 * 86_400_000);
    const missing = { name: "InvalidAMIID.NotFound" };
    for (const by of [client, other]) {
      await assert.rejects(by.describeImages({ ImageIds: [ImageId] }), missing);
      await assert.rejects(
        by.runInstances({ ImageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 }),
        missing,
      );
    }
    await assert.rejects(client.deregisterImage({ ImageId }), missing);
    await assert.rejects(client.restoreImageFromRecycleBin({ ImageId }), {
      name: "InvalidSnapshot.NotFound",
    });
    await client.restoreSnapshotFromRecycleBin({ SnapshotId });

    const { ImageId: second = "" } = await client.registerImage(wanted);
    await assert.rejects(client.restoreImageFromRecycleBin({ ImageId }), {
      name: "InvalidAMIName.Duplicate",
    });
    await client.deregisterImage({ ImageId: second });
    assert.deepEqual((await client.listImagesInRecycleBin({})).Images?.length, 2);
    assert.equal((await client.restoreImageFromRecycleBin({ ImageId })).Return, true);
    const { Images: [image] = [] } = await client.describeImages({ ImageIds: [ImageId] });
    assert.deepEqual([image?.State, image?.Public, image?.Tags], ["available", true, [keep]]);
    await assert.rejects(client.registerImage(wanted), { name: "InvalidAMIName.Duplicate" });
    await assert.rejects(client.deleteSnapshot({ SnapshotId }), { name: "InvalidSnapshot.InUse" });
    await region.over("image", second);
    await region.until(() => records.get("image", second) === undefined);
    assert.equal((await client.describeSnapshots({ SnapshotIds: [SnapshotId] })).Snapshots?.length, 1);
  },
);

test(
  "a deleted volume that a rule keeps is had back with its bytes; so is one that went with its instance",
  limit,
  async (t) => {
    const region = await withRule(t, { ResourceType: volumes }, 7);
    const { client, disks, records } = region;
    const VolumeId = await region.volume({ VolumeType: "gp3", Size: 2 });
    disks.write(VolumeId, "bytes");
    await client.deleteVolume({ VolumeId });
    const { Volumes: [inside] = [] } = await client.listVolumesInRecycleBin({});
    assert.deepEqual(
      [inside?.VolumeId, inside?.VolumeType, inside?.State, inside?.Size, inside?.Iops, inside?.Throughput],
      [VolumeId, "gp3", "available", 2, 3000, 125],
    );
    assert.deepEqual([inside?.AvailabilityZone, inside?.Operator?.Managed], [zone, false]);
    assert.deepEqual((await client.describeVolumes({})).Volumes, []);
    for (const call of [
      () => client.describeVolumes({ VolumeIds: [VolumeId] }),
      () => client.createSnapshot({ VolumeId }),
      () => client.modifyVolume({ VolumeId, Size: 3 }),
      () => client.deleteVolume({ VolumeId }),
    ])
      await assert.rejects(call, { name: "InvalidVolume.NotFound" });
    await client.restoreVolumeFromRecycleBin({ VolumeId });
    assert.equal((await client.describeVolumes({ VolumeIds: [VolumeId] })).Volumes?.[0]?.State, "available");
    assert.equal(disks.read(VolumeId), "bytes");

    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.nano",
      MinCount: 1,
      MaxCount: 1,
    });
    const id = instance?.InstanceId ?? "";
    await region.until(() => records.get("instance", id)?.so.state === "running");
    const [root] = records.volumesOf(id);
    await client.terminateInstances({ InstanceIds: [id] });
    await region.until(() => records.get("volume", root?.id ?? "")?.bin !== undefined);
    await client.restoreVolumeFromRecycleBin({ VolumeId: root?.id });
    const { Volumes: [back] = [] } = await client.describeVolumes({ VolumeIds: [root?.id ?? ""] });
    assert.deepEqual([back?.State, back?.Attachments], ["available", []]);
  },
);

test("nothing is kept of what no rule of the account keeps", limit, async (t) => {
  const region = await withRule(t, { ResourceType: "EBS_SNAPSHOT" }, 1);
  const { client, records } = region;
  const VolumeId = await region.volume();
  await client.deleteVolume({ VolumeId });
  await region.until(() => records.get("volume", VolumeId) === undefined);
  const { client: other } = await region.newAccount("222233334444");
  const made = await other.createVolume({ AvailabilityZone: zone, Size: 1 });
  const theirs = region.regions.in({ accountId: "222233334444", region: "eu-central-1" });
  const OwnVolume = made.VolumeId ?? "";
  await region.until(() => theirs.get("volume", OwnVolume)?.so.ready === true);
  const { SnapshotId = "" } = await other.createSnapshot({ VolumeId: OwnVolume });
  await region.until(() => theirs.get("snapshot", SnapshotId)?.so.completedAt !== undefined);
  await other.deleteSnapshot({ SnapshotId });
  await region.until(() => theirs.get("snapshot", SnapshotId) === undefined);
});

test(
  "crashed anywhere, what leaves the bin leaves nothing behind, and what is needed stays",
  limit,
  async () => {
    const crashes = await crashEverywhere(scene, async ({ feed, drivers: { disks } }) => {
      const records = regionalRecords(feed).in(scope);
      const left = (["image", "snapshot", "volume"] as const).flatMap((kind) =>
        records.all(kind).map(({ id }) => id),
      );
      assert.deepEqual(left, [madeVolume.id]);
      assert.deepEqual([await disks.list(), await disks.snapshots()], [[madeVolume.id], []]);
    });
    assert.ok(crashes > 8, `${crashes} crashes`);
  },
);

const scope = { accountId: "111122223333", region: "eu-central-1" };
const at = { tags: {}, createdAt: "2026-01-01T00:00:00.000Z" };
const bin = { enteredAt: at.createdAt, exitsAt: "2026-01-01T05:30:00.000Z" };
const like = {
  ...at,
  id: "vol-0aaaaaaaaaaaaaaaa",
  hostId: testHost.id,
  zone,
  type: "gp2",
  sizeGiB: 1,
} as const;
const leavingVolume: VolumeRecord = { ...like, iops: 100, attachments: [], bin, so: { ready: true } };
const leavingSnapshot: SnapshotRecord = {
  ...at,
  id: "snap-0aaaaaaaaaaaaaaaa",
  hostId: testHost.id,
  of: { volumeId: leavingVolume.id },
  sizeGiB: 1,
  description: "",
  together: "snap-0aaaaaaaaaaaaaaaa",
  bin,
  so: { completedAt: at.createdAt },
};
const madeVolume: VolumeRecord = {
  ...leavingVolume,
  id: "vol-0bbbbbbbbbbbbbbbb",
  snapshotId: leavingSnapshot.id,
  so: { ready: false },
};
const leavingImage: ImageRecord = {
  ...at,
  id: "ami-0aaaaaaaaaaaaaaaa",
  ownerId: scope.accountId,
  name: "mine",
  description: "",
  architecture: "x86_64",
  snapshotId: leavingSnapshot.id,
  sizeGiB: 1,
  rootDevice: "/dev/sda1",
  bin,
};

/** A volume that waits for its bytes stands on the snapshot that leaves. */
async function scene(): Promise<CrashScene<{ disks: ReturnType<typeof createFakeDisks> }>> {
  const store = openMemoryStore();
  const { bin: _, ...staying } = madeVolume;
  await store.commit({
    put: [
      { key: recordKey("volume", scope, leavingVolume.id), value: leavingVolume },
      { key: recordKey("volume", scope, madeVolume.id), value: staying },
      { key: recordKey("snapshot", scope, leavingSnapshot.id), value: leavingSnapshot },
      { key: recordKey("image", scope, leavingImage.id), value: leavingImage },
    ],
  });
  const disks = createFakeDisks();
  await disks.ensure({ id: leavingVolume.id, sizeGiB: 1 });
  await disks.snapshot(leavingSnapshot.id, leavingVolume.id);
  return {
    store,
    drivers: { disks },
    reconcilers({ feed, drivers, clock }) {
      const records = regionalRecords(feed).in(scope);
      const host = {
        hostId: testHost.id,
        disks: drivers.disks,
        machines: createFakeMachines(),
        imports: createFakeImports(),
        imageFile: (entry: string) => entry,
        removeImage: async () => {},
        worked: workClock(clock),
        now: () => clock.now(),
      };
      const id = (key: string) => parseKey(key).id;
      return [
        { kind: "image", step: (key) => reconcileImage(id(key), records, host) },
        { kind: "snapshot", step: (key) => reconcileSnapshot(id(key), records, host) },
        { kind: "volume", step: (key) => reconcileVolume(id(key), records, host) },
      ];
    },
  };
}

const pair = ({ Key: ResourceTagKey = "", Value: ResourceTagValue = "" }: Tag) => ({
  ResourceTagKey,
  ResourceTagValue,
});

async function withRule(t: TestContext, first: RuleWish, firstDays: number) {
  const region = await testRegion(t);
  const rbin = rbinClient(region.clientConfig);
  t.after(() => rbin.destroy());
  const rule = async (wish: RuleWish, RetentionPeriodValue: number) => {
    const RetentionPeriod = { RetentionPeriodValue, RetentionPeriodUnit: "DAYS" as const };
    return (await rbin.createRule({ ...wish, RetentionPeriod })).Identifier ?? "";
  };
  return { ...region, ...deletable(region), rbin, rule, ruleId: await rule(first, firstDays) };
}
type RuleWish = Omit<RuleRequest, "RetentionPeriod">;

const deletable = ({ client, records, until, store, feed }: TestRegion) => {
  const made = {
    async volume(wanted: Parameters<typeof client.createVolume>[0] | object = { Size: 1 }): Promise<string> {
      const { VolumeId: id = "" } = await client.createVolume({ AvailabilityZone: zone, ...wanted });
      await until(() => {
        const it = records.get("volume", id);
        return it !== undefined && volumeState(it) === "available";
      });
      return id;
    },
    async snapshot(VolumeId: string, Tags: Tag[] = []): Promise<string> {
      const { SnapshotId: id = "" } = await client.createSnapshot({
        VolumeId,
        Description: "made",
        ...(Tags.length > 0 && { TagSpecifications: [{ ResourceType: "snapshot", Tags }] }),
      });
      await until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
      return id;
    },
    async image(Tags: Tag[]) {
      const SnapshotId = await made.snapshot(await made.volume());
      const wanted = {
        Name: "mine",
        Description: "an image",
        Architecture: "x86_64" as const,
        VirtualizationType: "hvm",
        RootDeviceName: "/dev/sda1",
        BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { SnapshotId } }],
      };
      const TagSpecifications = [{ ResourceType: "image" as const, Tags }];
      const { ImageId = "" } = await client.registerImage({ ...wanted, TagSpecifications });
      return { SnapshotId, ImageId, wanted };
    },
    /** Its time in the bin is over. */
    async over(kind: "image" | "snapshot" | "volume", id: string): Promise<void> {
      const it = records.get(kind, id);
      assert.ok(it?.bin);
      const past = { ...it, bin: { ...it.bin, exitsAt: "2026-01-01T00:00:00.000Z" } };
      await feed.reached((await store.commit(records.rewrite(kind, past))).revision);
    },
  };
  return made;
};
