import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { volumeState } from "./volume.ts";

const limit = { timeout: 20_000 };
const data = { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 10, VolumeType: "gp2" as const } };

test("a root volume is the image's, attached and in use", limit, async (t) => {
  const { client, id } = await launched(t);
  const { Volumes: [root, ...more] = [] } = await client.describeVolumes({});
  assert.equal(more.length, 0);
  assert.deepEqual(
    [
      root?.State,
      root?.Size,
      root?.VolumeType,
      root?.Iops,
      root?.Throughput,
      root?.SnapshotId,
      root?.Encrypted,
    ],
    ["in-use", 8, "gp3", 3000, 125, testImage.snapshotId, false],
  );
  const [attachment] = root?.Attachments ?? [];
  assert.deepEqual(
    [attachment?.InstanceId, attachment?.Device, attachment?.State, attachment?.DeleteOnTermination],
    [id, testImage.rootDevice, "attached", true],
  );
});

test("volumes are found by what they are and where they are attached", limit, async (t) => {
  const { client, id } = await launched(t, { BlockDeviceMappings: [data] });
  const found = async (Name: string, ...Values: string[]) => {
    const { Volumes = [] } = await client.describeVolumes({ Filters: [{ Name, Values }] });
    return new Set(Volumes.map(({ Size }) => Size));
  };
  assert.deepEqual(await found("attachment.instance-id", id), new Set([8, 10]));
  assert.deepEqual(await found("attachment.device", "/dev/sd*"), new Set([10]));
  assert.deepEqual(await found("snapshot-id", testImage.snapshotId), new Set([8]));
  assert.deepEqual(await found("size", "10"), new Set([10]));
  assert.deepEqual(await found("volume-type", "gp2"), new Set([10]));
  assert.deepEqual(await found("status", "available"), new Set());
});

test("a volume that is to outlive its instance becomes available; the others go", limit, async (t) => {
  const kept = { ...data, Ebs: { ...data.Ebs, DeleteOnTermination: false } };
  const { client, id, records, disks, until } = await launched(t, { BlockDeviceMappings: [kept] });
  await client.terminateInstances({ InstanceIds: [id] });
  await until(() => records.all("volume").map(volumeState).join() === "available");
  const { Volumes: [volume] = [] } = await client.describeVolumes({});
  assert.deepEqual([volume?.Size, volume?.State, volume?.Attachments], [10, "available", []]);
  assert.deepEqual(await disks.list(), [volume?.VolumeId]);
});

test(
  "a volume that does not exist is named in the error; ids and pages exclude each other",
  limit,
  async (t) => {
    const { client } = await testRegion(t);
    await assert.rejects(client.describeVolumes({ VolumeIds: ["vol-1"] }), {
      name: "InvalidVolume.NotFound",
      message: "The volume 'vol-1' does not exist.",
    });
    await assert.rejects(client.describeVolumes({ VolumeIds: ["vol-1"], MaxResults: 5 }), {
      name: "InvalidParameterCombination",
      message: "The parameter volumeIds cannot be used with the parameter maxResults",
    });
  },
);

async function launched(t: TestContext, more: Partial<RunInstancesCommandInput> = {}) {
  const region = await testRegion(t);
  const { Instances: [instance] = [] } = await region.client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    ...more,
  });
  await region.until(() => region.records.all("volume").every(({ so }) => so.ready));
  return { ...region, id: instance?.InstanceId ?? "" };
}
