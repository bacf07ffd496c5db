import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type {
  CreateImageCommandInput,
  RegisterImageCommandInput,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import type { FakeOptions } from "#drivers/machine/fake/fake-machines.ts";
import { testImage, testRegion } from "#testing/region.ts";
import { imageState } from "./image.ts";

const limit = { timeout: 60_000 };

test(
  "an image of an instance has its volumes, and what is launched of it begins as they were",
  limit,
  async (t) => {
    const region = await withInstance(t, { Ebs: { VolumeSize: 3, VolumeType: "gp3" } });
    const { client, disks, machines, root, data, id } = region;
    disks.write(root, "root");
    disks.write(data, "data");
    const imageId = await region.imaged({
      Description: "made",
      TagSpecifications: [
        { ResourceType: "image", Tags: [{ Key: "of", Value: "image" }] },
        { ResourceType: "snapshot", Tags: [{ Key: "of", Value: "snapshot" }] },
      ],
    });
    const { Images: [image] = [] } = await client.describeImages({ Owners: ["self"] });
    assert.deepEqual(
      [image?.ImageId, image?.State, image?.Name, image?.Description, image?.OwnerId, image?.Public],
      [imageId, "available", "mine", "made", region.accountId, false],
    );
    assert.deepEqual(
      [image?.SourceInstanceId, image?.SourceImageId, image?.SourceImageRegion, image?.Tags],
      [id, testImage.id, region.clientConfig.region, [{ Key: "of", Value: "image" }]],
    );
    const devices = image?.BlockDeviceMappings ?? [];
    assert.deepEqual(
      devices.map(({ DeviceName, Ebs }) => [
        DeviceName,
        Ebs?.VolumeSize,
        Ebs?.VolumeType,
        Ebs?.DeleteOnTermination,
      ]),
      [
        ["/dev/xvda", 8, "gp3", true],
        ["/dev/sdf", 3, "gp3", true],
      ],
    );
    const { Snapshots: snapshots = [] } = await client.describeSnapshots({
      SnapshotIds: devices.map(({ Ebs }) => Ebs?.SnapshotId ?? ""),
    });
    for (const it of snapshots)
      assert.deepEqual(
        [it.State, it.Description, it.Tags],
        ["completed", `Created by CreateImage(${id}) for ${imageId}`, [{ Key: "of", Value: "snapshot" }]],
      );
    disks.write(root, "later");
    const other = await region.launched({
      ImageId: imageId,
      BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { VolumeSize: 10 } }],
    });
    assert.deepEqual(
      other.volumes.map((it) => [it.device, disks.read(it.id), disks.sizeOf(it.id)]),
      [
        ["/dev/sdf", "data", 3],
        ["/dev/xvda", "root", 10],
      ],
    );
    assert.equal(machines.spec(other.id)?.disks[0]?.id, other.volumes[1]?.id);
    const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds: [other.id] });
    assert.equal(reservation?.Instances?.[0]?.ImageId, imageId);
  },
);

test("a running instance is off when its image is made, and started again", limit, async (t) => {
  const region = await withInstance(t);
  const states = region.watchSnapshots();
  await region.imaged({});
  assert.deepEqual(states, ["off"]);
  await region.until(() => {
    const { so, wanted } = region.records.get("instance", region.id) ?? {};
    return so?.state === "running" && so.reboots === 1 && wanted?.reboots === 1;
  });
  assert.equal((await region.machines.observe(region.id)).state, "running");
});

test("with NoReboot it runs on, and its volumes are of one moment", limit, async (t) => {
  const region = await withInstance(t, { Ebs: { VolumeSize: 1 } });
  const states = region.watchSnapshots();
  await region.imaged({ NoReboot: true });
  assert.deepEqual(states, ["running", "running"]);
  assert.equal(region.records.get("instance", region.id)?.wanted.reboots, 0);
  const times = new Set(region.records.all("snapshot").map(({ so }) => so.completedAt));
  assert.equal(times.size, 1);
});

test("an image of a stopped instance starts nothing", limit, async (t) => {
  const region = await withInstance(t);
  await region.client.stopInstances({ InstanceIds: [region.id] });
  await region.until(() => region.records.get("instance", region.id)?.so.state === "stopped");
  await region.imaged({});
  assert.equal(region.records.get("instance", region.id)?.so.state, "stopped");
  assert.equal((await region.machines.observe(region.id)).state, "off");
});

