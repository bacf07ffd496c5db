import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CreateVolumeCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion, type TestRegionOptions } from "#testing/region.ts";
import { volumeLimit } from "../instance-type/instance-type.ts";
import { moveVolumes } from "../instance/moving-volumes.ts";
import { volumeState } from "./volume.ts";

const limit = { timeout: 60_000 };
const root = testImage.rootDevice;

test(
  "a volume is attached to a running instance, which is told of it and plugged in, and detached again",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, machines, instanceId, create, attach, shown, disksOf, until, metadata } = region;
    const id = await create();
    const answer = await attach(id, "/dev/sdf");
    assert.deepEqual(
      [answer.State, answer.VolumeId, answer.InstanceId, answer.Device, answer.DeleteOnTermination],
      ["attaching", id, instanceId, "/dev/sdf", false],
    );
    await until(() => region.isAttached(id));
    assert.deepEqual(disksOf()[1], id);
    const volume = await shown(id);
    assert.deepEqual(
      [volume?.State, volume?.Attachments?.[0]?.State, volume?.Attachments?.[0]?.Device],
      ["in-use", "attached", "/dev/sdf"],
    );
    const { Reservations: [reservation] = [] } = await client.describeInstances({});
    assert.deepEqual(
      reservation?.Instances?.[0]?.BlockDeviceMappings?.map((it) => [it.DeviceName, it.Ebs?.Status]),
      [
        ["/dev/sdf", "attached"],
        [root, "attached"],
      ],
    );
    while (metadata()["block-device-mapping/ebs1"] !== "sdf") await sleep(5);

    const detached = await client.detachVolume({ VolumeId: id });
    assert.deepEqual([detached.State, detached.InstanceId], ["detaching", instanceId]);
    await until(() => region.stateOf(id) === "available");
    assert.equal(disksOf().length, 1);
    while ("block-device-mapping/ebs1" in metadata()) await sleep(5);
    assert.equal((await machines.observe(instanceId)).state, "running");
    await attach(id, "xvdg");
    await until(() => region.isAttached(id));
  },
);

test(
  "a stopped instance is attached to and detached from at once, its root volume too, without which it does not start",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, records, instanceId, create, attach, disksOf, until } = region;
    const stateIs = (state: string) => until(() => records.get("instance", instanceId)?.so.state === state);
    const rootId = disksOf()[0] ?? "";
    await assert.rejects(client.detachVolume({ VolumeId: rootId, Force: true }), {
      name: "OperationNotPermitted",
      message: `Unable to detach root volume '${rootId}' from instance '${instanceId}'`,
    });
    await client.stopInstances({ InstanceIds: [instanceId] });
    await stateIs("stopped");
    const id = await create();
    await attach(id, "/dev/sdf");
    await client.detachVolume({ VolumeId: rootId });
    await until(() => region.stateOf(rootId) === "available");
    await assert.rejects(client.startInstances({ InstanceIds: [instanceId] }), {
      name: "InvalidParameterValue",
      message: `Invalid value '${instanceId}' for instanceId. Instance does not have a volume attached at root (${root})`,
    });
    await attach(rootId, root);
    await client.startInstances({ InstanceIds: [instanceId] });
    await stateIs("running");
    assert.deepEqual(disksOf(), [rootId, id]);
    assert.ok(region.isAttached(id) && region.isAttached(rootId));
  },
);

test(
  "a volume that its guest does not let go of stays on its way, until it is forced or the instance is stopped",
  limit,
  async (t) => {
    const region = await withInstance(t, { listens: false });
    const { client, records, instanceId, create, attach, disksOf, until } = region;
    const detaching = async () => {
      const id = await create();
      await attach(id, "/dev/sdf");
      await until(() => region.isAttached(id));
      await client.detachVolume({ VolumeId: id, InstanceId: instanceId, Device: "/dev/sdf" });
      assert.equal((await region.shown(id))?.Attachments?.[0]?.State, "detaching");
      await assert.rejects(client.deleteVolume({ VolumeId: id }), {
        name: "VolumeInUse",
        message: `Volume ${id} is currently attached to ${instanceId}`,
      });
      return id;
    };
    const first = await detaching();
    await client.detachVolume({ VolumeId: first, Force: true });
    await until(() => region.stateOf(first) === "available");
    assert.equal(disksOf().length, 1);
    const second = await detaching();
    await client.stopInstances({ InstanceIds: [instanceId], Force: true });
    await until(() => region.stateOf(second) === "available");
    assert.equal(records.get("instance", instanceId)?.so.state, "stopped");
  },
);

test("a volume that a guest never had, since it has not come up, is detached at once", limit, async (t) => {
  const region = await withInstance(t, { boots: false });
  const { client, create, attach, disksOf, until } = region;
  const id = await create();
  await attach(id, "/dev/sdf");
  assert.equal((await region.shown(id))?.Attachments?.[0]?.State, "attaching");
  await client.detachVolume({ VolumeId: id });
  await until(() => region.stateOf(id) === "available");
  assert.equal(disksOf().length, 1);
});

