import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";
import type { Ec2Records } from "../records.ts";
import { imageState } from "./image.ts";

const limit = { timeout: 60_000 };

test(
  "a copy of an image has snapshots of its own, and stays when what it is a copy of goes",
  limit,
  async (t) => {
    const region = await withOwnImage(t);
    const { client, records, disks, source, region: name } = region;
    const asked = {
      SourceImageId: source,
      SourceRegion: name,
      Name: "copy",
      CopyImageTags: true,
      ClientToken: "once",
      TagSpecifications: [
        { ResourceType: "image" as const, Tags: [{ Key: "b", Value: "asked" }] },
        { ResourceType: "snapshot" as const, Tags: [{ Key: "c", Value: "d" }] },
      ],
    };
    const { ImageId: copy = "" } = await client.copyImage(asked);
    assert.equal((await client.copyImage(asked)).ImageId, copy);
    await assert.rejects(client.copyImage({ ...asked, Name: "other" }), {
      name: "IdempotentParameterMismatch",
    });
    await region.available(copy);
    const { Images: [image] = [] } = await client.describeImages({ ImageIds: [copy] });
    assert.deepEqual(
      [image?.SourceImageId, image?.SourceImageRegion, image?.SourceInstanceId, image?.Tags],
      [
        source,
        name,
        undefined,
        [
          { Key: "a", Value: "kept" },
          { Key: "b", Value: "asked" },
        ],
      ],
    );
    const { ImageAncestryEntries: ancestry = [] } = await client.getImageAncestry({ ImageId: copy });
    assert.deepEqual(
      ancestry.map((it) => [it.ImageId, it.ImageOwnerAlias, it.SourceImageId]),
      [
        [copy, undefined, source],
        [source, undefined, testImage.id],
        [testImage.id, "amazon", undefined],
      ],
    );
    const { DeleteSnapshotResults: [gone] = [] } = await client.deregisterImage({
      ImageId: source,
      DeleteAssociatedSnapshots: true,
    });
    assert.equal(gone?.ReturnCode, "success");
    await region.until(() => records.get("snapshot", gone?.SnapshotId ?? "") === undefined);
    const volume = await region.launched(copy);
    assert.equal(disks.read(volume), "root");
    const { ImageAncestryEntries: left = [] } = await client.getImageAncestry({ ImageId: copy });
    assert.deepEqual(
      left.map((it) => it.ImageId),
      [copy],
    );
    await client.deregisterImage({ ImageId: copy });
    assert.notEqual((await client.copyImage({ ...asked, SourceImageId: testImage.id })).ImageId, copy);
  },
);

test("a provided image is copied into a snapshot of the account's own", limit, async (t) => {
  const region = await withOwnImage(t);
  const { client, records, disks, region: name } = region;
  const { ImageId: copy = "" } = await client.copyImage({
    SourceImageId: testImage.id,
    SourceRegion: name,
    Name: "ours",
  });
  await region.available(copy);
  const { Images: [image] = [] } = await client.describeImages({ ImageIds: [copy], Owners: ["self"] });
  const snapshotId = image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId ?? "";
  assert.ok((await disks.snapshots()).includes(snapshotId));
  const volume = await region.launched(copy);
  assert.deepEqual((await disks.locate(volume)).below, [
    `/fake/snapshots/${snapshotId}`,
    `/cache/${testImage.cacheEntry}/disk.qcow2`,
  ]);
  // Nothing is left of how it was made.
  assert.deepEqual(new Set(await disks.list()), new Set(records.all("volume").map(({ id }) => id)));
});

test("an image is copied into another region, and launched there when it is gone here", limit, async (t) => {
  const region = await withOwnImage(t);
  const { client, disks, source, region: name, away } = region;
  for (const [SourceImageId, bytes] of [
    [source, "root"],
    [testImage.id, ""],
  ] as const) {
    const { ImageId: copy = "" } = await away.client.copyImage({
      SourceImageId,
      SourceRegion: name,
      Name: `of ${SourceImageId}`,
    });
    await away.available(copy);
    await assert.rejects(client.describeImages({ ImageIds: [copy] }), { name: "InvalidAMIID.NotFound" });
    const { ImageAncestryEntries: [, from] = [] } = await away.client.getImageAncestry({ ImageId: copy });
    assert.equal(from?.ImageId, SourceImageId);
    if (SourceImageId === source) {
      const { DeleteSnapshotResults: [gone] = [] } = await client.deregisterImage({
        ImageId: source,
        DeleteAssociatedSnapshots: true,
      });
      await region.until(() => region.records.get("snapshot", gone?.SnapshotId ?? "") === undefined);
    }
    const volume = await away.launched(copy);
    assert.equal(disks.read(volume), bytes);
    assert.equal((await disks.locate(volume)).below.at(-1), `/cache/${testImage.cacheEntry}/disk.qcow2`);
  }
});

test("what cannot be copied says why", limit, async (t) => {
  const { client, source, region: name } = await withOwnImage(t);
  const asked = { SourceImageId: source, SourceRegion: name, Name: "copy" };
  const none = "ami-0123456789abcdef0";
  for (const [change, refusal] of [
    [{ SourceImageId: none }, "InvalidAMIID.NotFound"],
    [{ SourceRegion: "us-west-2" }, "InvalidAMIID.NotFound"],
    [{ SourceRegion: "moon-1" }, "InvalidParameterValue"],
    [{ KmsKeyId: "alias/aws/ebs" }, "InvalidParameterDependency"],
    [{ Name: "mine" }, "InvalidAMIName.Duplicate"],
    [{ DryRun: true }, "DryRunOperation"],
  ] as const)
    await assert.rejects(client.copyImage({ ...asked, ...change }), { name: refusal });
  await client.disableImage({ ImageId: source });
  await assert.rejects(client.copyImage(asked), { name: "InvalidAMIID.Unavailable" });
  await assert.rejects(client.getImageAncestry({ ImageId: none }), { name: "InvalidAMIID.NotFound" });
});

/** A region with an image of an instance of the provided one, and another region of the same account. */
async function withOwnImage(t: TestContext) {
  const region = await testRegion(t);
  const { client, records, disks } = region;
  const here = { client, ...usesOfImages(client, records, region) };
  const client2 = new EC2({ ...region.clientConfig, region: "us-west-2" });
  t.after(() => client2.destroy());
  const records2 = region.regions.in({ accountId: region.accountId, region: "us-west-2" });
  const away = { client: client2, ...usesOfImages(client2, records2, region) };
  const volume = await here.launched(testImage.id);
  disks.write(volume, "root");
  const { ImageId: source = "" } = await client.createImage({
    InstanceId: records.all("instance")[0]?.id,
    Name: "mine",
    NoReboot: true,
    TagSpecifications: [{ ResourceType: "image", Tags: ["a", "b"].map((Key) => ({ Key, Value: "kept" })) }],
  });
  await here.available(source);
  return { ...region, ...here, region: region.clientConfig.region, source, away };
}

function usesOfImages(client: EC2, records: Ec2Records, { until }: Pick<TestRegion, "until">) {
  const available = (id: string) =>
    until(() => {
      const image = records.get("image", id);
      return image !== undefined && imageState(image, records) === "available";
    });
  /** Its root volume. */
  const launched = async (ImageId: string) => {
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    });
    const id = instance?.InstanceId ?? "";
    await until(() => records.get("instance", id)?.so.state === "running");
    return records.volumesOf(id)[0]?.id ?? "";
  };
  return { available, launched };
}
