import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const unknown = "eipalloc-0123456789abcdef0";

test("an address is allocated with its tags, described, found by them, and released", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const made = await client.allocateAddress({
    Domain: "vpc",
    TagSpecifications: [{ ResourceType: "elastic-ip", Tags: [{ Key: "Name", Value: "door" }] }],
  });
  assert.match(made.AllocationId ?? "", /^eipalloc-[0-9a-f]{17}$/);
  assert.match(made.PublicIp ?? "", /^198\.18\./);
  await client.allocateAddress({});
  const { Addresses: [address, ...more] = [] } = await client.describeAddresses({
    Filters: [{ Name: "tag:Name", Values: ["door"] }],
  });
  assert.equal(more.length, 0);
  const { $metadata: _, ...answered } = made;
  assert.deepEqual(address, { ...answered, Tags: [{ Key: "Name", Value: "door" }] });
  await client.createTags({ Resources: [made.AllocationId ?? ""], Tags: [{ Key: "of", Value: "web" }] });
  const { Tags } = await client.describeTags({
    Filters: [{ Name: "resource-type", Values: ["elastic-ip"] }],
  });
  assert.deepEqual(Tags?.map(({ Key, ResourceId }) => [Key, ResourceId]).toSorted(), [
    ["Name", made.AllocationId],
    ["of", made.AllocationId],
  ]);
  const { Addresses: attributes } = await client.describeAddressesAttribute({
    AllocationIds: [made.AllocationId ?? ""],
    Attribute: "domain-name",
  });
  assert.deepEqual(attributes, [{ AllocationId: made.AllocationId, PublicIp: made.PublicIp }]);
  await client.releaseAddress({ AllocationId: made.AllocationId });
  assert.equal((await client.describeAddresses({})).Addresses?.length, 1);
  assert.equal(records.all("public-address").length, 1);
});

test("an address of the pool may be chosen, once", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { PublicIp } = await client.allocateAddress({ Address: "198.18.7.7" });
  assert.equal(PublicIp, "198.18.7.7");
  for (const [Address, name] of [
    ["198.18.7.7", "InvalidIPAddress.InUse"],
    ["198.18.0.0", "InvalidParameterValue"],
    ["203.0.113.7", "InvalidParameterValue"],
    ["door", "InvalidParameterValue"],
  ] as const)
    await assert.rejects(client.allocateAddress({ Address }), { name }, Address);
  assert.equal(records.all("elastic-ip").length, 1);
});

test("a region has five addresses, and no more than its pool has", limit, async (t) => {
  const { client } = await testRegion(t);
  const ends = await Promise.allSettled(Array.from({ length: 9 }, () => client.allocateAddress({})));
  const won = ends.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
  assert.equal(won.length, 5);
  await assert.rejects(client.allocateAddress({}), {
    name: "AddressLimitExceeded",
    message: "The maximum number of addresses has been reached.",
  });
  await client.releaseAddress({ AllocationId: won[2]?.AllocationId });
  await client.allocateAddress({});
  const small = await testRegion(t, { publicPool: "198.18.0.0/30" });
  await small.client.allocateAddress({});
  await small.client.allocateAddress({});
  await assert.rejects(small.client.allocateAddress({}), { name: "InsufficientAddressCapacity" });
});

