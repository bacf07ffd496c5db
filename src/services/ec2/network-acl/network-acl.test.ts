import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { CreateNetworkAclEntryCommandInput, EC2 } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { quotas } from "../quotas.ts";

const limit = { timeout: 60_000 };
const anyone = { CidrBlock: "0.0.0.0/0" } as const;
const star = { RuleNumber: 32_767, Protocol: "-1", RuleAction: "deny", CidrBlock: "0.0.0.0/0" };

test("a VPC's default ACL lets everything pass, and has all its subnets", limit, async (t) => {
  const { client, vpcId, subnets } = await withAcl(t);
  const { NetworkAcls: [acl] = [] } = await client.describeNetworkAcls({
    Filters: [
      { Name: "default", Values: ["true"] },
      { Name: "vpc-id", Values: [vpcId] },
    ],
  });
  assert.equal(acl?.IsDefault, true);
  const all = { ...star, RuleNumber: 100, RuleAction: "allow" };
  assert.deepEqual(
    acl.Entries,
    [all, star, all, star].map((it, n) => ({ ...it, Egress: n < 2 })),
  );
  assert.deepEqual(acl.Associations?.map(({ SubnetId }) => SubnetId).toSorted(), subnets.toSorted());
});

test("a new ACL lets nothing pass, and is made once for its token", limit, async (t) => {
  const { client, vpcId } = await testRegionWithVpc(t);
  const request = {
    VpcId: vpcId,
    ClientToken: "once",
    TagSpecifications: [{ ResourceType: "network-acl" as const, Tags: [{ Key: "tier", Value: "web" }] }],
  };
  const [made, again] = [await client.createNetworkAcl(request), await client.createNetworkAcl(request)];
  assert.equal(made.NetworkAcl?.NetworkAclId, again.NetworkAcl?.NetworkAclId);
  assert.equal(made.ClientToken, "once");
  assert.deepEqual(
    made.NetworkAcl?.Entries?.map(({ RuleNumber, Egress }) => [RuleNumber, Egress]),
    [
      [32_767, true],
      [32_767, false],
    ],
  );
  const tagged = await client.describeNetworkAcls({ Filters: [{ Name: "tag:tier", Values: ["web"] }] });
  assert.equal(tagged.NetworkAcls?.length, 1);
  await assert.rejects(client.createNetworkAcl({ ...request, TagSpecifications: [] }), {
    name: "IdempotentParameterMismatch",
  });
  await client.deleteNetworkAcl({ NetworkAclId: made.NetworkAcl?.NetworkAclId });
  const anew = await client.createNetworkAcl({ VpcId: vpcId, ClientToken: "once" });
  assert.notEqual(anew.NetworkAcl?.NetworkAclId, made.NetworkAcl?.NetworkAclId);
});

test("entries are added, replaced and taken away by number and direction, lowest first", limit, async (t) => {
  const { client, aclId, add, entries } = await withAcl(t);
  await add({ RuleNumber: 200, Protocol: "6", PortRange: { From: 80, To: 90 }, CidrBlock: "10.1.2.3/8" });
  await add({ RuleNumber: 100, Protocol: "1", IcmpTypeCode: { Type: 8, Code: -1 } });
  await add({ RuleNumber: 100, Protocol: "-1", PortRange: { From: 1, To: 2 }, Egress: true });
  await add({
    RuleNumber: 110,
    Protocol: "58",
    Ipv6CidrBlock: "2001:DB8::1/32",
    CidrBlock: undefined,
    IcmpTypeCode: { Type: 128, Code: 0 },
  });
  const [outbound, ...inbound] = (await entries()).filter(({ RuleNumber }) => RuleNumber !== 32_767);
  assert.deepEqual(outbound, { ...star, RuleNumber: 100, Egress: true, RuleAction: "allow" });
  assert.deepEqual(
    inbound.map((it) => [it.RuleNumber, it.CidrBlock ?? it.Ipv6CidrBlock, it.PortRange ?? it.IcmpTypeCode]),
    [
      [100, "0.0.0.0/0", { Type: 8, Code: -1 }],
      [110, "2001:db8::/32", { Type: 128, Code: 0 }],
      [200, "10.0.0.0/8", { From: 80, To: 90 }],
    ],
  );
  await client.replaceNetworkAclEntry({
    NetworkAclId: aclId,
    RuleNumber: 200,
    Egress: false,
    RuleAction: "deny",
    Protocol: "17",
    PortRange: { From: 53, To: 53 },
    ...anyone,
  });
  await client.deleteNetworkAclEntry({ NetworkAclId: aclId, RuleNumber: 100, Egress: false });
  assert.deepEqual(
    (await entries()).map((it) => [it.RuleNumber, it.Protocol, it.RuleAction]),
    [
      [100, "-1", "allow"],
      [32_767, "-1", "deny"],
      [110, "58", "allow"],
      [200, "17", "deny"],
      [32_767, "-1", "deny"],
    ],
  );
});

