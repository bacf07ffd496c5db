import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type {
  ConnectionTrackingSpecificationRequest,
  CreateNetworkInterfaceCommandInput,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const absent = "eni-0123456789abcdef0";

test(
  "an interface is made with what was asked for, described, and deleted with all that is its own",
  limit,
  async (t) => {
    const { client, records, SubnetId, create } = await withSubnet(t);
    const { GroupId = "" } = await client.createSecurityGroup({ GroupName: "web", Description: "web" });
    const nic = await create({
      Description: "the first",
      Groups: [GroupId],
      PrivateIpAddresses: [
        { PrivateIpAddress: "172.31.0.20", Primary: true },
        { PrivateIpAddress: "172.31.0.21" },
      ],
      TagSpecifications: [{ ResourceType: "network-interface", Tags: [{ Key: "Name", Value: "one" }] }],
    });
    assert.deepEqual(
      [nic?.Status, nic?.Description, nic?.SubnetId, nic?.Groups, nic?.TagSet, nic?.SourceDestCheck],
      [
        "available",
        "the first",
        SubnetId,
        [{ GroupId, GroupName: "web" }],
        [{ Key: "Name", Value: "one" }],
        true,
      ],
    );
    const { NetworkInterfaces: [found] = [] } = await client.describeNetworkInterfaces({
      Filters: [{ Name: "addresses.private-ip-address", Values: ["172.31.0.21"] }],
    });
    assert.deepEqual(found, nic);
    assert.deepEqual(
      found?.PrivateIpAddresses?.map((it) => [it.PrivateIpAddress, it.Primary]),
      [
        ["172.31.0.20", true],
        ["172.31.0.21", false],
      ],
    );
    const free = async () => {
      const { Subnets: [subnet] = [] } = await client.describeSubnets({ SubnetIds: [SubnetId] });
      return subnet?.AvailableIpAddressCount;
    };
    assert.equal(await free(), 4089);
    await assert.rejects(client.deleteSecurityGroup({ GroupId }), { name: "DependencyViolation" });
    await client.deleteNetworkInterface({ NetworkInterfaceId: nic?.NetworkInterfaceId });
    assert.equal(await free(), 4091);
    await client.deleteSecurityGroup({ GroupId });
    assert.deepEqual(records.all("network-interface"), []);
    await create({ PrivateIpAddress: "172.31.0.21" });
  },
);

test("idle timeouts are an interface's own, within AWS's bounds, and change one by one", limit, async (t) => {
  const { client, create, SubnetId } = await withSubnet(t);
  const nic = await create({ ConnectionTrackingSpecification: { TcpEstablishedTimeout: 300 } });
  const { NetworkInterfaceId } = nic ?? {};
  assert.deepEqual(nic?.ConnectionTrackingConfiguration, { TcpEstablishedTimeout: 300 });
  const modify = (ConnectionTrackingSpecification: ConnectionTrackingSpecificationRequest) =>
    client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId, ConnectionTrackingSpecification });
  await modify({ UdpTimeout: 45, UdpStreamTimeout: 60 });
  const found = await client.describeNetworkInterfaces({ NetworkInterfaceIds: [NetworkInterfaceId ?? ""] });
  assert.deepEqual(found.NetworkInterfaces?.[0]?.ConnectionTrackingConfiguration, {
    TcpEstablishedTimeout: 300,
    UdpStreamTimeout: 60,
    UdpTimeout: 45,
  });
  for (const wrong of [
    { TcpEstablishedTimeout: 59 },
    { TcpEstablishedTimeout: 432_001 },
    { UdpStreamTimeout: 181 },
    { UdpTimeout: 29 },
  ]) {
    await assert.rejects(modify(wrong), { name: "InvalidParameterValue" });
    await assert.rejects(
      client.createNetworkInterface({ SubnetId, ConnectionTrackingSpecification: wrong }),
      { name: "InvalidParameterValue" },
    );
  }
  await assert.rejects(
    client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId, EnablePrimaryIpv6: true }),
    { name: "UnsupportedOperation" },
  );
  const plain = await create({});
  assert.equal(plain?.ConnectionTrackingConfiguration, undefined);
  const { Instances: [instance] = [] } = await client.runInstances({
    ...one,
    NetworkInterfaces: [{ DeviceIndex: 0, ConnectionTrackingSpecification: { UdpTimeout: 40 } }],
  });
  assert.deepEqual(instance?.NetworkInterfaces?.[0]?.ConnectionTrackingConfiguration, { UdpTimeout: 40 });
  const { LaunchTemplateData } = await client.getLaunchTemplateData({ InstanceId: instance?.InstanceId });
  const [{ ConnectionTrackingSpecification } = {}] = LaunchTemplateData?.NetworkInterfaces ?? [];
  assert.deepEqual(ConnectionTrackingSpecification, { UdpTimeout: 40 });
  await client.createLaunchTemplate({
    LaunchTemplateName: "timed",
    LaunchTemplateData: { NetworkInterfaces: [{ DeviceIndex: 0, ConnectionTrackingSpecification }] },
  });
  const launched = await client.runInstances({ ...one, LaunchTemplate: { LaunchTemplateName: "timed" } });
  const [{ ConnectionTrackingConfiguration } = {}] = launched.Instances?.[0]?.NetworkInterfaces ?? [];
  assert.deepEqual(ConnectionTrackingConfiguration, { UdpTimeout: 40 });
});

