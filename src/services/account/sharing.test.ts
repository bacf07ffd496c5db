import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2 } from "@aws-sdk/client-ec2";
import { regionWithOwn } from "#testing/own-image.ts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const [owners, others, thirds] = ["111122223333", "222233334444", "333344445555"];
const zone = "eu-central-1a";

/** The owner's image of two snapshots, with tags, and a second and a third account. */
async function scene(t: TestContext) {
  const region = await testRegion(t, { launchSlots: 8 });
  const [{ client: other }, { client: third }] = [
    await region.newAccount(others),
    await region.newAccount(thirds),
  ];
  const owner = region.client;
  // oxlint-disable-next-line typescript/no-explicit-any -- of any kind
  const becomes = (kind: string, id: string | undefined, holds: (value: any) => boolean) =>
    region.until(() =>
      region.feed.list(`${kind}/`).some(({ key, value }) => key.endsWith(`/${id}`) && holds(value)),
    );
  const snapshotOf = async (client: EC2) => {
    const { VolumeId } = await client.createVolume({ AvailabilityZone: zone, Size: 1 });
    await becomes("volume", VolumeId, ({ so }) => so.ready);
    const { SnapshotId = "" } = await client.createSnapshot({
      VolumeId,
      TagSpecifications: [{ ResourceType: "snapshot", Tags: [{ Key: "secret", Value: "owner's" }] }],
    });
    await becomes("snapshot", SnapshotId, ({ so }) => so.completedAt !== undefined);
    return SnapshotId;
  };
  const [root, data] = [await snapshotOf(owner), await snapshotOf(owner)];
  const { ImageId = "" } = await owner.registerImage({
    Name: "golden",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceName: "/dev/sda1",
    BlockDeviceMappings: [
      { DeviceName: "/dev/sda1", Ebs: { SnapshotId: root } },
      { DeviceName: "/dev/sdf", Ebs: { SnapshotId: data } },
    ],
    TagSpecifications: [{ ResourceType: "image", Tags: [{ Key: "secret", Value: "owner's" }] }],
  });
  const share = (...UserIds: string[]) =>
    owner.modifyImageAttribute({
      ImageId,
      LaunchPermission: { Add: UserIds.map((UserId) => ({ UserId })) },
    });
  const shareSnapshots = async (UserId: string) => {
    for (const SnapshotId of [root, data])
      await owner.modifySnapshotAttribute({ SnapshotId, CreateVolumePermission: { Add: [{ UserId }] } });
  };
  const launch = async (client: EC2, more: object = {}) => {
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId,
      InstanceType: "t3.nano",
      MinCount: 1,
      MaxCount: 1,
      ...more,
    });
    return instance;
  };
  return {
    region,
    owner,
    other,
    third,
    becomes,
    root,
    data,
    ImageId,
    share,
    shareSnapshots,
    launch,
    snapshotOf,
  };
}

const idsOf = async (client: EC2, input: object = {}) =>
  (await client.describeImages(input)).Images?.map((it) => it.ImageId) ?? [];
const snapshotsOf = async (client: EC2, input: object = {}) =>
  (await client.describeSnapshots(input)).Snapshots?.map((it) => it.SnapshotId).toSorted() ?? [];
const missing = { name: "InvalidAMIID.NotFound" };
const noSnapshot = { name: "InvalidSnapshot.NotFound" };

test("a shared image is seen by whom it is shared with, and by nobody else", limit, async (t) => {
  const { other, third, ImageId, share } = await scene(t);
  await assert.rejects(other.describeImages({ ImageIds: [ImageId] }), missing);
  await share(others);
  for (const input of [
    {},
    { ImageIds: [ImageId] },
    { Owners: [owners] },
    { ExecutableUsers: ["self"] },
    { Filters: [{ Name: "is-public", Values: ["false"] }] },
  ])
    assert.ok((await idsOf(other, input)).includes(ImageId), JSON.stringify(input));
  for (const input of [{ Owners: ["self"] }, { Owners: ["amazon"] }, { ExecutableUsers: ["all"] }])
    assert.ok(!(await idsOf(other, input)).includes(ImageId), JSON.stringify(input));
  assert.ok(!(await idsOf(third)).includes(ImageId));
  await assert.rejects(third.describeImages({ ImageIds: [ImageId] }), missing);
});

