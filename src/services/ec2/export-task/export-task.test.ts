import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "#clock.ts";
import type { DiskExport } from "#images/disk-exports.ts";
import { createFakeExports } from "#images/fake-exports.ts";
import { workClock } from "#reconcile/work-clock.ts";
import type { Feed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere, type CrashScene } from "#testing/crash-everywhere.ts";
import { regionWithGolden } from "#testing/golden-image.ts";
import { regionWithOwn } from "#testing/own-image.ts";
import { testHost, testImage, testRegion } from "#testing/region.ts";
import { recordKey } from "../records.ts";
import { regionalRecords } from "../regional-records.ts";
import { reconcileExportTask } from "./export-task-reconciler.ts";
import type { ExportTaskRecord } from "./export-task.ts";

const limit = { timeout: 60_000 };
const to = { S3Bucket: "exports", S3Prefix: "vm/" };

test(
  "an image's export says how far it is, and ends with an object for each of its disks",
  limit,
  async (t) => {
    const region = await regionWithGolden(t);
    const { client, records, exports, ImageId } = region;
    exports.become({ state: "running", fraction: 0.42, what: "converting" });
    const asked = {
      ImageId,
      DiskImageFormat: "VMDK" as const,
      S3ExportLocation: to,
      Description: "of old",
      ClientToken: "once",
      TagSpecifications: [{ ResourceType: "export-image-task" as const, Tags: [{ Key: "a", Value: "b" }] }],
    };
    const begun = await client.exportImage(asked);
    const id = begun.ExportImageTaskId ?? "";
    assert.match(id, /^export-ami-[0-9a-f]{17}$/);
    assert.deepEqual(
      [begun.DiskImageFormat, begun.RoleName, begun.Progress, begun.Status, begun.StatusMessage],
      ["VMDK", "vmimport", "0", "active", "validating"],
    );
    assert.equal((await client.exportImage(asked)).ExportImageTaskId, id);
    await assert.rejects(client.exportImage({ ...asked, DiskImageFormat: "RAW" }), {
      name: "IdempotentParameterMismatch",
    });
    const task = async () => {
      const { ExportImageTasks } = await client.describeExportImageTasks({ ExportImageTaskIds: [id] });
      return ExportImageTasks?.[0];
    };
    await region.until(() => records.get("export-task", id)?.so.percent === 42);
    assert.deepEqual(await task(), {
      ExportImageTaskId: id,
      Description: "of old",
      ImageId,
      S3ExportLocation: to,
      Status: "active",
      StatusMessage: "converting",
      Progress: "42",
      Tags: [{ Key: "a", Value: "b" }],
    });
    exports.become({ state: "done" });
    await region.until(() => records.get("export-task", id)?.so.over !== undefined);
    const { Status, StatusMessage, Progress } = (await task()) ?? {};
    assert.deepEqual([Status, StatusMessage, Progress], ["completed", undefined, undefined]);
    assert.deepEqual(exports.objects(), [`exports/vm/${id}.vmdk`, `exports/vm/${id}-1.vmdk`]);
    await assert.rejects(client.cancelExportTask({ ExportTaskId: id }), { name: "IncorrectState" });
    await client.createTags({ Resources: [id], Tags: [{ Key: "c", Value: "d" }] });
    const { Tags: tags } = await client.describeTags({ Filters: [{ Name: "resource-id", Values: [id] }] });
    assert.deepEqual(
      tags?.map(({ Key, ResourceType }) => [Key, ResourceType]),
      [
        ["a", "export-image-task"],
        ["c", "export-image-task"],
      ],
    );
  },
);

test("one that is canceled, or fails, says why, and nothing is left of it", limit, async (t) => {
  const { region, own } = await regionWithOwn(t);
  const { client, records, exports } = region;
  const begin = async (S3Bucket: string) => {
    const location = { S3ExportLocation: { S3Bucket }, DiskImageFormat: "RAW" as const };
    const { ExportImageTaskId: id = "" } = await client.exportImage({ ImageId: own.id, ...location });
    return id;
  };
  const over = (id: string) => region.until(() => records.get("export-task", id)?.so.over !== undefined);
  const canceled = await begin("endless");
  await region.until(() => records.get("export-task", canceled)?.so.doing !== undefined);
  await client.cancelExportTask({ ExportTaskId: canceled });
  await over(canceled);
  exports.become({ state: "failed", reason: "ClientError: there is no bucket" });
  const failed = await begin("nowhere");
  await over(failed);
  const { ExportImageTasks: tasks = [] } = await client.describeExportImageTasks({
    Filters: [{ Name: "task-state", Values: ["deleted"] }],
  });
  const byId = Object.fromEntries(tasks.map((it) => [it.ExportImageTaskId, it.StatusMessage]));
  assert.deepEqual(byId, {
    [canceled]: "User canceled export task",
    [failed]: "ClientError: there is no bucket",
  });
  assert.deepEqual(exports.objects(), []);
  const pages = await client.describeExportImageTasks({ MaxResults: 1 });
  assert.equal(pages.ExportImageTasks?.length, 1);
  const rest = await client.describeExportImageTasks({ MaxResults: 1, NextToken: pages.NextToken });
  assert.deepEqual([rest.ExportImageTasks?.length, rest.NextToken], [1, undefined]);
});

