import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };

test("a gateway's table leads what comes from outside through an appliance", limit, async (t) => {
  const { client, table, appliance, GatewayId, fromOutside } = await scene(t);
  await fromOutside(true);
  const { AssociationId } = await client.associateRouteTable({ RouteTableId: table, GatewayId });
  const { RouteTables: [shown] = [] } = await client.describeRouteTables({
    Filters: [{ Name: "association.gateway-id", Values: [GatewayId] }],
  });
  assert.deepEqual(
    shown?.Associations?.map((it) => [it.RouteTableAssociationId, it.GatewayId, it.Main]),
    [[AssociationId, GatewayId, false]],
  );
  await fromOutside(true);
  const way = { RouteTableId: table, DestinationCidrBlock: "10.0.1.0/24", NetworkInterfaceId: appliance };
  await client.createRoute(way);
  await fromOutside(false);
  await client.modifyNetworkInterfaceAttribute({
    NetworkInterfaceId: appliance,
    SourceDestCheck: { Value: false },
  });
  await fromOutside(true);
  await client.modifyNetworkInterfaceAttribute({
    NetworkInterfaceId: appliance,
    SourceDestCheck: { Value: true },
  });
  await fromOutside(false);
  await client.disassociateRouteTable({ AssociationId });
  await fromOutside(true);
});

test(
  "a gateway's table has routes to interfaces alone, for the VPC's own ranges and subnets",
  limit,
  async (t) => {
    const { client, main, table, appliance, GatewayId } = await scene(t);
    const refused = { name: "InvalidParameterValue" };
    await assert.rejects(client.associateRouteTable({ RouteTableId: main, GatewayId }), refused);
    const { AssociationId } = await client.associateRouteTable({ RouteTableId: table, GatewayId });
    assert.equal(
      (await client.associateRouteTable({ RouteTableId: table, GatewayId })).AssociationId,
      AssociationId,
    );
    const create = (DestinationCidrBlock: string, target: object) =>
      client.createRoute({ RouteTableId: table, DestinationCidrBlock, ...target });
    await assert.rejects(create("0.0.0.0/0", { GatewayId }), refused);
    await assert.rejects(create("0.0.0.0/0", { NetworkInterfaceId: appliance }), refused);
    await assert.rejects(create("10.0.1.0/25", { NetworkInterfaceId: appliance }), refused);
    await create("10.0.1.0/24", { NetworkInterfaceId: appliance });
    await client.replaceRoute({
      RouteTableId: table,
      DestinationCidrBlock: "10.0.0.0/16",
      NetworkInterfaceId: appliance,
    });
    await assert.rejects(client.replaceRouteTableAssociation({ AssociationId, RouteTableId: main }), refused);
  },
);

test("a gateway is in one table, of its own VPC, and stays attached while it is", limit, async (t) => {
  const { client, VpcId, table, GatewayId } = await scene(t);
  const { RouteTable: other } = await client.createRouteTable({ VpcId });
  const associate = (RouteTableId: string | undefined, more: object) =>
    client.associateRouteTable({ RouteTableId, ...more });
  await assert.rejects(associate(table, { GatewayId: "igw-0123456789abcdef0" }), {
    name: "InvalidInternetGatewayID.NotFound",
  });
  const { InternetGateway: loose } = await client.createInternetGateway({});
  await assert.rejects(associate(table, { GatewayId: loose?.InternetGatewayId }), {
    name: "InvalidParameterValue",
  });
  await assert.rejects(associate(table, { GatewayId, SubnetId: "subnet-0123456789abcdef0" }), {
    name: "InvalidParameterCombination",
  });
  const { AssociationId } = await associate(table, { GatewayId });
  await assert.rejects(associate(other?.RouteTableId, { GatewayId }), { name: "Resource.AlreadyAssociated" });
  await assert.rejects(client.deleteRouteTable({ RouteTableId: table }), { name: "DependencyViolation" });
  const { NewAssociationId } = await client.replaceRouteTableAssociation({
    AssociationId,
    RouteTableId: other?.RouteTableId,
  });
  const { Addresses = [] } = await client.describeAddresses({});
  for (const it of Addresses) await client.disassociateAddress({ AssociationId: it.AssociationId });
  const detach = () => client.detachInternetGateway({ InternetGatewayId: GatewayId, VpcId });
  await assert.rejects(detach(), { name: "DependencyViolation" });
  await client.disassociateRouteTable({ AssociationId: NewAssociationId });
  await detach();
});

/** A server with a public address and an appliance in subnets of their own, and an empty table. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const { client, records, networks, until } = region;
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  const main = records.routeTablesIn(VpcId)[0]?.id ?? "";
  const { InternetGateway } = await client.createInternetGateway({});
  const GatewayId = InternetGateway?.InternetGatewayId ?? "";
  await client.attachInternetGateway({ InternetGatewayId: GatewayId, VpcId });
  await client.createRoute({ RouteTableId: main, DestinationCidrBlock: "0.0.0.0/0", GatewayId });
  await client.authorizeSecurityGroupIngress({
    GroupId: records.groupsIn(VpcId)[0]?.id,
    IpProtocol: "-1",
    CidrIp: "0.0.0.0/0",
  });
  const launch = async (net: string) => {
    const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: `${net}.0/24` });
    const { Instances: [made] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      SubnetId: Subnet?.SubnetId,
      PrivateIpAddress: `${net}.10`,
    });
    const id = made?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "";
    await until(() => records.get("network-interface", id)?.so.ready === true);
    return id;
  };
  const [server, appliance] = [await launch("10.0.1"), await launch("10.0.2")];
  const { AllocationId } = await client.allocateAddress({});
  await client.associateAddress({ AllocationId, NetworkInterfaceId: server });
  const { RouteTable } = await client.createRouteTable({ VpcId });
  const table = RouteTable?.RouteTableId ?? "";
  const packet = { from: "192.0.2.1", to: "10.0.1.10", protocol: 6, port: 443 };
  /** Once the network has followed. */
  const fromOutside = (expected: boolean) => until(() => networks.passes(VpcId, packet) === expected);
  return { ...region, VpcId, main, table, GatewayId, appliance, fromOutside };
}