test("what its owner says of it to himself, others are not told", limit, async (t) => {
  const { owner, other, ImageId, share } = await scene(t);
  await share(others, thirds);
  const { Images: [image] = [] } = await other.describeImages({ ImageIds: [ImageId] });
  assert.equal(image?.OwnerId, owners);
  assert.equal(image?.State, "available");
  assert.deepEqual(image?.Tags, []);
  assert.deepEqual(await idsOf(other, { Filters: [{ Name: "tag:secret", Values: ["*"] }] }), []);
  assert.deepEqual(await idsOf(other, { ExecutableUsers: [thirds] }), []);
  assert.ok((await idsOf(owner, { ExecutableUsers: [thirds] })).includes(ImageId));
});

test(
  "an account gives up what was shared with it by its number, not what is everybody's or its own",
  limit,
  async (t) => {
    const { owner, other, third, ImageId, share } = await scene(t);
    const cancel = (client: EC2, more: object = {}) =>
      client.cancelImageLaunchPermission({ ImageId, ...more });
    await assert.rejects(cancel(other), missing);
    await share(others, thirds);
    await assert.rejects(cancel(other, { DryRun: true }), { name: "DryRunOperation" });
    assert.equal((await cancel(other)).Return, true);
    assert.ok(!(await idsOf(other)).includes(ImageId));
    assert.ok((await idsOf(third)).includes(ImageId));
    const asked = { ImageId, Attribute: "launchPermission" } as const;
    assert.deepEqual((await owner.describeImageAttribute(asked)).LaunchPermissions, [{ UserId: thirds }]);
    await assert.rejects(cancel(other), missing);
    await owner.disableImageBlockPublicAccess({});
    await owner.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ Group: "all" }] } });
    const unauthorised = { name: "AuthFailure", message: `Not authorized for image:${ImageId}` };
    for (const client of [owner, other]) await assert.rejects(cancel(client), unauthorised);
    await cancel(third);
    assert.deepEqual((await owner.describeImageAttribute(asked)).LaunchPermissions, [{ Group: "all" }]);
  },
);

test("an organization's permission is kept, and gives nobody the image", limit, async (t) => {
  const { owner, other, ImageId } = await scene(t);
  const OrganizationArn = "arn:aws:organizations::111122223333:organization/o-abcdefghij";
  await owner.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ OrganizationArn }] } });
  await assert.rejects(other.describeImages({ ImageIds: [ImageId] }), missing);
  await assert.rejects(other.cancelImageLaunchPermission({ ImageId }), missing);
});

test("a shared image is its owner's to change", limit, async (t) => {
  const { other, ImageId, root, share, shareSnapshots } = await scene(t);
  const unauthorised = { name: "AuthFailure", message: `Not authorized for image:${ImageId}` };
  const attempts = () => [
    other.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId: others }] } }),
    other.describeImageAttribute({ ImageId, Attribute: "launchPermission" }),
    other.resetImageAttribute({ ImageId, Attribute: "launchPermission" }),
    other.deregisterImage({ ImageId }),
    other.disableImage({ ImageId }),
  ];
  for (const attempt of attempts()) await assert.rejects(attempt, missing);
  await share(others);
  for (const attempt of attempts()) await assert.rejects(attempt, unauthorised);
  const ofSnapshot = () => [
    other.deleteSnapshot({ SnapshotId: root }),
    other.modifySnapshotAttribute({
      SnapshotId: root,
      CreateVolumePermission: { Add: [{ UserId: others }] },
    }),
    other.describeSnapshotAttribute({ SnapshotId: root, Attribute: "createVolumePermission" }),
    other.lockSnapshot({ SnapshotId: root, LockMode: "governance", LockDuration: 1 }),
  ];
  for (const attempt of ofSnapshot()) await assert.rejects(attempt, noSnapshot);
  await shareSnapshots(others);
  for (const attempt of ofSnapshot())
    await assert.rejects(attempt, { name: "AuthFailure", message: `Not authorized for snapshot:${root}` });
});

