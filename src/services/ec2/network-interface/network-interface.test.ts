import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type {
  ModifyNetworkInterfaceAttributeCommandInput,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { internalDomain, privateDnsName, publicDnsName } from "./network-interface.ts";

const limit = { timeout: 20_000 };

test("names follow the addresses, as AWS spells them in its first region and in the others", () => {
  assert.equal(privateDnsName("172.31.0.9", "us-east-1"), "ip-172-31-0-9.ec2.internal");
  assert.equal(privateDnsName("172.31.0.9", "eu-west-1"), "ip-172-31-0-9.eu-west-1.compute.internal");
  assert.equal(publicDnsName("198.18.0.9", "us-east-1"), "ec2-198-18-0-9.compute-1.amazonaws.com");
  assert.equal(publicDnsName("198.18.0.9", "eu-west-1"), "ec2-198-18-0-9.eu-west-1.compute.amazonaws.com");
  assert.equal(internalDomain("us-east-1"), "ec2.internal");
});

test("an instance's interface shows the instance, its subnet, groups and addresses", limit, async (t) => {
  const { client, instance } = await launched(t);
  const { NetworkInterfaces: [nic, ...more] = [] } = await client.describeNetworkInterfaces({});
  assert.equal(more.length, 0);
  assert.equal(nic?.NetworkInterfaceId, instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId);
  assert.deepEqual(
    [nic?.Status, nic?.Attachment?.InstanceId, nic?.Attachment?.DeviceIndex, nic?.SourceDestCheck],
    ["in-use", instance?.InstanceId, 0, true],
  );
  assert.deepEqual([nic?.SubnetId, nic?.VpcId], [instance?.SubnetId, instance?.VpcId]);
  assert.deepEqual(nic?.Groups, instance?.SecurityGroups);
  assert.equal(nic?.PrivateIpAddress, instance?.PrivateIpAddress);
  assert.equal(nic?.PrivateIpAddresses?.[0]?.Association?.PublicIp, instance?.PublicIpAddress);
  assert.equal(nic?.Association?.PublicIp, instance?.PublicIpAddress);
  assert.match(nic?.MacAddress ?? "", /^02(:[0-9a-f]{2}){5}$/);
});

test("an interface takes one of its subnet's addresses", limit, async (t) => {
  const { client, instance } = await launched(t);
  const { Subnets: [subnet] = [] } = await client.describeSubnets({ SubnetIds: [instance?.SubnetId ?? ""] });
  assert.equal(subnet?.AvailableIpAddressCount, 4090);
});

test("an interface's groups, check and description are changed, one of them at a time", limit, async (t) => {
  const { client, instance } = await launched(t);
  const id = instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "";
  const modify = (change: Partial<ModifyNetworkInterfaceAttributeCommandInput>) =>
    client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: id, ...change });
  const { GroupId: web = "" } = await client.createSecurityGroup({ GroupName: "web", Description: "web" });
  await modify({ Groups: [web] });
  await modify({ SourceDestCheck: { Value: false } });
  await modify({ Description: { Value: "the first" } });
  const { NetworkInterfaces: [nic] = [] } = await client.describeNetworkInterfaces({});
  const { Reservations: [reservation] = [] } = await client.describeInstances({});
  for (const it of [nic, reservation?.Instances?.[0]?.NetworkInterfaces?.[0]])
    assert.deepEqual(
      [it?.Groups, it?.SourceDestCheck, it?.Description],
      [[{ GroupId: web, GroupName: "web" }], false, "the first"],
    );
  await assert.rejects(client.deleteSecurityGroup({ GroupId: web }), { name: "DependencyViolation" });
  await modify({ Groups: [instance?.SecurityGroups?.[0]?.GroupId ?? ""] });
  await client.deleteSecurityGroup({ GroupId: web });

  const unknown = "eni-0123456789abcdef0";
  for (const [change, name] of [
    [{}, "InvalidParameterCombination"],
    [{ Groups: [web], SourceDestCheck: { Value: true } }, "InvalidParameterCombination"],
    [{ Groups: [web] }, "InvalidGroup.NotFound"],
    [{ EnablePrimaryIpv6: true }, "UnsupportedOperation"],
    [{ NetworkInterfaceId: unknown, SourceDestCheck: { Value: true } }, "InvalidNetworkInterfaceID.NotFound"],
    [{ DryRun: true, SourceDestCheck: { Value: true } }, "DryRunOperation"],
  ] satisfies [Partial<ModifyNetworkInterfaceAttributeCommandInput>, string][])
    await assert.rejects(modify(change), { name }, name);
});

