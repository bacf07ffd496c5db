import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };

test(
  "packets reach each address of an interface's prefix, and of no other, until it is unassigned",
  limit,
  async (t) => {
    const { client, networks, guests, records, SubnetId, vpcId, launch } = await withSubnet(t);
    const [one, two] = [await launch("10.0.1.20"), await launch("10.0.1.21")];
    const [group] = records.get("network-interface", two)?.groupIds ?? [];
    const assigned = await client.assignPrivateIpAddresses({
      NetworkInterfaceId: two,
      Ipv4Prefixes: ["10.0.1.32/28"],
    });
    assert.deepEqual(
      [assigned.AssignedIpv4Prefixes, assigned.AssignedPrivateIpAddresses],
      [[{ Ipv4Prefix: "10.0.1.32/28" }], []],
    );
    const passes = (to: string) => networks.passes(vpcId, { from: "10.0.1.20", to, protocol: 6, port: 80 });
    while (!passes("10.0.1.47")) await sleep(5);
    for (let n = 32; n < 48; n++) assert.ok(passes(`10.0.1.${n}`), String(n));
    for (const n of [31, 48]) assert.ok(!passes(`10.0.1.${n}`), String(n));
    // What comes from one of them is its member's too.
    assert.ok(networks.passes(vpcId, { from: "10.0.1.40", to: "10.0.1.20", protocol: 6, port: 80 }));
    assert.ok(networks.elements(vpcId).has(`member/${group}/10.0.1.40`));
    const { NetworkInterfaces: [shown] = [] } = await client.describeNetworkInterfaces({
      NetworkInterfaceIds: [two],
    });
    assert.deepEqual(shown?.Ipv4Prefixes, [{ Ipv4Prefix: "10.0.1.32/28" }]);
    assert.equal(shown.PrivateIpAddresses?.length, 1);
    const metadata = guests.get(vpcId)?.interfaces.find((it) => it.id === two)?.metadata.tree;
    assert.equal(metadata?.[`network/interfaces/macs/${shown.MacAddress}/ipv4-prefix`], "10.0.1.32/28");
    const { Reservations } = await client.describeInstances({
      Filters: [{ Name: "network-interface.ipv4-prefixes.ipv4-prefix", Values: ["10.0.1.32/28"] }],
    });
    assert.equal(Reservations?.length, 1);
    const free = async () => {
      const { Subnets: [subnet] = [] } = await client.describeSubnets({ SubnetIds: [SubnetId] });
      return subnet?.AvailableIpAddressCount;
    };
    assert.equal(await free(), 256 - 5 - 2 - 16);
    await client.unassignPrivateIpAddresses({ NetworkInterfaceId: two, Ipv4Prefixes: ["10.0.1.32/28"] });
    while (passes("10.0.1.40")) await sleep(5);
    assert.equal(await free(), 256 - 5 - 2);
    await client.assignPrivateIpAddresses({ NetworkInterfaceId: one, PrivateIpAddresses: ["10.0.1.40"] });
  },
);

