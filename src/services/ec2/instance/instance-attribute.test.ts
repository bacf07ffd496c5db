import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type {
  InstanceAttributeName,
  ModifyInstanceAttributeCommandInput,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import {
  testAuthority,
  testImage,
  testRegion,
  type TestRegion,
  type TestRegionOptions,
} from "#testing/region.ts";
import { instanceState } from "./instance.ts";

const limit = { timeout: 10_000 };
const script = Buffer.from("#!/bin/sh\ntrue\n");

test("a stopped instance starts again as the type it was changed to", limit, async (t) => {
  const { region, id } = await launched(t);
  await stop(region, id);
  await modify(region, id, { InstanceType: { Value: "m5.large" } });
  assert.equal((await attribute(region, id, "instanceType")).InstanceType?.Value, "m5.large");
  await region.client.startInstances({ InstanceIds: [id] });
  await state(region, id, "running");
  const { cpus, memoryMiB, identity } = region.machines.spec(id) ?? {};
  assert.deepEqual([cpus, memoryMiB, identity?.product], [2, 8192, "m5.large"]);
});

test("a type that does not exist, fit the image or fit the host is refused", limit, async (t) => {
  const { region, id } = await launched(t, {}, { memoryMiB: 4096 });
  await stop(region, id);
  await refused(region, id, { InstanceType: { Value: "x9.huge" } }, "InvalidInstanceType");
  await refused(region, id, { InstanceType: { Value: "t4g.micro" } }, "InvalidParameterValue");
  await region.client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
  });
  await refused(region, id, { InstanceType: { Value: "m5.large" } }, "InsufficientInstanceCapacity");
  assert.equal(region.records.get("instance", id)?.type, "t3.micro");
});

test("an instance without user data is told by its firmware what it would ask for", limit, async (t) => {
  const { region, id } = await launched(t);
  const tells = () => region.machines.spec(id)?.identity.tells;
  const { address } = region.records.interfacesOf(id)[0] ?? {};
  const name = `ip-${address?.replaceAll(".", "-")}.eu-central-1.compute.internal`;
  const authority = testAuthority.split("\n").map((line) => `croft.authority=${line}`);
  assert.deepEqual(tells(), [`croft.host-name=${name}`, "croft.zone=eu-central-1a", ...authority]);
  await stop(region, id);
  await modify(region, id, { UserData: { Value: script } });
  await region.client.startInstances({ InstanceIds: [id] });
  await state(region, id, "running");
  assert.deepEqual(tells(), []);
});

test("neither is one that has no access to its metadata", limit, async (t) => {
  const { region, id } = await launched(t, { MetadataOptions: { HttpEndpoint: "disabled" } });
  assert.deepEqual(region.machines.spec(id)?.identity.tells, []);
});

test("what a machine is made of changes only while it is stopped", limit, async (t) => {
  const { region, id } = await launched(t);
  const stopped = {
    name: "IncorrectInstanceState",
    message: `The instance '${id}' is not in the 'stopped' state.`,
  };
  for (const change of [
    { InstanceType: { Value: "t3.small" } },
    { UserData: { Value: script } },
    { EbsOptimized: { Value: true } },
    { EnaSupport: { Value: true } },
  ])
    await assert.rejects(modify(region, id, change), stopped);
});

test("user data are changed and taken away; the guest reads what they are now", limit, async (t) => {
  const { region, id } = await launched(t);
  const seen = () => metadata(region)?.userData;
  await stop(region, id);
  await modify(region, id, { UserData: { Value: script } });
  assert.equal((await attribute(region, id, "userData")).UserData?.Value, script.toString("base64"));
  await region.until(() => seen() === script.toString("base64"));
  await modify(region, id, { Attribute: "userData", Value: "" });
  assert.equal((await attribute(region, id, "userData")).UserData?.Value, undefined);
  await region.until(() => seen() === undefined);
  const large = Buffer.alloc(16 * 1024 + 1);
  await refused(region, id, { UserData: { Value: large } }, "InvalidParameterValue");
});

