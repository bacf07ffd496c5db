import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test, type TestContext } from "node:test";
import { EBS } from "@aws-sdk/client-ebs";
import { EC2 } from "@aws-sdk/client-ec2";
import { KMS } from "@aws-sdk/client-kms";
import { BLOCK_BYTES } from "#drivers/disk/disk-driver.ts";
import { regionWithGolden } from "#testing/golden-image.ts";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const zone = "eu-central-1b";
const arnOf = (id: string, account = "111122223333") => `arn:aws:kms:eu-central-1:${account}:key/${id}`;
const none = "01234567-89ab-cdef-0123-456789abcdef";

async function scene(t: TestContext) {
  const region = await testRegion(t);
  const { client, records, until } = region;
  const kms = new KMS(region.clientConfig);
  t.after(() => kms.destroy());
  const newKey = async () => (await kms.createKey({})).KeyMetadata?.KeyId ?? "";
  const volumeIs = async (id: string) => {
    await until(() => {
      const { so } = records.get("volume", id) ?? {};
      return so?.ready === true || so?.failed !== undefined;
    });
    const { Volumes: [volume] = [] } = await client.describeVolumes({ VolumeIds: [id] });
    return volume;
  };
  const snapshotIs = async (id: string) => {
    await until(() => {
      const { so } = records.get("snapshot", id) ?? {};
      return so?.completedAt !== undefined || so?.failed !== undefined;
    });
    const { Snapshots: [snapshot] = [] } = await client.describeSnapshots({ SnapshotIds: [id] });
    return snapshot;
  };
  const volume = async (input: object) =>
    volumeIs((await client.createVolume({ AvailabilityZone: zone, ...input })).VolumeId ?? "");
  const snapshot = async (VolumeId: string | undefined) =>
    snapshotIs((await client.createSnapshot({ VolumeId })).SnapshotId ?? "");
  const copy = async (SourceSnapshotId: string | undefined, input: object = {}) =>
    snapshotIs(
      (await client.copySnapshot({ SourceSnapshotId, SourceRegion: "eu-central-1", ...input })).SnapshotId ??
        "",
    );
  const awsKey = async () => (await kms.describeKey({ KeyId: "alias/aws/ebs" })).KeyMetadata?.Arn;
  const dataKey = (id: string | undefined) =>
    (records.get("volume", id ?? "") ?? records.get("snapshot", id ?? ""))?.encryption?.dataKey;
  return { ...region, kms, newKey, volume, volumeIs, snapshot, snapshotIs, copy, awsKey, dataKey };
}

test(
  "a volume is encrypted when that is asked: by AWS's key, or one that the caller names",
  limit,
  async (t) => {
    const { client, volume, awsKey, newKey, kms, disks, dataKey } = await scene(t);
    const plain = await volume({ Size: 1 });
    assert.deepEqual([plain?.Encrypted, plain?.KmsKeyId], [false, undefined]);
    const byAws = await volume({ Size: 1, Encrypted: true });
    assert.deepEqual([byAws?.State, byAws?.Encrypted, byAws?.KmsKeyId], ["available", true, await awsKey()]);
    const KeyId = await newKey();
    await kms.createAlias({ AliasName: "alias/mine", TargetKeyId: KeyId });
    const byMine = await volume({ Size: 1, Encrypted: true, KmsKeyId: "alias/mine" });
    assert.deepEqual([byMine?.State, byMine?.KmsKeyId], ["available", arnOf(KeyId)]);
    assert.deepEqual((await disks.locate(byMine?.VolumeId ?? "")).encrypted, {
      key: dataKey(byMine?.VolumeId),
      files: 1,
    });
    const { Volumes = [] } = await client.describeVolumes({
      Filters: [{ Name: "encrypted", Values: ["true"] }],
    });
    assert.deepEqual(new Set(Volumes.map((it) => it.VolumeId)), new Set([byAws?.VolumeId, byMine?.VolumeId]));
    await assert.rejects(client.createVolume({ AvailabilityZone: zone, Size: 1, KmsKeyId: KeyId }), {
      name: "InvalidParameterDependency",
      message: "The parameter KmsKeyId requires the parameter Encrypted to be set.",
    });
  },
);

