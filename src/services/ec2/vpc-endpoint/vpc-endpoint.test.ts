import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const s3 = "com.amazonaws.eu-central-1.s3";
const dynamodb = "com.amazonaws.eu-central-1.dynamodb";

test(
  "AWS's lists and endpoint services are those of S3 and DynamoDB, and nobody changes them",
  limit,
  async (t) => {
    const { client } = await testRegion(t);
    const { PrefixLists = [] } = await client.describePrefixLists();
    assert.deepEqual(
      new Map(PrefixLists.map((it) => [it.PrefixListName, it.Cidrs])),
      new Map([s3, dynamodb].map((name) => [name, ["169.254.169.240/32"]])),
    );
    const { PrefixLists: [list] = [] } = await client.describeManagedPrefixLists({
      Filters: [{ Name: "prefix-list-name", Values: [s3] }],
    });
    const PrefixListId = list?.PrefixListId ?? "";
    assert.match(PrefixListId, /^pl-[0-9a-f]{8}$/);
    assert.deepEqual(list, {
      PrefixListId,
      PrefixListArn: `arn:aws:ec2:eu-central-1:aws:prefix-list/${PrefixListId}`,
      PrefixListName: s3,
      AddressFamily: "IPv4",
      State: "create-complete",
      OwnerId: "AWS",
      Tags: [],
    });
    const denied = { name: "AuthFailure" };
    await assert.rejects(client.deleteManagedPrefixList({ PrefixListId }), denied);
    await assert.rejects(client.modifyManagedPrefixList({ PrefixListId, PrefixListName: "mine" }), denied);
    await assert.rejects(
      client.createTags({ Resources: [PrefixListId], Tags: [{ Key: "a", Value: "b" }] }),
      denied,
    );
    const unknown = { PrefixListIds: ["pl-01230123"] };
    await assert.rejects(client.describePrefixLists(unknown), { name: "InvalidPrefixListId.NotFound" });
    await assert.rejects(client.describeManagedPrefixLists(unknown), {
      name: "InvalidPrefixListID.NotFound",
    });
    const services = await client.describeVpcEndpointServices({});
    assert.deepEqual(services.ServiceNames, [dynamodb, s3]);
    assert.deepEqual(services.ServiceDetails?.[1]?.ServiceType, [{ ServiceType: "Gateway" }]);
    await assert.rejects(client.describeVpcEndpointServices({ ServiceNames: ["com.amazonaws.mars.s3"] }), {
      name: "InvalidServiceName",
      message: "The Vpc Endpoint Service 'com.amazonaws.mars.s3' does not exist",
    });
  },
);

test("an endpoint has routes in the tables chosen for it, which only it takes away", limit, async (t) => {
  const { client, VpcId, tables, listId, routes, shown } = await withVpc(t);
  const [one = "", two = ""] = tables;
  const request = { VpcId, ServiceName: s3, RouteTableIds: [one], ClientToken: "once" };
  const { VpcEndpoint: made } = await client.createVpcEndpoint(request);
  const id = made?.VpcEndpointId ?? "";
  assert.equal((await client.createVpcEndpoint(request)).VpcEndpoint?.VpcEndpointId, id);
  assert.deepEqual(
    [made?.State, made?.VpcEndpointType, made?.RouteTableIds],
    ["available", "Gateway", [one]],
  );
  assert.match(made?.PolicyDocument ?? "", /"Allow"/);
  const route = {
    DestinationPrefixListId: listId,
    GatewayId: id,
    Origin: "CreateRoute",
    State: "active",
  };
  assert.deepEqual(await routes(one), [route]);
  assert.deepEqual(await routes(two), []);
  const named = { RouteTableId: one, DestinationPrefixListId: listId };
  const kept = {
    name: "InvalidParameterValue",
    message: `cannot remove VPC endpoint route ${listId} in route table ${one}`,
  };
  await assert.rejects(client.deleteRoute(named), kept);
  await assert.rejects(client.replaceRoute({ ...named, LocalTarget: true }), kept);
  await assert.rejects(client.createVpcEndpoint({ ...request, ClientToken: "again" }), {
    name: "RouteAlreadyExists",
    message: `route table ${one} already has a route with destination-prefix-list-id ${listId}`,
  });

  const policy = JSON.stringify({
    Statement: [{ Effect: "Deny", Principal: "*", Action: "*", Resource: "*" }],
  });
  const modify = (changes: object) => client.modifyVpcEndpoint({ VpcEndpointId: id, ...changes });
  await modify({ AddRouteTableIds: [two], RemoveRouteTableIds: [one], PolicyDocument: policy });
  assert.deepEqual([await routes(one), await routes(two)], [[], [route]]);
  assert.deepEqual([(await shown())[0]?.RouteTableIds, (await shown())[0]?.PolicyDocument], [[two], policy]);
  await modify({ ResetPolicy: true });
  assert.match((await shown())[0]?.PolicyDocument ?? "", /"Allow"/);

  await assert.rejects(client.deleteVpc({ VpcId }), { name: "DependencyViolation" });
  const { Unsuccessful } = await client.deleteVpcEndpoints({
    VpcEndpointIds: [id, "vpce-01230123012301230"],
  });
  assert.deepEqual(Unsuccessful, [
    {
      ResourceId: "vpce-01230123012301230",
      Error: {
        Code: "InvalidVpcEndpoint.NotFound",
        Message: "The VPC Endpoint 'vpce-01230123012301230' does not exist",
      },
    },
  ]);
  assert.deepEqual([await shown(), await routes(two)], [[], []]);
  const gone = await client.deleteVpcEndpoints({ VpcEndpointIds: [id] });
  assert.deepEqual(
    gone.Unsuccessful?.map((it) => it.ResourceId),
    [id],
  );
  const again = await client.createVpcEndpoint(request);
  assert.notEqual(again.VpcEndpoint?.VpcEndpointId, id);
  await client.deleteRouteTable({ RouteTableId: one });
  assert.deepEqual((await shown())[0]?.RouteTableIds, []);
});

