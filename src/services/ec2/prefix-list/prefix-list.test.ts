import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { AddPrefixListEntry, ModifyManagedPrefixListCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { keptVersions } from "./prefix-list.ts";

const limit = { timeout: 60_000 };
const offices: AddPrefixListEntry[] = [
  { Cidr: "192.0.2.7/24", Description: "north" },
  { Cidr: "198.51.100.0/24" },
];

test("a list is made once for its token, described, tagged and deleted", limit, async (t) => {
  const { client, accountId } = await testRegion(t);
  const request = {
    PrefixListName: "offices",
    MaxEntries: 5,
    AddressFamily: "IPv4",
    Entries: offices,
    ClientToken: "once",
    TagSpecifications: [{ ResourceType: "prefix-list" as const, Tags: [{ Key: "site", Value: "a" }] }],
  };
  const { PrefixList: made } = await client.createManagedPrefixList(request);
  const again = await client.createManagedPrefixList(request);
  assert.equal(again.PrefixList?.PrefixListId, made?.PrefixListId);
  const id = made?.PrefixListId ?? "";
  assert.equal(made?.State, "create-in-progress");
  const { PrefixLists } = await client.describeManagedPrefixLists({ PrefixListIds: [id] });
  const shown = {
    PrefixListId: id,
    PrefixListArn: `arn:aws:ec2:eu-central-1:${accountId}:prefix-list/${id}`,
    PrefixListName: "offices",
    AddressFamily: "IPv4",
    MaxEntries: 5,
    Version: 1,
    State: "create-complete",
    OwnerId: accountId,
    Tags: [{ Key: "site", Value: "a" }],
  };
  assert.deepEqual(PrefixLists, [shown]);
  const { Entries } = await client.getManagedPrefixListEntries({ PrefixListId: id });
  assert.deepEqual(Entries, [{ Cidr: "192.0.2.0/24", Description: "north" }, { Cidr: "198.51.100.0/24" }]);
  const { PrefixList: gone } = await client.deleteManagedPrefixList({ PrefixListId: id });
  assert.equal(gone?.State, "delete-in-progress");
  await assert.rejects(client.getManagedPrefixListEntries({ PrefixListId: id }), {
    name: "InvalidPrefixListID.NotFound",
    message: `The prefix list ID '${id}' does not exist`,
  });
});

test("entries change in versions, which can be read and restored", limit, async (t) => {
  const { client, id, modify, cidrs } = await withList(t);
  await modify({ CurrentVersion: 1, AddEntries: [{ Cidr: "203.0.113.0/24" }] });
  await modify({ CurrentVersion: 2, RemoveEntries: [{ Cidr: "192.0.2.0/24" }] });
  assert.deepEqual(await cidrs(), ["198.51.100.0/24", "203.0.113.0/24"]);
  assert.deepEqual(await cidrs(1), ["192.0.2.0/24", "198.51.100.0/24"]);
  await assert.rejects(cidrs(4), {
    name: "InvalidParameterValue",
    message: `The prefix list '${id}' has no version 4.`,
  });
  const restore = { PrefixListId: id, PreviousVersion: 1 };
  await assert.rejects(client.restoreManagedPrefixListVersion({ ...restore, CurrentVersion: 2 }), {
    name: "PrefixListVersionMismatch",
  });
  const { PrefixList } = await client.restoreManagedPrefixListVersion({ ...restore, CurrentVersion: 3 });
  assert.deepEqual([PrefixList?.State, PrefixList?.Version], ["restore-in-progress", 4]);
  assert.deepEqual(await cidrs(), ["192.0.2.0/24", "198.51.100.0/24"]);
  await modify({ PrefixListName: "sites", MaxEntries: 2 });
  const { PrefixLists: [list] = [] } = await client.describeManagedPrefixLists({
    Filters: [{ Name: "prefix-list-name", Values: ["sites"] }],
  });
  assert.deepEqual([list?.Version, list?.MaxEntries, list?.State], [4, 2, "modify-complete"]);
});

test("what a list cannot be is refused and changes nothing", limit, async (t) => {
  const { client, id, modify, cidrs } = await withList(t);
  const cases: [Partial<ModifyManagedPrefixListCommandInput>, string, string][] = [
    [
      { CurrentVersion: 9, AddEntries: [{ Cidr: "10.0.0.0/8" }] },
      "PrefixListVersionMismatch",
      "The prefix list has the incorrect version number.",
    ],
    [
      { AddEntries: [{ Cidr: "10.0.0.0/8" }] },
      "MissingParameter",
      "The request must contain the parameter currentVersion",
    ],
    [
      { CurrentVersion: 1, AddEntries: [{ Cidr: "2001:db8::/32" }] },
      "InvalidParameterValue",
      "CIDR block 2001:db8::/32 is malformed",
    ],
    [
      { CurrentVersion: 1, AddEntries: [{ Cidr: "192.0.2.0/24" }] },
      "InvalidPrefixListModification",
      "The prefix list entry 192.0.2.0/24 already exists.",
    ],
    [
      { CurrentVersion: 1, RemoveEntries: [{ Cidr: "10.0.0.0/8" }] },
      "InvalidPrefixListModification",
      "The prefix list entry 10.0.0.0/8 does not exist.",
    ],
    [
      {
        CurrentVersion: 1,
        AddEntries: [{ Cidr: "192.0.2.0/24", Description: "anew" }],
        RemoveEntries: [{ Cidr: "192.0.2.7/24" }],
      },
      "InvalidParameterValue",
      "Request cannot contain Cidr 192.0.2.0/24 in both AddPrefixListEntries and RemovePrefixListEntries",
    ],
    [
      { CurrentVersion: 1, AddEntries: ["10.1.0.0/16", "10.2.0.0/16"].map((Cidr) => ({ Cidr })) },
      "PrefixListMaxEntriesExceeded",
      "You've reached the maximum number of entries for the prefix list.",
    ],
    [
      { CurrentVersion: 1, AddEntries: [{ Cidr: "10.0.0.0/8" }], MaxEntries: 9 },
      "InvalidParameterCombination",
      "You cannot modify the entries and the maximum number of entries for the prefix list in the same request.",
    ],
    [{ MaxEntries: 1 }, "InvalidParameterValue", `The prefix list '${id}' has 2 entries, more than 1.`],
    [
      { MaxEntries: 2, DryRun: true },
      "DryRunOperation",
      "Request would have succeeded, but DryRun flag is set.",
    ],
  ];
  for (const [input, name, message] of cases) await assert.rejects(modify(input), { name, message });
  const create = { PrefixListName: "a", MaxEntries: 1, AddressFamily: "IPv4" };
  for (const wrong of [{ PrefixListName: "com.amazonaws.x" }, { MaxEntries: 1001 }, { AddressFamily: "IPX" }])
    await assert.rejects(client.createManagedPrefixList({ ...create, ...wrong }), {
      name: "InvalidParameterValue",
    });
  assert.deepEqual(await cidrs(), ["192.0.2.0/24", "198.51.100.0/24"]);
});

test("of many who change a version at once one does", limit, async (t) => {
  const { modify, cidrs } = await withList(t);
  const changes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, n) =>
      modify({ CurrentVersion: 1, AddEntries: [{ Cidr: `10.${n}.0.0/16` }] }),
    ),
  );
  assert.equal(changes.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal((await cidrs()).length, 3);
});