test(
  "an address of an instance takes the place of the one it was started with, at once and everywhere",
  limit,
  async (t) => {
    const { region, client, id, nicId } = await running(t);
    const before = await shown(client, id);
    const { AllocationId, PublicIp = "" } = await client.allocateAddress({});
    const { AssociationId } = await client.associateAddress({ AllocationId, InstanceId: id });
    assert.match(AssociationId ?? "", /^eipassoc-/);

    const after = await shown(client, id);
    assert.equal(after?.PublicIpAddress, PublicIp);
    const { NetworkInterfaces: [nic] = [] } = await client.describeNetworkInterfaces({
      Filters: [{ Name: "association.allocation-id", Values: [AllocationId ?? ""] }],
    });
    assert.deepEqual(nic?.Association, {
      AllocationId,
      AssociationId,
      IpOwnerId: "111122223333",
      PublicDnsName: after?.PublicDnsName,
      PublicIp,
    });
    const { Addresses: [address] = [] } = await client.describeAddresses({
      AllocationIds: [AllocationId ?? ""],
    });
    assert.deepEqual(
      [address?.AssociationId, address?.InstanceId, address?.NetworkInterfaceId, address?.PrivateIpAddress],
      [AssociationId, id, nicId, before?.PrivateIpAddress],
    );
    // The one before is back in the pool.
    assert.deepEqual(
      region.records.all("public-address").map((it) => it.id),
      [PublicIp],
    );
    await region.until(() => metadata(region, nicId)["public-ipv4"] === PublicIp);
    const mac = `network/interfaces/macs/${nic?.MacAddress}`;
    assert.equal(metadata(region, nicId)[`${mac}/ipv4-associations/${PublicIp}`], before?.PrivateIpAddress);
    assert.ok(fromOutside(region, before?.VpcId, before?.PrivateIpAddress));
    assert.deepEqual(
      await client.associateAddress({ AllocationId, InstanceId: id }).then((it) => it.AssociationId),
      AssociationId,
    );

    await client.disassociateAddress({ AssociationId });
    assert.equal((await shown(client, id))?.PublicIpAddress, undefined);
    await region.until(() => !fromOutside(region, before?.VpcId, before?.PrivateIpAddress));
    assert.equal(metadata(region, nicId)["public-ipv4"], undefined);
    await client.disassociateAddress({ PublicIp });
    await stopped(region, id);
    await client.startInstances({ InstanceIds: [id] });
    assert.match((await shown(client, id))?.PublicIpAddress ?? "", /^198\.18\./);
  },
);

test("an address outlives stops and starts of its instance, and its end", limit, async (t) => {
  const { region, client, id } = await running(t);
  const { AllocationId, PublicIp } = await client.allocateAddress({});
  await client.associateAddress({ PublicIp, InstanceId: id });
  await stopped(region, id);
  assert.equal((await shown(client, id))?.PublicIpAddress, PublicIp);
  await client.startInstances({ InstanceIds: [id] });
  assert.equal((await shown(client, id))?.PublicIpAddress, PublicIp);
  assert.equal(region.records.all("public-address").length, 1);
  await assert.rejects(client.releaseAddress({ AllocationId }), {
    name: "InvalidIPAddress.InUse",
    message: `Address ${PublicIp} is in use.`,
  });
  await client.terminateInstances({ InstanceIds: [id] });
  await region.until(() => region.records.get("instance", id)?.so.state === "terminated");
  const { Addresses: [address] = [] } = await client.describeAddresses({ PublicIps: [PublicIp ?? ""] });
  assert.deepEqual([address?.AllocationId, address?.AssociationId], [AllocationId, undefined]);
  await client.releaseAddress({ PublicIp });
  assert.deepEqual(region.records.all("public-address"), []);
});

test(
  "an address moves to another instance, unless that is forbidden, and takes the place of another",
  limit,
  async (t) => {
    const { region, client, id } = await running(t, 2);
    const other = region.records.all("instance").find((it) => it.id !== id)?.id ?? "";
    const [one, two] = [await client.allocateAddress({}), await client.allocateAddress({})];
    const { AssociationId } = await client.associateAddress({
      AllocationId: one.AllocationId,
      InstanceId: id,
    });
    await client.associateAddress({ AllocationId: two.AllocationId, InstanceId: other });
    const move = { AllocationId: one.AllocationId, InstanceId: other };
    await assert.rejects(client.associateAddress({ ...move, AllowReassociation: false }), {
      name: "Resource.AlreadyAssociated",
      message: `resource ${one.AllocationId} is already associated with associate-id ${AssociationId}`,
    });
    const moved = await client.associateAddress(move);
    assert.notEqual(moved.AssociationId, AssociationId);
    assert.equal((await shown(client, id))?.PublicIpAddress, undefined);
    assert.equal((await shown(client, other))?.PublicIpAddress, one.PublicIp);
    await client.releaseAddress({ AllocationId: two.AllocationId });
    await assert.rejects(client.disassociateAddress({ AssociationId }), {
      name: "InvalidAssociationID.NotFound",
      message: `The association ID '${AssociationId}' does not exist`,
    });
  },
);

