import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };

test(
  "a running instance is given a further address: in its network, its groups, its metadata, and gone again",
  limit,
  async (t) => {
    const { client, region, nicId, vpcId } = await running(t);
    const { AssignedPrivateIpAddresses: [assigned] = [] } = await client.assignPrivateIpAddresses({
      NetworkInterfaceId: nicId,
      SecondaryPrivateIpAddressCount: 1,
    });
    const address = assigned?.PrivateIpAddress ?? "";
    const group = region.records.get("network-interface", nicId)?.groupIds[0];
    const elements = () => region.networks.elements(vpcId);
    await region.until(() => elements().has(`member/${group}/${address}`));
    const metadata = () =>
      Object.entries(tree(region, nicId)).find(([name]) => name.endsWith("/local-ipv4s"))?.[1];
    assert.deepEqual(metadata()?.split("\n")[1], address);

    const { AllocationId, PublicIp } = await client.allocateAddress({});
    await client.associateAddress({ AllocationId, NetworkInterfaceId: nicId, PrivateIpAddress: address });
    await region.until(() => Object.keys(tree(region, nicId)).some((name) => name.endsWith(`/${PublicIp}`)));
    assert.deepEqual(guest(region, nicId)?.secondary, [
      { address, hostName: `ip-${address.replaceAll(".", "-")}`, publicAddress: PublicIp },
    ]);
    const { Reservations: [reservation] = [] } = await client.describeInstances({});
    assert.notEqual(reservation?.Instances?.[0]?.PublicIpAddress, PublicIp);
    assert.match(reservation?.Instances?.[0]?.PublicIpAddress ?? "", /^198\.18\./);

    await client.unassignPrivateIpAddresses({ NetworkInterfaceId: nicId, PrivateIpAddresses: [address] });
    await region.until(() => !elements().has(`member/${group}/${address}`));
    const { Addresses: [kept] = [] } = await client.describeAddresses({});
    assert.deepEqual([kept?.PublicIp, kept?.AssociationId], [PublicIp, undefined]);
  },
);

test(
  "a secondary address moves to another interface with its elastic one, if that is allowed",
  limit,
  async (t) => {
    const { client, region, nicId, SubnetId } = await running(t);
    const { NetworkInterface: other } = await client.createNetworkInterface({
      SubnetId,
      PrivateIpAddresses: [
        { Primary: true, PrivateIpAddress: "172.31.0.50" },
        { PrivateIpAddress: "172.31.0.51" },
      ],
    });
    const { AllocationId } = await client.allocateAddress({});
    await client.associateAddress({
      AllocationId,
      NetworkInterfaceId: other?.NetworkInterfaceId,
      PrivateIpAddress: "172.31.0.51",
    });
    const move = { NetworkInterfaceId: nicId, PrivateIpAddresses: ["172.31.0.51"] };
    await assert.rejects(client.assignPrivateIpAddresses(move), { name: "InvalidIPAddress.InUse" });
    await assert.rejects(
      client.assignPrivateIpAddresses({
        ...move,
        PrivateIpAddresses: ["172.31.0.50"],
        AllowReassignment: true,
      }),
      { name: "InvalidIPAddress.InUse" },
    );
    await client.assignPrivateIpAddresses({ ...move, AllowReassignment: true });
    await client.assignPrivateIpAddresses({ ...move, AllowReassignment: true });
    assert.deepEqual(region.records.get("network-interface", nicId)?.secondary, ["172.31.0.51"]);
    assert.deepEqual(region.records.get("network-interface", other?.NetworkInterfaceId ?? "")?.secondary, []);
    const { Addresses: [address] = [] } = await client.describeAddresses({});
    assert.deepEqual([address?.NetworkInterfaceId, address?.PrivateIpAddress], [nicId, "172.31.0.51"]);
    await client.deleteNetworkInterface({ NetworkInterfaceId: other?.NetworkInterfaceId });
    assert.equal(region.records.claimed(`subnet-address/${SubnetId}/172.31.0.51`), nicId);
  },
);

test("an interface has no more addresses than its instance's type allows, whoever asks", limit, async (t) => {
  const { client, region, nicId } = await running(t);
  const more = () =>
    client.assignPrivateIpAddresses({ NetworkInterfaceId: nicId, SecondaryPrivateIpAddressCount: 1 });
  const ends = await Promise.allSettled([more(), more(), more(), more()]);
  assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
  await assert.rejects(more(), { name: "PrivateIpAddressLimitExceeded" });
  assert.equal(region.records.get("network-interface", nicId)?.secondary?.length, 1);
});

test("each refusal has AWS's code, and changes nothing", limit, async (t) => {
  const { client, region, nicId } = await running(t);
  const primary = region.records.get("network-interface", nicId)?.address ?? "";
  const kept = async () =>
    (await region.store.list("")).entries.filter(({ key }) => /^(network-interface|claim)\//.test(key));
  const before = await kept();
  const NetworkInterfaceId = nicId;
  const absent = "eni-0123456789abcdef0";
  const assign = client.assignPrivateIpAddresses.bind(client);
  const unassign = client.unassignPrivateIpAddresses.bind(client);
  for (const [attempt, name] of [
    [() => assign({ NetworkInterfaceId }), "MissingParameter"],
    [
      () => assign({ NetworkInterfaceId: absent, SecondaryPrivateIpAddressCount: 1 }),
      "InvalidNetworkInterfaceID.NotFound",
    ],
    [() => assign({ NetworkInterfaceId, SecondaryPrivateIpAddressCount: 0 }), "InvalidParameterValue"],
    [() => assign({ NetworkInterfaceId, PrivateIpAddresses: ["10.0.0.1"] }), "InvalidParameterValue"],
    [() => assign({ NetworkInterfaceId, PrivateIpAddresses: [primary] }), "InvalidIPAddress.InUse"],
    [
      () =>
        assign({ NetworkInterfaceId, PrivateIpAddresses: ["172.31.0.9"], SecondaryPrivateIpAddressCount: 1 }),
      "InvalidParameterCombination",
    ],
    [() => unassign({ NetworkInterfaceId, PrivateIpAddresses: [primary] }), "InvalidParameterValue"],
    [() => unassign({ NetworkInterfaceId, PrivateIpAddresses: ["172.31.0.99"] }), "InvalidParameterValue"],
    [() => unassign({ NetworkInterfaceId }), "MissingParameter"],
  ] satisfies [() => Promise<unknown>, string][])
    await assert.rejects(attempt, { name }, name);
  assert.deepEqual(await kept(), before);
});

async function running(t: TestContext) {
  const region = await testRegion(t);
  const { client, records } = region;
  const { Subnets: [subnet] = [] } = await client.describeSubnets({
    Filters: [{ Name: "cidr-block", Values: ["172.31.0.0/20"] }],
  });
  const SubnetId = subnet?.SubnetId ?? "";
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    SubnetId,
  });
  await region.until(() => records.all("instance").every(({ so }) => so.state === "running"));
  return {
    region,
    client,
    SubnetId,
    vpcId: instance?.VpcId ?? "",
    nicId: instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "",
  };
}

const guest = ({ guests }: TestRegion, nicId: string) =>
  [...guests.values()].flatMap(({ interfaces }) => interfaces).find((it) => it.id === nicId);

const tree = (region: TestRegion, nicId: string): Readonly<Record<string, string>> =>
  guest(region, nicId)?.metadata.tree ?? {};
