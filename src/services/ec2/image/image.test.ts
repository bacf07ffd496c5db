import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescribeImagesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test("a baked image is Amazon's, public and available", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Images: [image, ...more] = [] } = await client.describeImages({});
  assert.equal(more.length, 0);
  assert.deepEqual(
    [image?.ImageId, image?.Name, image?.ImageOwnerAlias, image?.State, image?.Public, image?.Architecture],
    [testImage.id, testImage.name, "amazon", "available", true, "x86_64"],
  );
  assert.deepEqual(image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId, testImage.snapshotId);
  assert.equal(image?.RootDeviceName, image?.BlockDeviceMappings?.[0]?.DeviceName);
});

const asked: readonly [how: string, input: DescribeImagesCommandInput, found: boolean][] = [
  ["Amazon's by alias", { Owners: ["amazon"] }, true],
  ["Amazon's by account", { Owners: ["self", "137112412989"] }, true],
  ["one's own", { Owners: ["self"] }, false],
  ["one's own by id", { Owners: ["self"], ImageIds: [testImage.id] }, false],
  ["launchable by all", { ExecutableUsers: ["all"] }, true],
  ["shared with oneself", { ExecutableUsers: ["self"] }, false],
  ["by id", { ImageIds: [testImage.id] }, true],
  ["by name", { Filters: [{ Name: "name", Values: ["debian-12-amd64-*"] }] }, true],
  ["by another architecture", { Filters: [{ Name: "architecture", Values: ["arm64"] }] }, false],
  ["by day of creation", { Filters: [{ Name: "creation-date", Values: ["2026-01-01T*"] }] }, true],
];
for (const [how, input, found] of asked)
  test(`images asked for ${how} are ${found ? "found" : "none"}`, limit, async (t) => {
    const { client } = await testRegion(t);
    assert.equal((await client.describeImages(input)).Images?.length, found ? 1 : 0);
  });

test("an image that does not exist is named in the error", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(client.describeImages({ ImageIds: ["ami-00000001"] }), {
    name: "InvalidAMIID.NotFound",
    message: "The image id '[ami-00000001]' does not exist",
  });
  await assert.rejects(client.describeImages({ ImageIds: ["ami-00000001", "ami-00000002"] }), {
    message: "The image ids '[ami-00000001, ami-00000002]' do not exist",
  });
});