test(
  "no address is of a prefix and of another interface, also when both are asked for at once",
  limit,
  async (t) => {
    const { client, SubnetId } = await withSubnet(t);
    const create = async (more: object = {}) =>
      (await client.createNetworkInterface({ SubnetId, ...more })).NetworkInterface;
    const holder = await create({ PrivateIpAddress: "10.0.1.50", Ipv4PrefixCount: 2 });
    assert.equal(holder?.Ipv4Prefixes?.length, 2);
    const NetworkInterfaceId = holder.NetworkInterfaceId ?? "";
    const assign = (more: object) => client.assignPrivateIpAddresses({ NetworkInterfaceId, ...more });
    const inUse = { name: "InvalidIPAddress.InUse" };
    await assert.rejects(assign({ Ipv4Prefixes: ["10.0.1.48/28"] }), inUse);
    await assert.rejects(assign({ Ipv4Prefixes: ["10.0.1.0/28"] }), inUse);
    const [first] = holder.Ipv4Prefixes ?? [];
    await assert.rejects(create({ Ipv4Prefixes: [first] }), inUse);
    await assert.rejects(create({ PrivateIpAddress: first?.Ipv4Prefix?.replace("/28", "") }), inUse);
    const other = await create({ PrivateIpAddress: "10.0.1.51" });
    const taken = (holder.Ipv4Prefixes ?? []).map((it) => it.Ipv4Prefix);
    const block = [224, 208, 192].find((it) => !taken.includes(`10.0.1.${it}/28`)) ?? 0;
    const both = await Promise.allSettled([
      assign({ Ipv4Prefixes: [`10.0.1.${block}/28`] }),
      client.assignPrivateIpAddresses({
        NetworkInterfaceId: other?.NetworkInterfaceId,
        PrivateIpAddresses: [`10.0.1.${block + 6}`],
      }),
    ]);
    assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
    for (const it of both) if (it.status === "rejected") assert.equal(it.reason.name, inUse.name);
    await client.deleteNetworkInterface({ NetworkInterfaceId });
    await create({ Ipv4Prefixes: [first] });
  },
);

test("an interface's own addresses are in none of the prefixes that it is made with", limit, async (t) => {
  const { client, SubnetId } = await withSubnet(t);
  const create = async (more: object) =>
    (await client.createNetworkInterface({ SubnetId, ...more })).NetworkInterface;
  await assert.rejects(
    create({ PrivateIpAddress: "10.0.1.50", Ipv4Prefixes: [{ Ipv4Prefix: "10.0.1.48/28" }] }),
    {
      name: "InvalidIPAddress.InUse",
    },
  );
  for (let n = 0; n < 20; n++) {
    const nic = await create({ PrivateIpAddress: "10.0.1.50", Ipv4PrefixCount: 4 });
    const prefixes = nic?.Ipv4Prefixes?.map((it) => it.Ipv4Prefix) ?? [];
    assert.equal(prefixes.length, 4);
    assert.equal(prefixes.includes("10.0.1.48/28"), false, prefixes.join());
    await client.deleteNetworkInterface({ NetworkInterfaceId: nic?.NetworkInterfaceId });
  }
  const named = ["10.0.1.64/28", "10.0.1.80/28", "10.0.1.96/28"].map((Ipv4Prefix) => ({ Ipv4Prefix }));
  for (const more of [{ Ipv4Prefixes: named }, { Ipv4PrefixCount: 4 }]) {
    const nic = await create(more);
    const block = Number(nic?.PrivateIpAddress?.split(".")[3]) & ~15;
    assert.equal(
      nic?.Ipv4Prefixes?.some((it) => it.Ipv4Prefix === `10.0.1.${block}/28`),
      false,
    );
  }
});

