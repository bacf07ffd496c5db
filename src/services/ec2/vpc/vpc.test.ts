import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateVpcCommandInput } from "@aws-sdk/client-ec2";
import { testRegion, type TestRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test(
  "a VPC comes with its main route table, its default ACL and its default group, and they go with it",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const { Vpc: made } = await client.createVpc({
      CidrBlock: "10.1.2.3/16",
      TagSpecifications: [{ ResourceType: "vpc", Tags: [{ Key: "Name", Value: "web" }] }],
    });
    const id = made?.VpcId ?? "";
    assert.match(id, /^vpc-0[0-9a-f]{16}$/);
    assert.deepEqual([made?.State, made?.CidrBlock, made?.IsDefault], ["pending", "10.1.0.0/16", false]);
    const { Vpcs: [vpc] = [] } = await client.describeVpcs({
      Filters: [{ Name: "tag:Name", Values: ["web"] }],
    });
    assert.deepEqual(vpc, { ...made, State: "available" });
    const Filters = [{ Name: "vpc-id", Values: [id] }];
    const { RouteTables: [table, ...others] = [] } = await client.describeRouteTables({ Filters });
    assert.equal(others.length, 0);
    assert.deepEqual(table?.Routes, [
      {
        DestinationCidrBlock: "10.1.0.0/16",
        GatewayId: "local",
        Origin: "CreateRouteTable",
        State: "active",
      },
    ]);
    assert.deepEqual(
      table?.Associations?.map(({ Main, SubnetId }) => [Main, SubnetId]),
      [[true, undefined]],
    );
    const { SecurityGroups: groups = [] } = await client.describeSecurityGroups({ Filters });
    assert.deepEqual(
      groups.map(({ GroupName }) => GroupName),
      ["default"],
    );
    await client.deleteVpc({ VpcId: id });
    await assert.rejects(client.deleteVpc({ VpcId: id }), { name: "InvalidVpcID.NotFound" });
    for (const kind of ["route-table", "network-acl", "security-group"] as const)
      assert.equal(records.all(kind).length, 1, `the default VPC's ${kind} alone`);
  },
);

test("a VPC with something in it stays", limit, async (t) => {
  const region = await testRegion(t);
  const { client } = region;
  const VpcId = await newVpc(region);
  const refused = {
    name: "DependencyViolation",
    message: `The vpc '${VpcId}' has dependencies and cannot be deleted.`,
  };
  const deletesAfter = async (undo: () => Promise<unknown>) => {
    await assert.rejects(client.deleteVpc({ VpcId }), refused);
    await undo();
  };
  const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: "10.0.1.0/24" });
  await deletesAfter(() => client.deleteSubnet({ SubnetId: Subnet?.SubnetId }));
  const { GroupId } = await client.createSecurityGroup({ VpcId, GroupName: "web", Description: "web" });
  await deletesAfter(() => client.deleteSecurityGroup({ GroupId }));
  const { RouteTable } = await client.createRouteTable({ VpcId });
  await deletesAfter(() => client.deleteRouteTable({ RouteTableId: RouteTable?.RouteTableId }));
  const { InternetGateway } = await client.createInternetGateway({});
  const gateway = { InternetGatewayId: InternetGateway?.InternetGatewayId, VpcId };
  await client.attachInternetGateway(gateway);
  await deletesAfter(() => client.detachInternetGateway(gateway));
  await client.deleteVpc({ VpcId });
});

test("of a VPC's deletion and subnets made at once, either the one or the others win", limit, async (t) => {
  const region = await testRegion(t);
  for (let round = 0; round < 8; round++) {
    const VpcId = await newVpc(region);
    const [deletion, ...made] = await Promise.allSettled([
      region.client.deleteVpc({ VpcId }),
      ...[1, 2, 3].map((n) => region.client.createSubnet({ VpcId, CidrBlock: `10.0.${n}.0/24` })),
    ]);
    const subnets = region.records.subnetsIn(VpcId);
    assert.equal(region.records.get("vpc", VpcId) === undefined, deletion?.status === "fulfilled");
    assert.equal(subnets.length, made.filter(({ status }) => status === "fulfilled").length);
    if (deletion?.status === "fulfilled") assert.equal(subnets.length, 0);
    for (const { id: SubnetId } of subnets) await region.client.deleteSubnet({ SubnetId });
    if (deletion?.status !== "fulfilled") await region.client.deleteVpc({ VpcId });
  }
});

test("a VPC's range is /16 to /28, and an account has five VPCs", limit, async (t) => {
  const region = await testRegion(t);
  for (const [CidrBlock, name] of [
    ["10.0.0.0/15", "InvalidVpc.Range"],
    ["10.0.0.0/29", "InvalidVpc.Range"],
    ["127.0.0.0/16", "InvalidVpc.Range"],
    ["10.0.0.256/16", "InvalidParameterValue"],
  ] satisfies [string, string][])
    await assert.rejects(region.client.createVpc({ CidrBlock }), { name }, CidrBlock);
  await assert.rejects(region.client.createVpc({}), { name: "InvalidParameterCombination" });
  await assert.rejects(region.client.createVpc({ CidrBlock: "10.0.0.0/16", DryRun: true }), {
    name: "DryRunOperation",
  });
  for (let n = 0; n < 4; n++) await newVpc(region);
  await assert.rejects(newVpc(region), {
    name: "VpcLimitExceeded",
    message: "The maximum number of VPCs has been reached.",
  });
});