test("the same entry may be made again, and changes nothing", limit, async (t) => {
  const { add, entries } = await withAcl(t);
  const web = { RuleNumber: 100, Protocol: "6", PortRange: { From: 80, To: 80 } };
  await add({ ...web, CidrBlock: "10.1.2.3/8" });
  const before = await entries();
  await add({ ...web, CidrBlock: "10.0.0.0/8" });
  assert.deepEqual(await entries(), before);
  for (const other of [{ PortRange: { From: 80, To: 81 } }, { CidrBlock: "11.0.0.0/8" }])
    await assert.rejects(add({ ...web, CidrBlock: "10.0.0.0/8", ...other }), {
      name: "NetworkAclEntryAlreadyExists",
    });
});

test("what no entry can be is refused and changes nothing", limit, async (t) => {
  const { client, aclId, add, entries } = await withAcl(t);
  await add({ RuleNumber: 100, Protocol: "-1" });
  const before = await entries();
  const tcp = { RuleNumber: 1, Protocol: "6", PortRange: { From: 1, To: 2 } };
  const refusals: [Partial<CreateNetworkAclEntryCommandInput>, string, string][] = [
    [
      { RuleNumber: 100, Protocol: "-1", RuleAction: "deny" },
      "NetworkAclEntryAlreadyExists",
      "The network acl entry identified by 100 already exists.",
    ],
    [
      { ...tcp, Protocol: "tcp" },
      "InvalidParameterValue",
      "Invalid value 'tcp' for IP protocol. Unknown protocol.",
    ],
    [
      { ...tcp, Protocol: "256" },
      "InvalidParameterValue",
      "Invalid value '256' for IP protocol. Unknown protocol.",
    ],
    [
      { ...tcp, PortRange: undefined },
      "InvalidParameterValue",
      "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
    ],
    [{ ...tcp, PortRange: { From: 2, To: 1 } }, "InvalidParameterValue", "Invalid TCP/UDP port range (2:1)"],
    [
      { ...tcp, Protocol: "1" },
      "InvalidParameterValue",
      "Invalid value 'Must specify both type and code with ICMP.' for icmpTypeCode.",
    ],
    [{ ...tcp, CidrBlock: "10.0.0.0" }, "InvalidParameterValue", "CIDR block 10.0.0.0 is malformed"],
    [
      { ...tcp, RuleNumber: 0 },
      "InvalidParameterValue",
      "Value (0) for parameter ruleNumber is invalid. Expecting 1 to 32766.",
    ],
    [
      { ...tcp, RuleNumber: 32_767 },
      "InvalidParameterValue",
      "Value (32767) for parameter ruleNumber is invalid. Expecting 1 to 32766.",
    ],
    [
      { ...tcp, Ipv6CidrBlock: "::/0" },
      "InvalidParameterCombination",
      "The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock",
    ],
    [
      { ...tcp, CidrBlock: undefined },
      "MissingParameter",
      "The request must contain the parameter cidrBlock or ipv6CidrBlock",
    ],
    [{ ...tcp, DryRun: true }, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."],
  ];
  for (const [entry, name, message] of refusals) await assert.rejects(add(entry), { name, message });
  const absent = { NetworkAclId: aclId, RuleNumber: 7, Egress: false };
  const missing = {
    name: "InvalidNetworkAclEntry.NotFound",
    message: `no ingress entry with number 7 in network ACL ${aclId}`,
  };
  await assert.rejects(client.deleteNetworkAclEntry(absent), missing);
  await assert.rejects(
    client.replaceNetworkAclEntry({ ...absent, Protocol: "-1", RuleAction: "allow", ...anyone }),
    missing,
  );
  assert.deepEqual(await entries(), before);
});

test(
  "each direction has twenty entries at most, its `*` among them, for IPv4 and again for IPv6",
  limit,
  async (t) => {
    const { add, entries } = await withAcl(t);
    for (let RuleNumber = 1; RuleNumber < 20; RuleNumber++) await add({ RuleNumber, Protocol: "-1" });
    const full = {
      name: "NetworkAclEntryLimitExceeded",
      message: "The maximum number of network acl entries has been reached.",
    };
    await assert.rejects(add({ RuleNumber: 20, Protocol: "-1" }), full);
    await add({ RuleNumber: 20, Protocol: "-1", Egress: true });
    await add({ RuleNumber: 20, Protocol: "-1", CidrBlock: undefined, Ipv6CidrBlock: "::/0" });
    assert.equal((await entries()).length, 19 + 2 + 2);
  },
);

test("a VPC has so many ACLs and no more", limit, async (t) => {
  const { client, records, vpcId, store, feed, aclId } = await withAcl(t);
  const acl = records.get("network-acl", aclId);
  const missing = quotas.networkAclsPerVpc.value - records.aclsIn(vpcId).length;
  let revision = 0;
  for (let n = 0; n < missing; n += 50)
    ({ revision } = await store.commit({
      put: Array.from({ length: Math.min(50, missing - n) }, (_, i) => {
        const id = `acl-${String(n + i).padStart(17, "0")}`;
        return { key: records.key("network-acl", id), value: { ...acl, id } };
      }),
    }));
  await feed.reached(revision);
  await assert.rejects(client.createNetworkAcl({ VpcId: vpcId }), {
    name: "NetworkAclLimitExceeded",
    message: "The maximum number of network ACLs has been reached.",
  });
});

test(
  "a subnet goes from one ACL to another, and neither a used ACL nor a default one is deleted",
  limit,
  async (t) => {
    const {
      client,
      aclId,
      associationOf,
      subnets: [subnet = ""],
      defaultAcl,
    } = await withAcl(t);
    const before = await associationOf(subnet);
    const { NewAssociationId } = await client.replaceNetworkAclAssociation({
      AssociationId: before?.NetworkAclAssociationId,
      NetworkAclId: aclId,
    });
    assert.deepEqual(await associationOf(subnet), {
      NetworkAclAssociationId: NewAssociationId,
      NetworkAclId: aclId,
      SubnetId: subnet,
    });
    await assert.rejects(
      client.replaceNetworkAclAssociation({
        AssociationId: before?.NetworkAclAssociationId,
        NetworkAclId: aclId,
      }),
      {
        name: "InvalidAssociationID.NotFound",
        message: `The association ID '${before?.NetworkAclAssociationId}' does not exist`,
      },
    );
    await assert.rejects(client.deleteNetworkAcl({ NetworkAclId: aclId }), {
      name: "DependencyViolation",
      message: `The networkAcl '${aclId}' has dependencies and cannot be deleted.`,
    });
    await assert.rejects(client.deleteNetworkAcl({ NetworkAclId: defaultAcl }), {
      name: "InvalidParameterValue",
      message: `cannot delete default network ACL ${defaultAcl}`,
    });
    await client.replaceNetworkAclAssociation({
      AssociationId: NewAssociationId,
      NetworkAclId: defaultAcl,
    });
    await client.deleteNetworkAcl({ NetworkAclId: aclId });
    await assert.rejects(client.describeNetworkAcls({ NetworkAclIds: [aclId] }), {
      name: "InvalidNetworkAclID.NotFound",
      message: `The networkAcl ID '${aclId}' does not exist`,
    });
  },
);

test(
  "of many who move a subnet or delete the ACL at once, each leaves it in exactly one",
  limit,
  async (t) => {
    const {
      client,
      vpcId,
      records,
      associationOf,
      subnets: [subnet = ""],
    } = await withAcl(t);
    const acls = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { NetworkAcl } = await client.createNetworkAcl({ VpcId: vpcId });
        return NetworkAcl?.NetworkAclId ?? "";
      }),
    );
    for (let round = 0; round < 5; round++) {
      const now = await associationOf(subnet);
      const moved = await Promise.allSettled(
        Array.from({ length: 16 }, (_, n) =>
          client.replaceNetworkAclAssociation({
            AssociationId: now?.NetworkAclAssociationId,
            NetworkAclId: acls[n % 4],
          }),
        ),
      );
      assert.equal(moved.filter(({ status }) => status === "fulfilled").length, 1);
      for (const it of moved)
        if (it.status === "rejected") assert.equal(it.reason.name, "InvalidAssociationID.NotFound");
    }
    const now = await associationOf(subnet);
    const ends = await Promise.allSettled([
      ...acls.map((NetworkAclId) => client.deleteNetworkAcl({ NetworkAclId })),
      ...acls.map((NetworkAclId) =>
        client.replaceNetworkAclAssociation({ AssociationId: now?.NetworkAclAssociationId, NetworkAclId }),
      ),
    ]);
    assert.ok(ends.some(({ status }) => status === "fulfilled"));
    assert.equal(
      records.aclsIn(vpcId).filter((acl) => acl.associations.some(({ subnetId }) => subnetId === subnet))
        .length,
      1,
    );
  },
);

