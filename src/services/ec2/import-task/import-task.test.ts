import assert from "node:assert/strict";
import { test } from "node:test";
import type { Feed } from "#store/feed.ts";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import type { DiskImport } from "#images/disk-imports.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import type { Clock } from "#clock.ts";
import { workClock } from "#reconcile/work-clock.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere, type CrashScene } from "#testing/crash-everywhere.ts";
import { testHost, testRegion } from "#testing/region.ts";
import { recordKey } from "../records.ts";
import { regionalRecords } from "../regional-records.ts";
import { reconcileSnapshot } from "../snapshot/snapshot-reconciler.ts";
import { reconcileImportTask } from "./import-task-reconciler.ts";
import type { ImportTaskRecord } from "./import-task.ts";

const limit = { timeout: 30_000 };
const disk = { Url: "https://images.example/root.vmdk?X-Amz-Signature=abc", Format: "VMDK" };

test(
  "an image import says how far it is, and ends with an image of a snapshot for each disk",
  limit,
  async (t) => {
    const region = await testRegion(t);
    const { client, records, imports } = region;
    imports.become({ state: "running", fraction: 0.5, what: "reading" });
    const begun = await client.importImage({
      Description: "of old",
      DiskContainers: [disk, { Url: "file:///data.raw", DeviceName: "/dev/sdf" }],
      BootMode: "uefi",
      ClientToken: "once",
      TagSpecifications: [{ ResourceType: "import-image-task", Tags: [{ Key: "a", Value: "b" }] }],
    });
    const id = begun.ImportTaskId ?? "";
    assert.match(id, /^import-ami-[0-9a-f]{17}$/);
    assert.deepEqual(
      [begun.Status, begun.ImageId, begun.Tags],
      ["active", undefined, [{ Key: "a", Value: "b" }]],
    );
    await region.until(() => records.get("import-task", id)?.so.percent === 23);
    const task = async () =>
      (await client.describeImportImageTasks({ ImportTaskIds: [id] })).ImportImageTasks?.[0];
    const running = await task();
    assert.deepEqual(
      [running?.Status, running?.Progress, running?.StatusMessage],
      ["active", "23", "reading"],
    );
    imports.become({ state: "done", sizeGiB: 3 });
    await region.until(() => records.get("import-task", id)?.so.over !== undefined);
    const done = await task();
    assert.deepEqual(
      [done?.Status, done?.Progress, done?.StatusMessage],
      ["completed", undefined, undefined],
    );
    const { Images: [image] = [] } = await client.describeImages({ ImageIds: [done?.ImageId ?? ""] });
    assert.deepEqual([image?.Name, image?.Description, image?.State], [id, "of old", "available"]);
    assert.deepEqual([image?.BootMode, image?.RootDeviceName], ["uefi", "/dev/sda1"]);
    assert.deepEqual(
      image?.BlockDeviceMappings?.map((it) => [it.DeviceName, it.Ebs?.SnapshotId, it.Ebs?.VolumeSize]),
      done?.SnapshotDetails?.map((it) => [it.DeviceName, it.SnapshotId, 3]),
    );
    assert.deepEqual(imports.list(), [], "no file of an import stays");
    const again = { DiskContainers: [disk, { Url: "file:///data.raw", DeviceName: "/dev/sdf" }] };
    await assert.rejects(client.importImage({ ...again, ClientToken: "once" }), {
      name: "IdempotentParameterMismatch",
    });
  },
);

test("what is to be encrypted is so from the first, by the key of its snapshot", limit, async (t) => {
  const { client, records, imports, until } = await testRegion(t);
  const imported = async (more: object) => {
    const { ImportTaskId: id = "" } = await client.importSnapshot({ DiskContainer: disk, ...more });
    await until(() => records.get("import-task", id)?.so.over !== undefined);
    const snapshotId = records.get("import-task", id)?.disks[0]?.snapshotId ?? "";
    return [imports.asked(snapshotId)?.key, records.get("snapshot", snapshotId)?.encryption?.dataKey];
  };
  assert.deepEqual(await imported({}), [undefined, undefined]);
  const [key, dataKey] = await imported({ Encrypted: true });
  assert.ok(key !== undefined && key === dataKey);
  await client.enableEbsEncryptionByDefault({});
  const [byDefault, itsOwn] = await imported({});
  assert.ok(byDefault !== undefined && byDefault === itsOwn && byDefault !== key);
});