test(
  "an image is pending until its snapshots are made: nothing is launched of it, and its name is taken",
  limit,
  async (t) => {
    const region = await withInstance(t);
    const { client, records } = region;
    const held = region.holdSnapshots();
    const { ImageId: imageId = "" } = await client.createImage({
      InstanceId: region.id,
      Name: "mine",
      NoReboot: true,
    });
    const { Images: [image] = [] } = await client.describeImages({
      Filters: [{ Name: "state", Values: ["pending"] }],
    });
    assert.deepEqual([image?.ImageId, image?.State], [imageId, "pending"]);
    await assert.rejects(client.runInstances({ ...launch, ImageId: imageId }), {
      name: "InvalidAMIID.Unavailable",
      message: `The image ID '${imageId}' is not available`,
    });
    await assert.rejects(client.createImage({ InstanceId: region.id, Name: "mine" }), {
      name: "InvalidAMIName.Duplicate",
      message: `AMI name mine is already in use by AMI ${imageId}`,
    });
    held.resolve();
    await region.until(() => stateOf(imageId, records) === "available");
  },
);

test("an image fails with its snapshot, and says why", limit, async (t) => {
  const region = await withInstance(t);
  const { client, records, store } = region;
  const held = region.holdSnapshots();
  const { ImageId: imageId = "" } = await client.createImage({
    InstanceId: region.id,
    Name: "mine",
    NoReboot: true,
  });
  const [snapshot] = records.all("snapshot");
  assert.ok(snapshot);
  const put = [
    { key: records.key("snapshot", snapshot.id), value: { ...snapshot, so: { failed: "no room" } } },
  ];
  await store.commit({ put });
  held.resolve();
  await region.until(() => stateOf(imageId, records) === "failed");
  const { Images: [image] = [] } = await client.describeImages({
    Filters: [{ Name: "state-reason-code", Values: ["Server.InternalError"] }],
  });
  assert.deepEqual(
    [image?.State, image?.StateReason?.Message],
    ["failed", `Server.InternalError: the snapshot ${snapshot.id} could not be made: no room`],
  );
  await client.deregisterImage({ ImageId: imageId });
});

test(
  "devices can be left out of an image, kept at termination, and added to it blank or of a snapshot",
  limit,
  async (t) => {
    const region = await withInstance(t, { Ebs: { VolumeSize: 1 } });
    const { client, disks, root, data, id } = region;
    disks.write(root, "kept");
    const { SnapshotId: snapshotId = "" } = await client.createSnapshot({ VolumeId: root });
    await region.until(() => region.records.get("snapshot", snapshotId)?.so.completedAt !== undefined);
    const imageId = await region.imaged({
      NoReboot: true,
      BlockDeviceMappings: [
        { DeviceName: "/dev/xvda", Ebs: { DeleteOnTermination: false } },
        { DeviceName: "/dev/sdf", NoDevice: "" },
        { DeviceName: "/dev/sdg", Ebs: { VolumeSize: 2, VolumeType: "gp2" } },
        { DeviceName: "/dev/sdh", Ebs: { SnapshotId: snapshotId } },
      ],
    });
    assert.deepEqual(region.records.snapshotsOf(data), []);
    const { Images: [image] = [] } = await client.describeImages({ ImageIds: [imageId] });
    assert.deepEqual(
      image?.BlockDeviceMappings?.map(({ DeviceName, Ebs }) => [
        DeviceName,
        Ebs?.VolumeSize,
        Ebs?.VolumeType,
        Ebs?.DeleteOnTermination,
      ]),
      [
        ["/dev/xvda", 8, "gp3", false],
        ["/dev/sdg", 2, "gp2", true],
        ["/dev/sdh", 8, "gp2", true],
      ],
    );
    await assert.rejects(client.deleteSnapshot({ SnapshotId: snapshotId }), {
      name: "InvalidSnapshot.InUse",
    });
    const launched = await region.launched({
      ImageId: imageId,
      BlockDeviceMappings: [{ DeviceName: "/dev/sdg", NoDevice: "" }],
    });
    assert.deepEqual(
      launched.volumes.map((it) => [it.device, disks.read(it.id), it.deleteOnTermination]),
      [
        ["/dev/sdh", "kept", true],
        ["/dev/xvda", "kept", false],
      ],
    );
    for (const [ebs, what] of [
      [{ VolumeSize: 9 }, "VolumeSize"],
      [{ VolumeType: "gp2" }, "VolumeType"],
      [{ SnapshotId: snapshotId }, "SnapshotId"],
    ] as const)
      await assert.rejects(
        client.createImage({
          InstanceId: id,
          Name: "other",
          BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: ebs }],
        }),
        { name: "InvalidBlockDeviceMapping", message: new RegExp(`^${what} of the device /dev/xvda`) },
      );
  },
);