test("each refusal has AWS's code, and a prefix counts as one address", limit, async (t) => {
  const { client, SubnetId, launch } = await withSubnet(t);
  const NetworkInterfaceId = await launch("10.0.1.20");
  const assign = (more: object) => client.assignPrivateIpAddresses({ NetworkInterfaceId, ...more });
  for (const [more, name] of [
    [{ Ipv4Prefixes: ["10.0.1.33/28"] }, "InvalidParameterValue"],
    [{ Ipv4Prefixes: ["10.0.1.32/27"] }, "InvalidParameterValue"],
    [{ Ipv4Prefixes: ["10.0.2.32/28"] }, "InvalidParameterValue"],
    [{ Ipv4PrefixCount: -1 }, "InvalidParameterValue"],
    [{ Ipv4PrefixCount: 1, Ipv4Prefixes: ["10.0.1.32/28"] }, "InvalidParameterCombination"],
    [{ Ipv4PrefixCount: 1, SecondaryPrivateIpAddressCount: 1 }, "InvalidParameterCombination"],
    // A t3.micro has two addresses to an interface.
    [{ Ipv4PrefixCount: 2 }, "PrivateIpAddressLimitExceeded"],
  ] as const)
    await assert.rejects(assign(more), { name }, JSON.stringify(more));
  await assert.rejects(
    client.unassignPrivateIpAddresses({ NetworkInterfaceId, Ipv4Prefixes: ["10.0.1.32/28"] }),
    { name: "InvalidParameterValue" },
  );
  await assign({ Ipv4Prefixes: ["10.0.1.32/28"] });
  await assert.rejects(assign({ SecondaryPrivateIpAddressCount: 1 }), {
    name: "PrivateIpAddressLimitExceeded",
  });
  await client.createSubnetCidrReservation({
    SubnetId,
    Cidr: "10.0.1.64/27",
    ReservationType: "explicit",
  });
  // Of sixteen blocks the first and the last hold addresses that the subnet keeps, one has the instance's, one is its prefix, two are reserved.
  const made: number[] = [];
  for (;;) {
    const { NetworkInterface } = await client
      .createNetworkInterface({ SubnetId, Ipv4PrefixCount: 1, PrivateIpAddress: `10.0.1.${4 + made.length}` })
      .catch((error: Error) => {
        assert.equal(error.name, "InsufficientCidrBlocks");
        return { NetworkInterface: undefined };
      });
    if (!NetworkInterface) break;
    const [prefix] = NetworkInterface.Ipv4Prefixes ?? [];
    made.push(Number(prefix?.Ipv4Prefix?.split(/[./]/)[3]));
  }
  assert.ok(!made.includes(64) && !made.includes(80), String(made));
  assert.equal(made.length, 10);
});

test("launched instances have the prefixes that are asked for, each its own", limit, async (t) => {
  const { client, SubnetId } = await withSubnet(t);
  const launch = async (count: number, more: object) => {
    const { Instances = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.large",
      MinCount: count,
      MaxCount: count,
      NetworkInterfaces: [{ DeviceIndex: 0, SubnetId, ...more }],
    });
    return Instances.map(({ NetworkInterfaces: [nic] = [] }) => nic);
  };
  const made = await launch(2, { Ipv4PrefixCount: 2 });
  const prefixes = made.flatMap((nic) => nic?.Ipv4Prefixes?.map((it) => it.Ipv4Prefix) ?? []);
  assert.equal(new Set(prefixes).size, 4);
  const blocks = made.map((nic) => `10.0.1.${Number(nic?.PrivateIpAddress?.split(".")[3]) & ~15}/28`);
  assert.ok(blocks.every((it) => !prefixes.includes(it)));

  const free = [32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192]
    .map((it) => `10.0.1.${it}/28`)
    .find((it) => !prefixes.includes(it) && !blocks.includes(it));
  const named = { Ipv4Prefixes: [{ Ipv4Prefix: free }] };
  const [nic] = await launch(1, named);
  assert.deepEqual(nic?.Ipv4Prefixes, named.Ipv4Prefixes);
  await assert.rejects(launch(1, named), { name: "InvalidIPAddress.InUse" });
  await assert.rejects(launch(2, named), { name: "InvalidParameterCombination" });
  // A t3.large has twelve addresses to an interface.
  await assert.rejects(launch(1, { Ipv4PrefixCount: 2, SecondaryPrivateIpAddressCount: 10 }), {
    name: "PrivateIpAddressLimitExceeded",
  });
});

/** A /24 with a group that lets its members in. */
async function withSubnet(t: TestContext) {
  const region = await testRegion(t, { boots: "at once" });
  const { client, records, until } = region;
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const vpcId = Vpc?.VpcId ?? "";
  const { Subnet } = await client.createSubnet({ VpcId: vpcId, CidrBlock: "10.0.1.0/24" });
  const SubnetId = Subnet?.SubnetId ?? "";
  const launch = async (PrivateIpAddress: string) => {
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      SubnetId,
      PrivateIpAddress,
    });
    const id = instance?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "";
    await until(() => records.get("network-interface", id)?.so.ready === true);
    return id;
  };
  return { ...region, vpcId, SubnetId, launch };
}
