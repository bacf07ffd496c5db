import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2, NewDhcpConfiguration } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const office = [
  { Key: "domain-name", Values: ["corp.example"] },
  { Key: "domain-name-servers", Values: ["10.2.5.1,10.2.5.2", "2001:db8::53"] },
  { Key: "ntp-servers", Values: ["10.2.5.3"] },
  { Key: "netbios-name-servers", Values: ["10.2.5.4"] },
  { Key: "netbios-node-type", Values: ["2"] },
];

test("a region has one set from the start, which its VPCs have", limit, async (t) => {
  const { client, vpcId } = await withVpc(t);
  const { DhcpOptions: [options] = [] } = await client.describeDhcpOptions();
  assert.deepEqual(options?.DhcpConfigurations, [
    { Key: "domain-name", Values: [{ Value: "eu-central-1.compute.internal" }] },
    { Key: "domain-name-servers", Values: [{ Value: "AmazonProvidedDNS" }] },
  ]);
  const { Vpcs: [vpc] = [] } = await client.describeVpcs({ VpcIds: [vpcId] });
  assert.equal(vpc?.DhcpOptionsId, options.DhcpOptionsId);
  const made = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  assert.equal(made.Vpc?.DhcpOptionsId, options.DhcpOptionsId);
});

test("a set is made, found by its keys and values, tagged, and deleted", limit, async (t) => {
  const { client } = await withVpc(t);
  const { DhcpOptions: made } = await client.createDhcpOptions({
    DhcpConfigurations: office,
    TagSpecifications: [{ ResourceType: "dhcp-options", Tags: [{ Key: "site", Value: "a" }] }],
  });
  assert.deepEqual(made?.DhcpConfigurations?.[1], {
    Key: "domain-name-servers",
    Values: ["10.2.5.1", "10.2.5.2", "2001:db8::53"].map((Value) => ({ Value })),
  });
  for (const [Name, value] of [
    ["dhcp-options-id", made.DhcpOptionsId ?? ""],
    ["key", "netbios-*"],
    ["value", "corp.example"],
    ["tag:site", "a"],
  ] as const) {
    const { DhcpOptions } = await client.describeDhcpOptions({ Filters: [{ Name, Values: [value] }] });
    assert.deepEqual(DhcpOptions, [made], Name);
  }
  const DhcpOptionsId = made.DhcpOptionsId;
  await client.createTags({ Resources: [DhcpOptionsId ?? ""], Tags: [{ Key: "site", Value: "b" }] });
  await client.deleteDhcpOptions({ DhcpOptionsId });
  await assert.rejects(client.describeDhcpOptions({ DhcpOptionsIds: [DhcpOptionsId ?? ""] }), {
    name: "InvalidDhcpOptionID.NotFound",
    message: `The dhcpOption ID '${DhcpOptionsId}' does not exist`,
  });
  await assert.rejects(client.deleteDhcpOptions({ DhcpOptionsId }), {
    name: "InvalidDhcpOptionsID.NotFound",
    message: `The dhcpOptions ID '${DhcpOptionsId}' does not exist`,
  });
});

test("options that are none are refused", limit, async (t) => {
  const { client, records } = await withVpc(t);
  const unknown = "Value (colour) for parameter name is invalid. Unknown DHCP option";
  const invalid = (values: string) =>
    `Value (${values}) for parameter value is invalid. Invalid DHCP option value`;
  const cases: [NewDhcpConfiguration[], string][] = [
    [[{ Key: "colour", Values: ["red"] }], unknown],
    [
      [office[0]!, office[0]!],
      "Value (domain-name) for parameter name is invalid. The option is given twice",
    ],
    [[{ Key: "domain-name", Values: ["a\nb"] }], invalid("a\nb")],
    [[{ Key: "domain-name-servers", Values: [] }], invalid("")],
    [
      [{ Key: "domain-name-servers", Values: ["AmazonProvidedDNS", "10.0.0.1"] }],
      invalid("AmazonProvidedDNS,10.0.0.1"),
    ],
    [
      [{ Key: "ntp-servers", Values: ["1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5"] }],
      invalid("1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5"),
    ],
    [[{ Key: "ntp-servers", Values: ["time.example"] }], invalid("time.example")],
    [[{ Key: "netbios-node-type", Values: ["3"] }], invalid("3")],
  ];
  for (const [DhcpConfigurations, message] of cases)
    await assert.rejects(client.createDhcpOptions({ DhcpConfigurations }), {
      name: "InvalidParameterValue",
      message,
    });
  assert.equal(records.all("dhcp-options").length, 1);
});