test("a token makes one interface, and makes another when that is deleted", limit, async (t) => {
  const { client, records, create, SubnetId } = await withSubnet(t);
  const made = await Promise.all([1, 2, 3].map(() => create({ ClientToken: "once", Description: "a" })));
  assert.equal(new Set(made.map((nic) => nic?.NetworkInterfaceId)).size, 1);
  const replayed = { SubnetId, ClientToken: "once", Description: "a" };
  assert.equal((await client.createNetworkInterface(replayed)).ClientToken, "once");
  await assert.rejects(create({ ClientToken: "once", Description: "b" }), {
    name: "IdempotentParameterMismatch",
  });
  await client.deleteNetworkInterface({ NetworkInterfaceId: made[0]?.NetworkInterfaceId });
  const again = await create({ ClientToken: "once", Description: "b" });
  assert.notEqual(again?.NetworkInterfaceId, made[0]?.NetworkInterfaceId);
  assert.equal(records.all("network-interface").length, 1);
});

test(
  "an interface is launched with, keeps its addresses and its elastic one, and outlives the instance",
  limit,
  async (t) => {
    const { client, records, networks, until, create } = await withSubnet(t);
    const nic = await create({ PrivateIpAddress: "172.31.0.30", SecondaryPrivateIpAddressCount: 1 });
    const NetworkInterfaceId = nic?.NetworkInterfaceId ?? "";
    const second = nic?.PrivateIpAddresses?.[1]?.PrivateIpAddress ?? "";
    const { AllocationId, PublicIp } = await client.allocateAddress({});
    await client.associateAddress({ AllocationId, NetworkInterfaceId, PrivateIpAddress: second });
    const launch = { ...one, NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId }] };
    const raced = await Promise.allSettled([client.runInstances(launch), client.runInstances(launch)]);
    const lost = raced.flatMap((it) => (it.status === "rejected" ? [it.reason as Error] : []));
    assert.deepEqual(
      lost.map(({ name, message }) => [name, message]),
      [["InvalidNetworkInterface.InUse", `Interface: [${NetworkInterfaceId}] in use.`]],
    );
    const id = records.all("instance")[0]?.id ?? "";
    await until(() => records.get("instance", id)?.so.state === "running");
    const { Reservations: [reservation] = [] } = await client.describeInstances({});
    const instance = reservation?.Instances?.[0];
    assert.deepEqual(
      [instance?.PrivateIpAddress, instance?.PublicIpAddress, instance?.NetworkInterfaces?.length],
      ["172.31.0.30", undefined, 1],
    );
    assert.equal(instance?.NetworkInterfaces?.[0]?.PrivateIpAddresses?.[1]?.Association?.PublicIp, PublicIp);
    const element = networks.elements(instance?.VpcId ?? "").get(`interface/${NetworkInterfaceId}`);
    assert.deepEqual(element?.kind === "interface" && [element.address, element.secondary], [
      "172.31.0.30",
      [{ address: second, publicAddress: PublicIp }],
    ]);
    await assert.rejects(client.deleteNetworkInterface({ NetworkInterfaceId }), {
      name: "InvalidParameterValue",
      message: `Network interface '${NetworkInterfaceId}' is currently in use.`,
    });
    await client.terminateInstances({ InstanceIds: [id] });
    await until(() => records.get("instance", id)?.so.state === "terminated");
    assert.equal(records.get("network-interface", NetworkInterfaceId)?.attachment, undefined);
    assert.deepEqual(records.get("network-interface", NetworkInterfaceId)?.secondary, [second]);
    await client.deleteNetworkInterface({ NetworkInterfaceId });
    await client.releaseAddress({ AllocationId });
  },
);