test("a key that cannot be used makes a volume that fails, and a copy that says so", limit, async (t) => {
  const { client, volume, snapshot, copy, newKey, kms, disks } = await scene(t);
  const [disabled, leaving] = [await newKey(), await newKey()];
  await kms.disableKey({ KeyId: disabled });
  await kms.scheduleKeyDeletion({ KeyId: leaving, PendingWindowInDays: 7 });
  const { KeyMetadata: hmac } = await kms.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  for (const KmsKeyId of [disabled, leaving, none, "alias/none", hmac?.KeyId]) {
    const made = await volume({ Size: 1, Encrypted: true, KmsKeyId });
    assert.deepEqual([made?.State, made?.Encrypted], ["error", true], KmsKeyId ?? "");
    assert.ok(!(await disks.list()).includes(made?.VolumeId ?? ""));
    await client.deleteVolume({ VolumeId: made?.VolumeId });
  }
  const plain = await snapshot((await volume({ Size: 1 }))?.VolumeId);
  const failed = await copy(plain?.SnapshotId, { Encrypted: true, KmsKeyId: disabled });
  assert.deepEqual([failed?.State, failed?.StateMessage], ["error", "Given key ID is not accessible"]);
});

test(
  "snapshots of an encrypted volume, and volumes of those, share its data key; by another key they have their own",
  limit,
  async (t) => {
    const { volume, snapshot, copy, newKey, dataKey, disks, client } = await scene(t);
    const [one, other] = [await newKey(), await newKey()];
    const first = await volume({ Size: 1, Encrypted: true, KmsKeyId: one });
    disks.write(first?.VolumeId ?? "", "secret");
    const taken = await snapshot(first?.VolumeId);
    assert.deepEqual([taken?.Encrypted, taken?.KmsKeyId], [true, arnOf(one)]);
    const again = await volume({ SnapshotId: taken?.SnapshotId });
    const copied = await copy(taken?.SnapshotId);
    for (const id of [taken?.SnapshotId, again?.VolumeId, copied?.SnapshotId])
      assert.equal(dataKey(id), dataKey(first?.VolumeId));
    const moved = await copy(taken?.SnapshotId, { KmsKeyId: other });
    const volumeByOther = await volume({ SnapshotId: taken?.SnapshotId, Encrypted: true, KmsKeyId: other });
    assert.deepEqual([moved?.KmsKeyId, volumeByOther?.KmsKeyId], [arnOf(other), arnOf(other)]);
    const keys = [first?.VolumeId, moved?.SnapshotId, volumeByOther?.VolumeId].map((id) => dataKey(id));
    assert.equal(new Set(keys).size, 3);
    await client.deleteSnapshot({ SnapshotId: taken?.SnapshotId });
    for (const id of [again?.VolumeId, copied?.SnapshotId, moved?.SnapshotId, volumeByOther?.VolumeId])
      assert.equal(disks.read(id ?? ""), "secret");
    assert.deepEqual((await disks.locate(volumeByOther?.VolumeId ?? "")).below, []);
    await assert.rejects(
      client.createVolume({ AvailabilityZone: zone, SnapshotId: moved?.SnapshotId, Encrypted: false }),
      { name: "InvalidParameterCombination" },
    );
    const { Snapshots = [] } = await client.describeSnapshots({
      OwnerIds: ["self"],
      Filters: [{ Name: "encrypted", Values: ["true"] }],
    });
    assert.deepEqual(
      new Set(Snapshots.map((it) => it.SnapshotId)),
      new Set([copied?.SnapshotId, moved?.SnapshotId]),
    );
  },
);