test(
  "a VPC's guests are leased what its set says, and with none only addresses and the time",
  limit,
  async (t) => {
    const region = await withVpc(t);
    const { client, vpcId, lease } = region;
    await launch(client);
    assert.deepEqual(await lease(), {
      domain: "eu-central-1.compute.internal",
      nameServers: ["172.31.0.2"],
      timeServers: ["169.254.169.123"],
      netbiosNameServers: [],
    });
    const { DhcpOptions } = await client.createDhcpOptions({ DhcpConfigurations: office });
    const DhcpOptionsId = DhcpOptions?.DhcpOptionsId ?? "";
    await client.associateDhcpOptions({ VpcId: vpcId, DhcpOptionsId });
    await region.until(() => region.guests.get(vpcId)?.lease.netbiosNodeType === 2);
    assert.deepEqual(await lease(), {
      domain: "corp.example",
      nameServers: ["10.2.5.1", "10.2.5.2"],
      timeServers: ["10.2.5.3"],
      netbiosNameServers: ["10.2.5.4"],
      netbiosNodeType: 2,
    });
    await assert.rejects(client.deleteDhcpOptions({ DhcpOptionsId }), {
      name: "DependencyViolation",
      message: `The dhcpOptions '${DhcpOptionsId}' has dependencies and cannot be deleted.`,
    });
    await client.associateDhcpOptions({ VpcId: vpcId, DhcpOptionsId: "default" });
    const { Vpcs: [vpc] = [] } = await client.describeVpcs({ VpcIds: [vpcId] });
    assert.equal(vpc?.DhcpOptionsId, "default");
    await region.until(() => region.guests.get(vpcId)?.lease.domain === undefined);
    assert.deepEqual(await lease(), {
      nameServers: [],
      timeServers: ["169.254.169.123"],
      netbiosNameServers: [],
    });
    await client.deleteDhcpOptions({ DhcpOptionsId });
  },
);

test("what is not there cannot be associated, and a dry run associates nothing", limit, async (t) => {
  const { client, vpcId, records } = await withVpc(t);
  const before = records.get("vpc", vpcId);
  const none = "dopt-00000000000000000";
  await assert.rejects(client.associateDhcpOptions({ VpcId: vpcId, DhcpOptionsId: none }), {
    name: "InvalidDhcpOptionID.NotFound",
  });
  await assert.rejects(
    client.associateDhcpOptions({ VpcId: "vpc-00000000000000000", DhcpOptionsId: "default" }),
    { name: "InvalidVpcID.NotFound" },
  );
  await assert.rejects(
    client.associateDhcpOptions({ VpcId: vpcId, DhcpOptionsId: "default", DryRun: true }),
    { name: "DryRunOperation" },
  );
  assert.deepEqual(records.get("vpc", vpcId), before);
});

test("of giving a VPC a set and deleting the set at once, one is done", limit, async (t) => {
  const { client, vpcId, records } = await withVpc(t);
  for (let n = 0; n < 10; n++) {
    const { DhcpOptions } = await client.createDhcpOptions({ DhcpConfigurations: office });
    const DhcpOptionsId = DhcpOptions?.DhcpOptionsId ?? "";
    const ends = await Promise.allSettled([
      client.associateDhcpOptions({ VpcId: vpcId, DhcpOptionsId }),
      client.deleteDhcpOptions({ DhcpOptionsId }),
    ]);
    assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
    const { dhcpOptionsId } = records.get("vpc", vpcId) ?? {};
    assert.ok(records.get("dhcp-options", dhcpOptionsId ?? ""), "the VPC's set is there");
  }
});

test("the set that new VPCs get is made anew after somebody deleted it", limit, async (t) => {
  const { client, vpcId, records } = await withVpc(t);
  const first = records.get("vpc", vpcId)?.dhcpOptionsId ?? "";
  await client.associateDhcpOptions({ VpcId: vpcId, DhcpOptionsId: "default" });
  await client.deleteDhcpOptions({ DhcpOptionsId: first });
  const { Vpc } = await client.createVpc({ CidrBlock: "10.0.0.0/16" });
  assert.notEqual(Vpc?.DhcpOptionsId, first);
  assert.ok(records.get("dhcp-options", Vpc?.DhcpOptionsId ?? ""));
});

test("a VPC without DNS support has a resolver that refuses, and no public names", limit, async (t) => {
  const region = await withVpc(t);
  const { client, vpcId } = region;
  const id = await launch(client);
  const publicName = async () => {
    const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds: [id] });
    const instance = reservation?.Instances?.[0];
    const inMetadata = region.guests.get(vpcId)?.interfaces[0]?.metadata.tree["public-hostname"];
    return [
      instance?.PublicDnsName,
      instance?.NetworkInterfaces?.[0]?.Association?.PublicDnsName,
      inMetadata,
    ];
  };
  await region.until(() => region.guests.get(vpcId)?.interfaces.length === 1);
  const [name = ""] = await publicName();
  assert.match(name, /^ec2-198-18-.*\.eu-central-1\.compute\.amazonaws\.com$/);
  assert.deepEqual(await publicName(), [name, name, name]);
  assert.equal(region.guests.get(vpcId)?.resolves, true);

  await client.modifyVpcAttribute({ VpcId: vpcId, EnableDnsHostnames: { Value: false } });
  await region.until(
    () => region.guests.get(vpcId)?.interfaces[0]?.metadata.tree["public-hostname"] === undefined,
  );
  assert.deepEqual(await publicName(), ["", "", undefined]);
  await client.modifyVpcAttribute({ VpcId: vpcId, EnableDnsHostnames: { Value: true } });
  assert.equal((await publicName())[0], name);
  await client.modifyVpcAttribute({ VpcId: vpcId, EnableDnsSupport: { Value: false } });
  await region.until(() => region.guests.get(vpcId)?.resolves === false);
  assert.equal((await publicName())[0], "");
});

async function withVpc(t: TestContext) {
  const region = await testRegion(t);
  const vpcId = region.records.claimed("default-vpc") ?? "";
  const lease = async () => {
    await region.until(() => region.guests.has(vpcId));
    return region.guests.get(vpcId)?.lease;
  };
  return { ...region, vpcId, lease };
}

async function launch(client: EC2): Promise<string> {
  const { Instances } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
  });
  return Instances?.[0]?.InstanceId ?? "";
}