test(
  "a volume is detached also when that is asked while it is plugged in, by force or not",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, machines, create, attach, disksOf, until } = region;
    const plugDisk = machines.plugDisk.bind(machines);
    for (const Force of [true, false]) {
      const id = await create();
      const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      machines.plugDisk = async (...args) => {
        await plugDisk(...args);
        reached.resolve();
        await gate.promise;
      };
      await attach(id, "/dev/sdf");
      await reached.promise;
      await client.detachVolume({ VolumeId: id, Force });
      machines.plugDisk = plugDisk;
      gate.resolve();
      await until(() => region.stateOf(id) === "available");
      assert.equal(disksOf().length, 1);
    }
  },
);

test("a volume that its guest keeps for a minute is said to be busy", limit, async (t) => {
  const region = await withInstance(t, { listens: false });
  const { client, store, feed, records, machines, instanceId, create, attach, until } = region;
  const id = await create();
  await attach(id, "/dev/sdf");
  await until(() => region.isAttached(id));
  await client.detachVolume({ VolumeId: id });
  const instance = records.get("instance", instanceId);
  assert.ok(instance);
  const outcome = await moveVolumes(instance, records, {
    machines,
    machineSpec: () => Promise.reject(new Error("nothing is plugged in")),
    worked: { since: () => 60_000, forget: () => {} },
  });
  assert.equal(outcome?.kind, "moved");
  if (outcome?.kind === "moved") await feed.reached((await store.commit(outcome.transaction)).revision);
  const { Volumes: [volume] = [] } = await client.describeVolumes({ VolumeIds: [id] });
  assert.deepEqual([volume?.State, volume?.Attachments?.[0]?.State], ["in-use", "busy"]);
  const { Reservations: [reservation] = [] } = await client.describeInstances({});
  assert.equal(reservation?.Instances?.[0]?.BlockDeviceMappings?.[0]?.Ebs?.Status, "detaching");
  await client.detachVolume({ VolumeId: id, Force: true });
  await until(() => region.stateOf(id) === "available");
});

test("an attached volume outlives its instance, unless it is to go with it", limit, async (t) => {
  const region = await withInstance(t);
  const { client, records, instanceId, create, attach, until } = region;
  const [stays, goes] = [await create(), await create()];
  await attach(stays, "/dev/sdf");
  await attach(goes, "/dev/sdg");
  await client.modifyInstanceAttribute({
    InstanceId: instanceId,
    BlockDeviceMappings: [{ DeviceName: "/dev/sdg", Ebs: { DeleteOnTermination: true } }],
  });
  await client.terminateInstances({ InstanceIds: [instanceId] });
  await until(() => records.get("instance", instanceId)?.so.state === "terminated");
  assert.deepEqual(
    records.all("volume").map((it) => [it.id, volumeState(it)]),
    [[stays, "available"]],
  );
});

test("of two volumes attached by one name at once, one is", limit, async (t) => {
  const { create, attach } = await withInstance(t);
  const ids = await Promise.all([1, 2, 3].map(() => create()));
  const attempts = await Promise.allSettled(ids.map((id) => attach(id, "/dev/sdf")));
  const lost = attempts.flatMap((it) => (it.status === "rejected" ? [(it.reason as Error).message] : []));
  const taken = "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use";
  assert.deepEqual(lost, [taken, taken]);
});

test("an instance has as many volumes as its type may, at launch and later", limit, async (t) => {
  const { client, records, create, attach, disksOf, until, isAttached } = await withInstance(t);
  const most = volumeLimit("t3.micro");
  const names = "bcdefghijklmnopqrstuvwxyz".split("").map((letter) => `/dev/sd${letter}`);
  const devices = [...names, "/dev/xvdba", "/dev/xvdbb"].slice(0, most);
  const ids: string[] = [];
  for (const device of devices.slice(0, most - 1)) {
    const id = await create();
    ids.push(id);
    await attach(id, device);
  }
  await until(() => ids.every(isAttached));
  assert.equal(disksOf().length, most);
  const sentence = { name: "AttachmentLimitExceeded", message: /^You may attach up to 27 devices for this/ };
  await assert.rejects(attach(await create(), devices[most - 1] ?? ""), sentence);
  const BlockDeviceMappings = devices.map((DeviceName) => ({ DeviceName, Ebs: { VolumeSize: 1 } }));
  const launch = { ImageId: testImage.id, InstanceType: "t3.micro" as const, MinCount: 1, MaxCount: 1 };
  await assert.rejects(client.runInstances({ ...launch, BlockDeviceMappings }), sentence);
  assert.equal(records.all("instance").length, 1);
});

