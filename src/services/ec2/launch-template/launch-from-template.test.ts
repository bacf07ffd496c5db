import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestLaunchTemplateData, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";

const limit = { timeout: 10_000 };
const machine = { ImageId: testImage.id, InstanceType: "t3.micro" } satisfies RequestLaunchTemplateData;

test("a launch needs no more than its template", limit, async (t) => {
  const region = await testRegion(t);
  const script = Buffer.from("#!/bin/sh\n").toString("base64");
  const id = await template(region, {
    ...machine,
    UserData: script,
    Monitoring: { Enabled: true },
    DisableApiTermination: true,
    InstanceInitiatedShutdownBehavior: "terminate",
    CreditSpecification: { CpuCredits: "standard" },
    MetadataOptions: { HttpTokens: "required" },
    BlockDeviceMappings: [{ DeviceName: testImage.rootDevice, Ebs: { VolumeSize: 20 } }],
    TagSpecifications: [
      { ResourceType: "instance", Tags: [{ Key: "team", Value: "a" }] },
      { ResourceType: "volume", Tags: [{ Key: "disk", Value: "b" }] },
    ],
  });
  const instance = await launch(region, { LaunchTemplate: { LaunchTemplateName: "web" } });
  const record = region.records.get("instance", instance.InstanceId ?? "");
  const [volume] = region.records.volumesOf(instance.InstanceId ?? "");
  assert.equal(instance.InstanceType, "t3.micro");
  assert.equal(instance.MetadataOptions?.HttpTokens, "required");
  assert.equal(instance.Monitoring?.State, "enabled");
  assert.deepEqual(
    [record?.userData, record?.terminationProtection, record?.shutdownBehavior, record?.cpuCredits],
    [script, true, "terminate", "standard"],
  );
  assert.deepEqual([volume?.sizeGiB, volume?.tags], [20, { disk: "b" }]);
  assert.deepEqual(instance.Tags, [
    { Key: "aws:ec2launchtemplate:id", Value: id },
    { Key: "aws:ec2launchtemplate:version", Value: "1" },
    { Key: "team", Value: "a" },
  ]);
});

test("what the request says goes before what the template says", limit, async (t) => {
  const region = await testRegion(t);
  await template(region, {
    ...machine,
    MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 5 },
    Placement: { AvailabilityZone: "eu-central-1b" },
    BlockDeviceMappings: [
      { DeviceName: testImage.rootDevice, Ebs: { VolumeSize: 20 } },
      { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 1 } },
    ],
    TagSpecifications: [
      {
        ResourceType: "instance",
        Tags: [
          { Key: "team", Value: "a" },
          { Key: "app", Value: "web" },
        ],
      },
    ],
  });
  const instance = await launch(region, {
    LaunchTemplate: { LaunchTemplateName: "web" },
    InstanceType: "t3.small",
    MetadataOptions: { HttpPutResponseHopLimit: 2 },
    BlockDeviceMappings: [{ DeviceName: testImage.rootDevice, Ebs: { VolumeSize: 30 } }],
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "team", Value: "b" }] }],
  });
  assert.equal(instance.InstanceType, "t3.small");
  assert.equal(instance.Placement?.AvailabilityZone, "eu-central-1b");
  assert.equal(instance.MetadataOptions?.HttpTokens, "required");
  assert.equal(instance.MetadataOptions?.HttpPutResponseHopLimit, 2);
  const sizes = region.records.volumesOf(instance.InstanceId ?? "").map(({ sizeGiB }) => sizeGiB);
  assert.deepEqual(new Set(sizes), new Set([30, 1]));
  const tags = instance.Tags?.filter(({ Key }) => !Key?.startsWith("aws:"));
  assert.deepEqual(tags, [
    { Key: "app", Value: "web" },
    { Key: "team", Value: "b" },
  ]);
});

test(
  "groups of the request stand in for the template's, by whichever of id and name they are given",
  limit,
  async (t) => {
    const region = await testRegion(t);
    const { GroupId: web = "" } = await region.client.createSecurityGroup({
      GroupName: "web",
      Description: "web",
    });
    await template(region, { ...machine, SecurityGroupIds: [web] });
    const groups = async (more: Partial<RunInstancesCommandInput>) => {
      const { SecurityGroups } = await launch(region, {
        LaunchTemplate: { LaunchTemplateName: "web" },
        ...more,
      });
      return SecurityGroups?.map(({ GroupName }) => GroupName);
    };
    assert.deepEqual(await groups({}), ["web"]);
    assert.deepEqual(await groups({ SecurityGroups: ["default"] }), ["default"]);
  },
);

