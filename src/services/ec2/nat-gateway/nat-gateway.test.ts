import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CreateNatGatewayCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { natGatewayState } from "./nat-gateway.ts";

const limit = { timeout: 60_000 };
const unknown = "nat-0123456789abcdef0";

/** A VPC with a private subnet, whose instance has no public address, and a public one; the private one goes out by `gateway`. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const { client, records } = region;
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  const [hidden = "", open = ""] = await Promise.all(
    ["10.0.1.0/24", "10.0.2.0/24"].map(async (CidrBlock) => {
      const { Subnet } = await client.createSubnet({ VpcId, CidrBlock });
      return Subnet?.SubnetId;
    }),
  );
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    SubnetId: hidden,
    PrivateIpAddress: "10.0.1.10",
  });
  const { InternetGateway } = await client.createInternetGateway({});
  const InternetGatewayId = InternetGateway?.InternetGatewayId ?? "";
  await client.attachInternetGateway({ InternetGatewayId, VpcId });
  const { RouteTable } = await client.createRouteTable({ VpcId });
  const RouteTableId = RouteTable?.RouteTableId ?? "";
  await client.associateRouteTable({ RouteTableId, SubnetId: open });
  const everywhere = { DestinationCidrBlock: "0.0.0.0/0" };
  await client.createRoute({ RouteTableId, ...everywhere, GatewayId: InternetGatewayId });

  const create = async (more: Partial<CreateNatGatewayCommandInput> = {}) => {
    const { NatGateway } = await client.createNatGateway({ SubnetId: open, ...more });
    return NatGateway?.NatGatewayId ?? "";
  };
  const allocate = async () => (await client.allocateAddress({})).AllocationId ?? "";
  const shown = async (id: string) => {
    const { NatGateways: [gateway] = [] } = await client.describeNatGateways({ NatGatewayIds: [id] });
    return gateway;
  };
  const becomes = (id: string, state: string) =>
    region.until(() => {
      const gateway = records.get("nat-gateway", id);
      return gateway !== undefined && natGatewayState(gateway, records) === state;
    });
  const available = async (more: Partial<CreateNatGatewayCommandInput> = {}) => {
    const id = await create({ AllocationId: await allocate(), ...more });
    await becomes(id, "available");
    return id;
  };
  const out = { from: "10.0.1.10", to: "192.0.2.1", protocol: 6, port: 443 };
  const goesOut = (expected: boolean) => region.until(() => region.networks.passes(VpcId, out) === expected);
  const main = records.routeTablesIn(VpcId).find(({ id }) => id !== RouteTableId)?.id ?? "";
  return {
    ...region,
    instance: instance?.InstanceId ?? "",
    VpcId,
    InternetGatewayId,
    hidden,
    open,
    main,
    everywhere,
    create,
    allocate,
    shown,
    becomes,
    available,
    goesOut,
  };
}

test(
  "a NAT gateway becomes available, and lets out who has no public address by its own subnet's way",
  limit,
  async (t) => {
    const { client, VpcId, open, main, everywhere, allocate, becomes, goesOut } = await scene(t);
    const AllocationId = await allocate();
    const { NatGateway: made, ClientToken } = await client.createNatGateway({
      SubnetId: open,
      AllocationId,
      PrivateIpAddress: "10.0.2.50",
      ClientToken: "once",
      TagSpecifications: [{ ResourceType: "natgateway", Tags: [{ Key: "Name", Value: "out" }] }],
    });
    assert.equal(made?.State, "pending");
    assert.equal(ClientToken, "once");
    const NatGatewayId = made.NatGatewayId ?? "";
    assert.match(NatGatewayId, /^nat-[0-9a-f]{17}$/);
    const again = await client.createNatGateway({
      SubnetId: open,
      AllocationId,
      PrivateIpAddress: "10.0.2.50",
      ClientToken: "once",
      TagSpecifications: [{ ResourceType: "natgateway", Tags: [{ Key: "Name", Value: "out" }] }],
    });
    assert.equal(again.NatGateway?.NatGatewayId, NatGatewayId);
    await becomes(NatGatewayId, "available");
    await goesOut(false);
    await client.createRoute({ RouteTableId: main, ...everywhere, NatGatewayId });
    await goesOut(true);

    const { NatGateways: [gateway, ...more] = [] } = await client.describeNatGateways({
      Filter: [
        { Name: "state", Values: ["available"] },
        { Name: "vpc-id", Values: [VpcId] },
        { Name: "subnet-id", Values: [open] },
        { Name: "nat-gateway-id", Values: [NatGatewayId] },
        { Name: "tag:Name", Values: ["out"] },
      ],
    });
    assert.equal(more.length, 0);
    const { Addresses: [elastic] = [] } = await client.describeAddresses({ AllocationIds: [AllocationId] });
    assert.deepEqual(gateway?.NatGatewayAddresses, [
      {
        NetworkInterfaceId: elastic?.NetworkInterfaceId,
        PrivateIp: "10.0.2.50",
        AllocationId,
        AssociationId: elastic?.AssociationId,
        PublicIp: elastic?.PublicIp,
        IsPrimary: true,
        Status: "succeeded",
      },
    ]);
    assert.deepEqual(
      [gateway?.ConnectivityType, gateway?.VpcId, gateway?.SubnetId, gateway?.Tags],
      ["public", VpcId, open, [{ Key: "Name", Value: "out" }]],
    );
    const { RouteTables: [table] = [] } = await client.describeRouteTables({
      Filters: [{ Name: "route.nat-gateway-id", Values: [NatGatewayId] }],
    });
    assert.deepEqual(table?.Routes?.at(-1), {
      ...everywhere,
      NatGatewayId,
      Origin: "CreateRoute",
      State: "active",
    });
  },
);

test("its interface is its own: it is shown, and nobody else may change it", limit, async (t) => {
  const { client, instance, available, shown, allocate, InternetGatewayId, VpcId, open } = await scene(t);
  const id = await available();
  const nicId = (await shown(id))?.NatGatewayAddresses?.[0]?.NetworkInterfaceId ?? "";
  const { NetworkInterfaces: [nic] = [] } = await client.describeNetworkInterfaces({
    Filters: [
      { Name: "attachment.nat-gateway-id", Values: [id] },
      { Name: "attachment.instance-owner-id", Values: ["amazon-aws"] },
      { Name: "attachment.status", Values: ["attached"] },
      { Name: "attachment.attachment-id", Values: ["ela-attach-*"] },
      { Name: "interface-type", Values: ["nat_gateway"] },
      { Name: "requester-managed", Values: ["true"] },
    ],
  });
  assert.equal(nic?.NetworkInterfaceId, nicId);
  assert.deepEqual(
    [nic.InterfaceType, nic.RequesterManaged, nic.Description, nic.Groups, nic.SourceDestCheck, nic.Status],
    ["nat_gateway", true, `Interface for NAT Gateway ${id}`, [], false, "in-use"],
  );
  assert.equal(nic.Attachment?.InstanceOwnerId, "amazon-aws");
  await assert.rejects(client.detachNetworkInterface({ AttachmentId: nic.Attachment.AttachmentId }), {
    name: "OperationNotPermitted",
    message: "You are not allowed to manage 'ela-attach' attachments.",
  });
  const other = await allocate();
  const named = { NetworkInterfaceId: nicId };
  const [mine] = (await shown(id))?.NatGatewayAddresses ?? [];
  const notPermitted = { name: "AuthFailure" };
  const change = { ...named, SourceDestCheck: { Value: true } };
  await assert.rejects(client.modifyNetworkInterfaceAttribute(change), notPermitted);
  await assert.rejects(
    client.assignPrivateIpAddresses({ ...named, SecondaryPrivateIpAddressCount: 1 }),
    notPermitted,
  );
  await assert.rejects(client.associateAddress({ ...named, AllocationId: other }), notPermitted);
  await assert.rejects(
    client.attachNetworkInterface({ ...named, InstanceId: instance, DeviceIndex: 1 }),
    notPermitted,
  );
  await assert.rejects(
    client.associateAddress({ InstanceId: instance, AllocationId: mine?.AllocationId }),
    notPermitted,
  );
  await assert.rejects(client.disassociateAddress({ AssociationId: mine?.AssociationId }), notPermitted);
  await assert.rejects(client.deleteNetworkInterface(named), { name: "InvalidParameterValue" });
  await assert.rejects(client.releaseAddress({ AllocationId: mine?.AllocationId }), {
    name: "InvalidIPAddress.InUse",
  });
  for (const depends of [
    client.deleteSubnet({ SubnetId: open }),
    client.detachInternetGateway({ VpcId, InternetGatewayId }),
    client.deleteVpc({ VpcId }),
  ])
    await assert.rejects(depends, { name: "DependencyViolation" });
});

test("deleted, it leaves a black hole, gives back what it had, and is shown as deleted", limit, async (t) => {
  const region = await scene(t);
  const { client, records, main, everywhere, open, available, shown, becomes, goesOut } = region;
  const id = await available();
  // Named as any gateway is, it is shown as what it is.
  await client.createRoute({ RouteTableId: main, ...everywhere, GatewayId: id });
  await goesOut(true);
  const had = (await shown(id))?.NatGatewayAddresses;
  assert.equal((await client.deleteNatGateway({ NatGatewayId: id })).NatGatewayId, id);
  await goesOut(false);
  await becomes(id, "deleted");
  const deleted = await shown(id);
  assert.ok(deleted?.DeleteTime);
  assert.deepEqual(deleted.NatGatewayAddresses, had);
  const { RouteTables: [table] = [] } = await client.describeRouteTables({ RouteTableIds: [main] });
  assert.equal(table?.Routes?.at(-1)?.State, "blackhole");
  await client.releaseAddress({ AllocationId: had?.[0]?.AllocationId });
  assert.equal(records.get("network-interface", had?.[0]?.NetworkInterfaceId ?? ""), undefined);
  await client.deleteSubnet({ SubnetId: open });
  await assert.rejects(client.deleteNatGateway({ NatGatewayId: id }), { name: "NatGatewayNotFound" });
  await assert.rejects(client.replaceRoute({ RouteTableId: main, ...everywhere, NatGatewayId: id }), {
    name: "InvalidNatGatewayID.NotFound",
    message: `The natGateway ID '${id}' does not exist`,
  });
});

test("what keeps it from its addresses makes it fail, and says why", limit, async (t) => {
  const { client, records, VpcId, hidden, open, create, allocate, available, shown } = await scene(t);
  const fails = async (more: Partial<CreateNatGatewayCommandInput>, code: string, message: string) => {
    const it = await shown(await create(more));
    assert.deepEqual([it?.State, it?.FailureCode, it?.FailureMessage], ["failed", code, message]);
    await client.deleteNatGateway({ NatGatewayId: it?.NatGatewayId });
    assert.equal((await shown(it?.NatGatewayId ?? ""))?.State, "deleted");
  };
  const gone = "eipalloc-0123456789abcdef0";
  const could = `Elastic IP address ${gone} could not be associated with this NAT gateway`;
  await fails({ AllocationId: gone }, "InvalidAllocationID.NotFound", could);
  const taken = (await shown(await available()))?.NatGatewayAddresses?.[0]?.AllocationId ?? "";
  const already = `Elastic IP address ${taken} is already associated`;
  await fails({ AllocationId: taken }, "Resource.AlreadyAssociated", already);
  const { Vpc: other } = await client.createVpc({ CidrBlock: "10.1.0.0/16" });
  const { Subnet: alone } = await client.createSubnet({ VpcId: other?.VpcId, CidrBlock: "10.1.0.0/28" });
  const AllocationId = await allocate();
  const SubnetId = alone?.SubnetId;
  const noGateway = `Network ${other?.VpcId} has no Internet gateway attached`;
  await fails({ SubnetId, AllocationId }, "Gateway.NotAttached", noGateway);
  await client.createNetworkInterface({ SubnetId, SecondaryPrivateIpAddressCount: 10 });
  const full = "Subnet has insufficient free addresses to create this NAT gateway";
  await fails({ SubnetId, ConnectivityType: "private" }, "InsufficientFreeAddressesInSubnet", full);
  assert.equal(records.interfacesIn(VpcId).filter((it) => it.subnetId !== hidden).length, 1);
  assert.equal(records.interfacesIn(VpcId).filter((it) => it.subnetId === open).length, 1);
});

test("a public one has further addresses, each with an elastic one of its own", limit, async (t) => {
  const { client, records, allocate, available, shown, networks, VpcId, until } = await scene(t);
  const [second, third] = [await allocate(), await allocate()];
  const id = await available({
    PrivateIpAddress: "10.0.2.50",
    SecondaryAllocationIds: [second],
    SecondaryPrivateIpAddresses: ["10.0.2.51"],
  });
  const both = (await shown(id))?.NatGatewayAddresses ?? [];
  assert.deepEqual(
    both.map((it) => [it.IsPrimary, it.AllocationId === second]),
    [
      [true, false],
      [false, true],
    ],
  );
  const named = { NatGatewayId: id };
  await assert.rejects(client.associateNatGatewayAddress({ ...named, AllocationIds: [third] }), {
    name: "InvalidParameterValue",
  });
  await assert.rejects(
    client.disassociateNatGatewayAddress({ ...named, AssociationIds: [both[0]?.AssociationId ?? ""] }),
    { name: "InvalidParameterValue" },
  );
  const going = { ...named, AssociationIds: [both[1]?.AssociationId ?? ""] };
  for (const MaxDrainDurationSeconds of [0, 4001])
    await assert.rejects(client.disassociateNatGatewayAddress({ ...going, MaxDrainDurationSeconds }), {
      name: "InvalidParameterValue",
    });
  const { NatGatewayAddresses: [left] = [] } = await client.disassociateNatGatewayAddress({
    ...going,
    MaxDrainDurationSeconds: 1,
  });
  assert.deepEqual([left?.AllocationId, left?.Status], [second, "disassociating"]);
  await until(() => records.publicAddressOf(left?.NetworkInterfaceId ?? "", "10.0.2.51") === undefined);
  assert.equal((await shown(id))?.NatGatewayAddresses?.length, 1);
  await client.releaseAddress({ AllocationId: second });
  const { NatGatewayAddresses: [come] = [] } = await client.associateNatGatewayAddress({
    ...named,
    AllocationIds: [third],
    PrivateIpAddresses: ["10.0.2.77"],
  });
  assert.deepEqual([come?.PrivateIp, come?.Status], ["10.0.2.77", "associating"]);
  await until(() =>
    [...networks.elements(VpcId).values()].some(
      (it) =>
        it.kind === "interface" &&
        it.nat === true &&
        it.secondary?.some((own) => own.address === "10.0.2.77" && own.publicAddress === come?.PublicIp),
    ),
  );
  await assert.rejects(client.assignPrivateNatGatewayAddress({ ...named, PrivateIpAddressCount: 1 }), {
    name: "InvalidParameterValue",
  });
});

test("a private one needs no internet gateway, and takes private addresses alone", limit, async (t) => {
  const { client, records, create, becomes, shown, allocate, until } = await scene(t);
  await assert.rejects(create({ ConnectivityType: "private", AllocationId: await allocate() }), {
    name: "InvalidParameterCombination",
  });
  const id = await create({
    ConnectivityType: "private",
    PrivateIpAddress: "10.0.2.50",
    SecondaryPrivateIpAddresses: ["10.0.2.51", "10.0.2.52"],
  });
  await becomes(id, "available");
  const addresses = async () => (await shown(id))?.NatGatewayAddresses ?? [];
  assert.equal((await addresses()).length, 3);
  assert.ok((await addresses()).every(({ PublicIp }) => PublicIp === undefined));
  const named = { NatGatewayId: id };
  const { NatGatewayAddresses: [more] = [] } = await client.assignPrivateNatGatewayAddress({
    ...named,
    PrivateIpAddresses: ["10.0.2.88"],
  });
  assert.deepEqual([more?.PrivateIp, more?.Status, more?.IsPrimary], ["10.0.2.88", "assigning", false]);
  await assert.rejects(client.assignPrivateNatGatewayAddress({ ...named, PrivateIpAddressCount: 5 }), {
    name: "InvalidParameterValue",
  });
  const [primary] = await addresses();
  for (const address of [primary?.PrivateIp ?? "", "10.0.2.99"])
    await assert.rejects(
      client.unassignPrivateNatGatewayAddress({ ...named, PrivateIpAddresses: [address] }),
      { name: "InvalidParameterValue" },
    );
  const { NatGatewayAddresses: [less] = [] } = await client.unassignPrivateNatGatewayAddress({
    ...named,
    PrivateIpAddresses: ["10.0.2.88"],
    MaxDrainDurationSeconds: 1,
  });
  assert.deepEqual([less?.PrivateIp, less?.Status], ["10.0.2.88", "unassigning"]);
  await until(
    () => records.get("network-interface", less?.NetworkInterfaceId ?? "")?.secondary?.length === 2,
  );
  assert.equal((await addresses()).length, 3);
});

test(
  "an address that is taken away drains: it is there, begins nothing, and others wait for it",
  limit,
  async (t) => {
    const { client, records, allocate, available, shown, networks, VpcId, until } = await scene(t);
    const [second, third] = [await allocate(), await allocate()];
    const NatGatewayId = await available({
      SecondaryAllocationIds: [second],
      SecondaryPrivateIpAddresses: ["10.0.2.51"],
    });
    const addresses = async () => (await shown(NatGatewayId))?.NatGatewayAddresses ?? [];
    const [, other] = await addresses();
    const AssociationIds = [other?.AssociationId ?? ""];
    await client.disassociateNatGatewayAddress({ NatGatewayId, AssociationIds });
    assert.deepEqual(
      (await addresses()).map((it) => [it.AllocationId === second, it.Status]),
      [
        [false, "succeeded"],
        [true, "disassociating"],
      ],
    );
    await until(() =>
      [...networks.elements(VpcId).values()].some(
        (it) => it.kind === "interface" && it.secondary?.some(({ draining }) => draining === true),
      ),
    );
    const waits = { name: "IncorrectState" };
    await assert.rejects(client.disassociateNatGatewayAddress({ NatGatewayId, AssociationIds }), waits);
    await assert.rejects(client.associateNatGatewayAddress({ NatGatewayId, AllocationIds: [third] }), waits);
    await assert.rejects(client.releaseAddress({ AllocationId: second }));
    await client.deleteNatGateway({ NatGatewayId });
    await until(() => records.all("network-interface").every((it) => it.natGatewayId === undefined));
    await client.releaseAddress({ AllocationId: second });
  },
);

test("bad requests get AWS's errors, and change nothing", limit, async (t) => {
  const { client, records, create, allocate, hidden } = await scene(t);
  const AllocationId = await allocate();
  const rejected = async (more: Partial<CreateNatGatewayCommandInput>, name: string) =>
    assert.rejects(create(more), { name }, JSON.stringify(more));
  await assert.rejects(create(), {
    name: "MissingParameter",
    message:
      "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
  });
  await rejected({ AllocationId, SubnetId: "subnet-0123456789abcdef0" }, "InvalidSubnetID.NotFound");
  await rejected({ AllocationId, PrivateIpAddress: "10.0.9.9" }, "InvalidParameterValue");
  await rejected({ AllocationId, PrivateIpAddress: "10.0.1.10", SubnetId: hidden }, "InvalidIPAddress.InUse");
  await rejected({ AllocationId, SecondaryPrivateIpAddressCount: 1 }, "InvalidParameterCombination");
  await rejected({ AllocationId, SecondaryAllocationIds: [AllocationId] }, "InvalidParameterValue");
  await rejected({ AllocationId, SecondaryPrivateIpAddresses: ["10.0.2.9"] }, "InvalidParameterValue");
  await rejected({ AllocationId, AvailabilityMode: "regional" }, "UnsupportedOperation");
  await rejected({ ConnectivityType: "private", SecondaryPrivateIpAddressCount: 8 }, "InvalidParameterValue");
  assert.deepEqual(records.all("nat-gateway"), []);
  await assert.rejects(client.describeNatGateways({ NatGatewayIds: [unknown] }), {
    name: "NatGatewayNotFound",
    message: `NAT gateway ${unknown} was not found`,
  });
  await assert.rejects(client.deleteNatGateway({ NatGatewayId: "nat-x" }), { name: "NatGatewayMalformed" });
  await assert.rejects(client.describeNatGateways({ Filter: [{ Name: "colour", Values: ["red"] }] }), {
    name: "InvalidParameterValue",
  });
  await assert.rejects(client.createNatGateway({ SubnetId: hidden, AllocationId, DryRun: true }), {
    name: "DryRunOperation",
  });
});

test("a zone has five of them", limit, async (t) => {
  const { client, create } = await scene(t);
  const made = await Promise.all(Array.from({ length: 5 }, () => create({ ConnectivityType: "private" })));
  await assert.rejects(create({ ConnectivityType: "private" }), {
    name: "NatGatewayLimitExceeded",
    message: "Performing this operation would exceed the limit of 5 NAT gateways",
  });
  const { NatGateways = [], NextToken } = await client.describeNatGateways({ MaxResults: 5 });
  assert.deepEqual(new Set(NatGateways.map((it) => it.NatGatewayId)), new Set(made));
  assert.equal(NextToken, undefined);
});