test("an endpoint has routes in twenty tables at once, also where others lead to lists", limit, async (t) => {
  const { client, VpcId, shown } = await withVpc(t);
  const { InternetGateway: { InternetGatewayId: GatewayId } = {} } = await client.createInternetGateway({});
  await client.attachInternetGateway({ VpcId, InternetGatewayId: GatewayId });
  const lists = await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      client.createManagedPrefixList({ PrefixListName: `list-${n}`, MaxEntries: 1, AddressFamily: "IPv4" }),
    ),
  );
  const RouteTableIds: string[] = [];
  for (let n = 0; n < 20; n++) {
    const { RouteTable: { RouteTableId = "" } = {} } = await client.createRouteTable({ VpcId });
    for (const { PrefixList } of lists)
      await client.createRoute({
        RouteTableId,
        DestinationPrefixListId: PrefixList?.PrefixListId,
        GatewayId,
      });
    RouteTableIds.push(RouteTableId);
  }
  await client.createVpcEndpoint({ VpcId, ServiceName: s3, RouteTableIds });
  assert.deepEqual(new Set((await shown())[0]?.RouteTableIds), new Set(RouteTableIds));
});

test("an endpoint's addresses and names are those of every gateway endpoint", limit, async (t) => {
  const { client, VpcId, shown } = await withVpc(t);
  const anyway = { IpAddressType: "ipv4", DnsOptions: { DnsRecordIpType: "service-defined" } } as const;
  const { VpcEndpoint: made } = await client.createVpcEndpoint({ VpcId, ServiceName: s3, ...anyway });
  const VpcEndpointId = made?.VpcEndpointId;
  await client.modifyVpcEndpoint({ VpcEndpointId, ...anyway });
  const [{ IpAddressType, DnsOptions } = {}] = await shown();
  assert.deepEqual({ IpAddressType, DnsOptions }, anyway);
  for (const other of [
    { IpAddressType: "dualstack" },
    { DnsOptions: { DnsRecordIpType: "ipv6" } },
    { DnsOptions: { PrivateDnsOnlyForInboundResolverEndpoint: true } },
  ] as const)
    await assert.rejects(client.modifyVpcEndpoint({ VpcEndpointId, ...other }), {
      name: "UnsupportedOperation",
    });
  await assert.rejects(client.createVpcEndpoint({ VpcId, ServiceName: s3, ServiceRegion: "us-west-2" }), {
    name: "UnsupportedOperation",
  });
});