test("what cannot be exported or stored so is refused, and nothing is written", limit, async (t) => {
  const region = await regionWithGolden(t);
  const { client, records, ImageId, accountId } = region;
  const { client: other } = await region.newAccount("222233334444");
  await client.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId: "222233334444" }] } });
  const asked = { ImageId, DiskImageFormat: "RAW", S3ExportLocation: to } as const;
  const prefix = (S3Prefix: string) =>
    client.exportImage({ ...asked, S3ExportLocation: { ...to, S3Prefix } });
  const store = { ImageId, Bucket: "exports" };
  const tags = (...keys: string[]) => ({ ...store, S3ObjectTags: keys.map((Key) => ({ Key, Value: "" })) });
  for (const [call, name] of [
    [() => other.exportImage(asked), "NotExportable"],
    [() => client.exportImage({ ...asked, ImageId: testImage.id }), "NotExportable"],
    [() => client.exportImage({ ...asked, ImageId: "ami-0123456789abcdef0" }), "InvalidAMIID.NotFound"],
    [() => client.exportImage({ ...asked, ImageId: "golden" }), "InvalidAMIID.Malformed"],
    [() => client.exportImage({ ...asked, DiskImageFormat: "QCOW2" as "RAW" }), "InvalidParameterValue"],
    [() => client.exportImage({ ...asked, Description: "x".repeat(256) }), "InvalidParameterValue"],
    [() => client.exportImage({ ...asked, S3ExportLocation: { S3Bucket: "../up" } }), "InvalidBucketName"],
    [() => prefix("../"), "InvalidParameterValue"],
    [() => prefix("/etc/"), "InvalidParameterValue"],
    [() => prefix("a//b"), "InvalidParameterValue"],
    [() => client.exportImage({ ...asked, DryRun: true }), "DryRunOperation"],
    [
      () => client.cancelExportTask({ ExportTaskId: "export-ami-0123456789abcdef0" }),
      "InvalidExportTaskID.NotFound",
    ],
    [() => client.cancelExportTask({ ExportTaskId: "export-1" }), "InvalidExportTaskID.Malformed"],
    [
      () => client.describeExportImageTasks({ ExportImageTaskIds: ["export-ami-0123456789abcdef0"] }),
      "InvalidExportTaskID.NotFound",
    ],
    [() => other.createStoreImageTask(store), "AuthFailure"],
    [() => client.createStoreImageTask({ ...store, ImageId: testImage.id }), "AuthFailure"],
    [() => client.createStoreImageTask({ ...store, Bucket: "UPPER" }), "InvalidBucketName"],
    [() => client.createStoreImageTask(tags("aws:mine")), "InvalidParameterValue"],
    [() => client.createStoreImageTask(tags("a", "a")), "InvalidParameterValue"],
    [
      () => client.createStoreImageTask(tags(...Array.from({ length: 11 }, (_, n) => `k${n}`))),
      "InvalidParameterValue",
    ],
    [() => client.createStoreImageTask({ ...store, DryRun: true }), "DryRunOperation"],
    [() => client.describeStoreImageTasks({ ImageIds: ["ami-0123456789abcdef0"] }), "InvalidAMIID.NotFound"],
    [
      () => client.describeStoreImageTasks({ ImageIds: [ImageId], MaxResults: 5 }),
      "InvalidParameterCombination",
    ],
  ] as const)
    await assert.rejects(call(), { name });
  assert.deepEqual(records.all("export-task"), []);
  await client.disableImage({ ImageId });
  await assert.rejects(client.exportImage(asked), { name: "InvalidAMIID.Unavailable" });
  assert.ok(accountId);
});

test("where no directory of buckets is named, the answer says what to do", limit, async (t) => {
  const { client, records } = await testRegion(t, { hasBuckets: false });
  const refusal = { name: "NoSuchBucket", message: /croft start --export-dir DIR/ };
  const location = { S3ExportLocation: to, DiskImageFormat: "RAW" as const, ImageId: testImage.id };
  await assert.rejects(client.exportImage(location), refusal);
  await assert.rejects(client.createStoreImageTask({ ImageId: testImage.id, Bucket: "exports" }), refusal);
  await assert.rejects(client.createRestoreImageTask({ Bucket: "exports", ObjectKey: "ami-1.bin" }), refusal);
  const UserBucket = { S3Bucket: "exports", S3Key: "disk.vmdk" };
  await assert.rejects(client.importSnapshot({ DiskContainer: { UserBucket } }), refusal);
  assert.deepEqual([...records.all("export-task"), ...records.all("restore-task")], []);
});

