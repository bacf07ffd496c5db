import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CreateRouteCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

/** A VPC with two subnets and an instance in each, whose groups let everything in. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const { client, records } = region;
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  const group = records.groupsIn(VpcId)[0]?.id;
  await client.authorizeSecurityGroupIngress({ GroupId: group, IpProtocol: "-1", CidrIp: "0.0.0.0/0" });
  const placed = await Promise.all(
    ["10.0.1", "10.0.2"].map(async (net) => {
      const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: `${net}.0/24` });
      const SubnetId = Subnet?.SubnetId ?? "";
      const { Instances: [instance] = [] } = await client.runInstances({
        ImageId: testImage.id,
        InstanceType: "t3.micro",
        MinCount: 1,
        MaxCount: 1,
        NetworkInterfaces: [
          { DeviceIndex: 0, SubnetId, PrivateIpAddress: `${net}.10`, AssociatePublicIpAddress: true },
        ],
      });
      return {
        subnet: SubnetId,
        instance: instance?.InstanceId ?? "",
        nic: instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "",
      };
    }),
  );
  const [one, two] = placed;
  assert.ok(one && two);
  await region.until(() => placed.every(({ nic }) => records.get("network-interface", nic)?.so.ready));
  /** Whether a packet of TCP passes, once the network has followed. */
  const passes = async (from: string, to: string, expected: boolean) =>
    region.until(() => region.networks.passes(VpcId, { from, to, protocol: 6, port: 443 }) === expected);
  const main = records.routeTablesIn(VpcId)[0]?.id ?? "";
  return { ...region, VpcId, one, two, main, passes };
}

async function gatewayOf({ client }: Pick<Awaited<ReturnType<typeof testRegion>>, "client">, VpcId: string) {
  const { InternetGateway } = await client.createInternetGateway({});
  const InternetGatewayId = InternetGateway?.InternetGatewayId ?? "";
  await client.attachInternetGateway({ InternetGatewayId, VpcId });
  return InternetGatewayId;
}