const badNames = ["no", "a".repeat(129), "semi;colon", "colon:", "ä-name"];
test("a name that AWS would not take makes no image, and a dry run makes none", limit, async (t) => {
  const region = await withInstance(t);
  const { client } = region;
  for (const Name of badNames)
    await assert.rejects(client.createImage({ InstanceId: region.id, Name }), {
      name: "InvalidAMIName.Malformed",
    });
  await assert.rejects(client.createImage({ InstanceId: region.id, Name: "mine", DryRun: true }), {
    name: "DryRunOperation",
  });
  await assert.rejects(
    client.createImage({
      InstanceId: region.id,
      Name: "mine",
      TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "a", Value: "b" }] }],
    }),
    { name: "InvalidParameterValue" },
  );
  await client.terminateInstances({ InstanceIds: [region.id] });
  await assert.rejects(client.createImage({ InstanceId: region.id, Name: "mine" }), {
    name: "InvalidParameterValue",
    message: `Invalid value '${region.id}' for instanceId. Instance is not in state 'running' or 'stopping' or 'stopped'`,
  });
  assert.equal(region.records.all("image").length, 1);
  assert.equal(region.records.get("instance", region.id)?.wanted.reboots, 0);
});

test(
  "a registered image is of snapshots, as it was said to be, and its instances grow beyond them",
  limit,
  async (t) => {
    const region = await withSnapshot(t);
    const { client, disks, snapshotId } = region;
    const { ImageId: imageId = "" } = await client.registerImage({
      ...registration(snapshotId),
      Description: "registered",
      BootMode: "uefi-preferred",
      ImdsSupport: "v2.0",
      EnaSupport: true,
      TagSpecifications: [{ ResourceType: "image", Tags: [{ Key: "a", Value: "b" }] }],
    });
    const { Images: [image] = [] } = await client.describeImages({ ImageIds: [imageId] });
    assert.deepEqual(
      [
        image?.State,
        image?.Architecture,
        image?.BootMode,
        image?.ImdsSupport,
        image?.EnaSupport,
        image?.Tags,
      ],
      ["available", "x86_64", "uefi-preferred", "v2.0", true, [{ Key: "a", Value: "b" }]],
    );
    assert.deepEqual([image?.SourceImageId, image?.SourceInstanceId], [undefined, undefined]);
    const launched = await region.launched({ ImageId: imageId });
    assert.deepEqual(
      launched.volumes.map((it) => [it.device, disks.read(it.id), disks.sizeOf(it.id)]),
      [["/dev/sda1", "kept", 4]],
    );
    const { Reservations: [reservation] = [] } = await client.describeInstances({
      InstanceIds: [launched.id],
    });
    assert.equal(reservation?.Instances?.[0]?.MetadataOptions?.HttpTokens, "required");
    await assert.rejects(
      client.runInstances({
        ...launch,
        ImageId: imageId,
        BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { VolumeSize: 3 } }],
      }),
      { name: "InvalidBlockDeviceMapping" },
    );
  },
);