test("a launch gives its interface as many addresses as its type may have, and no more", limit, async (t) => {
  const { client, records, until } = await testRegion(t);
  const withMore = (SecondaryPrivateIpAddressCount: number) =>
    client.runInstances({ ...one, NetworkInterfaces: [{ DeviceIndex: 0, SecondaryPrivateIpAddressCount }] });
  await assert.rejects(withMore(2), {
    name: "PrivateIpAddressLimitExceeded",
    message: "Number of private addresses will exceed limit.",
  });
  const { Instances: [instance] = [] } = await withMore(1);
  assert.equal(instance?.NetworkInterfaces?.[0]?.PrivateIpAddresses?.length, 2);
  const id = instance?.InstanceId ?? "";
  await until(() => records.get("instance", id)?.so.state === "running");
  await client.terminateInstances({ InstanceIds: [id] });
  await until(() => records.get("instance", id)?.so.state === "terminated");
  const { Subnets = [] } = await client.describeSubnets({});
  assert.deepEqual(
    Subnets.map((it) => it.AvailableIpAddressCount),
    [4091, 4091, 4091],
  );
});

test(
  "attributes are described one at a time; the check is reset; what outlives the instance is changed",
  limit,
  async (t) => {
    const { client, records, until } = await testRegion(t);
    const { Instances: [instance] = [] } = await client.runInstances(one);
    const nic = instance?.NetworkInterfaces?.[0];
    const NetworkInterfaceId = nic?.NetworkInterfaceId ?? "";
    await until(() => records.get("instance", instance?.InstanceId ?? "")?.so.state === "running");
    await client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId, SourceDestCheck: { Value: false } });
    const described = async (
      Attribute: "attachment" | "description" | "groupSet" | "sourceDestCheck" | "associatePublicIpAddress",
    ) => client.describeNetworkInterfaceAttribute({ NetworkInterfaceId, Attribute });
    assert.equal((await described("sourceDestCheck")).SourceDestCheck?.Value, false);
    await client.resetNetworkInterfaceAttribute({ NetworkInterfaceId, SourceDestCheck: "true" });
    assert.equal((await described("sourceDestCheck")).SourceDestCheck?.Value, true);
    assert.equal((await described("description")).Description?.Value, "");
    assert.deepEqual((await described("groupSet")).Groups, instance?.SecurityGroups);
    assert.equal((await described("associatePublicIpAddress")).AssociatePublicIpAddress, true);
    const { Attachment } = await described("attachment");
    assert.deepEqual([Attachment?.InstanceId, Attachment?.DeleteOnTermination], [instance?.InstanceId, true]);
    const keep = { AttachmentId: Attachment?.AttachmentId, DeleteOnTermination: false };
    await client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId, Attachment: keep });
    assert.equal((await described("attachment")).Attachment?.DeleteOnTermination, false);
    await assert.rejects(
      client.modifyNetworkInterfaceAttribute({
        NetworkInterfaceId,
        Attachment: { ...keep, AttachmentId: "eni-attach-0123456789abcdef0" },
      }),
      { name: "InvalidAttachmentID.NotFound" },
    );
  },
);

