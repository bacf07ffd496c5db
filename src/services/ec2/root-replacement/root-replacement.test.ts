import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CreateReplaceRootVolumeTaskCommandInput, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testContext, testImage, testRegion, type TestRegionOptions } from "#testing/region.ts";
import type { ImageRecord } from "../image/image.ts";
import { volumeState } from "../volume/volume.ts";
import { rootReplacementOperations } from "./root-replacement-operations.ts";
import { taskState } from "./root-replacement.ts";

const limit = { timeout: 60_000 };
const device = testImage.rootDevice;

test(
  "a root volume is replaced by one as it was at launch: the instance is itself, and the original available",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, machines, disks, id, root, records } = region;
    disks.write(root, "spoilt");
    const before = await region.shown();
    const { ReplaceRootVolumeTask: task } = await client.createReplaceRootVolumeTask({
      InstanceId: id,
      TagSpecifications: [{ ResourceType: "replace-root-volume-task", Tags: [{ Key: "team", Value: "a" }] }],
    });
    assert.match(task?.ReplaceRootVolumeTaskId ?? "", /^replacevol-[0-9a-f]{17}$/);
    assert.match(task?.StartTime ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(
      [task?.InstanceId, task?.TaskState, task?.CompleteTime, task?.ImageId, task?.SnapshotId],
      [id, "pending", undefined, undefined, testImage.snapshotId],
    );
    assert.deepEqual([task?.DeleteReplacedRootVolume, task?.Tags], [false, [{ Key: "team", Value: "a" }]]);
    const ended = await region.ended(task?.ReplaceRootVolumeTaskId);
    assert.equal(ended?.TaskState, "succeeded");
    assert.match(ended?.CompleteTime ?? "", /Z$/);

    const replaced = region.rootNow();
    assert.notEqual(replaced, root);
    assert.deepEqual([disks.read(root), disks.read(replaced)], ["spoilt", ""]);
    assert.deepEqual(
      machines.spec(id)?.disks.map((it) => it.id),
      [replaced],
    );
    const [old, now] = [records.get("volume", root), records.get("volume", replaced)];
    assert.deepEqual([old && volumeState(old), now && volumeState(now)], ["available", "in-use"]);
    assert.deepEqual(
      [now?.type, now?.sizeGiB, now?.iops, now?.attachments[0]?.deleteOnTermination],
      [old?.type, old?.sizeGiB, old?.iops, true],
    );
    const after = await region.shown();
    assert.deepEqual(
      [
        after?.State?.Name,
        after?.PrivateIpAddress,
        after?.PublicIpAddress,
        after?.ImageId,
        after?.LaunchTime,
      ],
      ["running", before?.PrivateIpAddress, before?.PublicIpAddress, before?.ImageId, before?.LaunchTime],
    );
    assert.deepEqual(
      after?.BlockDeviceMappings?.map((it) => [it.DeviceName, it.Ebs?.VolumeId, it.Ebs?.Status]),
      [[device, replaced, "attached"]],
    );
  },
);

test(
  "the guest runs on until the replacement is made, and is off when the volumes change places",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { machines, disks, id, root, records } = region;
    const make = disks.ensure.bind(disks);
    const held = Promise.withResolvers<void>();
    disks.ensure = async (disk) => {
      await held.promise;
      return make(disk);
    };
    const task = await region.replace();
    assert.deepEqual([region.stateOf(task), region.rootNow()], ["pending", root]);
    assert.deepEqual(
      [(await machines.observe(id)).state, records.get("instance", id)?.wanted.reboots],
      ["running", 0],
    );
    const ensure = machines.ensure.bind(machines);
    const seen: unknown[] = [];
    machines.ensure = async (spec) => {
      seen.push([region.stateOf(task), (await machines.observe(id)).state, region.rootNow() !== root]);
      return ensure(spec);
    };
    held.resolve();
    await region.ended(task);
    assert.deepEqual(seen, [["in-progress", "off", true]]);
  },
);

test("a guest that does not listen is switched off for it", limit, async (t) => {
  const region = await withInstance(t, { listens: false });
  region.hurry();
  const task = await region.replace();
  assert.equal((await region.ended(task))?.TaskState, "succeeded");
  assert.deepEqual(
    region.machines.spec(region.id)?.disks.map((it) => it.id),
    [region.rootNow()],
  );
});