test("what registers no image says why, and changes nothing", limit, async (t) => {
  const region = await withSnapshot(t);
  const { client, records, snapshotId } = region;
  const good = registration(snapshotId);
  const refusals: readonly [Partial<RegisterImageCommandInput>, string, RegExp | string][] = [
    [
      { BlockDeviceMappings: [] },
      "InvalidBlockDeviceMapping",
      "No root snapshot specified in device mapping.",
    ],
    [{ RootDeviceName: "/dev/xvda" }, "InvalidBlockDeviceMapping", /No root snapshot/],
    [
      { BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { VolumeSize: 8 } }] },
      "InvalidBlockDeviceMapping",
      /./,
    ],
    [{ BlockDeviceMappings: rootOf("snap-0123456789abcdef0") }, "InvalidSnapshot.NotFound", /./],
    // What a provided image shows is nobody's.
    [{ BlockDeviceMappings: rootOf(testImage.snapshotId) }, "InvalidSnapshot.NotFound", /./],
    [{ BlockDeviceMappings: rootOf(snapshotId, { VolumeSize: 1 }) }, "InvalidBlockDeviceMapping", /smaller/],
    [
      { BlockDeviceMappings: rootOf(snapshotId, { Encrypted: false }) },
      "InvalidBlockDeviceMapping",
      "the encrypted flag cannot be specified since device /dev/sda1 has a snapshot specified.",
    ],
    [{ VirtualizationType: "paravirtual" }, "UnsupportedOperation", /hvm/],
    [{ VirtualizationType: undefined }, "UnsupportedOperation", /hvm/],
    [{ ImageLocation: "bucket/manifest.xml" }, "UnsupportedOperation", /ImageLocation/],
    [{ TpmSupport: "v2.0" }, "UnsupportedOperation", /TpmSupport/],
    [{ Architecture: "x86_64_mac" }, "InvalidParameterValue", /architecture/],
    [{ Architecture: "arm64", BootMode: "legacy-bios" }, "InvalidParameterCombination", /arm64/],
    [{ Name: "no" }, "InvalidAMIName.Malformed", /./],
    [{ DryRun: true }, "DryRunOperation", /./],
  ];
  for (const [change, name, message] of refusals)
    await assert.rejects(
      client.registerImage({ ...good, ...change }),
      { name, message },
      JSON.stringify(change),
    );
  assert.equal(records.all("image").length, 1);
  await client.registerImage(good);
  await assert.rejects(client.registerImage(good), { name: "InvalidAMIName.Duplicate" });
});

test(
  "an image maps instance stores where it was told, or its instance has them; a launch changes them",
  limit,
  async (t) => {
    const region = await withSnapshot(t);
    const { client, records, snapshotId } = region;
    const wanted = registration(snapshotId);
    const stores = [
      { DeviceName: "/dev/sdb", VirtualName: "ephemeral0" },
      { DeviceName: "/dev/sdc", VirtualName: "ephemeral1" },
    ];
    const { ImageId = "" } = await client.registerImage({
      ...wanted,
      BlockDeviceMappings: [...(wanted.BlockDeviceMappings ?? []), ...stores],
    });
    const mapped = async (id: string) =>
      ((await client.describeImages({ ImageIds: [id] })).Images?.[0]?.BlockDeviceMappings ?? []).slice(1);
    assert.deepEqual(await mapped(ImageId), stores);
    const Filters = [{ Name: "block-device-mapping.device-name", Values: ["/dev/sdc"] }];
    assert.deepEqual((await client.describeImages({ Filters })).Images?.length, 1);

    const storesOf = (id: string) => records.get("instance", id)?.storeDevices;
    const of = { ImageId, InstanceType: "m3.xlarge" } as const;
    const plain = await region.launched(of);
    assert.deepEqual(storesOf(plain.id), { ephemeral0: "/dev/sdb", ephemeral1: "/dev/sdc" });
    const changed = await region.launched({
      ...of,
      BlockDeviceMappings: [
        { DeviceName: "/dev/sdb", NoDevice: "" },
        { DeviceName: "/dev/sdc", Ebs: { VolumeSize: 1 } },
        { DeviceName: "/dev/sdd", VirtualName: "ephemeral1" },
      ],
    });
    assert.deepEqual(storesOf(changed.id), { ephemeral1: "/dev/sdd" });
    assert.deepEqual(
      changed.volumes
        .map(({ device }) => device)
        .toSorted()
        .at(-1),
      "/dev/sdc",
    );

    const image = { InstanceId: changed.id, NoReboot: true };
    const { ImageId: made = "" } = await client.createImage({ ...image, Name: "as it is" });
    assert.deepEqual((await mapped(made)).at(-1), { DeviceName: "/dev/sdd", VirtualName: "ephemeral1" });
    const { ImageId: other = "" } = await client.createImage({
      ...image,
      Name: "others",
      BlockDeviceMappings: [{ DeviceName: "/dev/sdd", NoDevice: "" }, ...stores.slice(0, 1)],
    });
    assert.deepEqual((await mapped(other)).at(-1), stores[0]);
    await region.until(() => stateOf(other, records) === "available");
    const copied = await client.copyImage({
      SourceImageId: other,
      SourceRegion: region.clientConfig.region,
      Name: "copied",
    });
    assert.deepEqual((await mapped(copied.ImageId ?? "")).at(-1), stores[0]);

    for (const [device, VirtualName] of [
      ["/dev/sdc", "ephemeral0"],
      [wanted.RootDeviceName, "ephemeral0"],
      ["/dev/sdb", "fast"],
    ] as const)
      await assert.rejects(
        client.createImage({
          ...image,
          Name: "wrong",
          BlockDeviceMappings: [{ DeviceName: device, VirtualName }],
        }),
        { name: "InvalidBlockDeviceMapping" },
      );
  },
);

