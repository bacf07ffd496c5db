import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "#clock.ts";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import type { DiskImport } from "#images/disk-imports.ts";
import { createFakeExports } from "#images/fake-exports.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import type { StoredObject } from "#images/stored-object.ts";
import { workClock } from "#reconcile/work-clock.ts";
import type { Feed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere, type CrashScene } from "#testing/crash-everywhere.ts";
import { regionWithGolden } from "#testing/golden-image.ts";
import { testHost } from "#testing/region.ts";
import { newId } from "../chance.ts";
import { imageState } from "../image/image.ts";
import { recordKey } from "../records.ts";
import { regionalRecords } from "../regional-records.ts";
import { reconcileSnapshot } from "../snapshot/snapshot-reconciler.ts";
import { reconcileRestoreTask } from "./restore-task-reconciler.ts";
import type { RestoreTaskRecord } from "./restore-task.ts";

const limit = { timeout: 60_000 };

test(
  "an image that is stored and restored is like it was, with snapshots and tags of its own",
  limit,
  async (t) => {
    const region = await regionWithGolden(t);
    const { client, records, imports, exports, ImageId, disks } = region;
    const Bucket = "archive";
    const { ObjectKey } = await client.createStoreImageTask({
      ImageId,
      Bucket,
      S3ObjectTags: [{ Key: "k", Value: "v" }],
    });
    await region.until(() => records.all("export-task").some(({ so }) => so.over?.status === "completed"));
    assert.deepEqual(exports.objects(), [`archive/${ImageId}.bin`]);
    await assert.rejects(client.createRestoreImageTask({ Bucket, ObjectKey }), {
      name: "InvalidAMIName.Duplicate",
    });
    imports.become({ state: "running", fraction: 0.5, what: "reading" });
    const { ImageId: restored = "" } = await client.createRestoreImageTask({
      Bucket,
      ObjectKey,
      Name: "again",
      TagSpecifications: [
        { ResourceType: "image", Tags: [{ Key: "more", Value: "1" }] },
        { ResourceType: "snapshot", Tags: [{ Key: "more", Value: "2" }] },
      ],
    });
    const shown = async (id: string) => (await client.describeImages({ ImageIds: [id] })).Images?.[0];
    const pending = await shown(restored);
    assert.deepEqual([pending?.State, pending?.Name, pending?.Description], ["pending", "again", "of old"]);
    imports.become({ state: "done", sizeGiB: 1 });
    await region.until(() => {
      const image = records.get("image", restored);
      return image !== undefined && imageState(image, records) === "available";
    });
    const [before, after] = [await shown(ImageId), await shown(restored)];
    for (const name of ["Architecture", "BootMode", "ImdsSupport", "EnaSupport", "RootDeviceName"] as const)
      assert.equal(after?.[name], before?.[name], name);
    const devices = (image: typeof before) =>
      image?.BlockDeviceMappings?.map(({ DeviceName, VirtualName, Ebs: { SnapshotId: _, ...ebs } = {} }) => [
        DeviceName,
        VirtualName,
        ebs,
      ]);
    assert.deepEqual(devices(after), devices(before));
    assert.equal(after?.BlockDeviceMappings?.at(-1)?.VirtualName, "ephemeral0");
    assert.deepEqual(after?.Tags, [
      { Key: "i", Value: "kept" },
      { Key: "more", Value: "1" },
    ]);
    const ids = after?.BlockDeviceMappings?.flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []) ?? [];
    const { Snapshots: snapshots = [] } = await client.describeSnapshots({ SnapshotIds: ids });
    assert.deepEqual(
      new Set(snapshots.map((it) => [it.State, it.VolumeSize, it.Description])),
      new Set([
        ["completed", 1, "of 1 GiB"],
        ["completed", 2, "of 2 GiB"],
      ]),
    );
    for (const { Tags } of snapshots)
      assert.deepEqual(Tags, [
        { Key: "more", Value: "2" },
        { Key: "s", Value: "kept" },
      ]);
    for (const id of ids) assert.equal(disks.read(id), `/fake/imports/${id}`);
    assert.deepEqual([imports.list(), records.get("restore-task", restored)], [[], undefined]);
  },
);

