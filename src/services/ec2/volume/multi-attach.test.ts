import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CreateVolumeCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { attachmentTo, volumeState } from "./volume.ts";

const limit = { timeout: 60_000 };

test(
  "a volume with Multi-Attach is in use until the last of its instances lets go of it, each detached by its id",
  limit,
  async (t) => {
    const region = await withInstances(t, 2);
    const { client, instanceIds, create, attach, attached, shown, until, stateOf } = region;
    const [first = "", second = ""] = instanceIds;
    const id = await create();
    for (const [n, instance] of instanceIds.entries()) {
      assert.equal((await attach(id, instance, `/dev/sd${"fg"[n]}`)).State, "attaching");
      await attached(id, instance);
    }
    const volume = await shown(id);
    assert.deepEqual(
      [
        volume?.State,
        volume?.MultiAttachEnabled,
        volume?.Attachments?.map((it) => [it.InstanceId, it.Device, it.State]),
      ],
      [
        "in-use",
        true,
        [
          [first, "/dev/sdf", "attached"],
          [second, "/dev/sdg", "attached"],
        ],
      ],
    );
    for (const [Name, value, count] of [
      ["multi-attach-enabled", "true", 1],
      ["attachment.instance-id", second, 2],
      ["attachment.device", "/dev/sdg", 1],
    ] as const)
      assert.equal(
        (await client.describeVolumes({ Filters: [{ Name, Values: [value] }] })).Volumes?.length,
        count,
        Name,
      );
    const { VolumeStatuses: [status] = [] } = await client.describeVolumeStatus({ VolumeIds: [id] });
    assert.deepEqual(
      status?.AttachmentStatuses?.map((it) => it.InstanceId),
      [first, second],
    );
    for (const instance of instanceIds) {
      const disk = region.machines.spec(instance)?.disks.at(-1);
      assert.deepEqual([disk?.id, disk?.servedBy, disk?.path], [id, id, ""]);
    }

    await assert.rejects(client.detachVolume({ VolumeId: id }), { name: "MissingParameter" });
    assert.equal((await client.detachVolume({ VolumeId: id, InstanceId: first })).State, "detaching");
    await until(() => region.attachmentOf(id, first) === undefined);
    assert.deepEqual([stateOf(id), (await shown(id))?.Attachments?.length], ["in-use", 1]);
    assert.ok(region.machines.spec(id)?.serves);
    await client.detachVolume({ VolumeId: id, InstanceId: second });
    await until(() => stateOf(id) === "available");
    while (region.machines.spec(id) !== undefined) await sleep(5);
  },
);

test("what serves a volume with Multi-Attach is started again when it ends", limit, async (t) => {
  const { machines, instanceIds, create, attach, attached } = await withInstances(t, 1);
  const id = await create();
  await attach(id, instanceIds[0] ?? "", "/dev/sdf");
  await attached(id, instanceIds[0] ?? "");
  machines.kill(id);
  while (machines.spec(id) === undefined) await sleep(5);
  assert.equal((await machines.observe(instanceIds[0] ?? "")).state, "running");
});

test(
  "it goes with the last of its instances that is terminated, if it is deleted with that one",
  limit,
  async (t) => {
    for (const [last, remains] of [
      [true, false],
      [false, true],
    ]) {
      const region = await withInstances(t, 2);
      const { client, records, instanceIds, create, attach, attached, until } = region;
      const id = await create();
      for (const [n, InstanceId] of instanceIds.entries()) {
        await attach(id, InstanceId, "/dev/sdf");
        await attached(id, InstanceId);
        const DeleteOnTermination = n === 1 ? last : !last;
        await client.modifyInstanceAttribute({
          InstanceId,
          BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs: { DeleteOnTermination } }],
        });
      }
      for (const InstanceId of instanceIds) {
        await client.terminateInstances({ InstanceIds: [InstanceId] });
        await until(() => records.get("instance", InstanceId)?.so.state === "terminated");
      }
      assert.equal(records.get("volume", id) !== undefined, remains);
    }
  },
);

test(
  "one that is io2 is made larger and faster while instances have it, and each of them sees it",
  limit,
  async (t) => {
    const region = await withInstances(t, 2);
    const { client, disks, machines, records, instanceIds, create, attach, attached, until } = region;
    const id = await create();
    for (const instance of instanceIds) {
      await attach(id, instance, "/dev/sdf");
      await attached(id, instance);
    }
    const { VolumeModification: told } = await client.modifyVolume({ VolumeId: id, Size: 8, Iops: 300 });
    assert.deepEqual([told?.ModificationState, told?.OriginalSize, told?.TargetSize], ["modifying", 4, 8]);
    await until(() => records.get("volume", id)?.modification?.endedAt !== undefined);
    assert.deepEqual(
      [id, ...instanceIds].map((machine) => machines.sizeOf(machine, id)),
      [8, 8, 8],
    );
    assert.equal(machines.spec(id)?.disks[0]?.limits?.requests?.rate, 300);
    assert.equal(records.get("volume", id)?.sizeGiB, 8);
    assert.equal(disks.sizeOf(id), 4, "nobody but what serves it touches its files");
  },
);

