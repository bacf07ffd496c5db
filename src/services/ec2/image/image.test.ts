import assert from "node:assert/strict";
import { test } from "node:test";
import { EC2, type DescribeImagesCommandInput } from "@aws-sdk/client-ec2";
import { regionWithOwn } from "#testing/own-image.ts";
import { testImage, testRegion } from "#testing/region.ts";
import { withdrawGone, withdrawImage } from "../../host/host-reports.ts";
import { imageParameters } from "./image-parameter.ts";
import { recordImportedImage } from "./imported-image.ts";

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

test("images are found by the public parameters that name them", limit, async (t) => {
  const { client } = await testRegion(t);
  const found = async (name: string) => {
    const Filters = [{ Name: "public-ssm-parameter-name", Values: [name] }];
    return (await client.describeImages({ Filters })).Images?.map(({ ImageId }) => ImageId);
  };
  assert.deepEqual(await found("/aws/service/debian/release/12/latest/amd64"), [testImage.id]);
  assert.deepEqual(await found("/aws/service/croft/images/*"), [testImage.id]);
  assert.deepEqual(await found("/aws/service/debian/release/11/*"), []);
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

test("an imported image is its owner's, private, and boots as it was said to", limit, async (t) => {
  const { region, scope, own } = await regionWithOwn(t);
  const find = async (input: DescribeImagesCommandInput) =>
    (await region.client.describeImages(input)).Images?.map(({ ImageId }) => ImageId);
  assert.deepEqual(await find({ Owners: ["self"] }), [own.id]);
  assert.deepEqual(await find({ Owners: [scope.accountId] }), [own.id]);
  assert.deepEqual(await find({ Owners: ["amazon"] }), [testImage.id]);
  assert.deepEqual(await find({ ExecutableUsers: ["all"] }), [testImage.id]);
  assert.deepEqual(await find({ Filters: [{ Name: "boot-mode", Values: ["uefi"] }] }), [own.id]);
  const { Images: [image] = [] } = await region.client.describeImages({ ImageIds: [own.id] });
  assert.deepEqual(
    [image?.OwnerId, image?.ImageOwnerAlias, image?.Public, image?.BootMode, image?.RootDeviceName],
    [scope.accountId, undefined, false, "uefi", "/dev/sda1"],
  );
  assert.equal(image?.ImageLocation, `${scope.accountId}/mine`);
});

test("two images of an account never have one name", limit, async (t) => {
  const { region, scope, own } = await regionWithOwn(t);
  const second = { ...own, id: "ami-0dddddddddddddddd" } as const;
  await assert.rejects(recordImportedImage(second, scope, region.store, new Date()), {
    name: "InvalidAMIName.Duplicate",
    message: "AMI name mine is already in use by AMI ami-0cccccccccccccccc",
  });
});

test(
  "a deregistered image is gone at once; its files go with the last volume made of it",
  limit,
  async (t) => {
    const { region, scope, own } = await regionWithOwn(t);
    const { Instances: [instance] = [] } = await region.client.runInstances({
      ImageId: own.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    });
    const id = instance?.InstanceId ?? "";
    assert.deepEqual(
      await region.client.deregisterImage({ ImageId: own.id }).then(({ Return }) => Return),
      true,
    );
    const gone = { name: "InvalidAMIID.NotFound" };
    await assert.rejects(region.client.describeImages({ ImageIds: [own.id] }), gone);
    await assert.rejects(region.client.deregisterImage({ ImageId: own.id }), gone);
    await assert.rejects(
      region.client.runInstances({ ImageId: own.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 }),
      gone,
    );
    await region.until(() => region.records.get("instance", id)?.so.state === "running");
    assert.deepEqual(region.removedImages, []);
    await recordImportedImage({ ...own, id: "ami-0dddddddddddddddd" }, scope, region.store, new Date());
    await region.client.terminateInstances({ InstanceIds: [id] });
    await region.until(() => region.records.get("image", own.id) === undefined);
    assert.deepEqual(region.removedImages, [own.id]);
  },
);

test("a baked image that was removed is gone in every region of the store", limit, async (t) => {
  const region = await testRegion(t);
  const elsewhere = new EC2({ ...region.clientConfig, region: "us-west-2" });
  t.after(() => elsewhere.destroy());
  const { Images: [away] = [] } = await elsewhere.describeImages({});
  await withdrawGone(() => true, region.store);
  assert.equal((await region.client.describeImages({})).Images?.length, 1);
  await withdrawGone((entry) => entry !== testImage.cacheEntry, region.store);
  await region.until(() => region.records.get("image", testImage.id) === undefined);
  assert.deepEqual((await elsewhere.describeImages({})).Images, []);
  const gone = { name: "InvalidAMIID.NotFound" };
  const launch = { InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
  await assert.rejects(region.client.runInstances({ ...launch, ImageId: testImage.id }), gone);
  await assert.rejects(elsewhere.runInstances({ ...launch, ImageId: away?.ImageId ?? "" }), gone);
});

test("withdrawn while an instance has it, a baked image is known no longer, and kept", limit, async (t) => {
  const region = await testRegion(t);
  const launch = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
  const { Instances: [instance] = [] } = await region.client.runInstances(launch);
  await withdrawImage(testImage.cacheEntry, region.store);
  await region.until(() => region.records.get("image", testImage.id)?.deregistered === true);
  assert.deepEqual((await region.client.describeImages({})).Images, []);
  assert.deepEqual(imageParameters(region.records.all("image")), []);
  await region.until(
    () => region.records.get("instance", instance?.InstanceId ?? "")?.so.state === "running",
  );
  assert.notEqual(region.records.get("image", testImage.id), undefined);
});

test("images that Croft provides are nobody's to deregister", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(client.deregisterImage({ ImageId: testImage.id }), {
    name: "AuthFailure",
    message: `Not authorized for image:${testImage.id}`,
  });
  await assert.rejects(client.deregisterImage({ ImageId: "ami-00000001" }), {
    name: "InvalidAMIID.NotFound",
  });
});

test(
  "an imported image is of its region alone, and takes no provided image's public name",
  limit,
  async (t) => {
    const { region, scope } = await regionWithOwn(t);
    const elsewhere = new EC2({ ...region.clientConfig, region: "us-west-2" });
    t.after(() => elsewhere.destroy());
    assert.deepEqual((await elsewhere.describeImages({ Owners: [scope.accountId] })).Images, []);
    assert.deepEqual(
      imageParameters(region.records.all("image")).filter(({ name }) => name.includes("mine")),
      [],
    );
  },
);