test("store tasks are shown newest first, by image or by filter", limit, async (t) => {
  const region = await regionWithGolden(t);
  const { client, records, exports, ImageId } = region;
  const store = async (Bucket: string) => {
    assert.equal((await client.createStoreImageTask({ ImageId, Bucket })).ObjectKey, `${ImageId}.bin`);
    await region.until(() =>
      records.all("export-task").some((it) => it.wanted.bucket === Bucket && it.so.doing),
    );
  };
  const over = (bucket: string) =>
    region.until(() => records.all("export-task").some((it) => it.wanted.bucket === bucket && it.so.over));
  await store("endless");
  assert.equal((await client.createStoreImageTask({ ImageId, Bucket: "whole" })).ObjectKey, `${ImageId}.bin`);
  await over("whole");
  exports.become({ state: "failed", reason: "ServerError: no room is left" });
  await client.createStoreImageTask({ ImageId, Bucket: "small" });
  await over("small");
  const shown = async (input: Parameters<typeof client.describeStoreImageTasks>[0]) => {
    const { StoreImageTaskResults: all = [] } = await client.describeStoreImageTasks(input);
    return all.map((it) => [it.Bucket, it.StoreTaskState, it.ProgressPercentage, it.StoreTaskFailureReason]);
  };
  const [small, whole, endless] = [
    ["small", "Failed", 0, "ServerError: no room is left"],
    ["whole", "Completed", 100, undefined],
    ["endless", "InProgress", 0, undefined],
  ];
  assert.deepEqual(new Set(await shown({})), new Set([small, whole, endless]));
  const { StoreImageTaskResults: all = [] } = await client.describeStoreImageTasks({ ImageIds: [ImageId] });
  const times = all.map(({ TaskStartTime }) => TaskStartTime?.getTime() ?? 0);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  );
  assert.deepEqual(
    all.map((it) => [it.AmiId, it.S3objectKey]),
    all.map(() => [ImageId, `${ImageId}.bin`]),
  );
  const by = (Name: string, Value: string) => shown({ Filters: [{ Name, Values: [Value] }] });
  assert.deepEqual(await by("task-state", "Completed"), [whole]);
  assert.deepEqual(await by("bucket", "endless"), [endless]);
  const first = await client.describeStoreImageTasks({ MaxResults: 2 });
  const second = await client.describeStoreImageTasks({ MaxResults: 2, NextToken: first.NextToken });
  const seen = [first, second].map((it) => it.StoreImageTaskResults?.length);
  assert.deepEqual([seen, second.NextToken], [[2, 1], undefined]);
  assert.deepEqual((await client.describeExportImageTasks({})).ExportImageTasks, []);
});

const scope = { accountId: "111122223333", region: "eu-central-1" };
const task: ExportTaskRecord = {
  id: "export-ami-0aaaaaaaaaaaaaaaa",
  hostId: testHost.id,
  imageId: "ami-0bbbbbbbbbbbbbbbb",
  description: "",
  wanted: {
    bucket: "exports",
    objects: [{ key: "export-ami-0aaaaaaaaaaaaaaaa.raw", format: "raw", disks: [{ snapshotId: "snap-1" }] }],
    named: true,
  },
  tags: {},
  createdAt: testHost.createdAt,
  so: {},
};
const newDrivers = () => ({ exports: createFakeExports() });
type Drivers = ReturnType<typeof newDrivers>;

const scene =
  (become: DiskExport, more: Partial<ExportTaskRecord> = {}) =>
  async (): Promise<CrashScene<Drivers>> => {
    const store = openMemoryStore();
    const drivers = newDrivers();
    drivers.exports.become(become);
    await store.commit({
      put: [{ key: recordKey("export-task", scope, task.id), value: { ...task, ...more } }],
    });
    return {
      store,
      drivers,
      reconcilers({ feed, drivers: hands, clock }: { feed: Feed; drivers: Drivers; clock: Clock }) {
        const records = regionalRecords(feed).in(scope);
        const host = { ...hands, hostId: testHost.id, worked: workClock(clock) };
        return [{ kind: "export-task", step: () => reconcileExportTask(task.id, records, host) }];
      },
    };
  };

test("crashed anywhere, an export ends with its objects, or with a reason and none", limit, async () => {
  const ends =
    (status: string, objects: readonly string[]) =>
    ({ drivers, feed }: { drivers: Drivers; feed: Feed }) => {
      assert.equal(regionalRecords(feed).in(scope).get("export-task", task.id)?.so.over?.status, status);
      assert.deepEqual(drivers.exports.objects(), objects);
    };
  const whole = `exports/${task.id}.raw`;
  assert.ok((await crashEverywhere(scene({ state: "done" }), ends("completed", [whole]))) > 4);
  await crashEverywhere(scene({ state: "failed", reason: "no" }), ends("deleted", []));
  await crashEverywhere(scene({ state: "done" }, { canceled: true }), ends("deleted", []));
  await crashEverywhere(
    scene({ state: "running", fraction: 0, what: "" }, { canceled: true }),
    ends("deleted", []),
  );
});