test("one whose server ends while it is made larger becomes so once that runs again", limit, async (t) => {
  const region = await withInstances(t, 1);
  const { client, machines, records, instanceIds, create, attach, attached, until } = region;
  const [instance = ""] = instanceIds;
  const id = await create();
  await attach(id, instance, "/dev/sdf");
  await attached(id, instance);
  const changeDisk = machines.changeDisk.bind(machines);
  let kills = 2;
  machines.changeDisk = async (...args) => {
    if (kills > 0 && args[0] === (kills === 2 ? id : instance)) {
      kills--;
      machines.kill(id);
    }
    return changeDisk(...args);
  };
  await client.modifyVolume({ VolumeId: id, Size: 8 });
  await until(() => records.get("volume", id)?.modification?.endedAt !== undefined);
  assert.equal(kills, 0);
  assert.equal(machines.sizeOf(instance, id), 8);
  assert.equal(records.get("volume", id)?.modification?.failed, undefined);
});

test(
  "snapshots of all volumes of an instance, and an image of it, are of one moment with those that others have",
  limit,
  async (t) => {
    const region = await withInstances(t, 2);
    const { client, disks, machines, records, instanceIds, create, attach, attached, until } = region;
    const [first = ""] = instanceIds;
    const id = await create();
    for (const instance of instanceIds) {
      await attach(id, instance, "/dev/sdf");
      await attached(id, instance);
    }
    const moments: unknown[] = [];
    const layerTogether = machines.layerTogether.bind(machines);
    machines.layerTogether = async (layers, still) => {
      const isMoment = await layerTogether(layers, still);
      moments.push([layers.map((it) => it.id).toSorted(), still, isMoment]);
      return isMoment;
    };
    const machinesTold = [first, id].toSorted();
    const completed = () => until(() => records.all("snapshot").every(({ so }) => so.completedAt));
    const { Snapshots = [] } = await client.createSnapshots({ InstanceSpecification: { InstanceId: first } });
    assert.equal(Snapshots.length, 2);
    await completed();
    assert.deepEqual(moments, [[machinesTold, [first], true]]);
    await client.createImage({ InstanceId: first, Name: "mine" });
    await until(() => records.all("snapshot").length === 4);
    await completed();
    assert.deepEqual(moments.at(-1), [machinesTold, [first], true]);
    assert.equal((await machines.observe(instanceIds[1] ?? "")).state, "running", "the other is not asked");
    const made = records.all("snapshot").map((it) => it.id);
    assert.deepEqual(new Set(await disks.snapshots()), new Set(made));
  },
);

test(
  "when one machine was told of a moment and another was not, it is another moment, of which all are told",
  limit,
  async (t) => {
    const region = await withInstances(t, 1);
    const { client, disks, machines, records, instanceIds, create, attach, attached, until } = region;
    const [instance = ""] = instanceIds;
    const id = await create();
    await attach(id, instance, "/dev/sdf");
    await attached(id, instance);
    const root = records.volumesOf(instance).find((it) => it.id !== id)?.id ?? "";
    const layerTogether = machines.layerTogether.bind(machines);
    let cut = true;
    machines.layerTogether = async (layers, still) => {
      if (!cut) return layerTogether(layers, still);
      cut = false;
      for (const it of layers) if (it.id === id) await machines.layerDisks(id, it.disks);
      throw new Error("ended");
    };
    const { Snapshots = [] } = await client.createSnapshots({
      InstanceSpecification: { InstanceId: instance },
    });
    await until(() => records.all("snapshot").every(({ so }) => so.completedAt));
    assert.deepEqual(new Set(await disks.snapshots()), new Set(Snapshots.map((it) => it.SnapshotId)));
    for (const [volume, machine] of [
      [root, instance],
      [id, id],
    ] as const) {
      const disk = machines.spec(machine)?.disks.find((it) => it.id === volume);
      const { path, below } = await disks.locate(volume);
      assert.deepEqual([disk?.path, disk?.below], [path, below]);
      assert.match(below[0] ?? "", /snap-\w+-1$/, "of the second");
    }
  },
);

test("Multi-Attach is enabled and disabled for io2 while it is attached nowhere", limit, async (t) => {
  const region = await withInstances(t, 1);
  const { client, instanceIds, create, attach, attached, shown, until } = region;
  const id = await create({ MultiAttachEnabled: false });
  const { VolumeModification: asked } = await client.modifyVolume({ VolumeId: id, MultiAttachEnabled: true });
  assert.deepEqual([asked?.OriginalMultiAttachEnabled, asked?.TargetMultiAttachEnabled], [false, true]);
  await until(() => region.records.get("volume", id)?.multiAttach === true);
  const { VolumesModifications: found = [] } = await client.describeVolumesModifications({
    Filters: [{ Name: "targetMultiAttachEnabled", Values: ["true"] }],
  });
  assert.equal(found.length, 1);
  await attach(id, instanceIds[0] ?? "", "/dev/sdf");
  await attached(id, instanceIds[0] ?? "");
  await client.modifyVolume({ VolumeId: id, Iops: 200 });
  await until(() => region.records.get("volume", id)?.iops === 200);
  assert.equal(region.machines.spec(id)?.disks[0]?.limits?.requests?.rate, 200);
  assert.equal((await shown(id))?.MultiAttachEnabled, true);
});