test("a deleted default VPC comes back when asked for", limit, async (t) => {
  const { client, records } = await testRegion(t);
  await assert.rejects(client.createDefaultVpc({}), { name: "DefaultVpcAlreadyExists" });
  const VpcId = records.all("vpc")[0]?.id ?? "";
  for (const { id: SubnetId } of records.subnetsIn(VpcId)) await client.deleteSubnet({ SubnetId });
  const InternetGatewayId = records.internetGatewayOf(VpcId)?.id;
  await client.detachInternetGateway({ VpcId, InternetGatewayId });
  await client.deleteInternetGateway({ InternetGatewayId });
  await client.deleteVpc({ VpcId });
  const { Vpc: made } = await client.createDefaultVpc({});
  assert.deepEqual([made?.IsDefault, made?.CidrBlock], [true, "172.31.0.0/16"]);
  assert.equal(records.subnetsIn(made?.VpcId ?? "").length, 3);
});

test("attributes of a VPC change one at a time", limit, async (t) => {
  const region = await testRegion(t);
  const { client } = region;
  const VpcId = await newVpc(region, { InstanceTenancy: "dedicated" });
  await client.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: true } });
  const names = async () =>
    (await client.describeVpcAttribute({ VpcId, Attribute: "enableDnsHostnames" })).EnableDnsHostnames?.Value;
  assert.equal(await names(), true);
  await client.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: false } });
  assert.equal(await names(), false);
  await assert.rejects(
    client.modifyVpcAttribute({
      VpcId,
      EnableDnsHostnames: { Value: true },
      EnableDnsSupport: { Value: true },
    }),
    {
      name: "InvalidParameterCombination",
      message: "Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport",
    },
  );
  await assert.rejects(newVpc(region, { InstanceTenancy: "host" }), { name: "InvalidParameterValue" });
  await client.modifyVpcAttribute({ VpcId, EnableDnsSupport: { Value: false } });
  await assert.rejects(client.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: true } }), {
    name: "InvalidParameterValue",
  });
  await client.modifyVpcTenancy({ VpcId, InstanceTenancy: "default" });
  const { Vpcs: [vpc] = [] } = await client.describeVpcs({ VpcIds: [VpcId] });
  assert.equal(vpc?.InstanceTenancy, "default");
});

test("a VPC gets further ranges, in which subnets are made, and gives them back", limit, async (t) => {
  const region = await testRegion(t);
  const { client } = region;
  const VpcId = await newVpc(region);
  const { CidrBlockAssociation: made } = await client.associateVpcCidrBlock({
    VpcId,
    CidrBlock: "10.1.0.0/16",
  });
  assert.deepEqual([made?.CidrBlock, made?.CidrBlockState?.State], ["10.1.0.0/16", "associating"]);
  const { RouteTables: [table] = [] } = await client.describeRouteTables({
    Filters: [{ Name: "vpc-id", Values: [VpcId] }],
  });
  assert.deepEqual(
    table?.Routes?.map((it) => [it.DestinationCidrBlock, it.GatewayId]),
    [
      ["10.0.0.0/16", "local"],
      ["10.1.0.0/16", "local"],
    ],
  );
  const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: "10.1.0.0/24" });
  const AssociationId = made?.AssociationId;
  await assert.rejects(client.disassociateVpcCidrBlock({ AssociationId }), { name: "DependencyViolation" });
  await client.deleteSubnet({ SubnetId: Subnet?.SubnetId });
  await client.disassociateVpcCidrBlock({ AssociationId });
  await assert.rejects(client.createSubnet({ VpcId, CidrBlock: "10.1.0.0/24" }), {
    name: "InvalidSubnet.Range",
  });
  for (const [CidrBlock, name] of [
    ["10.0.128.0/17", "InvalidVpc.Conflict"],
    ["192.168.0.0/16", "InvalidVpc.Range"],
    ["198.19.0.0/16", "InvalidVpc.Range"],
  ] satisfies [string, string][])
    await assert.rejects(client.associateVpcCidrBlock({ VpcId, CidrBlock }), { name }, CidrBlock);
  const primary = region.records.get("vpc", VpcId)?.cidrAssociationId;
  await assert.rejects(client.disassociateVpcCidrBlock({ AssociationId: primary }), {
    name: "OperationNotPermitted",
  });
  await assert.rejects(client.disassociateVpcCidrBlock({ AssociationId }), {
    name: "InvalidVpcCidrBlockAssociationID.NotFound",
  });
});

async function newVpc({ client }: TestRegion, more: Partial<CreateVpcCommandInput> = {}): Promise<string> {
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16", ...more });
  return Vpc?.VpcId ?? "";
}