test("each refusal has AWS's code and sentence, and changes nothing", limit, async (t) => {
  const region = await withInstance(t);
  const { client, store, records, instanceId, create, attach, disksOf, until } = region;
  const id = await create();
  const elsewhere = await create({ AvailabilityZone: "eu-central-1c" });
  const attached = await create();
  await attach(attached, "/dev/sdg");
  await until(() => region.isAttached(attached));
  const detach = (VolumeId: string, more = {}) => client.detachVolume({ VolumeId, ...more });
  const before = (await store.list("")).revision;
  for (const [attempt, name, message = /./] of [
    [() => attach("vol-1", "/dev/sdf"), "InvalidVolume.NotFound"],
    [() => attach(id, "/dev/sdf", "i-0123456789abcdef0"), "InvalidInstanceID.NotFound"],
    [
      () => attach(id, "/dev/sdk1"),
      "InvalidParameterValue",
      /^Value \(\/dev\/sdk1\) for parameter device is invalid\. \/dev\/sdk1 is not a valid EBS device name\.$/,
    ],
    [() => attach(id, "/dev/../sdf"), "InvalidParameterValue"],
    [() => attach(id, root), "InvalidParameterValue", /already in use$/],
    [() => attach(id, "sdg"), "InvalidParameterValue", /^Invalid value 'sdg' for unixDevice/],
    [
      () => attach(elsewhere, "/dev/sdf"),
      "InvalidVolume.ZoneMismatch",
      /is not in the same availability zone as instance 'i-\w+'$/,
    ],
    [
      () => attach(disksOf()[0] ?? "", "/dev/sdf"),
      "VolumeInUse",
      /^vol-\w+ is already attached to an instance$/,
    ],
    [
      () => client.attachVolume({ VolumeId: id, InstanceId: instanceId, Device: "/dev/sdf", DryRun: true }),
      "DryRunOperation",
    ],
    [() => detach(id), "IncorrectState", /^Volume 'vol-\w+' is in the 'available' state\.$/],
    [() => detach("vol-1"), "InvalidVolume.NotFound"],
    [() => detach(attached, { InstanceId: "i-0123456789abcdef0" }), "InvalidAttachment.NotFound"],
    [
      () => detach(attached, { Device: "/dev/sdf" }),
      "InvalidAttachment.NotFound",
      /is not attached to instance 'i-\w+' as device '\/dev\/sdf'\.$/,
    ],
    [() => detach(attached, { DryRun: true }), "DryRunOperation"],
  ] as [() => Promise<unknown>, string, RegExp?][])
    await assert.rejects(attempt, { name, message });
  assert.equal((await store.list("")).revision, before);
  await client.deleteVolume({ VolumeId: elsewhere });
  await assert.rejects(attach(elsewhere, "/dev/sdf"), { name: /^(IncorrectState|InvalidVolume.NotFound)$/ });
  await client.terminateInstances({ InstanceIds: [instanceId] });
  await until(() => records.get("instance", instanceId)?.so.state === "terminated");
  await assert.rejects(attach(id, "/dev/sdf"), {
    name: "IncorrectState",
    message: `Instance '${instanceId}' is not 'running'.`,
  });
});

/** One that runs and has booted. */
async function withInstance(t: TestContext, options: TestRegionOptions = {}) {
  const region = await testRegion(t, { boots: "at once", ...options });
  const { client, records, machines, guests, until } = region;
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
  });
  const instanceId = instance?.InstanceId ?? "";
  await until(() => {
    const so = records.get("instance", instanceId)?.so;
    return options.boots === false ? so?.state === "running" : so?.booted === true;
  });
  const stateOf = (id: string) => {
    const volume = records.get("volume", id);
    return volume && volumeState(volume);
  };
  return {
    ...region,
    instanceId,
    stateOf,
    create: async (more: Partial<CreateVolumeCommandInput> = {}) => {
      const AvailabilityZone = instance?.Placement?.AvailabilityZone;
      const { VolumeId: id = "" } = await client.createVolume({ AvailabilityZone, Size: 1, ...more });
      await until(() => stateOf(id) === "available");
      return id;
    },
    attach: (VolumeId: string, Device: string, InstanceId = instanceId) =>
      client.attachVolume({ VolumeId, Device, InstanceId }),
    isAttached: (id: string) => {
      const attachment = records.get("volume", id)?.attachments[0];
      return attachment !== undefined && !attachment.plugging && !attachment.detaching;
    },
    shown: async (id: string) => (await client.describeVolumes({ VolumeIds: [id] })).Volumes?.[0],
    disksOf: () => machines.spec(instanceId)?.disks.map(({ id }) => id) ?? [],
    metadata: () => guests.get(instance?.VpcId ?? "")?.interfaces[0]?.metadata.tree ?? {},
  };
}