test("a number is won once, however many add it at once", limit, async (t) => {
  const { add, entries } = await withAcl(t);
  const added = await Promise.allSettled(
    Array.from({ length: 16 }, (_, n) =>
      add({ RuleNumber: 100, Protocol: "-1", CidrBlock: `10.${n}.0.0/16` }),
    ),
  );
  assert.equal(added.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal((await entries()).length, 3);
});

test("packets at a subnet's edge pass as its ACL says, from the next call on", limit, async (t) => {
  const {
    client,
    aclId,
    add,
    associationOf,
    networks,
    until,
    vpcId,
    subnets: [subnet = ""],
  } = await withAcl(t);
  const group = await client.createSecurityGroup({ GroupName: "any", Description: "any" });
  await client.authorizeSecurityGroupIngress({
    GroupId: group.GroupId,
    IpPermissions: [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
  });
  const launched = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
    SubnetId: subnet,
    SecurityGroupIds: [group.GroupId ?? ""],
  });
  const to = launched.Instances?.[0]?.PrivateIpAddress ?? "";
  const flow = { from: "198.51.100.1", to, protocol: 6, port: 22 };
  const [passes, stops] = [true, false].map(
    (wanted) => () => until(() => networks.passes(vpcId, flow) === wanted),
  );
  await passes?.();
  const { NetworkAclAssociationId: AssociationId } = (await associationOf(subnet)) ?? {};
  await client.replaceNetworkAclAssociation({ AssociationId, NetworkAclId: aclId });
  await stops?.();
  await add({ RuleNumber: 100, Protocol: "6", PortRange: { From: 22, To: 22 } });
  await add({ RuleNumber: 100, Protocol: "6", PortRange: { From: 1024, To: 65_535 }, Egress: true });
  await passes?.();
  await add({ RuleNumber: 90, Protocol: "6", PortRange: { From: 0, To: 1023 }, RuleAction: "deny" });
  await stops?.();
});