test("a snapshot is an image's or deleted, never both, whoever comes first", limit, async (t) => {
  const region = await withSnapshot(t);
  const { client, records, snapshotId } = region;
  const outcomes = await Promise.allSettled([
    client.registerImage(registration(snapshotId)),
    client.deleteSnapshot({ SnapshotId: snapshotId }),
    client.registerImage({ ...registration(snapshotId), Name: "another" }),
  ]);
  const [registered, deletion, again] = outcomes.map(({ status }) => status === "fulfilled");
  assert.notEqual(registered || again, deletion);
  assert.equal(records.all("image").length > 1, !deletion);
});

test(
  "a deregistered image takes the snapshots along that no other image has, when it is asked to",
  limit,
  async (t) => {
    const region = await withSnapshot(t);
    const { client, records, snapshotId, launched } = region;
    const { ImageId: one = "" } = await client.registerImage(registration(snapshotId));
    const { ImageId: other = "" } = await client.registerImage({
      ...registration(snapshotId),
      Name: "another",
    });
    const running = await launched({ ImageId: one });
    await assert.rejects(client.deleteSnapshot({ SnapshotId: snapshotId }), {
      name: "InvalidSnapshot.InUse",
    });
    const first = await client.deregisterImage({ ImageId: one, DeleteAssociatedSnapshots: true });
    assert.deepEqual(first.DeleteSnapshotResults, [{ SnapshotId: snapshotId, ReturnCode: "skipped" }]);
    await assert.rejects(client.describeImages({ ImageIds: [one] }), { name: "InvalidAMIID.NotFound" });
    await assert.rejects(client.runInstances({ ...launch, ImageId: one }), { name: "InvalidAMIID.NotFound" });
    // Its name is free again.
    const { ImageId: third = "" } = await client.registerImage(registration(snapshotId));
    assert.deepEqual((await client.deregisterImage({ ImageId: third })).DeleteSnapshotResults ?? [], []);
    await client.lockSnapshot({ SnapshotId: snapshotId, LockMode: "governance", LockDuration: 1 });
    const locked = await client.registerImage({ ...registration(snapshotId), Name: "locked" });
    await client.deregisterImage({ ImageId: other });
    const kept = await client.deregisterImage({
      ImageId: locked.ImageId ?? "",
      DeleteAssociatedSnapshots: true,
    });
    assert.deepEqual(kept.DeleteSnapshotResults, [{ SnapshotId: snapshotId, ReturnCode: "client-error" }]);
    await client.unlockSnapshot({ SnapshotId: snapshotId });
    const { ImageId: last = "" } = await client.registerImage(registration(snapshotId));
    const end = await client.deregisterImage({ ImageId: last, DeleteAssociatedSnapshots: true });
    assert.deepEqual(end.DeleteSnapshotResults, [{ SnapshotId: snapshotId, ReturnCode: "success" }]);
    await region.until(() => records.get("snapshot", snapshotId) === undefined);
    // What runs of it runs on, and starts again.
    await client.stopInstances({ InstanceIds: [running.id] });
    await region.until(() => records.get("instance", running.id)?.so.state === "stopped");
    await client.startInstances({ InstanceIds: [running.id] });
    await region.until(() => records.get("instance", running.id)?.so.state === "running");
  },
);