test("an image of which a snapshot cannot be restored has failed and says why", limit, async (t) => {
  const region = await regionWithGolden(t);
  const { client, records, imports, ImageId } = region;
  await client.createStoreImageTask({ ImageId, Bucket: "archive" });
  await region.until(() => records.all("export-task").some(({ so }) => so.over));
  imports.become({ state: "done", sizeGiB: 2 });
  const restore = { Bucket: "archive", ObjectKey: `${ImageId}.bin`, Name: "again" };
  const { ImageId: restored = "" } = await client.createRestoreImageTask(restore);
  const isFailed = () => {
    const image = records.get("image", restored);
    return image !== undefined && imageState(image, records) === "failed";
  };
  await region.until(isFailed);
  const { Images: [image] = [] } = await client.describeImages({ ImageIds: [restored] });
  assert.match(
    image?.StateReason?.Message ?? "",
    /it has 2 GiB, more than the 1 GiB that it is said to have/,
  );
  await client.deregisterImage({ ImageId: restored, DeleteAssociatedSnapshots: true });
  await client.enableEbsEncryptionByDefault({});
  imports.become({ state: "failed", reason: "ClientError: it is disabled", isKeyRefused: true });
  const { ImageId: refused = "" } = await client.createRestoreImageTask({ ...restore, Name: "by no key" });
  const failed = () =>
    records.all("snapshot").find(({ encryption, so }) => encryption && so.failed !== undefined);
  await region.until(() => failed() !== undefined);
  const byNoKey = failed();
  assert.equal(byNoKey?.so.failed, "Given key ID is not accessible");
  assert.equal(imports.asked(byNoKey?.id ?? "")?.key, byNoKey?.encryption?.dataKey);
  await client.deregisterImage({ ImageId: refused, DeleteAssociatedSnapshots: true });

  imports.become({ state: "running", fraction: 0, what: "reading" });
  const { ImageId: unfinished = "" } = await client.createRestoreImageTask(restore);
  await region.until(() => imports.list().length > 0);
  await client.deregisterImage({ ImageId: unfinished, DeleteAssociatedSnapshots: true });
  await region.until(() => records.all("snapshot").length === 2);
  assert.deepEqual(imports.list(), [], "what was fetched for it is gone");
});

test(
  "an object that is not there, or that nobody stored, is refused in S3's or EC2's words",
  limit,
  async (t) => {
    const region = await regionWithGolden(t);
    const { client, records, exports, ImageId } = region;
    await client.createStoreImageTask({ ImageId, Bucket: "archive" });
    await region.until(() => records.all("export-task").some(({ so }) => so.over));
    const good = await exports.stored({ bucket: "archive", key: `${ImageId}.bin` });
    // oxlint-disable-next-line typescript/no-explicit-any -- to be spoilt anywhere
    const spoilt = (change: (head: any) => unknown): StoredObject => {
      const head = JSON.parse(good.head);
      change(head);
      return { ...good, head: JSON.stringify(head) };
    };
    const restore = (ObjectKey: string, Name?: string) =>
      client.createRestoreImageTask({ Bucket: "archive", ObjectKey, ...(Name !== undefined && { Name }) });
    await assert.rejects(restore("absent.bin", "again"), { name: "NoSuchKey" });
    await assert.rejects(restore("../absent.bin", "again"), { name: "InvalidParameterValue" });
    await assert.rejects(restore("absent.bin", "golden"), { name: "InvalidAMIName.Duplicate" });
    await assert.rejects(restore("absent.bin", "*"), { name: "InvalidAMIName.Malformed" });
    for (const [n, [object, name]] of (
      [
        [{ ...good, head: "{" }, "InvalidRequest"],
        [{ ...good, head: "[]" }, "InvalidRequest"],
        [{ ...good, head: "null" }, "InvalidRequest"],
        [{ ...good, parts: good.parts.slice(1) }, "InvalidRequest"],
        [spoilt((it) => (it.image.architecture = "vax")), "InvalidRequest"],
        [spoilt((it) => (it.image.bootMode = "bios")), "InvalidRequest"],
        [spoilt((it) => (it.image.tags = { "aws:x": "y" })), "InvalidParameterValue"],
        [spoilt((it) => (it.image.tags = { x: 1 })), "InvalidRequest"],
        [spoilt((it) => (it.image.description = "x".repeat(256))), "InvalidRequest"],
        [spoilt((it) => (it.devices = [])), "InvalidRequest"],
        [spoilt((it) => (it.devices[0].snapshot = 2)), "InvalidRequest"],
        [spoilt((it) => (it.devices[0].snapshot = -1)), "InvalidRequest"],
        [spoilt((it) => (it.devices[1].snapshot = 0)), "InvalidRequest"],
        [spoilt((it) => (it.devices[0].snapshot = "__proto__")), "InvalidRequest"],
        [spoilt((it) => (it.devices[0].device = "../../x")), "InvalidRequest"],
        [spoilt((it) => (it.devices[1].device = "/dev/sda1")), "InvalidBlockDeviceMapping"],
        [spoilt((it) => (it.devices[0].type = "fast")), "InvalidParameterValue"],
        [spoilt((it) => (it.devices[0].type = "constructor")), "InvalidParameterValue"],
        [spoilt((it) => (it.devices[0].sizeGiB = 1e9)), "InvalidParameterValue"],
        [spoilt((it) => (it.devices[0].sizeGiB = 0.5)), "InvalidBlockDeviceMapping"],
        [spoilt((it) => (it.snapshots[0].sizeGiB = 0)), "InvalidRequest"],
        [spoilt((it) => (it.snapshots[0].sizeGiB = 1e9)), "InvalidRequest"],
        [spoilt((it) => delete it.snapshots), "InvalidRequest"],
      ] as const
    ).entries()) {
      exports.put("archive/bad", object);
      await assert.rejects(restore("bad", "again"), { name }, `${n}: ${object.head}`);
    }
    assert.equal(records.all("image").length, 2);
    assert.equal(records.all("snapshot").length, 2);
  },
);