test("by default all that is new is encrypted, by the key that the account chose", limit, async (t) => {
  const { client, volume, snapshot, copy, newKey, awsKey } = await scene(t);
  const plain = await snapshot((await volume({ Size: 1 }))?.VolumeId);
  assert.equal((await client.enableEbsEncryptionByDefault({})).EbsEncryptionByDefault, true);
  assert.deepEqual(
    await client.getEbsEncryptionByDefault({}).then((it) => [it.EbsEncryptionByDefault, it.SseType]),
    [true, "sse-kms"],
  );
  assert.equal((await client.getEbsDefaultKmsKeyId({})).KmsKeyId, "alias/aws/ebs");
  assert.equal((await volume({ Size: 1, Encrypted: false }))?.KmsKeyId, await awsKey());
  const key = await newKey();
  assert.equal((await client.modifyEbsDefaultKmsKeyId({ KmsKeyId: key })).KmsKeyId, arnOf(key));
  assert.equal((await client.getEbsDefaultKmsKeyId({})).KmsKeyId, arnOf(key));
  assert.equal((await volume({ SnapshotId: plain?.SnapshotId }))?.KmsKeyId, arnOf(key));
  assert.equal((await copy(plain?.SnapshotId))?.KmsKeyId, arnOf(key));
  assert.equal((await client.resetEbsDefaultKmsKeyId({})).KmsKeyId, "alias/aws/ebs");
  assert.equal((await client.disableEbsEncryptionByDefault({})).EbsEncryptionByDefault, false);
  assert.equal((await volume({ Size: 1 }))?.Encrypted, false);
});

test("instances are launched with encrypted volumes, whose images are encrypted too", limit, async (t) => {
  const { client, records, until, machines, newKey, dataKey } = await scene(t);
  const key = await newKey();
  const device = testImage.rootDevice;
  const { Instances: [launched] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 2,
    MaxCount: 2,
    BlockDeviceMappings: [
      { DeviceName: device, Ebs: { Encrypted: true, KmsKeyId: key } },
      { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 1, Encrypted: true } },
    ],
  });
  const id = launched?.InstanceId ?? "";
  await until(() => records.all("instance").every(({ so }) => so.state === "running"));
  const volumes = records.all("volume");
  assert.equal(new Set(volumes.map(({ encryption }) => encryption?.dataKey)).size, 4);
  assert.deepEqual(
    machines
      .spec(id)
      ?.disks.map(({ id: disk, encrypted }) => [encrypted?.key === dataKey(disk), encrypted?.files]),
    [
      [true, 1],
      [true, 1],
    ],
  );
  const { ImageId = "" } = await client.createImage({ InstanceId: id, Name: "encrypted", NoReboot: true });
  await until(() => records.all("snapshot").every(({ so }) => so.completedAt !== undefined));
  const { Images: [image] = [] } = await client.describeImages({
    ImageIds: [ImageId],
    Filters: [{ Name: "block-device-mapping.encrypted", Values: ["true"] }],
  });
  assert.deepEqual(
    image?.BlockDeviceMappings?.map(({ Ebs }) => Ebs?.Encrypted),
    [true, true],
  );
  const { Snapshots: [ofRoot] = [] } = await client.describeSnapshots({
    SnapshotIds: [image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId ?? ""],
  });
  assert.equal(ofRoot?.KmsKeyId, arnOf(key));
  await assert.rejects(
    client.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId: "222233334444" }] } }),
    { name: "InvalidParameterValue", message: /AWS Managed CMK/ },
  );
});