test("groups change while it runs, and the network follows", limit, async (t) => {
  const { region, id } = await launched(t);
  const { client, records } = region;
  const { GroupId: web = "" } = await client.createSecurityGroup({ GroupName: "web", Description: "web" });
  const [nic] = records.interfacesOf(id);
  const [before = ""] = nic?.groupIds ?? [];
  await modify(region, id, { Groups: [web] });
  assert.deepEqual((await attribute(region, id, "groupSet")).Groups, [{ GroupId: web, GroupName: "web" }]);
  const members = () =>
    [...region.networks.elements(nic?.vpcId ?? "").values()].flatMap((it) =>
      it.kind === "member" ? [it.group] : [],
    );
  await until(() => members().join() === web);
  await assert.rejects(client.deleteSecurityGroup({ GroupId: web }), { name: "DependencyViolation" });
  await modify(region, id, { Groups: [before] });
  await client.deleteSecurityGroup({ GroupId: web });
  await refused(region, id, { Groups: [web] }, "InvalidGroup.NotFound");
});

test("source/destination check is switched while it runs, and can be reset", limit, async (t) => {
  const { region, id } = await launched(t);
  const vpc = region.records.get("instance", id)?.vpcId ?? "";
  const checked = () =>
    [...region.networks.elements(vpc).values()].some((it) => it.kind === "interface" && it.sourceCheck);
  await modify(region, id, { SourceDestCheck: { Value: false } });
  await until(() => !checked());
  assert.equal((await attribute(region, id, "sourceDestCheck")).SourceDestCheck?.Value, false);
  await region.client.resetInstanceAttribute({ InstanceId: id, Attribute: "sourceDestCheck" });
  await until(checked);
  await assert.rejects(region.client.resetInstanceAttribute({ InstanceId: id, Attribute: "instanceType" }), {
    name: "InvalidParameterValue",
  });
});

test("protection is switched on and off, in the newer form and in the older", limit, async (t) => {
  const { region, id } = await launched(t);
  const { client } = region;
  await modify(region, id, { DisableApiStop: { Value: true } });
  await modify(region, id, { Attribute: "disableApiTermination", Value: "true" });
  await assert.rejects(client.stopInstances({ InstanceIds: [id] }), { name: "OperationNotPermitted" });
  await assert.rejects(client.terminateInstances({ InstanceIds: [id] }), { name: "OperationNotPermitted" });
  await modify(region, id, { Attribute: "disableApiTermination", Value: "false" });
  assert.equal((await attribute(region, id, "disableApiTermination")).DisableApiTermination?.Value, false);
  assert.equal((await attribute(region, id, "disableApiStop")).DisableApiStop?.Value, true);
  await client.terminateInstances({ InstanceIds: [id] });
});

test("a guest that powers off does what its instance was last told", limit, async (t) => {
  const { region, id } = await launched(t);
  await modify(region, id, { InstanceInitiatedShutdownBehavior: { Value: "terminate" } });
  region.machines.guestPowersOff(id);
  await state(region, id, "terminated");
  await refused(region, id, { DisableApiStop: { Value: true } }, "IncorrectInstanceState");
});

test("a root volume told to stay outlives its instance", limit, async (t) => {
  const { region, id } = await launched(t);
  const keep = (DeviceName: string) => ({
    BlockDeviceMappings: [{ DeviceName, Ebs: { DeleteOnTermination: false } }],
  });
  await assert.rejects(modify(region, id, keep("/dev/sdz")), {
    name: "InvalidInstanceAttributeValue",
    message: "No device is currently mapped at /dev/sdz",
  });
  await modify(region, id, keep(testImage.rootDevice));
  const { BlockDeviceMappings: [root] = [] } = await attribute(region, id, "blockDeviceMapping");
  assert.equal(root?.Ebs?.DeleteOnTermination, false);
  await region.client.terminateInstances({ InstanceIds: [id] });
  await state(region, id, "terminated");
  assert.deepEqual(await region.disks.list(), [root?.Ebs?.VolumeId]);
});