test("an image is launched by whom it is shared with, without a right to its snapshots", limit, async (t) => {
  const { region, owner, other, third, becomes, root, data, ImageId, share, launch } = await scene(t);
  await assert.rejects(launch(other), missing);
  await share(others);
  await assert.rejects(launch(third), missing);
  const instance = await launch(other);
  await becomes("instance", instance?.InstanceId, ({ so }) => so.state === "running");
  const { Volumes = [] } = await other.describeVolumes({});
  assert.deepEqual(new Set(Volumes.map((it) => it.SnapshotId)), new Set([root, data]));
  assert.ok(Volumes.every((it) => it.Attachments?.[0]?.InstanceId === instance?.InstanceId));
  assert.deepEqual(
    (await owner.describeVolumes({})).Volumes?.filter((it) => it.SnapshotId),
    [],
  );
  assert.deepEqual((await owner.describeInstances({})).Reservations, []);
  assert.deepEqual(await snapshotsOf(other), []);
  assert.deepEqual(region.errors, []);

  // What was launched stays, whatever becomes of its source.
  await owner.resetImageAttribute({ ImageId, Attribute: "launchPermission" });
  await assert.rejects(launch(other), missing);
  await owner.deregisterImage({ ImageId, DeleteAssociatedSnapshots: true });
  await other.stopInstances({ InstanceIds: [instance?.InstanceId ?? ""] });
  await becomes("instance", instance?.InstanceId, ({ so }) => so.state === "stopped");
  await other.startInstances({ InstanceIds: [instance?.InstanceId ?? ""] });
  await becomes("instance", instance?.InstanceId, ({ so }) => so.state === "running");
});

test(
  "a launch makes no volume of another's snapshot that neither image nor permission gives",
  limit,
  async (t) => {
    const { owner, other, snapshotOf, share, launch } = await scene(t);
    await share(others);
    const SnapshotId = await snapshotOf(owner);
    const BlockDeviceMappings = [{ DeviceName: "/dev/sdg", Ebs: { SnapshotId } }];
    await assert.rejects(launch(other, { BlockDeviceMappings }), noSnapshot);
    const inPlace = [{ DeviceName: "/dev/sdf", Ebs: { SnapshotId } }];
    await assert.rejects(launch(other, { BlockDeviceMappings: inPlace }), noSnapshot);
    await owner.modifySnapshotAttribute({
      SnapshotId,
      CreateVolumePermission: { Add: [{ UserId: others }] },
    });
    await launch(other, { BlockDeviceMappings });
  },
);

test(
  "an image that is everybody's is launched by all, once its owner's settings let it be",
  limit,
  async (t) => {
    const { owner, other, third, ImageId, launch } = await scene(t);
    const all = { ImageId, LaunchPermission: { Add: [{ Group: "all" as const }] } };
    await assert.rejects(owner.modifyImageAttribute(all));
    await owner.disableImageBlockPublicAccess({});
    await owner.modifyImageAttribute(all);
    for (const client of [other, third]) {
      assert.ok((await idsOf(client, { ExecutableUsers: ["all"] })).includes(ImageId));
      assert.ok(!(await idsOf(client, { ExecutableUsers: ["self"] })).includes(ImageId));
      await launch(client);
    }
    await owner.disableImage({ ImageId });
    await assert.rejects(launch(third), missing);
  },
);