test("in another region a copy of what is encrypted has that region's key", limit, async (t) => {
  const region = await scene(t);
  const { volume, snapshot, newKey, disks, kms } = region;
  const away = new EC2({ ...region.clientConfig, region: "us-west-2" });
  t.after(() => away.destroy());
  const records = region.regions.in({ accountId: region.accountId, region: "us-west-2" });
  const copied = async (SourceSnapshotId: string | undefined) => {
    const { SnapshotId: id = "" } = await away.copySnapshot({
      SourceSnapshotId,
      SourceRegion: "eu-central-1",
    });
    await region.until(() => {
      const { so } = records.get("snapshot", id) ?? {};
      return so?.completedAt !== undefined || so?.failed !== undefined;
    });
    return { id, is: (await away.describeSnapshots({ SnapshotIds: [id] })).Snapshots?.[0] };
  };
  const key = await newKey();
  const made = await volume({ Size: 1, Encrypted: true, KmsKeyId: key });
  disks.write(made?.VolumeId ?? "", "kept");
  const source = await snapshot(made?.VolumeId);
  const { id, is } = await copied(source?.SnapshotId);
  assert.deepEqual([is?.State, is?.Encrypted], ["completed", true]);
  assert.match(is?.KmsKeyId ?? "", /^arn:aws:kms:us-west-2:/);
  const { VolumeId = "" } = await away.createVolume({ AvailabilityZone: "us-west-2a", SnapshotId: id });
  await region.until(() => records.get("volume", VolumeId)?.so.ready === true);
  assert.equal(disks.read(VolumeId), "kept");
  await kms.disableKey({ KeyId: key });
  assert.equal((await copied(source?.SnapshotId)).is?.State, "error");
  const plain = await snapshot((await volume({ Size: 1 }))?.VolumeId);
  assert.equal((await copied(plain?.SnapshotId)).is?.Encrypted, false);
});

test("an image is encrypted as it is copied, whoever provides it", limit, async (t) => {
  const { client, records, until, newKey, volume, snapshot } = await scene(t);
  const key = await newKey();
  const plain = await snapshot((await volume({ Size: 1 }))?.VolumeId);
  const { ImageId: mine = "" } = await client.registerImage({
    Name: "mine",
    VirtualizationType: "hvm",
    Architecture: "x86_64",
    RootDeviceName: "/dev/xvda",
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { SnapshotId: plain?.SnapshotId } }],
  });
  for (const SourceImageId of [testImage.id, mine]) {
    const { ImageId = "" } = await client.copyImage({
      SourceImageId,
      SourceRegion: "eu-central-1",
      Name: `copy of ${SourceImageId}`,
      Encrypted: true,
      KmsKeyId: key,
    });
    await until(() => records.all("snapshot").every(({ so }) => so.completedAt !== undefined));
    const copied = records.get("snapshot", records.get("image", ImageId)?.snapshotId ?? "");
    assert.equal(copied?.encryption?.keyArn, arnOf(key));
  }
});

test(
  "what is encrypted is shared by a key that others may be let use, and with nobody else",
  limit,
  async (t) => {
    const region = await scene(t);
    const { client, volume, snapshot, newKey, kms } = region;
    const share = (SnapshotId: string | undefined, add: object) =>
      client.modifySnapshotAttribute({ SnapshotId, CreateVolumePermission: { Add: [add] } });
    const byAws = await snapshot((await volume({ Size: 1, Encrypted: true }))?.VolumeId);
    await assert.rejects(share(byAws?.SnapshotId, { UserId: "222233334444" }), {
      name: "OperationNotPermitted",
      message: "Encrypted snapshots with EBS default key cannot be shared",
    });
    const key = await newKey();
    const mine = await snapshot((await volume({ Size: 1, Encrypted: true, KmsKeyId: key }))?.VolumeId);
    await assert.rejects(share(mine?.SnapshotId, { Group: "all" }), { name: "OperationNotPermitted" });
    const other = await region.newAccount("222233334444");
    await share(mine?.SnapshotId, { UserId: "222233334444" });
    const restore = () => other.client.createVolume({ AvailabilityZone: zone, SnapshotId: mine?.SnapshotId });
    await assert.rejects(restore(), { name: "UnauthorizedOperation" });
    const Policy = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: { AWS: "arn:aws:iam::111122223333:root" },
          Action: "kms:*",
          Resource: "*",
        },
        {
          Effect: "Allow",
          Principal: { AWS: "arn:aws:iam::222233334444:root" },
          Action: ["kms:Decrypt", "kms:DescribeKey"],
          Resource: "*",
        },
      ],
    });
    await kms.putKeyPolicy({ KeyId: key, Policy });
    const theirs = await restore();
    assert.equal(theirs.Encrypted, true);
    assert.match(theirs.KmsKeyId ?? "", /:222233334444:key\//);
  },
);