test("own images are found by every filter that tells them apart", limit, async (t) => {
  const region = await withInstance(t, { Ebs: { VolumeSize: 3, VolumeType: "gp2" } });
  const imageId = await region.imaged({ Description: "made" });
  const [root] = region.records.get("image", imageId)?.devices ?? [];
  const found: readonly [string, string, boolean][] = [
    ["block-device-mapping.device-name", "/dev/sdf", true],
    ["block-device-mapping.device-name", "/dev/sdg", false],
    ["block-device-mapping.snapshot-id", root?.snapshotId ?? "", true],
    ["block-device-mapping.volume-size", "3", true],
    ["block-device-mapping.volume-type", "gp2", true],
    ["block-device-mapping.volume-type", "io1", false],
    ["block-device-mapping.delete-on-termination", "true", true],
    ["block-device-mapping.encrypted", "false", true],
    ["description", "ma?e", true],
    ["name", "min*", true],
    ["owner-id", region.accountId, true],
    ["owner-alias", "amazon", false],
    ["is-public", "false", true],
    ["manifest-location", `${region.accountId}/mine`, true],
    ["source-instance-id", region.id, true],
    ["source-image-id", testImage.id, true],
    ["source-image-region", region.clientConfig.region, true],
    ["state", "available", true],
    ["state", "pending", false],
    ["root-device-name", "/dev/xvda", true],
    ["ena-support", "true", true],
  ];
  for (const [Name, value, there] of found) {
    const { Images = [] } = await region.client.describeImages({
      Owners: ["self"],
      Filters: [{ Name, Values: [value] }],
    });
    assert.deepEqual(
      Images.map((it) => it.ImageId),
      there ? [imageId] : [],
      `${Name}=${value}`,
    );
  }
});

const launch = { InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;

const rootOf = (SnapshotId: string, more = {}) => [{ DeviceName: "/dev/sda1", Ebs: { SnapshotId, ...more } }];
const registration = (snapshotId: string) =>
  ({
    Name: "registered",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceName: "/dev/sda1",
    BlockDeviceMappings: rootOf(snapshotId),
  }) satisfies RegisterImageCommandInput;

const stateOf = (id: string, records: Awaited<ReturnType<typeof testRegion>>["records"]) => {
  const image = records.get("image", id);
  return image && imageState(image, records);
};

async function withLaunches(t: TestContext, options: FakeOptions = {}) {
  const region = await testRegion(t, options);
  const launched = async (input: Partial<RunInstancesCommandInput>) => {
    const { Instances: [instance] = [] } = await region.client.runInstances({
      ImageId: testImage.id,
      ...launch,
      ...input,
    });
    const id = instance?.InstanceId ?? "";
    await region.until(() => region.records.get("instance", id)?.so.state === "running");
    const volumes = region.records
      .volumesOf(id)
      .map((it) => ({ id: it.id, device: "", deleteOnTermination: true, ...it.attachments[0] }))
      .toSorted((a, b) => (a.device < b.device ? -1 : 1));
    return { id, volumes };
  };
  return { ...region, launched };
}

/** A region with a snapshot of 4 GiB. */
async function withSnapshot(t: TestContext) {
  const region = await withLaunches(t);
  const { client, records, until, disks } = region;
  const { VolumeId = "" } = await client.createVolume({ AvailabilityZone: "eu-central-1a", Size: 4 });
  await until(() => records.get("volume", VolumeId)?.so.ready === true);
  disks.write(VolumeId, "kept");
  const { SnapshotId: snapshotId = "" } = await client.createSnapshot({ VolumeId });
  await until(() => records.get("snapshot", snapshotId)?.so.completedAt !== undefined);
  return { ...region, snapshotId };
}

/** A region with an instance that may have a second volume, /dev/sdf. */
async function withInstance(
  t: TestContext,
  second?: { readonly Ebs: { readonly VolumeSize: number; readonly VolumeType?: "gp2" | "gp3" } },
  options?: FakeOptions,
) {
  const region = await withLaunches(t, options);
  const { client, records, until, disks, machines } = region;
  const { id, volumes } = await region.launched({
    BlockDeviceMappings: second ? [{ DeviceName: "/dev/sdf", ...second }] : [],
  });
  const named = (device: string) => volumes.find((it) => it.device === device)?.id ?? "";
  const make = disks.snapshot.bind(disks);
  return {
    ...region,
    id,
    root: named(testImage.rootDevice),
    data: named("/dev/sdf"),
    imaged: async (input: Partial<CreateImageCommandInput>) => {
      const { ImageId: imageId = "" } = await client.createImage({ InstanceId: id, Name: "mine", ...input });
      await until(() => stateOf(imageId, records) === "available");
      return imageId;
    },
    /** How the machine was whenever a snapshot was made of a disk of it. */
    watchSnapshots: () => {
      const states: string[] = [];
      disks.snapshot = async (snapshotId, diskId) => {
        states.push((await machines.observe(id)).state);
        return make(snapshotId, diskId);
      };
      return states;
    },
    holdSnapshots: () => {
      const held = Promise.withResolvers<void>();
      disks.snapshot = async (...of) => {
        await held.promise;
        return make(...of);
      };
      return held;
    },
  };
}