test(
  "a deprecated image is listed to its owner, to who names it, and to who asks for such",
  limit,
  async (t) => {
    const { region, owner, other, ImageId, share } = await scene(t);
    await share(others);
    const { key, value } =
      region.feed.list(`image/${owners}/`).find((it) => it.key.endsWith(ImageId)) ?? assert.fail();
    const deprecated = { ...(value as object), deprecationTime: "2026-01-01T00:00:00.000Z" };
    await region.feed.reached((await region.store.commit({ put: [{ key, value: deprecated }] })).revision);
    assert.ok((await idsOf(owner)).includes(ImageId));
    assert.ok(!(await idsOf(other)).includes(ImageId));
    assert.ok((await idsOf(other, { IncludeDeprecated: true })).includes(ImageId));
    assert.ok((await idsOf(other, { ImageIds: [ImageId] })).includes(ImageId));
  },
);

test("an account that allows only some providers sees no others' images", limit, async (t) => {
  const { other, ImageId, share, launch } = await scene(t);
  await share(others);
  await other.enableAllowedImagesSettings({ AllowedImagesSettingsState: "enabled" });
  await other.replaceImageCriteriaInAllowedImagesSettings({
    ImageCriteria: [{ ImageProviders: ["amazon"] }],
  });
  assert.ok(!(await idsOf(other)).includes(ImageId));
  await assert.rejects(launch(other), missing);
  await other.replaceImageCriteriaInAllowedImagesSettings({ ImageCriteria: [{ ImageProviders: [owners] }] });
  assert.ok((await idsOf(other)).includes(ImageId));
});

test("a shared snapshot is seen, copied and made a volume of by whom it is shared with", limit, async (t) => {
  const { owner, other, third, becomes, root, data, shareSnapshots } = await scene(t);
  const volumeOf = (client: EC2) => client.createVolume({ AvailabilityZone: zone, SnapshotId: root });
  const copyOf = (client: EC2) =>
    client.copySnapshot({ SourceRegion: "eu-central-1", SourceSnapshotId: root });
  for (const attempt of [volumeOf, copyOf]) await assert.rejects(attempt(other), noSnapshot);
  await assert.rejects(other.describeSnapshots({ SnapshotIds: [root] }), noSnapshot);
  await shareSnapshots(others);

  const both = [root, data].toSorted();
  for (const input of [{}, { OwnerIds: [owners] }, { RestorableByUserIds: ["self"] }, { SnapshotIds: both }])
    assert.deepEqual(await snapshotsOf(other, input), both, JSON.stringify(input));
  assert.deepEqual(await snapshotsOf(other, { OwnerIds: ["self"] }), []);
  assert.deepEqual(await snapshotsOf(other, { RestorableByUserIds: ["all"] }), []);
  assert.deepEqual(await snapshotsOf(third), []);
  const { Snapshots: [seen] = [] } = await other.describeSnapshots({ SnapshotIds: [root] });
  assert.equal(seen?.OwnerId, owners);
  assert.deepEqual(seen?.Tags, []);

  const [volume, copy] = [await volumeOf(other), await copyOf(other)];
  await becomes("volume", volume.VolumeId, ({ so }) => so.ready);
  await becomes("snapshot", copy.SnapshotId, ({ so }) => so.completedAt !== undefined);
  for (const attempt of [volumeOf, copyOf]) await assert.rejects(attempt(third), noSnapshot);
  assert.ok(!(await snapshotsOf(owner)).includes(copy.SnapshotId));
  await owner.resetSnapshotAttribute({ SnapshotId: root, Attribute: "createVolumePermission" });
  for (const attempt of [volumeOf, copyOf]) await assert.rejects(attempt(other), noSnapshot);
  // The copy is one's own.
  const ofCopy = await other.createVolume({ AvailabilityZone: zone, SnapshotId: copy.SnapshotId });
  await becomes("volume", ofCopy.VolumeId, ({ so }) => so.ready);
});