test("a snapshot import that fails says why, and nothing is there of it", limit, async (t) => {
  const region = await testRegion(t);
  const { client, records, imports } = region;
  imports.become({ state: "failed", reason: "ClientError: it is encrypted" });
  const { ImportTaskId: id = "" } = await client.importSnapshot({ DiskContainer: disk });
  await region.until(() => records.get("import-task", id)?.so.over !== undefined);
  const { ImportSnapshotTasks: [task] = [] } = await client.describeImportSnapshotTasks({
    Filters: [{ Name: "task-state", Values: ["deleted"] }],
  });
  assert.deepEqual(
    [task?.ImportTaskId, task?.SnapshotTaskDetail?.Status, task?.SnapshotTaskDetail?.StatusMessage],
    [id, "deleted", "ClientError: it is encrypted"],
  );
  assert.deepEqual([records.all("snapshot"), imports.list()], [[], []]);
  assert.deepEqual((await client.describeImportImageTasks({})).ImportImageTasks, []);
});

test(
  "one that goes on is canceled, one that is over is not; a volume is made of what it made",
  limit,
  async (t) => {
    const region = await testRegion(t);
    const { client, records, imports, disks } = region;
    const { ImportTaskId: id = "" } = await client.importSnapshot({
      DiskContainer: { Url: "http://images.example/endless" },
    });
    await region.until(() => imports.list().length === 1);
    const canceled = await client.cancelImportTask({ ImportTaskId: id, CancelReason: "wrong disk" });
    assert.deepEqual([canceled.PreviousState, canceled.State], ["active", "deleting"]);
    await region.until(() => records.get("import-task", id)?.so.over !== undefined);
    const { ImportSnapshotTasks: [task] = [] } = await client.describeImportSnapshotTasks({
      ImportTaskIds: [id],
    });
    assert.equal(task?.SnapshotTaskDetail?.StatusMessage, "wrong disk");
    assert.deepEqual([imports.list(), records.all("snapshot")], [[], []]);
    await assert.rejects(client.cancelImportTask({ ImportTaskId: id }), { name: "IncorrectState" });
    const { ImportTaskId: whole = "" } = await client.importSnapshot({ DiskContainer: disk });
    await region.until(() => records.get("import-task", whole)?.so.over !== undefined);
    await assert.rejects(client.cancelImportTask({ ImportTaskId: whole }), { name: "IncorrectState" });
    const [snapshot] = records.all("snapshot");
    const { VolumeId = "" } = await client.createVolume({
      AvailabilityZone: "eu-central-1a",
      SnapshotId: snapshot?.id ?? "",
    });
    await region.until(() => records.get("volume", VolumeId)?.so.ready !== undefined);
    assert.equal(disks.read(VolumeId), `/fake/imports/${snapshot?.id}`);
  },
);

test("what cannot be imported so is refused, and nothing is written", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const of = (DiskContainer: object) => client.importSnapshot({ DiskContainer });
  for (const [call, name] of [
    [() => of({ UserBucket: { S3Bucket: "MINE", S3Key: "disk" } }), "InvalidBucketName"],
    [() => of({ UserBucket: { S3Bucket: "mine" } }), "MissingParameter"],
    [() => of({ Url: "s3://mine/../disk" }), "InvalidParameterValue"],
    [() => of({}), "MissingParameter"],
    [() => client.importImage({}), "MissingParameter"],
    [() => of({ Url: "/etc/shadow" }), "InvalidParameterValue"],
    [() => of({ Url: "ftp://images.example/disk" }), "InvalidParameterValue"],
    [() => of({ Url: "http://me:secret@images.example/disk" }), "InvalidParameterValue"],
    [() => of({ ...disk, Format: "OVA" }), "InvalidParameterValue"],
    [() => client.importImage({ DiskContainers: [disk], Hypervisor: "kvm" }), "InvalidParameterValue"],
    [() => client.cancelImportTask({ ImportTaskId: "import-snap-0" }), "InvalidConversionTaskId"],
    [
      () => client.describeImportImageTasks({ ImportTaskIds: ["import-ami-0123456789abcdef0"] }),
      "InvalidConversionTaskId",
    ],
    [() => client.importSnapshot({ DiskContainer: disk, DryRun: true }), "DryRunOperation"],
  ] as const)
    await assert.rejects(call(), { name });
  assert.deepEqual(records.all("import-task"), []);
});