test(
  "a disabled key: running machines go on, nothing starts, and what is attached is available again",
  limit,
  async (t) => {
    const { client, records, until, kms, newKey, volume, machines } = await scene(t);
    const key = await newKey();
    const launch = async () => {
      const { Instances: [it] = [] } = await client.runInstances({
        ImageId: testImage.id,
        InstanceType: "t3.micro",
        MinCount: 1,
        MaxCount: 1,
        Placement: { AvailabilityZone: zone },
        BlockDeviceMappings: [{ DeviceName: testImage.rootDevice, Ebs: { Encrypted: true, KmsKeyId: key } }],
      });
      return it?.InstanceId ?? "";
    };
    const is = (id: string, state: string) =>
      until(() => {
        const { so, wanted } = records.get("instance", id) ?? {};
        return so?.state === state && so.generation === wanted?.generation;
      });
    const [running, stopped] = [await launch(), await launch()];
    await is(running, "running");
    await is(stopped, "running");
    await client.stopInstances({ InstanceIds: [stopped], Force: true });
    await is(stopped, "stopped");
    const data = await volume({ Size: 1, Encrypted: true, KmsKeyId: key });
    const io2 = { Size: 4, VolumeType: "io2", Iops: 100 } as const;
    const shared = await volume({ ...io2, MultiAttachEnabled: true, Encrypted: true, KmsKeyId: key });
    await kms.disableKey({ KeyId: key });
    await client.startInstances({ InstanceIds: [stopped] });
    const reasonOf = (id: string) => records.get("instance", id)?.so.reason?.message;
    await until(() => reasonOf(stopped) === "Client.InternalError: Client error on launch");
    await is(stopped, "stopped");
    await until(() => records.get("instance", running)?.so.booted === true);
    for (const it of [data, shared]) {
      await client.attachVolume({ VolumeId: it?.VolumeId, InstanceId: running, Device: "/dev/sdf" });
      await until(() => records.get("volume", it?.VolumeId ?? "")?.attachments.length === 0);
    }
    const failed = await launch();
    await is(failed, "terminated");
    assert.equal(reasonOf(failed), "Client.InternalError: Client error on launch");
    assert.deepEqual(
      [records.get("instance", running)?.so.state, (await machines.observe(running)).state],
      ["running", "running"],
    );
    await kms.enableKey({ KeyId: key });
    await client.startInstances({ InstanceIds: [stopped] });
    await is(stopped, "running");
    await until(() => records.get("instance", stopped)?.so.booted === true);
    await client.attachVolume({ VolumeId: data?.VolumeId, InstanceId: stopped, Device: "/dev/sdf" });
    await until(() => {
      const attachment = records.get("volume", data?.VolumeId ?? "")?.attachments[0];
      return attachment !== undefined && !attachment.plugging;
    });
  },
);

test(
  "imported disks and written snapshots are encrypted; who may not use the key reads no block",
  limit,
  async (t) => {
    const { client, clientConfig, records, until, kms, newKey, snapshotIs, imports } = await scene(t);
    const key = await newKey();
    imports.become({ state: "done", sizeGiB: 1 });
    const asked = { Encrypted: true, KmsKeyId: key };
    const { SnapshotTaskDetail: detail } = await client.importSnapshot({
      DiskContainer: { Url: "https://example.com/disk.raw" },
      ...asked,
    });
    assert.deepEqual([detail?.Encrypted, detail?.KmsKeyId], [true, arnOf(key)]);
    await until(() => records.all("snapshot").some(({ so }) => so.completedAt !== undefined));
    assert.equal(records.all("snapshot")[0]?.encryption?.keyArn, arnOf(key));
    const ebs = new EBS(clientConfig);
    t.after(() => ebs.destroy());
    const started = await ebs.startSnapshot({ VolumeSize: 1, Encrypted: true, KmsKeyArn: arnOf(key) });
    assert.deepEqual([started.KmsKeyArn, started.SseType], [arnOf(key), "sse-kms"]);
    const bytes = Buffer.alloc(BLOCK_BYTES);
    bytes.write("block");
    await ebs.putSnapshotBlock({
      SnapshotId: started.SnapshotId,
      BlockIndex: 0,
      BlockData: bytes,
      DataLength: BLOCK_BYTES,
      Checksum: createHash("sha256").update(bytes).digest("base64"),
      ChecksumAlgorithm: "SHA256",
    });
    await ebs.completeSnapshot({ SnapshotId: started.SnapshotId, ChangedBlocksCount: 1 });
    assert.equal((await snapshotIs(started.SnapshotId ?? ""))?.KmsKeyId, arnOf(key));
    const { Blocks: [block] = [] } = await ebs.listSnapshotBlocks({ SnapshotId: started.SnapshotId });
    const read = () =>
      ebs.getSnapshotBlock({ SnapshotId: started.SnapshotId, BlockIndex: 0, BlockToken: block?.BlockToken });
    await read();
    await kms.disableKey({ KeyId: key });
    await assert.rejects(read(), { name: "AccessDeniedException" });
    await assert.rejects(ebs.startSnapshot({ VolumeSize: 1, Encrypted: true, KmsKeyArn: arnOf(key) }), {
      name: "ValidationException",
    });
  },
);