async function testRegionWithVpc(t: TestContext) {
  const region = await testRegion(t);
  return { ...region, vpcId: region.records.claimed("default-vpc") ?? "" };
}

async function withAcl(t: TestContext) {
  const region = await testRegionWithVpc(t);
  const { client, vpcId, records } = region;
  const { NetworkAcl } = await client.createNetworkAcl({ VpcId: vpcId });
  const aclId = NetworkAcl?.NetworkAclId ?? "";
  return {
    ...region,
    aclId,
    defaultAcl: records.claimed(`default-network-acl/${vpcId}`) ?? "",
    subnets: records.subnetsIn(vpcId).map(({ id }) => id as string),
    add: (entry: Partial<CreateNetworkAclEntryCommandInput>) =>
      client.createNetworkAclEntry({
        NetworkAclId: aclId,
        RuleNumber: undefined,
        Protocol: undefined,
        Egress: false,
        RuleAction: "allow",
        ...anyone,
        ...entry,
      }),
    entries: () => entriesOf(client, aclId),
    associationOf: async (subnet: string) => {
      const { NetworkAcls: [acl] = [] } = await client.describeNetworkAcls({
        Filters: [{ Name: "association.subnet-id", Values: [subnet] }],
      });
      return acl?.Associations?.find(({ SubnetId }) => SubnetId === subnet);
    },
  };
}

async function entriesOf(client: EC2, aclId: string) {
  const { NetworkAcls: [acl] = [] } = await client.describeNetworkAcls({ NetworkAclIds: [aclId] });
  return acl?.Entries ?? [];
}