test(
  "a root volume is replaced by a snapshot of it, or of one that was it before, but of no other",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, disks, id, root, until, records } = region;
    disks.write(root, "first");
    const first = await region.snapshotOf(root);
    disks.write(root, "second");
    const task = await region.replace({ SnapshotId: first });
    const { SnapshotId, TaskState } = (await region.ended(task)) ?? {};
    assert.deepEqual([SnapshotId, TaskState], [first, "succeeded"]);
    const replaced = region.rootNow();
    assert.equal(disks.read(replaced), "first");

    await client.deleteVolume({ VolumeId: root });
    await until(() => records.get("volume", root) === undefined);
    disks.write(replaced, "third");
    const third = await region.snapshotOf(replaced);
    await region.ended(await region.replace({ SnapshotId: first }));
    assert.equal(disks.read(region.rootNow()), "first");
    await region.ended(await region.replace({ SnapshotId: third }));
    assert.equal(disks.read(region.rootNow()), "third");
    await region.ended(await region.replace());
    assert.equal(disks.read(region.rootNow()), "");
    assert.equal(records.get("volume", region.rootNow())?.snapshotId, undefined);

    const { SnapshotId: copy = "" } = await client.copySnapshot({
      SourceRegion: "eu-central-1",
      SourceSnapshotId: first,
    });
    await until(() => records.get("snapshot", copy)?.so.completedAt !== undefined);
    const other = await region.snapshotOf(await region.volume());
    for (const snapshotId of [copy, other])
      await assert.rejects(region.replace({ SnapshotId: snapshotId }), {
        name: "InvalidParameterValue",
        message: `The snapshot '${snapshotId}' was not created from a current or previous root volume of instance '${id}'.`,
      });
  },
);

test(
  "what an instance of an image of one's own was launched as is that image's snapshot",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, records, until, disks, root } = region;
    disks.write(root, "mine");
    const { ImageId: imageId = "" } = await client.createImage({ InstanceId: region.id, Name: "mine" });
    await until(() => records.all("snapshot").every(({ so }) => so.completedAt !== undefined));
    const other = await region.launched({ ImageId: imageId });
    disks.write(other.root, "spoilt");
    const { ReplaceRootVolumeTask: task } = await client.createReplaceRootVolumeTask({
      InstanceId: other.id,
    });
    assert.equal(task?.SnapshotId, records.get("image", imageId)?.snapshotId);
    await region.ended(task?.ReplaceRootVolumeTaskId);
    assert.equal(disks.read(region.rootNow(other.id)), "mine");
  },
);

test(
  "of an image the instance has its root from then on, of the larger size, its id and its boot mode",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { records, store, id, disks } = region;
    const image: ImageRecord = {
      ...testImage,
      id: "ami-0bbbbbbbbbbbbbbbb",
      snapshotId: "snap-0bbbbbbbbbbbbbbbb",
      bootMode: "uefi",
      sizeGiB: 12,
    };
    await region.put(image);
    const task = await region.replace({ ImageId: image.id });
    const { ImageId, SnapshotId, TaskState } = (await region.ended(task)) ?? {};
    assert.deepEqual([ImageId, SnapshotId, TaskState], [image.id, undefined, "succeeded"]);
    const shown = await region.shown();
    assert.deepEqual([shown?.ImageId, shown?.BootMode], [image.id, "uefi"]);
    assert.deepEqual(region.machines.spec(id)?.boot, { by: "uefi" });
    const metadata = () => region.guests.get(shown?.VpcId ?? "")?.interfaces[0]?.metadata.tree ?? {};
    while (metadata()["ami-id"] !== image.id) await sleep(5);
    assert.deepEqual(
      [records.get("volume", region.rootNow())?.image?.imageId, disks.sizeOf(region.rootNow())],
      [image.id, 12],
    );

    await region.ended(await region.replace({ ImageId: testImage.id }));
    const back = records.get("instance", id);
    assert.deepEqual([back?.imageId, back?.bootMode], [testImage.id, undefined]);
    assert.equal(disks.sizeOf(region.rootNow()), 12);

    const before = (await store.list("")).revision;
    const refused = { ...image, id: "ami-0cccccccccccccccc" } as const;
    for (const [what, message] of [
      [{ architecture: "arm64" }, /: its architecture is arm64, the instance's x86_64\.$/],
      [{ enaSupport: false }, /: it does not support ENA, which the instance is enabled for\.$/],
    ] as const) {
      await region.put({ ...refused, ...what });
      await assert.rejects(region.replace({ ImageId: refused.id }), {
        name: "InvalidParameterValue",
        message,
      });
    }
    await region.put({ ...refused, disabled: true });
    await assert.rejects(region.replace({ ImageId: refused.id }), { name: "InvalidAMIID.Unavailable" });
    assert.equal((await store.list("")).revision, before + 3, "only the images were written");
  },
);