test("each refusal has AWS's code, and changes nothing", limit, async (t) => {
  const { region, client, id, nicId } = await running(t);
  const { AllocationId, PublicIp } = await client.allocateAddress({});
  const before = (await region.store.list("")).revision;
  const to = { AllocationId, InstanceId: id };
  for (const [attempt, name] of [
    [() => client.associateAddress({ ...to, AllocationId: unknown }), "InvalidAllocationID.NotFound"],
    [() => client.associateAddress({ InstanceId: id, PublicIp: "198.18.0.77" }), "AuthFailure"],
    [() => client.associateAddress({ ...to, PublicIp }), "InvalidParameterCombination"],
    [() => client.associateAddress({ ...to, NetworkInterfaceId: nicId }), "InvalidParameterCombination"],
    [() => client.associateAddress({ ...to, PrivateIpAddress: "172.31.0.250" }), "InvalidParameterValue"],
    [
      () => client.associateAddress({ ...to, InstanceId: "i-0123456789abcdef0" }),
      "InvalidInstanceID.NotFound",
    ],
    [
      () => client.associateAddress({ AllocationId, NetworkInterfaceId: "eni-0123456789abcdef0" }),
      "InvalidNetworkInterfaceID.NotFound",
    ],
    [() => client.associateAddress({ AllocationId }), "MissingParameter"],
    [() => client.associateAddress({ InstanceId: id }), "MissingParameter"],
    [() => client.associateAddress({ ...to, DryRun: true }), "DryRunOperation"],
    [
      () => client.disassociateAddress({ AssociationId: "eipassoc-0123456789abcdef0" }),
      "InvalidAssociationID.NotFound",
    ],
    [() => client.disassociateAddress({}), "MissingParameter"],
    [() => client.releaseAddress({ AllocationId: unknown }), "InvalidAllocationID.NotFound"],
    [() => client.releaseAddress({ PublicIp: "198.18.0.77" }), "AuthFailure"],
    [() => client.releaseAddress({ AllocationId, DryRun: true }), "DryRunOperation"],
    [() => client.describeAddresses({ AllocationIds: [unknown] }), "InvalidAllocationID.NotFound"],
    [() => client.describeAddresses({ PublicIps: ["198.18.0.77"] }), "InvalidAddress.NotFound"],
    [() => client.describeAddressesAttribute({ AllocationIds: [unknown] }), "InvalidAllocationID.NotFound"],
    [() => client.allocateAddress({ NetworkBorderGroup: "us-west-2-lax-1" }), "InvalidParameterValue"],
    [() => client.allocateAddress({ PublicIpv4Pool: "ipv4pool-ec2-0" }), "UnsupportedOperation"],
    [() => client.allocateAddress({ DryRun: true }), "DryRunOperation"],
  ] satisfies [() => Promise<unknown>, string][])
    await assert.rejects(attempt, { name }, name);
  await assert.rejects(client.releaseAddress({}), {
    name: "MissingParameter",
    message: "Either public IP or allocation id must be specified",
  });
  assert.equal((await region.store.list("")).revision, before);
});

test("an instance that only comes or goes takes no address", limit, async (t) => {
  const region = await testRegion(t, { launchSlots: 0 });
  const { client } = region;
  const { Instances: [instance] = [] } = await client.runInstances(one);
  const id = instance?.InstanceId ?? "";
  const { AllocationId } = await client.allocateAddress({});
  await assert.rejects(client.associateAddress({ AllocationId, InstanceId: id }), {
    name: "InvalidInstanceID",
    message: `The pending instance '${id}' is not in a valid state for this operation.`,
  });
  const NetworkInterfaceId = instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId;
  await assert.rejects(client.associateAddress({ AllocationId, NetworkInterfaceId }), {
    name: "IncorrectInstanceState",
  });
});