test("endpoints are found by filters and tags, and each refusal changes nothing", limit, async (t) => {
  const { client, records, VpcId, tables, shown } = await withVpc(t);
  const create = (more: object = {}) => client.createVpcEndpoint({ VpcId, ServiceName: s3, ...more });
  const elsewhere = records.all("route-table").find((it) => it.vpcId !== VpcId)?.id ?? "";
  for (const [call, name] of [
    [() => create({ ServiceName: "com.amazonaws.eu-central-1.ec2" }), "InvalidServiceName"],
    [() => create({ VpcId: "vpc-01230123012301230" }), "InvalidVpcID.NotFound"],
    [() => create({ VpcEndpointType: "Interface" }), "UnsupportedOperation"],
    [() => create({ SubnetIds: ["subnet-01230123012301230"] }), "InvalidParameterValue"],
    [() => create({ RouteTableIds: ["rtb-01230123012301230"] }), "InvalidRouteTableId.NotFound"],
    [() => create({ RouteTableIds: [elsewhere] }), "InvalidParameterValue"],
    [() => create({ PolicyDocument: "{" }), "InvalidPolicyDocument"],
    [
      () => client.modifyVpcEndpoint({ VpcEndpointId: "vpce-01230123012301230", ResetPolicy: true }),
      "InvalidVpcEndpointId.NotFound",
    ],
    [() => client.describeVpcEndpoints({ VpcEndpointIds: ["vpce-x"] }), "InvalidVpcEndpointId.Malformed"],
  ] as const)
    await assert.rejects(call(), { name });
  assert.deepEqual(await shown(), []);
  await create({
    RouteTableIds: tables,
    TagSpecifications: [{ ResourceType: "vpc-endpoint", Tags: [{ Key: "team", Value: "a" }] }],
  });
  await create({ ServiceName: dynamodb });
  const found = async (Name: string, value: string) => {
    const { VpcEndpoints } = await client.describeVpcEndpoints({ Filters: [{ Name, Values: [value] }] });
    return VpcEndpoints?.length;
  };
  assert.deepEqual(
    [
      await found("service-name", s3),
      await found("tag:team", "a"),
      await found("vpc-endpoint-type", "Gateway"),
    ],
    [1, 1, 2],
  );
});

test(
  "an endpoint's route sends no packet anywhere, and a rule that names S3's list is about S3's address only",
  limit,
  async (t) => {
    const { client, networks, records, until, VpcId, tables, listId } = await withVpc(t);
    const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: "10.9.1.0/24" });
    await client.associateRouteTable({ RouteTableId: tables[0], SubnetId: Subnet?.SubnetId });
    await client.createVpcEndpoint({ VpcId, ServiceName: s3, RouteTableIds: tables });
    const [group] = records.groupsIn(VpcId);
    await client.authorizeSecurityGroupEgress({
      GroupId: group?.id,
      IpPermissions: [
        { IpProtocol: "tcp", FromPort: 443, ToPort: 443, PrefixListIds: [{ PrefixListId: listId }] },
      ],
    });
    await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      SubnetId: Subnet?.SubnetId,
    });
    await until(() => records.interfacesIn(VpcId).some(({ so }) => so.ready));
    const elements = [...networks.elements(VpcId).values()];
    assert.deepEqual(
      elements.flatMap((it) => (it.kind === "route" ? [it.to] : [])),
      elements.flatMap((it) => (it.kind === "table" ? ["10.9.0.0/16"] : [])),
    );
    const rules = elements.flatMap((it) => (it.kind === "group" ? it.egress : []));
    assert.ok(rules.some(({ peer }) => "cidr" in peer && peer.cidr === "169.254.169.240/32"));
  },
);

async function withVpc(t: TestContext) {
  const region = await testRegion(t);
  const { client } = region;
  const { Vpc } = await client.createVpc({ CidrBlock: "10.9.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  const tables: string[] = [];
  for (let n = 0; n < 2; n++) {
    const { RouteTable } = await client.createRouteTable({ VpcId });
    tables.push(RouteTable?.RouteTableId ?? "");
  }
  const { PrefixLists: [list] = [] } = await client.describePrefixLists({
    Filters: [{ Name: "prefix-list-name", Values: [s3] }],
  });
  /** Beside the local one. */
  const routes = async (id: string) => {
    const { RouteTables: [table] = [] } = await client.describeRouteTables({ RouteTableIds: [id] });
    return table?.Routes?.filter((it) => it.GatewayId !== "local");
  };
  const shown = async () => (await client.describeVpcEndpoints({})).VpcEndpoints ?? [];
  return { ...region, VpcId, tables, listId: list?.PrefixListId ?? "", routes, shown };
}