test("so many versions are kept, and all go with their list", limit, async (t) => {
  const { client, id, modify, cidrs, records } = await withList(t);
  for (let version = 1; version <= keptVersions; version++) {
    const entry = { Cidr: "203.0.113.0/24" };
    await modify({
      CurrentVersion: version,
      ...(version % 2 === 1 ? { AddEntries: [entry] } : { RemoveEntries: [entry] }),
    });
  }
  await assert.rejects(cidrs(1), { name: "InvalidParameterValue" });
  assert.equal((await cidrs(2)).length, 3);
  await client.deleteManagedPrefixList({ PrefixListId: id });
  assert.ok(records.all("prefix-list-version").every((it) => !it.id.startsWith(id)));
});

test("a group's rules name a list, count it whole, and keep it", limit, async (t) => {
  const { client, id, modify, group, authorize } = await withList(t);
  const { SecurityGroupRules: [rule] = [] } = await authorize(443);
  assert.equal(rule?.PrefixListId, id);
  const { SecurityGroups: [described] = [] } = await client.describeSecurityGroups({
    Filters: [{ Name: "ip-permission.prefix-list-id", Values: [id] }],
  });
  assert.deepEqual(described?.IpPermissions?.[0]?.PrefixListIds, [
    { PrefixListId: id, Description: "sites" },
  ]);
  const { PrefixListAssociations } = await client.getManagedPrefixListAssociations({ PrefixListId: id });
  assert.deepEqual(
    PrefixListAssociations?.map(({ ResourceId }) => ResourceId),
    [group],
  );
  await assert.rejects(client.deleteManagedPrefixList({ PrefixListId: id }), {
    name: "DependencyViolation",
    message: `The prefixList '${id}' has dependencies and cannot be deleted.`,
  });
  await modify({ MaxEntries: 30 });
  await authorize(444);
  await assert.rejects(authorize(445), { name: "RulesPerSecurityGroupLimitExceeded" });
  await modify({ MaxEntries: 31 });
  const { PrefixLists: [list] = [] } = await client.describeManagedPrefixLists({ PrefixListIds: [id] });
  assert.deepEqual(
    [list?.State, list?.MaxEntries, list?.StateMessage],
    ["modify-failed", 30, `These resources do not support the new maximum size: ${group}`],
  );
  await client.revokeSecurityGroupIngress({
    GroupId: group,
    SecurityGroupRuleIds: [rule?.SecurityGroupRuleId ?? ""],
  });
  await assert.rejects(client.deleteManagedPrefixList({ PrefixListId: id }), { name: "DependencyViolation" });
  await client.deleteSecurityGroup({ GroupId: group });
  await client.deleteManagedPrefixList({ PrefixListId: id });
});