const scope = { accountId: "111122223333", region: "eu-central-1" };
const task: ImportTaskRecord = {
  id: "import-ami-0aaaaaaaaaaaaaaaa",
  hostId: testHost.id,
  description: "",
  disks: [1, 2].map((n) => ({
    snapshotId: `snap-0aaaaaaaaaaaaaaa${n}`,
    description: "",
    device: `/dev/sd${n}`,
    source: "file:///disk",
  })),
  image: { id: "ami-0bbbbbbbbbbbbbbbb", architecture: "x86_64" },
  told: {},
  tags: {},
  createdAt: testHost.createdAt,
  so: {},
};
const newDrivers = () => ({
  imports: createFakeImports(),
  disks: createFakeDisks(),
  machines: createFakeMachines(),
});
type Drivers = ReturnType<typeof newDrivers>;

const scene = (become: DiskImport, canceled?: string) => async (): Promise<CrashScene<Drivers>> => {
  const store = openMemoryStore();
  const drivers = newDrivers();
  drivers.imports.become(become);
  const value = { ...task, ...(canceled !== undefined && { canceled }) };
  await store.commit({ put: [{ key: recordKey("import-task", scope, task.id), value }] });
  return {
    store,
    drivers,
    reconcilers({ feed, drivers: hands, clock }: { feed: Feed; drivers: Drivers; clock: Clock }) {
      const records = regionalRecords(feed).in(scope);
      const host = {
        ...hands,
        hostId: testHost.id,
        imageFile: (entry: string) => entry,
        worked: workClock(clock),
        now: () => clock.now(),
      };
      const idOf = (key: string) => key.split("/").at(-1) ?? "";
      return [
        { kind: "import-task", step: (key) => reconcileImportTask(idOf(key), scope, records, host) },
        { kind: "snapshot", step: (key) => reconcileSnapshot(idOf(key), records, host) },
      ];
    },
  };
};

test(
  "crashed anywhere, an import ends with its image and snapshots, or with a reason and nothing",
  limit,
  async () => {
    const crashes = await crashEverywhere(scene({ state: "done", sizeGiB: 2 }), async ({ drivers, feed }) => {
      const records = regionalRecords(feed).in(scope);
      assert.equal(records.get("import-task", task.id)?.so.over?.status, "completed");
      const ids = task.disks.map(({ snapshotId }) => snapshotId);
      assert.deepEqual(
        records.get("image", "ami-0bbbbbbbbbbbbbbbb")?.devices?.map((it) => it.snapshotId),
        ids,
      );
      assert.deepEqual((await drivers.disks.snapshots()).toSorted(), ids);
      assert.ok(records.all("snapshot").every(({ so }) => so.completedAt !== undefined));
      assert.deepEqual(drivers.imports.list(), []);
    });
    assert.ok(crashes > 10, String(crashes));
    const nothing = async ({ drivers, feed }: { drivers: Drivers; feed: Feed }) => {
      const records = regionalRecords(feed).in(scope);
      assert.equal(records.get("import-task", task.id)?.so.over?.status, "deleted");
      assert.deepEqual([records.all("image"), records.all("snapshot")], [[], []]);
      assert.deepEqual(drivers.imports.list(), []);
    };
    await crashEverywhere(scene({ state: "failed", reason: "it is encrypted" }), nothing);
    await crashEverywhere(scene({ state: "done", sizeGiB: 2 }, ""), nothing);
    await crashEverywhere(scene({ state: "running", fraction: 0, what: "reading" }, ""), nothing);
  },
);