test(
  "a volume that is there becomes the root as it is, and stays when the instance ends",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, records, until, id, disks } = region;
    const volume = await region.volume();
    disks.write(volume, "prepared");
    const task = await region.replace({ VolumeId: volume, VolumeInitializationRate: 100 });
    const { SnapshotId, TaskState } = (await region.ended(task)) ?? {};
    assert.deepEqual([SnapshotId, TaskState, region.rootNow()], [undefined, "succeeded", volume]);
    assert.deepEqual([disks.read(volume), disks.sizeOf(volume)], ["prepared", 1]);
    await client.terminateInstances({ InstanceIds: [id] });
    await until(() => records.get("instance", id)?.so.state === "terminated");
    const kept = records.get("volume", volume);
    assert.equal(kept && volumeState(kept), "available");
  },
);

test("the original is deleted when that was asked, once the instance runs again", limit, async (t) => {
  const region = await withInstance(t);
  const { records, until, root, disks } = region;
  const task = await region.replace({ DeleteReplacedRootVolume: true });
  const ended = await region.ended(task);
  assert.deepEqual([ended?.TaskState, ended?.DeleteReplacedRootVolume], ["succeeded", true]);
  await until(() => records.get("volume", root) === undefined);
  assert.ok(!(await disks.list()).includes(root));
});

test("further volumes stay where they are", limit, async (t) => {
  const region = await withInstance(t, {}, [{ DeviceName: "/dev/sdf", Ebs: { VolumeSize: 1 } }]);
  const { records, id, root, disks } = region;
  const data = records.volumesOf(id).find((it) => it.id !== root)?.id ?? "";
  disks.write(data, "data");
  await region.ended(await region.replace());
  assert.deepEqual(
    region.machines.spec(id)?.disks.map((it) => it.id),
    [region.rootNow(), data],
  );
  assert.equal(disks.read(data), "data");
});

test("a task whose volume cannot be made fails, and the guest has not noticed", limit, async (t) => {
  const region = await withInstance(t);
  region.hurry();
  const { records, disks, id, root, until } = region;
  disks.ensure = async () => {
    throw new Error("no room");
  };
  const task = await region.replace({ DeleteReplacedRootVolume: true });
  assert.equal((await region.ended(task))?.TaskState, "failed");
  const made = records.get("replace-root-volume-task", task);
  assert.match(made?.so.failed ?? "", /no room/);
  assert.deepEqual([region.rootNow(), records.get("instance", id)?.wanted.reboots], [root, 0]);
  await until(() => records.get("volume", made?.to.volumeId ?? "") === undefined);
});

test("a volume that is taken before it is the root makes the task fail, and stays", limit, async (t) => {
  const region = await withInstance(t, { listens: false });
  const { client, records, root } = region;
  const volume = await region.volume();
  const other = await region.launched({});
  const task = await region.replace({ VolumeId: volume });
  await region.until(() => region.stateOf(task) === "in-progress");
  await client.attachVolume({ VolumeId: volume, InstanceId: other.id, Device: "/dev/sdf" });
  await client.stopInstances({ InstanceIds: [region.id], Force: true });
  assert.equal((await region.ended(task))?.TaskState, "failed");
  assert.equal(region.rootNow(), root);
  assert.equal(records.get("volume", volume)?.attachments[0]?.instanceId, other.id);
});