test("each refusal has AWS's code, and changes nothing", limit, async (t) => {
  const { client, store, SubnetId, create } = await withSubnet(t);
  const nic = await create({ PrivateIpAddress: "172.31.0.40" });
  const NetworkInterfaceId = nic?.NetworkInterfaceId ?? "";
  const before = (await store.list("")).revision;
  const launch = (more: object, MaxCount = 1) =>
    client.runInstances({
      ...one,
      MaxCount,
      NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId, ...more }],
    });
  for (const [attempt, name] of [
    [() => create({ SubnetId: "subnet-0123456789abcdef0" }), "InvalidSubnetID.NotFound"],
    [() => create({ Groups: ["sg-0123456789abcdef0"] }), "InvalidGroup.NotFound"],
    [() => create({ PrivateIpAddress: "172.31.0.40" }), "InvalidIPAddress.InUse"],
    [() => create({ PrivateIpAddress: "172.31.0.3" }), "InvalidParameterValue"],
    [() => create({ PrivateIpAddress: "10.0.0.3" }), "InvalidParameterValue"],
    [
      () =>
        create({
          SecondaryPrivateIpAddressCount: 1,
          PrivateIpAddresses: [{ PrivateIpAddress: "172.31.0.9" }],
        }),
      "InvalidParameterCombination",
    ],
    [
      () =>
        create({ PrivateIpAddress: "172.31.0.8", PrivateIpAddresses: [{ PrivateIpAddress: "172.31.0.8" }] }),
      "InvalidParameterValue",
    ],
    [() => create({ SecondaryPrivateIpAddressCount: 64 }), "PrivateIpAddressLimitExceeded"],
    [() => create({ Ipv6AddressCount: 1 }), "UnsupportedOperation"],
    [() => create({ InterfaceType: "efa" }), "UnsupportedOperation"],
    [() => create({ DryRun: true }), "DryRunOperation"],
    [
      () => client.deleteNetworkInterface({ NetworkInterfaceId: absent }),
      "InvalidNetworkInterfaceID.NotFound",
    ],
    [() => client.deleteNetworkInterface({ NetworkInterfaceId, DryRun: true }), "DryRunOperation"],
    [() => client.describeNetworkInterfaceAttribute({ NetworkInterfaceId }), "InvalidParameterCombination"],
    [() => client.resetNetworkInterfaceAttribute({ NetworkInterfaceId }), "InvalidParameterCombination"],
    [() => launch({ NetworkInterfaceId: absent }), "InvalidNetworkInterfaceID.NotFound"],
    [() => launch({ SubnetId }), "InvalidParameterCombination"],
    [() => launch({ AssociatePublicIpAddress: true }), "InvalidParameterCombination"],
    [() => launch({}, 2), "InvalidParameterCombination"],
    [() => launch({ NetworkInterfaceId: undefined, InterfaceType: "efa" }), "UnsupportedOperation"],
  ] satisfies [() => Promise<unknown>, string][])
    await assert.rejects(attempt, { name }, name);
  assert.equal((await store.list("")).revision, before);
});

/** Two addresses at most on each interface. */
const one: RunInstancesCommandInput = {
  ImageId: testImage.id,
  InstanceType: "t3.micro",
  MinCount: 1,
  MaxCount: 1,
};

async function withSubnet(t: TestContext) {
  const region = await testRegion(t);
  const { Subnets: [subnet] = [] } = await region.client.describeSubnets({
    Filters: [{ Name: "cidr-block", Values: ["172.31.0.0/20"] }],
  });
  const SubnetId = subnet?.SubnetId ?? "";
  const create = async (more: Partial<CreateNetworkInterfaceCommandInput> = {}) =>
    (await region.client.createNetworkInterface({ SubnetId, ...more })).NetworkInterface;
  return { ...region, SubnetId, create };
}