test("one attribute is modified at a time, and at least one", limit, async (t) => {
  const { region, id } = await launched(t);
  await assert.rejects(
    modify(region, id, { DisableApiStop: { Value: true }, SourceDestCheck: { Value: true } }),
    {
      name: "InvalidParameterCombination",
      message: /^Fields for multiple attribute types specified: /,
    },
  );
  await assert.rejects(modify(region, id, {}), {
    name: "InvalidParameterCombination",
    message: "No attributes specified.",
  });
  await refused(region, id, { Kernel: { Value: "aki-1" } }, "UnsupportedOperation");
  await refused(
    region,
    "i-01230123012301230",
    { DisableApiStop: { Value: true } },
    "InvalidInstanceID.NotFound",
  );
  await refused(region, id, { DisableApiStop: { Value: true }, DryRun: true }, "DryRunOperation");
  assert.equal(region.records.get("instance", id)?.stopProtection, false);
});

test("every attribute that AWS names is described", limit, async (t) => {
  const { region, id } = await launched(t, { UserData: script.toString("base64") });
  const described: Record<string, unknown> = {};
  for (const name of [
    "ebsOptimized",
    "enaSupport",
    "enclaveOptions",
    "instanceInitiatedShutdownBehavior",
    "instanceType",
    "kernel",
    "productCodes",
    "ramdisk",
    "rootDeviceName",
    "sriovNetSupport",
    "userData",
  ] satisfies InstanceAttributeName[]) {
    const { $metadata: _, InstanceId, ...rest } = await attribute(region, id, name);
    assert.equal(InstanceId, id);
    Object.assign(described, rest);
  }
  assert.deepEqual(described, {
    EbsOptimized: { Value: false },
    EnaSupport: { Value: true },
    EnclaveOptions: { Enabled: false },
    InstanceInitiatedShutdownBehavior: { Value: "stop" },
    InstanceType: { Value: "t3.micro" },
    KernelId: {},
    ProductCodes: [],
    RamdiskId: {},
    RootDeviceName: { Value: testImage.rootDevice },
    SriovNetSupport: {},
    UserData: { Value: script.toString("base64") },
  });
});

async function launched(
  t: TestContext,
  input: Partial<RunInstancesCommandInput> = {},
  options: TestRegionOptions = {},
) {
  const region = await testRegion(t, options);
  const { Instances: [instance] = [] } = await region.client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    ...input,
  });
  const id = instance?.InstanceId ?? "";
  await state(region, id, "running");
  return { region, id };
}

async function stop(region: TestRegion, id: string) {
  await region.client.stopInstances({ InstanceIds: [id] });
  await state(region, id, "stopped");
}

const state = (region: TestRegion, id: string, wanted: string) =>
  region.until(() => {
    const instance = region.records.get("instance", id);
    return instance !== undefined && instanceState(instance) === wanted;
  });

/** For what is seen outside the store, some time after it. */
async function until(holds: () => boolean) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const metadata = (region: TestRegion) => [...region.guests.values()][0]?.interfaces[0]?.metadata;

const attribute = ({ client }: TestRegion, InstanceId: string, Attribute: InstanceAttributeName) =>
  client.describeInstanceAttribute({ InstanceId, Attribute });

const modify = (
  { client }: TestRegion,
  InstanceId: string,
  change: Omit<ModifyInstanceAttributeCommandInput, "InstanceId">,
) => client.modifyInstanceAttribute({ InstanceId, ...change });

const refused = (
  region: TestRegion,
  id: string,
  change: Omit<ModifyInstanceAttributeCommandInput, "InstanceId">,
  name: string,
) => assert.rejects(modify(region, id, change), { name });
