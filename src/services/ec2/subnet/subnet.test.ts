import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateSubnetCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test("a subnet is made in its zone, in its VPC's default ACL and main route table", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId;
  const { Subnet: made } = await client.createSubnet({
    VpcId,
    CidrBlock: "10.0.1.5/24",
    AvailabilityZone: "eu-central-1b",
    TagSpecifications: [{ ResourceType: "subnet", Tags: [{ Key: "tier", Value: "app" }] }],
  });
  assert.deepEqual(
    [
      made?.CidrBlock,
      made?.AvailabilityZoneId,
      made?.AvailableIpAddressCount,
      made?.MapPublicIpOnLaunch,
      made?.State,
    ],
    ["10.0.1.0/24", "euc1-az2", 251, false, "available"],
  );
  const { Subnets } = await client.describeSubnets({ Filters: [{ Name: "tag:tier", Values: ["app"] }] });
  assert.deepEqual(Subnets, [made]);
  const id = made?.SubnetId ?? "";
  assert.equal(records.aclOf(id)?.isDefault, true);
  await client.deleteSubnet({ SubnetId: id });
  assert.equal(records.aclOf(id), undefined);
  await assert.rejects(client.deleteSubnet({ SubnetId: id }), { name: "InvalidSubnetID.NotFound" });
});

test("subnets are in their VPC's ranges, and do not overlap", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId;
  await client.createSubnet({ VpcId, CidrBlock: "10.0.1.0/24" });
  for (const [input, name, message] of [
    [
      { CidrBlock: "10.0.1.128/25" },
      "InvalidSubnet.Conflict",
      "The CIDR '10.0.1.128/25' conflicts with another subnet",
    ],
    [{ CidrBlock: "10.1.0.0/24" }, "InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid."],
    [{ CidrBlock: "10.0.2.0/29" }, "InvalidSubnet.Range", "The CIDR '10.0.2.0/29' is invalid."],
    [{ CidrBlock: "ten" }, "InvalidParameterValue", /not a valid CIDR/],
    [
      { CidrBlock: "10.0.2.0/24", AvailabilityZone: "eu-central-1z" },
      "InvalidParameterValue",
      "Value (eu-central-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: eu-central-1a, eu-central-1b, eu-central-1c.",
    ],
    [{ CidrBlock: "10.0.2.0/24", VpcId: "vpc-00000000000000000" }, "InvalidVpcID.NotFound", /does not exist/],
    [{ VpcId }, "MissingParameter", /cidrBlock/],
    [{ CidrBlock: "10.0.2.0/24", DryRun: true }, "DryRunOperation", /would have succeeded/],
  ] satisfies [Partial<CreateSubnetCommandInput>, string, string | RegExp][])
    await assert.rejects(client.createSubnet({ VpcId, ...input }), { name, message });
});

test("of overlapping subnets made at once one wins", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  const made = await Promise.allSettled(
    Array.from({ length: 16 }, (_, n) =>
      client.createSubnet({ VpcId, CidrBlock: `10.0.${n % 2 ? 0 : 1}.0/23` }),
    ),
  );
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal(records.subnetsIn(VpcId).length, 1);
});

test("a subnet with an instance stays", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const { Subnet } = await client.createSubnet({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24" });
  const SubnetId = Subnet?.SubnetId ?? "";
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    SubnetId,
  });
  assert.equal(instance?.PublicIpAddress, undefined);
  assert.match(instance?.PrivateIpAddress ?? "", /^10\.0\.1\./);
  await assert.rejects(client.deleteSubnet({ SubnetId }), {
    name: "DependencyViolation",
    message: `The subnet '${SubnetId}' has dependencies and cannot be deleted.`,
  });
});

test("attributes of a subnet change one at a time", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const SubnetId = records.all("subnet")[0]?.id ?? "";
  const subnet = async () => (await client.describeSubnets({ SubnetIds: [SubnetId] })).Subnets?.[0];
  await client.modifySubnetAttribute({ SubnetId, MapPublicIpOnLaunch: { Value: false } });
  assert.equal((await subnet())?.MapPublicIpOnLaunch, false);
  await client.modifySubnetAttribute({ SubnetId, PrivateDnsHostnameTypeOnLaunch: "resource-name" });
  await client.modifySubnetAttribute({ SubnetId, EnableResourceNameDnsARecordOnLaunch: { Value: true } });
  assert.deepEqual((await subnet())?.PrivateDnsNameOptionsOnLaunch, {
    HostnameType: "resource-name",
    EnableResourceNameDnsARecord: true,
    EnableResourceNameDnsAAAARecord: false,
  });
  await client.modifySubnetAttribute({ SubnetId, AssignIpv6AddressOnCreation: { Value: false } });
  for (const [input, name, message] of [
    [{}, "InvalidParameterCombination", /No attributes/],
    [
      { MapPublicIpOnLaunch: { Value: true }, EnableDns64: { Value: false } },
      "InvalidParameterCombination",
      "Fields for multiple attribute types specified: mapPublicIpOnLaunch, enableDns64",
    ],
    [{ AssignIpv6AddressOnCreation: { Value: true } }, "UnsupportedOperation", /yet/],
  ] as const)
    await assert.rejects(client.modifySubnetAttribute({ SubnetId, ...input }), { name, message });
});

test("a zone's default subnet is made again after it was deleted", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const AvailabilityZone = "eu-central-1a";
  await assert.rejects(client.createDefaultSubnet({ AvailabilityZone }), {
    name: "DefaultSubnetAlreadyExistsInAvailabilityZone",
  });
  const subnet = records.all("subnet").find(({ zone }) => zone === AvailabilityZone);
  await client.deleteSubnet({ SubnetId: subnet?.id });
  const { Subnet: made } = await client.createDefaultSubnet({ AvailabilityZone });
  assert.deepEqual(
    [made?.CidrBlock, made?.DefaultForAz, made?.MapPublicIpOnLaunch],
    ["172.31.0.0/20", true, true],
  );
});