test(
  "an image is restored encrypted where that is the default; it is stored by who may use its key, restored open, and not exported",
  limit,
  async (t) => {
    const region = await regionWithGolden(t);
    const { client, records, until, ImageId, imports, exports } = region;
    const kms = new KMS(region.clientConfig);
    t.after(() => kms.destroy());
    const key = (await kms.createKey({})).KeyMetadata?.KeyId;
    await client.modifyEbsDefaultKmsKeyId({ KmsKeyId: key });
    const Bucket = "archive";
    const { ObjectKey } = await client.createStoreImageTask({ ImageId, Bucket });
    await until(() => records.all("export-task").some(({ so }) => so.over?.status === "completed"));
    await client.enableEbsEncryptionByDefault({});
    imports.become({ state: "done", sizeGiB: 1 });
    const { ImageId: restored = "" } = await client.createRestoreImageTask({
      Bucket,
      ObjectKey,
      Name: "again",
    });
    const snapshotsOf = (id: string) => {
      const image = records.get("image", id);
      return (image?.devices ?? []).flatMap((it) => records.get("snapshot", it.snapshotId ?? "") ?? []);
    };
    const isMade = (id: string) =>
      snapshotsOf(id).length > 0 && snapshotsOf(id).every(({ so }) => so.completedAt !== undefined);
    await until(() => isMade(restored));
    assert.ok(snapshotsOf(restored).every(({ encryption }) => encryption !== undefined));
    const S3ExportLocation = { S3Bucket: Bucket };
    await assert.rejects(
      client.exportImage({ ImageId: restored, DiskImageFormat: "RAW", S3ExportLocation }),
      { name: "NotExportable", message: /encrypted/ },
    );
    const store = { ImageId: restored, Bucket };
    const keyPolicy = (Action: string) =>
      kms.putKeyPolicy({
        KeyId: key,
        BypassPolicyLockoutSafetyCheck: true,
        Policy: JSON.stringify({
          Version: "2012-10-17",
          Statement: [{ Effect: "Allow", Principal: "*", Action, Resource: "*" }],
        }),
      });
    await keyPolicy("kms:PutKeyPolicy");
    await assert.rejects(client.createStoreImageTask(store), { name: "UnauthorizedOperation" });
    await keyPolicy("kms:*");
    await client.createStoreImageTask(store);
    const again = `${restored}.bin`;
    await until(() => exports.objects().includes(`${Bucket}/${again}`));
    assert.doesNotMatch((await exports.stored({ bucket: Bucket, key: again })).head, /encrypted|kms/i);
    await client.disableEbsEncryptionByDefault({});
    const { ImageId: open = "" } = await client.createRestoreImageTask({
      Bucket,
      ObjectKey: again,
      Name: "open",
    });
    await until(() => isMade(open));
    assert.ok(snapshotsOf(open).every(({ encryption }) => encryption === undefined));
  },
);