test(
  "an instance that does not start with its new root volume has the original again, and runs",
  limit,
  async (t) => {
    const region = await withInstance(t);
    region.hurry();
    const { machines, records, id, root, until } = region;
    const image: ImageRecord = { ...testImage, id: "ami-0bbbbbbbbbbbbbbbb", bootMode: "uefi" };
    await region.put(image);
    const ensure = machines.ensure.bind(machines);
    machines.ensure = async (spec) => {
      if (spec.disks[0]?.id !== root) throw new Error("it does not start");
      return ensure(spec);
    };
    const task = await region.replace({ ImageId: image.id, DeleteReplacedRootVolume: true });
    await until(() => region.stateOf(task) === "failing" || region.stateOf(task) === "failed");
    assert.equal((await region.ended(task))?.TaskState, "failed");
    const instance = records.get("instance", id);
    assert.deepEqual(
      [instance?.so.state, instance?.imageId, instance?.bootMode, region.rootNow()],
      ["running", testImage.id, undefined, root],
    );
    assert.deepEqual(
      machines.spec(id)?.disks.map((it) => it.id),
      [root],
    );
    const made = records.get("replace-root-volume-task", task);
    assert.equal(made?.so.failed, "it does not start");
    await until(() => records.get("volume", made?.to.volumeId ?? "") === undefined);
  },
);

test("an instance that is stopped meanwhile starts with its new root volume", limit, async (t) => {
  const region = await withInstance(t, { listens: false });
  const { client, records, id, root, until } = region;
  const task = await region.replace();
  await until(() => region.stateOf(task) === "in-progress");
  await client.stopInstances({ InstanceIds: [id], Force: true });
  assert.equal((await region.ended(task))?.TaskState, "succeeded");
  assert.notEqual(region.rootNow(), root);
  await client.startInstances({ InstanceIds: [id] });
  await until(() => records.get("instance", id)?.so.state === "running");
  assert.deepEqual(
    region.machines.spec(id)?.disks.map((it) => it.id),
    [region.rootNow()],
  );
});

test("a task of an instance that is terminated meanwhile fails, and leaves no volume", limit, async (t) => {
  const region = await withInstance(t, { listens: false });
  const { client, records, id, until } = region;
  const task = await region.replace();
  await until(() => region.stateOf(task) === "in-progress");
  await client.terminateInstances({ InstanceIds: [id], Force: true });
  assert.equal((await region.ended(task))?.TaskState, "failed");
  await until(() => records.all("volume").length === 0);
});

test("tasks are found by id, instance and tag, in pages, and tagged", limit, async (t) => {
  const region = await withInstance(t);
  const { client, id } = region;
  const tasks = [await region.replace(), ""];
  await region.ended(tasks[0]);
  tasks[1] = await region.replace();
  await region.ended(tasks[1]);
  await client.createTags({ Resources: [tasks[1]], Tags: [{ Key: "team", Value: "b" }] });
  const found = async (input: object) =>
    (await client.describeReplaceRootVolumeTasks(input)).ReplaceRootVolumeTasks?.map(
      (it) => it.ReplaceRootVolumeTaskId,
    );
  const by = (Name: string, value: string) => found({ Filters: [{ Name, Values: [value] }] });
  assert.deepEqual((await by("instance-id", id))?.toSorted(), tasks.toSorted());
  assert.deepEqual(await by("instance-id", "i-0123456789abcdef0"), []);
  assert.deepEqual(await by("tag:team", "b"), [tasks[1]]);
  assert.deepEqual(await found({ ReplaceRootVolumeTaskIds: [tasks[0]] }), [tasks[0]]);
  const first = await client.describeReplaceRootVolumeTasks({ MaxResults: 1 });
  const second = await client.describeReplaceRootVolumeTasks({ MaxResults: 1, NextToken: first.NextToken });
  assert.equal(second.NextToken, undefined);
  assert.deepEqual(
    [first, second].flatMap((it) => it.ReplaceRootVolumeTasks?.map((task) => task.ReplaceRootVolumeTaskId)),
    tasks.toSorted(),
  );
  const { Tags } = await client.describeTags({
    Filters: [{ Name: "resource-type", Values: ["replace-root-volume-task"] }],
  });
  assert.deepEqual(
    Tags?.map((it) => [it.ResourceId, it.Value]),
    [[tasks[1], "b"]],
  );
  for (const [taskId, name] of [
    ["replacevol-0123456789abcdef0", "InvalidReplaceRootVolumeTaskId.NotFound"],
    ["replacevol-1x", "InvalidReplaceRootVolumeTaskId.Malformed"],
  ] as const)
    await assert.rejects(client.describeReplaceRootVolumeTasks({ ReplaceRootVolumeTaskIds: [taskId] }), {
      name,
    });
  for (const MaxResults of [0, 51])
    await assert.rejects(client.describeReplaceRootVolumeTasks({ MaxResults }), {
      name: "InvalidParameterValue",
    });
});