test("without a version it is the default one; $Latest and numbers name others", limit, async (t) => {
  const region = await testRegion(t);
  const id = await template(region, machine);
  await region.client.createLaunchTemplateVersion({
    LaunchTemplateId: id,
    SourceVersion: "1",
    LaunchTemplateData: { InstanceType: "t3.small" },
  });
  const type = async (Version?: string) => {
    const LaunchTemplate = { LaunchTemplateId: id, ...(Version !== undefined && { Version }) };
    return (await launch(region, { LaunchTemplate })).InstanceType;
  };
  assert.deepEqual(
    [await type(), await type("$Default"), await type("$Latest"), await type("1"), await type("2")],
    ["t3.micro", "t3.micro", "t3.small", "t3.micro", "t3.small"],
  );
  await assert.rejects(type("3"), { name: "InvalidLaunchTemplateId.VersionNotFound" });
});

test("the same client token launches once though the template has changed meanwhile", limit, async (t) => {
  const region = await testRegion(t);
  const id = await template(region, machine);
  const again = { LaunchTemplate: { LaunchTemplateId: id, Version: "$Latest" }, ClientToken: "token-1" };
  const first = await launch(region, again);
  await region.client.createLaunchTemplateVersion({
    LaunchTemplateId: id,
    SourceVersion: "1",
    LaunchTemplateData: { InstanceType: "t3.small" },
  });
  assert.equal((await launch(region, again)).InstanceId, first.InstanceId);
});

test("a template may hold what Croft does not serve; a launch from it is refused", limit, async (t) => {
  const region = await testRegion(t);
  await template(region, {
    ...machine,
    IamInstanceProfile: { Name: "web" },
    InstanceMarketOptions: {
      MarketType: "spot",
      SpotOptions: { ValidUntil: new Date("2030-01-01T00:00:00Z") },
    },
  });
  const { LaunchTemplateVersions: [version] = [] } = await region.client.describeLaunchTemplateVersions({
    LaunchTemplateName: "web",
  });
  const { IamInstanceProfile, InstanceMarketOptions } = version?.LaunchTemplateData ?? {};
  assert.deepEqual(IamInstanceProfile, { Name: "web" });
  assert.equal(InstanceMarketOptions?.SpotOptions?.ValidUntil?.getUTCFullYear(), 2030);
  await assert.rejects(launch(region, { LaunchTemplate: { LaunchTemplateName: "web" } }), {
    name: "UnsupportedOperation",
  });
  await assert.rejects(launch(region, { LaunchTemplate: { LaunchTemplateName: "none" } }), {
    name: "InvalidLaunchTemplateName.NotFoundException",
  });
});

test("what an instance was launched with makes a template that launches its like", limit, async (t) => {
  const region = await testRegion(t);
  const like = {
    ...machine,
    MetadataOptions: { HttpTokens: "required" },
    BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs: { VolumeSize: 3, DeleteOnTermination: false } }],
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "team", Value: "a" }] }],
  } satisfies Partial<RunInstancesCommandInput>;
  const first = await launch(region, like);
  const { LaunchTemplateData: data } = await region.client.getLaunchTemplateData({
    InstanceId: first.InstanceId,
  });
  assert.equal(data?.InstanceType, "t3.micro");
  // AWS's two types of the data differ in what enumerations are called.
  await template(region, data as RequestLaunchTemplateData);
  const second = await launch(region, { LaunchTemplate: { LaunchTemplateName: "web" } });
  for (const name of ["ImageId", "InstanceType", "SubnetId", "MetadataOptions", "SecurityGroups"] as const)
    assert.deepEqual(second[name], first[name], name);
  const sizes = ({ InstanceId = "" }) =>
    region.records.volumesOf(InstanceId).map(({ sizeGiB, attachments }) => [sizeGiB, attachments[0]?.device]);
  assert.deepEqual(new Set(sizes(second).map(String)), new Set(sizes(first).map(String)));
  assert.ok(second.Tags?.some(({ Key, Value }) => Key === "team" && Value === "a"));
});

async function template({ client }: TestRegion, LaunchTemplateData: RequestLaunchTemplateData) {
  const { LaunchTemplate: made } = await client.createLaunchTemplate({
    LaunchTemplateName: "web",
    LaunchTemplateData,
  });
  return made?.LaunchTemplateId ?? "";
}

async function launch({ client }: TestRegion, input: Partial<RunInstancesCommandInput>) {
  const { Instances: [instance] = [] } = await client.runInstances({ MinCount: 1, MaxCount: 1, ...input });
  assert.ok(instance);
  return instance;
}