test(
  "a snapshot that its owner deletes goes once what another makes of it has its bytes",
  limit,
  async (t) => {
    const { region, owner, other, becomes, snapshotOf } = await scene(t);
    const SnapshotId = await snapshotOf(owner);
    await owner.modifySnapshotAttribute({
      SnapshotId,
      CreateVolumePermission: { Add: [{ UserId: others }] },
    });
    const { VolumeId } = await other.createVolume({ AvailabilityZone: zone, SnapshotId });
    await owner.deleteSnapshot({ SnapshotId });
    assert.deepEqual(await snapshotsOf(other), []);
    await becomes("volume", VolumeId, ({ so }) => so.ready);
    await region.until(() => region.regions.find("snapshot", SnapshotId) === undefined);
  },
);

test("a shared image is copied by who may read its snapshots, and the copy is his", limit, async (t) => {
  const { owner, other, becomes, ImageId, share, shareSnapshots, launch } = await scene(t);
  const copy = () =>
    other.copyImage({
      SourceRegion: "eu-central-1",
      SourceImageId: ImageId,
      Name: "golden",
      CopyImageTags: true,
    });
  await assert.rejects(copy(), missing);
  await share(others);
  await assert.rejects(copy(), {
    name: "InvalidRequest",
    message: "You do not have permission to access the storage of this ami",
  });
  await shareSnapshots(others);
  const { ImageId: copied = "" } = await copy();
  const { Images: [image] = [] } = await other.describeImages({ ImageIds: [copied] });
  assert.deepEqual([image?.OwnerId, image?.SourceImageId, image?.Tags], [others, ImageId, []]);
  for (const { Ebs } of image?.BlockDeviceMappings ?? [])
    await becomes("snapshot", Ebs?.SnapshotId, ({ so }) => so.completedAt !== undefined);
  await owner.deregisterImage({ ImageId, DeleteAssociatedSnapshots: true });
  const instance = await launch(other, { ImageId: copied });
  await becomes("instance", instance?.InstanceId, ({ so }) => so.state === "running");
});

test("a provided image is copied by each account for itself", limit, async (t) => {
  const { other, becomes } = await scene(t);
  const [SourceImageId] = await idsOf(other, { Owners: ["amazon"] });
  const { ImageId } = await other.copyImage({ SourceRegion: "eu-central-1", SourceImageId, Name: "own" });
  const { Images: [image] = [] } = await other.describeImages({ ImageIds: [ImageId ?? ""] });
  assert.equal(image?.OwnerId, others);
  await becomes(
    "snapshot",
    image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId,
    ({ so }) => so.completedAt !== undefined,
  );
});

test("an imported image keeps its files until the last account's volume of it is gone", limit, async (t) => {
  const { region, own } = await regionWithOwn(t);
  const { client: other } = await region.newAccount(others);
  const ImageId = own.id;
  await region.client.modifyImageAttribute({
    ImageId,
    LaunchPermission: { Add: [{ UserId: others }] },
  });
  await assert.rejects(
    other.copyImage({ SourceRegion: "eu-central-1", SourceImageId: ImageId, Name: "copy" }),
    { name: "InvalidRequest" },
  );
  const { Instances: [instance] = [] } = await other.runInstances({
    ImageId,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
  });
  const id = instance?.InstanceId ?? "";
  await region.until(
    () => region.regions.find("instance", id)?.records.get("instance", id)?.so.state === "running",
  );
  await region.client.deregisterImage({ ImageId });
  await other.stopInstances({ InstanceIds: [id] });
  await region.until(
    () => region.regions.find("instance", id)?.records.get("instance", id)?.so.state === "stopped",
  );
  assert.deepEqual(region.removedImages, []);
  await other.terminateInstances({ InstanceIds: [id] });
  await region.until(() => region.removedImages.length > 0);
  assert.deepEqual(region.removedImages, [ImageId]);
});