test(
  "the same ClientToken is the same task, however often, and of another request it is refused",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const ClientToken = "once";
    const task = await region.replace({ ClientToken });
    assert.equal(await region.replace({ ClientToken }), task);
    await region.ended(task);
    assert.equal(await region.replace({ ClientToken }), task);
    assert.equal(region.records.all("replace-root-volume-task").length, 1);
    await assert.rejects(region.replace({ ClientToken, DeleteReplacedRootVolume: true }), {
      name: "IdempotentParameterMismatch",
    });
  },
);

test("an instance's last twenty tasks are remembered", { timeout: 120_000 }, async (t) => {
  const region = await withInstance(t);
  const first = await region.replace({ ClientToken: "first", DeleteReplacedRootVolume: true });
  await region.ended(first);
  for (let n = 0; n < 20; n++) await region.ended(await region.replace({ DeleteReplacedRootVolume: true }));
  assert.equal(region.records.all("replace-root-volume-task").length, 20);
  assert.equal(region.records.get("replace-root-volume-task", first), undefined);
  assert.notEqual(await region.replace({ ClientToken: "first" }), first);
});

test(
  "policies are asked of the instance, the task, the replacement, and what that is made of",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { records, id, root } = region;
    const [SnapshotId, VolumeId] = [await region.snapshotOf(root), await region.volume()];
    const context = testContext(records);
    const touched = (input: object) =>
      rootReplacementOperations.CreateReplaceRootVolumeTask.resolve(
        { InstanceId: id, ...input },
        context,
      ).touches.map(({ arn }) => arn.replace(/^arn:aws:ec2:eu-central-1:(111122223333)?:/, ""));
    const always = [`instance/${id}`, "replace-root-volume-task/*"];
    assert.deepEqual(touched({}), [...always, "volume/*"]);
    assert.deepEqual(touched({ SnapshotId }), [...always, "volume/*", `snapshot/${SnapshotId}`]);
    assert.deepEqual(touched({ ImageId: testImage.id }), [...always, "volume/*", `image/${testImage.id}`]);
    assert.deepEqual(touched({ VolumeId }), [...always, `volume/${VolumeId}`]);
  },
);

test("what cannot be replaced, or not so, changes nothing", limit, async (t) => {
  const region = await withInstance(t);
  const { client, records, store, id, root, until } = region;
  const stopped = await region.launched({});
  await client.stopInstances({ InstanceIds: [stopped.id] });
  await until(() => records.get("instance", stopped.id)?.so.state === "stopped");
  const snapshot = await region.snapshotOf(root);
  const volume = await region.volume();
  const elsewhere = await region.volume("eu-central-1b");
  const revision = async () => (await store.list("")).revision;
  const before = await revision();
  const [InstanceId, missing] = [stopped.id, "i-0123456789abcdef0"];
  for (const [input, name, message] of [
    [{ InstanceId }, "IncorrectInstanceState", `The instance '${stopped.id}' is not in the 'running' state.`],
    [{ InstanceId: missing }, "InvalidInstanceID.NotFound"],
    [{ InstanceId: "i-1x" }, "InvalidInstanceID.Malformed"],
    [
      { SnapshotId: snapshot, ImageId: testImage.id },
      "InvalidParameterCombination",
      "The parameter 'snapshotId' may not be used in combination with 'imageId'.",
    ],
    [{ ImageId: testImage.id, VolumeId: volume }, "InvalidParameterCombination"],
    [{ SnapshotId: "snap-0123456789abcdef0" }, "InvalidSnapshot.NotFound"],
    [{ ImageId: "ami-0123456789abcdef0" }, "InvalidAMIID.NotFound"],
    [{ VolumeId: "vol-0123456789abcdef0" }, "InvalidVolume.NotFound"],
    [{ VolumeId: root }, "VolumeInUse"],
    [{ VolumeId: elsewhere }, "InvalidVolume.ZoneMismatch"],
    [{ VolumeInitializationRate: 100 }, "UnsupportedOperation"],
    [
      { TagSpecifications: [{ ResourceType: "volume", Tags: [{ Key: "a", Value: "b" }] }] },
      "InvalidParameterValue",
    ],
    [{ DryRun: true }, "DryRunOperation"],
  ] as [Partial<CreateReplaceRootVolumeTaskCommandInput>, string, string?][])
    await assert.rejects(region.replace(input), { name, ...(message !== undefined && { message }) });
  assert.equal(await revision(), before);

  const make = region.disks.ensure.bind(region.disks);
  const held = Promise.withResolvers<void>();
  region.disks.ensure = async (disk) => {
    await held.promise;
    return make(disk);
  };
  const task = await region.replace();
  await assert.rejects(region.replace(), {
    name: "IncorrectState",
    message: `The root volume of instance '${id}' is being replaced by task '${task}'.`,
  });
  held.resolve();
  await region.ended(task);
});