test(
  "one address is associated once at a time, and one interface has one address, whoever is quicker",
  limit,
  async (t) => {
    const { region, client, id } = await running(t, 2);
    const ids = region.records.all("instance").map((it) => it.id);
    const addresses = await Promise.all([1, 2, 3, 4].map(() => client.allocateAddress({})));
    await Promise.all(
      addresses.flatMap(({ AllocationId }) =>
        ids.map((InstanceId) => client.associateAddress({ AllocationId, InstanceId })),
      ),
    );
    const mapped = region.records.all("public-address").filter((it) => it.interfaceId !== undefined);
    assert.equal(new Set(mapped.map(({ interfaceId }) => interfaceId)).size, mapped.length);
    assert.equal(region.records.all("elastic-ip").length, 4);
    assert.equal(region.records.all("public-address").length, 4);

    await stopped(region, id);
    const spare = region.records.all("public-address").find((it) => it.interfaceId === undefined);
    await Promise.allSettled([
      ...addresses.map(({ PublicIp }) => client.disassociateAddress({ PublicIp })),
      client.startInstances({ InstanceIds: [id] }),
      client.associateAddress({ AllocationId: spare?.allocationId, InstanceId: id }),
      ...addresses.map(({ AllocationId }) => client.releaseAddress({ AllocationId })),
    ]);
    for (const nic of region.records.all("network-interface"))
      assert.ok(region.records.publicAddressesOf(nic.id).length <= 1);
    assert.deepEqual(
      region.records
        .all("elastic-ip")
        .map(({ address }) => address)
        .toSorted(),
      region.records
        .all("public-address")
        .flatMap((it) => (it.allocationId ? [it.id] : []))
        .toSorted(),
    );
  },
);

test(
  "an address is mapped only where the VPC has an internet gateway, which then stays",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
    const { Subnet } = await client.createSubnet({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.0.0/24" });
    const { NetworkInterface: nic } = await client.createNetworkInterface({
      SubnetId: Subnet?.SubnetId,
      SecondaryPrivateIpAddressCount: 1,
    });
    const { AllocationId, PublicIp } = await client.allocateAddress({});
    const associate = () =>
      client.associateAddress({
        AllocationId,
        NetworkInterfaceId: nic?.NetworkInterfaceId,
        PrivateIpAddress: nic?.PrivateIpAddresses?.[1]?.PrivateIpAddress,
      });
    await assert.rejects(associate(), {
      name: "Gateway.NotAttached",
      message: `Network ${Vpc?.VpcId} is not attached to any internet gateway`,
    });
    const { InternetGateway } = await client.createInternetGateway({});
    const gateway = { InternetGatewayId: InternetGateway?.InternetGatewayId, VpcId: Vpc?.VpcId };
    for (let n = 0; n < 5; n++) {
      await client.attachInternetGateway(gateway);
      const ends = await Promise.allSettled([associate(), client.detachInternetGateway(gateway)]);
      const lost = ends.flatMap((it) => (it.status === "rejected" ? [(it.reason as Error).name] : []));
      const mapped = records.get("public-address", PublicIp ?? "")?.interfaceId !== undefined;
      assert.deepEqual(lost, [mapped ? "DependencyViolation" : "Gateway.NotAttached"]);
      if (!mapped) continue;
      await client.disassociateAddress({ PublicIp });
      await client.detachInternetGateway(gateway);
    }
  },
);

const one: RunInstancesCommandInput = {
  ImageId: testImage.id,
  InstanceType: "t3.micro",
  MinCount: 1,
  MaxCount: 1,
};

async function running(t: TestContext, count = 1) {
  const region = await testRegion(t);
  const { client, records } = region;
  const { GroupId = "" } = await client.createSecurityGroup({ GroupName: "ssh", Description: "ssh" });
  await client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [{ IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
  });
  const { Instances: [instance] = [] } = await client.runInstances({
    ...one,
    MinCount: count,
    MaxCount: count,
    SecurityGroupIds: [GroupId],
  });
  await region.until(() => records.all("instance").every(({ so }) => so.state === "running"));
  return {
    region,
    client,
    id: instance?.InstanceId ?? "",
    nicId: instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "",
  };
}

async function stopped(region: TestRegion, id: string): Promise<void> {
  await region.client.stopInstances({ InstanceIds: [id], Force: true });
  await region.until(() => region.records.get("instance", id)?.so.state === "stopped");
}

async function shown(client: EC2, id: string) {
  const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds: [id] });
  return reservation?.Instances?.[0];
}

const metadata = ({ guests }: TestRegion, nicId: string): Readonly<Record<string, string>> =>
  [...guests.values()].flatMap(({ interfaces }) => interfaces).find((it) => it.id === nicId)?.metadata.tree ??
  {};

const fromOutside = ({ networks }: TestRegion, vpcId = "", to = ""): boolean =>
  networks.passes(vpcId, { from: "203.0.113.9", to, protocol: 6, port: 22 });