test("a disk is imported from a bucket by either of its names", limit, async (t) => {
  const { client, until, records } = await regionWithGolden(t);
  for (const disk of [
    { UserBucket: { S3Bucket: "disks", S3Key: "a/b.vmdk" } },
    { Url: "s3://disks/a/b.vmdk" },
  ]) {
    const { ImportTaskId: id = "", SnapshotTaskDetail: detail } = await client.importSnapshot({
      DiskContainer: disk,
    });
    assert.deepEqual(
      [detail?.UserBucket, detail?.Url],
      [{ S3Bucket: "disks", S3Key: "a/b.vmdk" }, undefined],
    );
    await until(() => records.get("import-task", id)?.so.over?.status === "completed");
  }
});

const scope = { accountId: "111122223333", region: "eu-central-1" };
const task: RestoreTaskRecord = {
  id: "ami-0bbbbbbbbbbbbbbbb",
  hostId: testHost.id,
  bucket: "archive",
  key: "ami-1.bin",
  imageTags: {},
  snapshotTags: {},
  until: "9999-01-01T00:00:00Z",
  tags: {},
  createdAt: testHost.createdAt,
  so: {},
};
const head = {
  image: { id: "ami-1", name: "golden", description: "", architecture: "x86_64", tags: {}, createdAt: "" },
  devices: [0, 1].map((snapshot) => ({ device: `/dev/sd${snapshot}`, type: "gp2", sizeGiB: 2, snapshot })),
  snapshots: [0, 1].map(() => ({ sizeGiB: 2, description: "", tags: {} })),
};
const newDrivers = () => ({
  exports: createFakeExports(),
  imports: createFakeImports(),
  disks: createFakeDisks(),
  machines: createFakeMachines(),
});
type Drivers = ReturnType<typeof newDrivers>;

const scene =
  (become: DiskImport, object: StoredObject, more: Partial<RestoreTaskRecord> = {}) =>
  async (): Promise<CrashScene<Drivers>> => {
    const store = openMemoryStore();
    const drivers = newDrivers();
    drivers.imports.become(become);
    drivers.exports.put("archive/ami-1.bin", object);
    await store.commit({
      put: [{ key: recordKey("restore-task", scope, task.id), value: { ...task, ...more } }],
    });
    return {
      store,
      drivers,
      reconcilers({ feed, drivers: hands, clock }: { feed: Feed; drivers: Drivers; clock: Clock }) {
        const records = regionalRecords(feed).in(scope);
        const host = {
          ...hands,
          newId,
          hostId: testHost.id,
          imageFile: (entry: string) => entry,
          worked: workClock(clock),
          now: () => clock.now(),
        };
        const idOf = (key: string) => key.split("/").at(-1) ?? "";
        return [
          { kind: "restore-task", step: (key) => reconcileRestoreTask(idOf(key), scope, records, host) },
          { kind: "snapshot", step: (key) => reconcileSnapshot(idOf(key), records, host) },
        ];
      },
    };
  };

test("crashed anywhere, a restored image is whole, has failed, or is not there", limit, async () => {
  const object = { head: JSON.stringify(head), parts: [0, 1].map((offset) => ({ offset, bytes: 1 })) };
  const crashes = await crashEverywhere(
    scene({ state: "done", sizeGiB: 2 }, object),
    async ({ drivers, feed }) => {
      const records = regionalRecords(feed).in(scope);
      const [image] = records.all("image");
      assert.equal(image && imageState(image, records), "available");
      const ids = records.all("snapshot").map(({ id }) => id);
      assert.deepEqual((await drivers.disks.snapshots()).toSorted(), ids.toSorted());
      for (const id of ids) assert.equal(drivers.disks.read(id), `/fake/imports/${id}`);
      assert.deepEqual([ids.length, drivers.imports.list(), records.all("restore-task")], [2, [], []]);
    },
  );
  assert.ok(crashes > 12, String(crashes));
  const fails = scene({ state: "failed", reason: "it is cut short" }, object);
  await crashEverywhere(fails, async ({ drivers, feed }) => {
    const records = regionalRecords(feed).in(scope);
    const [image] = records.all("image");
    assert.equal(image && imageState(image, records), "failed");
    assert.deepEqual([drivers.imports.list(), await drivers.disks.snapshots()], [[], []]);
  });
  const nothing = ({ feed }: { feed: Feed }) => {
    const records = regionalRecords(feed).in(scope);
    assert.deepEqual(
      [records.all("image"), records.all("snapshot"), records.all("restore-task")],
      [[], [], []],
    );
  };
  const soon = { until: "2026-01-01T00:10:00Z" };
  await crashEverywhere(scene({ state: "done", sizeGiB: 2 }, { ...object, head: "{" }, soon), nothing);
  await crashEverywhere(
    scene({ state: "done", sizeGiB: 2 }, object, { until: "2020-01-01T00:00:00Z" }),
    nothing,
  );
});