test("packets pass as the list that a rule names says, from its change on", limit, async (t) => {
  const { client, modify, group, authorize, records, networks, until } = await withList(t);
  await authorize(443);
  const { Instances } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
    SecurityGroupIds: [group],
  });
  const to = Instances?.[0]?.PrivateIpAddress ?? "";
  const vpcId = records.claimed("default-vpc") ?? "";
  const passes = (from: string) => networks.passes(vpcId, { from, to, protocol: 6, port: 443 });
  await until(() => passes("192.0.2.9"));
  assert.equal(passes("203.0.113.9"), false);
  await modify({
    CurrentVersion: 1,
    AddEntries: [{ Cidr: "203.0.113.0/24" }],
    RemoveEntries: [{ Cidr: "192.0.2.0/24" }],
  });
  await until(() => passes("203.0.113.9"));
  assert.equal(passes("192.0.2.9"), false);
});

test("a route to a list leads where the list says, counts it whole, and keeps it", limit, async (t) => {
  const { client, id, modify, group, records, networks, until } = await withList(t);
  const vpcId = records.claimed("default-vpc") ?? "";
  const { RouteTables: [table] = [] } = await client.describeRouteTables();
  const RouteTableId = table?.RouteTableId;
  const GatewayId = table?.Routes?.find((route) => route.GatewayId !== "local")?.GatewayId;
  const { Instances } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.nano",
    MinCount: 1,
    MaxCount: 1,
    SecurityGroupIds: [group],
  });
  const from = Instances?.[0]?.PrivateIpAddress ?? "";
  const passes = (to: string) => networks.passes(vpcId, { from, to, protocol: 6, port: 443 });
  await until(() => passes("203.0.113.9"));
  await client.deleteRoute({ RouteTableId, DestinationCidrBlock: "0.0.0.0/0" });
  await until(() => !passes("192.0.2.9"));
  const route = { RouteTableId, DestinationPrefixListId: id, GatewayId };
  await client.createRoute(route);
  await until(() => passes("192.0.2.9"));
  assert.equal(passes("203.0.113.9"), false);
  await modify({
    CurrentVersion: 1,
    AddEntries: [{ Cidr: "203.0.113.0/24" }],
    RemoveEntries: [{ Cidr: "192.0.2.0/24" }],
  });
  await until(() => passes("203.0.113.9"));
  assert.equal(passes("192.0.2.9"), false);

  const { RouteTables: [described] = [] } = await client.describeRouteTables({
    Filters: [{ Name: "route.destination-prefix-list-id", Values: [id] }],
  });
  assert.deepEqual(described?.Routes?.[1], {
    DestinationPrefixListId: id,
    GatewayId,
    Origin: "CreateRoute",
    State: "active",
  });
  const InstanceId = Instances?.[0]?.InstanceId;
  await assert.rejects(client.createRoute({ ...route, GatewayId: undefined, InstanceId }), {
    name: "RouteAlreadyExists",
    message: `The route identified by ${id} already exists.`,
  });
  await assert.rejects(client.deleteManagedPrefixList({ PrefixListId: id }), { name: "DependencyViolation" });
  await modify({ MaxEntries: 50 });
  await assert.rejects(client.createRoute({ RouteTableId, GatewayId, DestinationCidrBlock: "0.0.0.0/0" }), {
    name: "RouteLimitExceeded",
  });
  await modify({ MaxEntries: 51 });
  const { PrefixLists: [list] = [] } = await client.describeManagedPrefixLists({ PrefixListIds: [id] });
  assert.deepEqual([list?.State, list?.MaxEntries], ["modify-failed", 50]);
  await client.deleteRoute({ RouteTableId, DestinationPrefixListId: id });
  await until(() => !passes("203.0.113.9"));
  await assert.rejects(client.deleteRoute({ RouteTableId, DestinationPrefixListId: id }), {
    name: "InvalidRoute.NotFound",
    message: `no route with destination-prefix-list-id ${id} in route table ${RouteTableId}`,
  });
  await client.deleteManagedPrefixList({ PrefixListId: id });
});

async function withList(t: TestContext) {
  const region = await testRegion(t);
  const { client } = region;
  const { PrefixList } = await client.createManagedPrefixList({
    PrefixListName: "offices",
    MaxEntries: 3,
    AddressFamily: "IPv4",
    Entries: offices,
  });
  const id = PrefixList?.PrefixListId ?? "";
  const { GroupId: group = "" } = await client.createSecurityGroup({ GroupName: "web", Description: "web" });
  return {
    ...region,
    id,
    group,
    modify: (input: Partial<ModifyManagedPrefixListCommandInput>) =>
      client.modifyManagedPrefixList({ PrefixListId: id, ...input }),
    cidrs: async (TargetVersion?: number) => {
      const { Entries = [] } = await client.getManagedPrefixListEntries({ PrefixListId: id, TargetVersion });
      return Entries.map(({ Cidr }) => Cidr);
    },
    authorize: (port: number) =>
      client.authorizeSecurityGroupIngress({
        GroupId: group,
        IpPermissions: [
          {
            IpProtocol: "tcp",
            FromPort: port,
            ToPort: port,
            PrefixListIds: [{ PrefixListId: id, Description: "sites" }],
          },
        ],
      }),
  };
}