/** A region with an instance that runs. After `hurry` whatever waits has been worked on for long. */
async function withInstance(
  t: TestContext,
  options: TestRegionOptions = {},
  BlockDeviceMappings: RunInstancesCommandInput["BlockDeviceMappings"] = [],
) {
  let workedMs = 0;
  const worked = { since: () => workedMs, forget: () => {} };
  const region = await testRegion(t, { boots: "at once", worked, ...options });
  const { client, records, store, feed, until } = region;
  const rootNow = (instanceId: string) =>
    records.volumesOf(instanceId).find(({ attachments }) => attachments[0]?.device === device)?.id ?? "";
  const launched = async (input: Partial<RunInstancesCommandInput>) => {
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      Placement: { AvailabilityZone: "eu-central-1a" },
      ...input,
    });
    const id = instance?.InstanceId ?? "";
    await until(() => records.get("instance", id)?.so.booted === true);
    return { id, root: rootNow(id) };
  };
  const { id, root } = await launched({ BlockDeviceMappings });
  const stateOf = (taskId: string) => {
    const task = records.get("replace-root-volume-task", taskId);
    return task && taskState(task);
  };
  return {
    ...region,
    id,
    root,
    launched,
    stateOf,
    hurry: () => void (workedMs = 1e6),
    rootNow: (instanceId = id) => rootNow(instanceId),
    replace: async (input: Partial<CreateReplaceRootVolumeTaskCommandInput> = {}) => {
      const answer = await client.createReplaceRootVolumeTask({ InstanceId: id, ...input });
      return answer.ReplaceRootVolumeTask?.ReplaceRootVolumeTaskId ?? "";
    },
    ended: async (taskId = "") => {
      await until(() => records.get("replace-root-volume-task", taskId)?.so.endedAt !== undefined);
      const named = { ReplaceRootVolumeTaskIds: [taskId] };
      return (await client.describeReplaceRootVolumeTasks(named)).ReplaceRootVolumeTasks?.[0];
    },
    shown: async () =>
      (await client.describeInstances({ InstanceIds: [id] })).Reservations?.[0]?.Instances?.[0],
    snapshotOf: async (VolumeId: string) => {
      const { SnapshotId: snapshotId = "" } = await client.createSnapshot({ VolumeId });
      await until(() => records.get("snapshot", snapshotId)?.so.completedAt !== undefined);
      return snapshotId;
    },
    volume: async (AvailabilityZone = "eu-central-1a") => {
      const { VolumeId: volumeId = "" } = await client.createVolume({ AvailabilityZone, Size: 1 });
      await until(() => records.get("volume", volumeId)?.so.ready === true);
      return volumeId;
    },
    put: async (image: ImageRecord) => {
      const { revision } = await store.commit({
        put: [{ key: records.key("image", image.id), value: image }],
      });
      await feed.reached(revision);
    },
  };
}