test(
  "a route to an internet gateway lets packets out, and is a black hole once the gateway is detached",
  limit,
  async (t) => {
    const { client, records, VpcId, main, one, two, passes } = await scene(t);
    const [inside, outside] = ["10.0.1.10", "192.0.2.1"];
    await passes(inside, outside, false);
    const GatewayId = await gatewayOf({ client }, VpcId);
    await passes(inside, outside, false);
    await client.createRoute({ RouteTableId: main, DestinationCidrBlock: "0.0.0.0/0", GatewayId });
    await passes(inside, outside, true);
    await assert.rejects(client.detachInternetGateway({ VpcId, InternetGatewayId: GatewayId }), {
      name: "DependencyViolation",
      message: `Network ${VpcId} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
    });
    await client.terminateInstances({ InstanceIds: [two.instance] });
    await client.stopInstances({ InstanceIds: [one.instance] });
    for (let tries = 0; tries < 200 && records.publicAddressOf(one.nic); tries++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await client.detachInternetGateway({ VpcId, InternetGatewayId: GatewayId });
    const { RouteTables: [table] = [] } = await client.describeRouteTables({ RouteTableIds: [main] });
    assert.deepEqual(table?.Routes?.at(-1), {
      DestinationCidrBlock: "0.0.0.0/0",
      GatewayId,
      Origin: "CreateRoute",
      State: "blackhole",
    });
  },
);

test(
  "a subnet is routed by the table it is put in, and by the main one again when it is taken out",
  limit,
  async (t) => {
    const { client, VpcId, one, passes } = await scene(t);
    const GatewayId = await gatewayOf({ client }, VpcId);
    const { RouteTable } = await client.createRouteTable({ VpcId, ClientToken: "once" });
    assert.deepEqual((await client.createRouteTable({ VpcId, ClientToken: "once" })).RouteTable, RouteTable);
    const RouteTableId = RouteTable?.RouteTableId ?? "";
    await client.createRoute({ RouteTableId, DestinationCidrBlock: "0.0.0.0/0", GatewayId });
    const { AssociationId } = await client.associateRouteTable({ RouteTableId, SubnetId: one.subnet });
    await passes("10.0.1.10", "192.0.2.1", true);
    await passes("10.0.2.10", "192.0.2.1", false);
    const again = await client.associateRouteTable({ RouteTableId, SubnetId: one.subnet });
    assert.equal(again.AssociationId, AssociationId);
    const { RouteTable: other } = await client.createRouteTable({ VpcId });
    await assert.rejects(
      client.associateRouteTable({ RouteTableId: other?.RouteTableId, SubnetId: one.subnet }),
      { name: "Resource.AlreadyAssociated" },
    );
    await assert.rejects(client.deleteRouteTable({ RouteTableId }), {
      name: "DependencyViolation",
      message: `The routeTable '${RouteTableId}' has dependencies and cannot be deleted.`,
    });
    const { NewAssociationId } = await client.replaceRouteTableAssociation({
      AssociationId,
      RouteTableId: other?.RouteTableId,
    });
    await passes("10.0.1.10", "192.0.2.1", false);
    await client.disassociateRouteTable({ AssociationId: NewAssociationId });
    await assert.rejects(client.disassociateRouteTable({ AssociationId: NewAssociationId }), {
      name: "InvalidAssociationID.NotFound",
    });
    await client.deleteRouteTable({ RouteTableId });
  },
);

test("another table may become the main one, and the one before then be deleted", limit, async (t) => {
  const { client, VpcId, main, passes } = await scene(t);
  const GatewayId = await gatewayOf({ client }, VpcId);
  const { RouteTable } = await client.createRouteTable({ VpcId });
  const RouteTableId = RouteTable?.RouteTableId;
  await client.createRoute({ RouteTableId, DestinationCidrBlock: "0.0.0.0/0", GatewayId });
  const { RouteTables: [table] = [] } = await client.describeRouteTables({ RouteTableIds: [main] });
  const AssociationId = table?.Associations?.[0]?.RouteTableAssociationId;
  await assert.rejects(client.disassociateRouteTable({ AssociationId }), {
    name: "InvalidParameterValue",
    message: `cannot disassociate the main route table association ${AssociationId}`,
  });
  await client.replaceRouteTableAssociation({ AssociationId, RouteTableId });
  await passes("10.0.1.10", "192.0.2.1", true);
  await client.deleteRouteTable({ RouteTableId: main });
  await assert.rejects(client.deleteRouteTable({ RouteTableId }), { name: "DependencyViolation" });
});

test(
  "a range of the VPC is routed through an instance that forwards, and locally again",
  limit,
  async (t) => {
    const { client, records, main, VpcId, two, passes } = await scene(t);
    await client.createRoute({
      RouteTableId: main,
      DestinationCidrBlock: "192.0.2.0/24",
      InstanceId: two.instance,
    });
    await passes("10.0.1.10", "192.0.2.1", false);
    const { RouteTables: [table] = [] } = await client.describeRouteTables({ RouteTableIds: [main] });
    assert.deepEqual(table?.Routes?.at(-1), {
      DestinationCidrBlock: "192.0.2.0/24",
      InstanceId: two.instance,
      InstanceOwnerId: "111122223333",
      NetworkInterfaceId: two.nic,
      Origin: "CreateRoute",
      State: "active",
    });
    await client.replaceRoute({
      RouteTableId: main,
      DestinationCidrBlock: "10.0.0.0/16",
      NetworkInterfaceId: two.nic,
    });
    assert.deepEqual(
      records.routeTablesIn(VpcId)[0]?.routes.map(({ destination }) => destination),
      ["192.0.2.0/24", "10.0.0.0/16"],
    );
    await client.replaceRoute({ RouteTableId: main, DestinationCidrBlock: "10.0.0.0/16", LocalTarget: true });
    await passes("10.0.1.10", "10.0.2.10", true);
  },
);

test("the same route may be made again, and changes nothing", limit, async (t) => {
  const { client, VpcId, main } = await scene(t);
  const GatewayId = await gatewayOf({ client }, VpcId);
  const table = () => client.describeRouteTables({ RouteTableIds: [main] });
  await client.createRoute({ RouteTableId: main, DestinationCidrBlock: "192.0.2.1/24", GatewayId });
  const { RouteTables: before } = await table();
  await client.createRoute({ RouteTableId: main, DestinationCidrBlock: "192.0.2.0/24", GatewayId });
  assert.deepEqual((await table()).RouteTables, before);
});

test("routes are refused in AWS's words", limit, async (t) => {
  const { client, records, VpcId, main, one } = await scene(t);
  const GatewayId = await gatewayOf({ client }, VpcId);
  const foreign = records.all("internet-gateway").find(({ id }) => id !== GatewayId)?.id ?? "";
  const route = (input: Partial<CreateRouteCommandInput>) =>
    client.createRoute({ RouteTableId: main, DestinationCidrBlock: "0.0.0.0/0", ...input });
  await route({ GatewayId });
  for (const [input, name, message] of [
    [{ InstanceId: one.instance }, "RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists."],
    [{ DestinationCidrBlock: "10.0.0.0/16", GatewayId }, "RouteAlreadyExists", /10\.0\.0\.0\/16/],
    [{ DestinationCidrBlock: "10.0.3.0/24", GatewayId }, "InvalidParameterValue", /more specific/],
    [{ DestinationCidrBlock: "192.0.2.0/24" }, "MissingParameter", /gatewayId/],
    [
      { DestinationCidrBlock: "192.0.2.0/24", GatewayId, InstanceId: one.instance },
      "InvalidParameterCombination",
      /one target/,
    ],
    [
      { DestinationCidrBlock: "192.0.2.0/24", GatewayId: foreign },
      "InvalidParameterValue",
      `route table ${main} and network gateway ${foreign} belong to different networks`,
    ],
    [
      { DestinationCidrBlock: "192.0.2.0/24", GatewayId: "igw-00000000000000000" },
      "InvalidGatewayID.NotFound",
      "The gateway ID 'igw-00000000000000000' does not exist",
    ],
    // Terraform knows by this that local routes are there from the start.
    [
      { DestinationCidrBlock: "10.0.0.0/16", GatewayId: "local" },
      "InvalidGatewayID.NotFound",
      "The gateway ID 'local' does not exist",
    ],
    [
      { DestinationCidrBlock: "192.0.2.0/33", GatewayId },
      "InvalidParameterValue",
      "CIDR block 192.0.2.0/33 is malformed",
    ],
    [{ DestinationCidrBlock: "169.254.169.254/32", GatewayId }, "InvalidParameterValue", /reserved for AWS/],
    [{ RouteTableId: "rtb-main", GatewayId }, "InvalidRouteTableId.Malformed", 'Invalid id: "rtb-main"'],
    [
      { RouteTableId: "rtb-00000000000000000", GatewayId },
      "InvalidRouteTableID.NotFound",
      "The routeTable ID 'rtb-00000000000000000' does not exist",
    ],
    [
      { DestinationCidrBlock: "192.0.2.0/24", VpcPeeringConnectionId: "pcx-00000000000000000" },
      "InvalidVpcPeeringConnectionID.NotFound",
      "The vpcPeeringConnection ID 'pcx-00000000000000000' does not exist",
    ],
  ] satisfies [Partial<CreateRouteCommandInput>, string, string | RegExp][])
    await assert.rejects(route(input), { name, message });
  const absent = { RouteTableId: main, DestinationCidrBlock: "192.0.2.0/24" };
  await assert.rejects(client.deleteRoute(absent), {
    name: "InvalidRoute.NotFound",
    message: `no route with destination-cidr-block 192.0.2.0/24 in route table ${main}`,
  });
  await assert.rejects(client.replaceRoute({ ...absent, GatewayId }), {
    name: "InvalidParameterValue",
    message: "There is no route defined for '192.0.2.0/24' in the route table. Use CreateRoute instead.",
  });
  await assert.rejects(client.deleteRoute({ RouteTableId: main, DestinationCidrBlock: "10.0.0.0/16" }), {
    name: "InvalidParameterValue",
    message: `cannot remove local route 10.0.0.0/16 in route table ${main}`,
  });
  for (let n = 1; n < 50; n++) await route({ DestinationCidrBlock: `192.0.${n}.0/24`, GatewayId });
  await assert.rejects(route({ DestinationCidrBlock: "192.1.0.0/24", GatewayId }), {
    name: "RouteLimitExceeded",
  });
});

test("an internet gateway is in one VPC, and a VPC has one", limit, async (t) => {
  const { client, records, VpcId } = await scene(t);
  const InternetGatewayId = await gatewayOf({ client }, VpcId);
  const other = records.all("vpc").find(({ isDefault }) => isDefault)?.id ?? "";
  await assert.rejects(client.attachInternetGateway({ InternetGatewayId, VpcId: other }), {
    name: "Resource.AlreadyAssociated",
    message: `resource ${InternetGatewayId} is already attached to network ${VpcId}`,
  });
  const { InternetGateway: second } = await client.createInternetGateway({});
  const secondId = second?.InternetGatewayId;
  await assert.rejects(client.attachInternetGateway({ InternetGatewayId: secondId, VpcId }), {
    name: "InvalidParameterValue",
    message: `Network ${VpcId} already has an internet gateway attached`,
  });
  await assert.rejects(client.detachInternetGateway({ InternetGatewayId: secondId, VpcId }), {
    name: "Gateway.NotAttached",
    message: `resource ${secondId} is not attached to network ${VpcId}`,
  });
  await assert.rejects(client.deleteInternetGateway({ InternetGatewayId }), {
    name: "DependencyViolation",
    message: `The internetGateway '${InternetGatewayId}' has dependencies and cannot be deleted.`,
  });
  await client.deleteInternetGateway({ InternetGatewayId: secondId });
  const { InternetGateways } = await client.describeInternetGateways({
    Filters: [{ Name: "attachment.vpc-id", Values: [VpcId] }],
  });
  assert.deepEqual(InternetGateways, [
    { InternetGatewayId, OwnerId: "111122223333", Attachments: [{ State: "available", VpcId }], Tags: [] },
  ]);
});