test(
  "what AWS refuses of a volume with Multi-Attach is refused, and nothing is written",
  limit,
  async (t) => {
    const region = await withInstances(t, 1);
    const { client, store, instanceIds, create, attach, attached } = region;
    const [instance = ""] = instanceIds;
    const [io1, io2] = [await create({ VolumeType: "io1" }), await create()];
    for (const id of [io1, io2]) {
      await attach(id, instance, id === io1 ? "/dev/sdf" : "/dev/sdg");
      await attached(id, instance);
    }
    const free = await create();
    const before = (await store.list("")).revision;
    const change = (VolumeId: string, more: object) => client.modifyVolume({ VolumeId, ...more });
    for (const [attempt, name, message] of [
      [() => create({ VolumeType: "gp3", Iops: undefined }), "InvalidParameterCombination", /gp3/],
      [() => attach(io2, instance, "/dev/sdh"), "VolumeInUse"],
      [() => attach(free, instance, testImage.rootDevice), "UnsupportedOperation", /boot/],
      [() => change(io2, { VolumeType: "gp3" }), "UnsupportedOperation"],
      [() => change(io2, { MultiAttachEnabled: false }), "IncorrectState"],
      [() => change(io1, { Size: 8 }), "UnsupportedOperation"],
      [() => change(io1, { Iops: 150 }), "UnsupportedOperation"],
      [() => change(io1, { MultiAttachEnabled: false }), "UnsupportedOperation"],
      [() => client.deleteVolume({ VolumeId: io2 }), "VolumeInUse"],
      [
        () => client.createReplaceRootVolumeTask({ InstanceId: instance, VolumeId: free }),
        "UnsupportedOperation",
      ],
    ] as [() => Promise<unknown>, string, RegExp?][])
      await assert.rejects(attempt, { name, ...(message && { message }) });
    assert.equal((await store.list("")).revision, before);
  },
);

test("it is attached to sixteen instances, and to no more", limit, async (t) => {
  const { instanceIds, create, attach, attached } = await withInstances(t, 17);
  const id = await create();
  for (const instance of instanceIds.slice(0, 16)) await attach(id, instance, "/dev/sdf");
  for (const instance of instanceIds.slice(0, 16)) await attached(id, instance);
  await assert.rejects(attach(id, instanceIds[16] ?? "", "/dev/sdf"), { name: "AttachmentLimitExceeded" });
});

/** That run and have booted. */
async function withInstances(t: TestContext, count: number) {
  const region = await testRegion(t, { boots: "at once" });
  const { client, records, until } = region;
  const launch = async (many: number) => {
    const counts = { MinCount: many, MaxCount: many };
    const launched = { ImageId: testImage.id, InstanceType: "t3.nano", ...counts } as const;
    return (await client.runInstances(launched)).Instances ?? [];
  };
  // As many as one request may launch, and the rest.
  const Instances = [...(await launch(Math.min(count, 16))), ...(count > 16 ? await launch(count - 16) : [])];
  const instanceIds = Instances.map(({ InstanceId = "" }) => InstanceId);
  for (const id of instanceIds) await until(() => records.get("instance", id)?.so.booted === true);
  const stateOf = (id: string) => {
    const volume = records.get("volume", id);
    return volume && volumeState(volume);
  };
  const attachmentOf = (id: string, instanceId: string) => {
    const volume = records.get("volume", id);
    return volume && attachmentTo(instanceId, volume);
  };
  return {
    ...region,
    instanceIds,
    stateOf,
    attachmentOf,
    create: async (more: Partial<CreateVolumeCommandInput> = {}) => {
      const AvailabilityZone = Instances[0]?.Placement?.AvailabilityZone;
      const io2 = { VolumeType: "io2", Iops: 100, MultiAttachEnabled: true } as const;
      const { VolumeId: id = "" } = await client.createVolume({ AvailabilityZone, Size: 4, ...io2, ...more });
      await until(() => stateOf(id) === "available");
      return id;
    },
    attach: (VolumeId: string, InstanceId: string, Device: string) =>
      client.attachVolume({ VolumeId, InstanceId, Device }),
    attached: (id: string, instanceId: string) =>
      until(() => {
        const attachment = attachmentOf(id, instanceId);
        return attachment !== undefined && !attachment.plugging;
      }),
    shown: async (id: string) => (await client.describeVolumes({ VolumeIds: [id] })).Volumes?.[0],
  };
}