test(
  "an interface that is to outlive its instance becomes available, without the public address",
  limit,
  async (t) => {
    const { client, records, until, instance } = await launched(t, {
      NetworkInterfaces: [{ DeviceIndex: 0, DeleteOnTermination: false }],
    });
    const id = instance?.InstanceId ?? "";
    await until(() => records.get("instance", id)?.so.state === "running");
    const address = records.all("public-address")[0]?.id;
    assert.ok(address !== undefined);
    await client.terminateInstances({ InstanceIds: [id] });
    await until(() => records.get("instance", id)?.so.state === "terminated");
    const { NetworkInterfaces: [nic, ...more] = [] } = await client.describeNetworkInterfaces({});
    assert.equal(more.length, 0);
    assert.deepEqual(
      [nic?.NetworkInterfaceId, nic?.PrivateIpAddress, nic?.Status, nic?.Attachment, nic?.Association],
      [
        instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId,
        instance?.PrivateIpAddress,
        "available",
        undefined,
        undefined,
      ],
    );
    assert.deepEqual(records.all("public-address"), []);
    const taken = { PrivateIpAddress: instance?.PrivateIpAddress, SubnetId: instance?.SubnetId };
    await assert.rejects(client.runInstances({ ...one, ...taken }), { name: "InvalidIPAddress.InUse" });
    const group = nic?.Groups?.[0]?.GroupId ?? "";
    await client.modifyNetworkInterfaceAttribute({
      NetworkInterfaceId: nic?.NetworkInterfaceId,
      Groups: [group],
    });
    await client.modifyNetworkInterfaceAttribute({
      NetworkInterfaceId: nic?.NetworkInterfaceId,
      Description: { Value: "kept" },
    });
  },
);

test("interfaces are found by instance, group, address and state", limit, async (t) => {
  const { client, instance } = await launched(t);
  const found = async (Name: string, ...Values: string[]) =>
    (await client.describeNetworkInterfaces({ Filters: [{ Name, Values }] })).NetworkInterfaces?.length;
  assert.equal(await found("attachment.instance-id", instance?.InstanceId ?? ""), 1);
  assert.equal(await found("group-name", "default"), 1);
  assert.equal(await found("addresses.private-ip-address", instance?.PrivateIpAddress ?? ""), 1);
  assert.equal(await found("association.public-ip", instance?.PublicIpAddress ?? ""), 1);
  assert.equal(await found("status", "available"), 0);
  assert.equal(await found("group-id", "sg-*", "x"), 1);
});

test(
  "an interface that does not exist is named in the error; ids and pages exclude each other",
  limit,
  async (t) => {
    const { client } = await testRegion(t);
    await assert.rejects(client.describeNetworkInterfaces({ NetworkInterfaceIds: ["eni-00000001"] }), {
      name: "InvalidNetworkInterfaceID.NotFound",
      message: "The networkInterface ID 'eni-00000001' does not exist",
    });
    await assert.rejects(
      client.describeNetworkInterfaces({ NetworkInterfaceIds: ["eni-00000001"], MaxResults: 5 }),
      {
        name: "InvalidParameterCombination",
      },
    );
  },
);

const one = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;

async function launched(t: TestContext, more: Partial<RunInstancesCommandInput> = {}) {
  const region = await testRegion(t);
  const { Instances: [instance] = [] } = await region.client.runInstances({ ...one, ...more });
  return { ...region, instance };
}
