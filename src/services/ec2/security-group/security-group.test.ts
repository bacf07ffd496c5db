import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2, IpPermission } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { newId, random } from "../chance.ts";
import { securityGroupRuleOperations } from "./security-group-rule-operations.ts";
import { securityGroupOperations } from "./security-group-operations.ts";

const limit = { timeout: 20_000 };
const ssh: IpPermission = {
  IpProtocol: "tcp",
  FromPort: 22,
  ToPort: 22,
  IpRanges: [{ CidrIp: "0.0.0.0/0" }],
};

test("a new group lets everything out and nothing in", limit, async (t) => {
  const { client, id } = await withGroup(t);
  const group = await describe(client, id);
  assert.deepEqual(group?.IpPermissions, []);
  assert.deepEqual(group?.IpPermissionsEgress, [
    {
      IpProtocol: "-1",
      IpRanges: [{ CidrIp: "0.0.0.0/0" }],
      Ipv6Ranges: [],
      PrefixListIds: [],
      UserIdGroupPairs: [],
    },
  ]);
  assert.equal(group?.SecurityGroupArn, `arn:aws:ec2:eu-central-1:111122223333:security-group/${id}`);
});

test("the default group lets its own members in, and cannot be deleted", limit, async (t) => {
  const { client } = await testRegion(t);
  const { SecurityGroups: [group] = [] } = await client.describeSecurityGroups({ GroupNames: ["default"] });
  assert.deepEqual(group?.IpPermissions?.[0]?.UserIdGroupPairs, [
    { GroupId: group?.GroupId, UserId: "111122223333" },
  ]);
  await assert.rejects(client.deleteSecurityGroup({ GroupName: "default" }), {
    name: "CannotDelete",
    message: `the specified group: "${group?.GroupId}" name: "default" cannot be deleted by a user`,
  });
});

test(
  "a name is taken once in its VPC, whatever its case, and free again after deletion",
  limit,
  async (t) => {
    const { client, id } = await withGroup(t);
    const group = await describe(client, id);
    const again = { GroupName: "Web ", Description: "the web" };
    await assert.rejects(client.createSecurityGroup(again), {
      name: "InvalidGroup.Duplicate",
      message: `The security group 'Web' already exists for VPC '${group?.VpcId}'`,
    });
    await client.deleteSecurityGroup({ GroupName: "WEB" });
    await client.createSecurityGroup(again);
  },
);

test("of 32 clients that want the same name one gets it", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const made = await Promise.allSettled(
    Array.from({ length: 32 }, () =>
      client.createSecurityGroup({ GroupName: "web", Description: "the web" }),
    ),
  );
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  for (const it of made) if (it.status === "rejected") assert.equal(it.reason.name, "InvalidGroup.Duplicate");
  assert.equal(records.all("security-group").length, 2);
});

test("a region has up to 2,500 groups", limit, async (t) => {
  const { client, records, store, feed } = await testRegion(t);
  const [group] = records.all("security-group");
  assert.ok(group);
  const more = Array.from({ length: 2498 }, (_, n) => ({
    ...group,
    id: `sg-${String(n).padStart(17, "0")}`,
  }));
  for (let n = 0; n < more.length; n += 100) {
    const put = more
      .slice(n, n + 100)
      .map((it) => ({ key: records.key("security-group", it.id), value: it }));
    await feed.reached((await store.commit({ put })).revision);
  }
  await client.createSecurityGroup({ GroupName: "last", Description: "the last" });
  await assert.rejects(client.createSecurityGroup({ GroupName: "more", Description: "one more" }), {
    name: "SecurityGroupLimitExceeded",
    message: `The maximum number of security groups for VPC '${group.vpcId}' has been reached.`,
  });
});

const badNames: readonly [GroupName: string, message: RegExp][] = [
  ["sg-web", /GroupName is invalid\. Group names may not be in the format sg-\*\./],
  ["wéb", /GroupName is invalid\. Character sets beyond ASCII are not supported\./],
  ["default", /Cannot use reserved security group name: default/],
  ["a\nb", /GroupName is invalid/],
  ["web|ssh", /GroupName is invalid/],
  ["x".repeat(256), /GroupName is invalid/],
  [" ", /GroupName is invalid/],
];
for (const [GroupName, message] of badNames)
  test(`${JSON.stringify(GroupName.slice(0, 20))} is no name of a group`, limit, async (t) => {
    const { client } = await testRegion(t);
    await assert.rejects(client.createSecurityGroup({ GroupName, Description: "a group" }), {
      name: "InvalidParameterValue",
      message,
    });
  });

test("a group needs an ASCII description and a VPC that exists", limit, async (t) => {
  const { client } = await testRegion(t);
  const made = (more: { Description: string; VpcId?: string }) =>
    client.createSecurityGroup({ GroupName: "web", ...more });
  await assert.rejects(made({ Description: "für uns" }), { name: "InvalidParameterValue" });
  await assert.rejects(made({ Description: "ours", VpcId: "vpc-01230123012301230" }), {
    name: "InvalidVpcID.NotFound",
    message: "The vpc ID 'vpc-01230123012301230' does not exist",
  });
});

test("permissions become one rule for each peer, and one permission for all of them", limit, async (t) => {
  const { client, id } = await withGroup(t);
  const { SecurityGroupRules = [] } = await client.authorizeSecurityGroupIngress({
    GroupId: id,
    IpPermissions: [
      {
        ...ssh,
        IpRanges: [{ CidrIp: "10.0.0.7/8", Description: "us" }, { CidrIp: "192.0.2.1/32" }],
        Ipv6Ranges: [{ CidrIpv6: "2001:DB8:0::9/32" }],
        UserIdGroupPairs: [{ GroupId: id }],
      },
    ],
  });
  assert.equal(SecurityGroupRules.length, 4);
  assert.ok(SecurityGroupRules.every((rule) => /^sgr-0[0-9a-f]{16}$/.test(rule.SecurityGroupRuleId ?? "")));
  assert.deepEqual((await describe(client, id))?.IpPermissions, [
    {
      IpProtocol: "tcp",
      FromPort: 22,
      ToPort: 22,
      IpRanges: [{ CidrIp: "10.0.0.0/8", Description: "us" }, { CidrIp: "192.0.2.1/32" }],
      Ipv6Ranges: [{ CidrIpv6: "2001:db8::/32" }],
      UserIdGroupPairs: [{ GroupId: id, UserId: "111122223333" }],
      PrefixListIds: [],
    },
  ]);
});

test("one rule can be written in the request's own members", limit, async (t) => {
  const { client, id } = await withGroup(t);
  const flat = { GroupId: id, IpProtocol: "6", FromPort: 80, ToPort: 81, CidrIp: "0.0.0.0/0" };
  const { SecurityGroupRules: [rule] = [] } = await client.authorizeSecurityGroupIngress(flat);
  assert.deepEqual(
    [rule?.IpProtocol, rule?.FromPort, rule?.ToPort, rule?.CidrIpv4],
    ["tcp", 80, 81, "0.0.0.0/0"],
  );
  await client.revokeSecurityGroupIngress(flat);
  assert.deepEqual((await describe(client, id))?.IpPermissions, []);
});

test("a source group by name alone is let in with all TCP, UDP and ICMP", limit, async (t) => {
  const { client } = await withGroup(t);
  const { SecurityGroupRules = [] } = await client.authorizeSecurityGroupIngress({
    GroupName: "web",
    SourceSecurityGroupName: "default",
  });
  assert.deepEqual(
    SecurityGroupRules.map((rule) => [rule.IpProtocol, rule.FromPort, rule.ToPort]),
    [
      ["tcp", 0, 65_535],
      ["udp", 0, 65_535],
      ["icmp", -1, -1],
    ],
  );
});

test(
  "another protocol than TCP, UDP and ICMP is open on all ports, whatever the request says",
  limit,
  async (t) => {
    const { client, id } = await withGroup(t);
    for (const IpProtocol of ["-1", "47", "050"])
      await authorize(client, id, { IpProtocol, FromPort: 1, ToPort: 2 });
    const { IpPermissions = [] } = (await describe(client, id)) ?? {};
    assert.deepEqual(
      IpPermissions.map(({ IpProtocol: protocol, FromPort: from }) => [protocol, from]),
      [
        ["-1", undefined],
        ["47", undefined],
        ["50", undefined],
      ],
    );
  },
);

const refused: readonly [what: string, permission: IpPermission, name: string, message: RegExp][] = [
  [
    "TCP without ports",
    { ...ssh, FromPort: undefined },
    "InvalidParameterValue",
    /Must specify both from and to ports with TCP\/UDP/,
  ],
  [
    "ports from high to low",
    { ...ssh, FromPort: 23 },
    "InvalidParameterValue",
    /Invalid TCP\/UDP port range \(23:22\)/,
  ],
  ["a port past 65,535", { ...ssh, ToPort: 65_536 }, "InvalidParameterValue", /port range/],
  ["ICMP without a type", { IpProtocol: "icmp" }, "InvalidParameterValue", /ICMP/],
  [
    "an ICMP code of any type",
    { IpProtocol: "icmp", FromPort: -1, ToPort: 0 },
    "InvalidParameterValue",
    /out of range/,
  ],
  ["an unknown protocol", { IpProtocol: "constructor" }, "InvalidParameterValue", /Unknown protocol/],
  ["a protocol number past 255", { IpProtocol: "256" }, "InvalidParameterValue", /Unknown protocol/],
  ["no protocol", { IpProtocol: undefined }, "MissingParameter", /ipProtocol/],
  [
    "a single address",
    { ...ssh, IpRanges: [{ CidrIp: "10.0.0.1" }] },
    "InvalidParameterValue",
    /CIDR block 10\.0\.0\.1 is malformed/,
  ],
  ["no peer", { ...ssh, IpRanges: [] }, "MissingParameter", /at least one/],
  [
    "a group that is not there",
    { ...ssh, UserIdGroupPairs: [{ GroupId: "sg-01230123012301230" }] },
    "InvalidGroup.NotFound",
    /'sg-01230123012301230' does not exist/,
  ],
  [
    "a group name that is not there",
    { ...ssh, UserIdGroupPairs: [{ GroupName: "db" }] },
    "InvalidGroup.NotFound",
    /'db' does not exist/,
  ],
  [
    "a description beyond ASCII",
    { ...ssh, IpRanges: [{ CidrIp: "10.0.0.0/8", Description: "büro" }] },
    "InvalidParameterValue",
    /Invalid rule description/,
  ],
  [
    "a prefix list that is not there",
    { ...ssh, PrefixListIds: [{ PrefixListId: "pl-00000000000000000" }] },
    "InvalidPrefixListID.NotFound",
    /'pl-00000000000000000' does not exist/,
  ],
];
for (const [what, permission, name, message] of refused)
  test(`a rule with ${what} is refused and changes nothing`, limit, async (t) => {
    const { client, id, feed } = await withGroup(t);
    const before = feed.revision;
    await assert.rejects(authorize(client, id, permission), { name, message });
    assert.equal(feed.revision, before);
  });

test("rules in two forms at once are refused", limit, async (t) => {
  const { client, id: GroupId } = await withGroup(t);
  const flat = { GroupId, IpProtocol: "tcp", FromPort: 1, ToPort: 1, CidrIp: "0.0.0.0/0" };
  for (const more of [{ IpPermissions: [ssh] }, { SourceSecurityGroupName: "default" }])
    await assert.rejects(client.authorizeSecurityGroupIngress({ ...flat, ...more }), {
      name: "InvalidParameterCombination",
    });
  await assert.rejects(client.authorizeSecurityGroupIngress({ GroupId }), { name: "MissingParameter" });
});

test("a rule that is there, even written otherwise, fails the whole request", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await authorize(client, id, { ...ssh, IpRanges: [{ CidrIp: "100.68.0.0/18" }] });
  const http = { ...ssh, FromPort: 80, ToPort: 80 };
  const same = { ...ssh, IpProtocol: "6", IpRanges: [{ CidrIp: "100.68.0.18/18", Description: "again" }] };
  await assert.rejects(authorize(client, id, http, same), {
    name: "InvalidPermission.Duplicate",
    message:
      'the specified rule "peer: 100.68.0.0/18, TCP, from port: 22, to port: 22, ALLOW" already exists',
  });
  assert.equal((await describe(client, id))?.IpPermissions?.length, 1);
});

test("the same rule twice in one request is refused", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await assert.rejects(authorize(client, id, ssh, ssh), {
    name: "InvalidParameterValue",
    message: "The same permission must not appear multiple times",
  });
});

test(
  "60 rules fit each direction for IPv4 and as many for IPv6; a group counts for both",
  limit,
  async (t) => {
    const { client, id } = await withGroup(t);
    const many = (n: number) => Array.from({ length: n }, (_, i) => `10.${i}.0.0/16`);
    const [IpRanges, Ipv6Ranges] = [
      many(60).map((CidrIp) => ({ CidrIp })),
      Array.from({ length: 59 }, (_, i) => ({ CidrIpv6: `2001:db8:${i}::/48` })),
    ];
    await authorize(client, id, { ...ssh, IpRanges, Ipv6Ranges });
    for (const more of [
      { IpRanges: [{ CidrIp: "10.60.0.0/16" }] },
      { IpRanges: [], UserIdGroupPairs: [{ GroupId: id }] },
    ])
      await assert.rejects(authorize(client, id, { ...ssh, ...more }), {
        name: "RulesPerSecurityGroupLimitExceeded",
      });
    await authorize(client, id, { ...ssh, IpRanges: [], Ipv6Ranges: [{ CidrIpv6: "2001:db8:ff::/48" }] });
    await client.authorizeSecurityGroupEgress({ GroupId: id, IpPermissions: [ssh] });
  },
);

test("rules are revoked by id, in their own direction only", limit, async (t) => {
  const { client, id: GroupId } = await withGroup(t);
  const { SecurityGroupRules: [rule] = [] } = await authorize(client, GroupId, ssh);
  const SecurityGroupRuleIds = [rule?.SecurityGroupRuleId ?? ""];
  await assert.rejects(client.revokeSecurityGroupEgress({ GroupId, SecurityGroupRuleIds }), {
    name: "InvalidSecurityGroupRuleId.NotFound",
    message: `The security group rule ID '${SecurityGroupRuleIds[0]}' does not exist`,
  });
  await assert.rejects(
    client.revokeSecurityGroupIngress({ GroupId, SecurityGroupRuleIds, IpPermissions: [ssh] }),
    { name: "InvalidParameterCombination" },
  );
  const { RevokedSecurityGroupRules } = await client.revokeSecurityGroupIngress({
    GroupId,
    SecurityGroupRuleIds,
  });
  assert.deepEqual(RevokedSecurityGroupRules, [
    {
      SecurityGroupRuleId: SecurityGroupRuleIds[0],
      GroupId,
      IsEgress: false,
      IpProtocol: "tcp",
      FromPort: 22,
      ToPort: 22,
      CidrIpv4: "0.0.0.0/0",
    },
  ]);
});

test("the rule that lets everything out can be revoked", limit, async (t) => {
  const { client, id } = await withGroup(t);
  const everything = [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }];
  await client.revokeSecurityGroupEgress({ GroupId: id, IpPermissions: everything });
  assert.deepEqual((await describe(client, id))?.IpPermissionsEgress, []);
});

test("revoking does not need the description", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await authorize(client, id, { ...ssh, IpRanges: [{ CidrIp: "0.0.0.0/0", Description: "all" }] });
  await client.revokeSecurityGroupIngress({ GroupId: id, IpPermissions: [ssh] });
  assert.deepEqual((await describe(client, id))?.IpPermissions, []);
});

test(
  "a group without a VPC, or with an empty one as Packer says it, is of the default VPC",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    for (const [GroupName, more] of [
      ["one", {}],
      ["two", { VpcId: "" }],
    ] as const) {
      const { GroupId = "" } = await client.createSecurityGroup({ GroupName, Description: "d", ...more });
      assert.equal(records.get("security-group", GroupId)?.vpcId, records.claimed("default-vpc"));
    }
  },
);

test("in the default VPC what is not there is told, and the rest revoked", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await authorize(client, id, ssh);
  const http = { ...ssh, FromPort: 80, ToPort: 80 };
  const { Return, UnknownIpPermissions, RevokedSecurityGroupRules } = await client.revokeSecurityGroupIngress(
    {
      GroupId: id,
      IpPermissions: [ssh, http],
    },
  );
  assert.equal(Return, true);
  assert.equal(RevokedSecurityGroupRules?.length, 1);
  assert.deepEqual(
    UnknownIpPermissions?.map(({ FromPort: from }) => from),
    [80],
  );
});

test("in another VPC what is not there fails the request, and nothing is revoked", limit, async (t) => {
  const { client, id, records, store, feed } = await withGroup(t);
  await authorize(client, id, ssh);
  const [vpc] = records.all("vpc");
  assert.ok(vpc);
  const { revision } = await store.commit({
    put: [{ key: records.key("vpc", vpc.id), value: { ...vpc, isDefault: false } }],
  });
  await feed.reached(revision);
  const http = { ...ssh, FromPort: 80, ToPort: 80 };
  await assert.rejects(client.revokeSecurityGroupIngress({ GroupId: id, IpPermissions: [ssh, http] }), {
    name: "InvalidPermission.NotFound",
    message: "The specified rule does not exist in this security group.",
  });
  assert.equal((await describe(client, id))?.IpPermissions?.length, 1);
});

test("a group that another's rules name cannot be deleted until they do not", limit, async (t) => {
  const { client, id } = await withGroup(t);
  const { GroupId: other = "" } = await client.createSecurityGroup({ GroupName: "db", Description: "data" });
  const fromWeb = { ...ssh, IpRanges: [], UserIdGroupPairs: [{ GroupName: "web" }] };
  await authorize(client, other, fromWeb, { ...fromWeb, FromPort: 1 });
  await assert.rejects(client.deleteSecurityGroup({ GroupId: id }), {
    name: "DependencyViolation",
    message: `resource ${id} has a dependent object`,
  });
  await client.revokeSecurityGroupIngress({ GroupId: other, IpPermissions: [fromWeb] });
  await assert.rejects(client.deleteSecurityGroup({ GroupId: id }), { name: "DependencyViolation" });
  await client.deleteSecurityGroup({ GroupId: other });
  await client.deleteSecurityGroup({ GroupId: id });
});

test("a group whose rules name itself can be deleted", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await authorize(client, id, { ...ssh, UserIdGroupPairs: [{ GroupId: id }] });
  await client.deleteSecurityGroup({ GroupId: id });
  await assert.rejects(client.deleteSecurityGroup({ GroupId: id }), {
    name: "InvalidGroup.NotFound",
    message: `The security group '${id}' does not exist`,
  });
});

test("a group of an instance can be deleted once the instance is gone", limit, async (t) => {
  const { client, id, until, records } = await withGroup(t);
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    SecurityGroupIds: [id],
  });
  await assert.rejects(client.deleteSecurityGroup({ GroupId: id }), { name: "DependencyViolation" });
  await client.terminateInstances({ InstanceIds: [instance?.InstanceId ?? ""] });
  await until(() => records.all("network-interface").length === 0);
  await client.deleteSecurityGroup({ GroupId: id });
});

test(
  "of deleting a group and naming it, decided on at the same moment, only one is done",
  limit,
  async (t) => {
    for (const first of ["authorize", "delete"] as const) {
      const { client, id: web, records, store } = await withGroup(t);
      const { GroupId: db = "" } = await client.createSecurityGroup({ GroupName: "db", Description: "data" });
      const scope = { accountId: "111122223333", region: "eu-central-1" };
      const context = {
        ...scope,
        homeRegion: scope.region,
        records,
        newId,
        random,
        publicPool: "",
        now: () => new Date(),
      };
      const fromWeb = { ...ssh, UserIdGroupPairs: [{ GroupId: web }] };
      const { DeleteSecurityGroup } = securityGroupOperations;
      const { AuthorizeSecurityGroupIngress } = securityGroupRuleOperations;
      const plans = [
        AuthorizeSecurityGroupIngress.resolve({ GroupId: db, IpPermissions: [fromWeb] }, context),
        DeleteSecurityGroup.resolve({ GroupId: web }, context),
      ];
      const [winner, loser] = first === "authorize" ? plans : plans.toReversed();
      await store.commit(winner?.transaction ?? {});
      await assert.rejects(store.commit(loser?.transaction ?? {}), { name: "ExpectationFailed" });
    }
  },
);

test("deleting a group that just began to name another frees the other", limit, async (t) => {
  const { client } = await testRegion(t);
  for (let n = 0; n < 10; n++) {
    const [web = "", db = ""] = await Promise.all(
      ["web", "db"].map(async (name) => {
        const { GroupId } = await client.createSecurityGroup({
          GroupName: `${name}-${n}`,
          Description: name,
        });
        return GroupId;
      }),
    );
    const fromWeb = { ...ssh, IpRanges: [], UserIdGroupPairs: [{ GroupId: web }] };
    await Promise.allSettled([authorize(client, db, fromWeb), client.deleteSecurityGroup({ GroupId: db })]);
    await client.deleteSecurityGroup({ GroupId: web });
  }
});

test("32 clients that each add a rule to one group all succeed", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await Promise.all(Array.from({ length: 32 }, () => describe(client, id))); // 32 connections
  await Promise.all(
    Array.from({ length: 32 }, (_, n) => authorize(client, id, { ...ssh, FromPort: n, ToPort: n })),
  );
  assert.equal((await describe(client, id))?.IpPermissions?.length, 32);
});

test("of 32 clients that add the same rule one does, and one of 32 that revoke it", limit, async (t) => {
  const { client, id } = await withGroup(t);
  const added = await Promise.allSettled(Array.from({ length: 32 }, () => authorize(client, id, ssh)));
  assert.equal(added.filter(({ status }) => status === "fulfilled").length, 1);
  const revoked = await Promise.all(
    Array.from({ length: 32 }, () =>
      client.revokeSecurityGroupIngress({ GroupId: id, IpPermissions: [ssh] }),
    ),
  );
  assert.equal(revoked.flatMap((it) => it.RevokedSecurityGroupRules ?? []).length, 1);
});

test("groups are found by their rules and the groups these name", limit, async (t) => {
  const { client, id } = await withGroup(t);
  await authorize(client, id, ssh, {
    ...ssh,
    FromPort: 1,
    IpRanges: [],
    UserIdGroupPairs: [{ GroupName: "default" }],
  });
  const found = async (Name: string, ...Values: string[]) => {
    const { SecurityGroups = [] } = await client.describeSecurityGroups({ Filters: [{ Name, Values }] });
    return new Set(SecurityGroups.map((group) => group.GroupName));
  };
  assert.deepEqual(await found("ip-permission.from-port", "22"), new Set(["web"]));
  assert.deepEqual(await found("ip-permission.cidr", "0.0.0.0/0"), new Set(["web"]));
  assert.deepEqual(await found("egress.ip-permission.cidr", "0.0.0.0/0"), new Set(["default", "web"]));
  assert.deepEqual(await found("ip-permission.group-name", "default"), new Set(["default", "web"]));
  assert.deepEqual(await found("group-name", "w*"), new Set(["web"]));
});

test("a group by name is looked for in the default VPC", limit, async (t) => {
  const { client, records } = await testRegion(t);
  await assert.rejects(client.describeSecurityGroups({ GroupNames: ["web"] }), {
    name: "InvalidGroup.NotFound",
    message: `The security group 'web' does not exist in default VPC '${records.claimed("default-vpc")}'`,
  });
  await assert.rejects(client.deleteSecurityGroup({}), { name: "MissingParameter" });
});

async function withGroup(t: TestContext) {
  const region = await testRegion(t);
  const { GroupId: id = "" } = await region.client.createSecurityGroup({
    GroupName: "web",
    Description: "the web",
  });
  return { ...region, id };
}

async function describe(client: EC2, id: string) {
  const { SecurityGroups: [group] = [] } = await client.describeSecurityGroups({ GroupIds: [id] });
  return group;
}

const authorize = (client: EC2, GroupId: string, ...permissions: IpPermission[]) =>
  client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: permissions.map((it) => ({ IpRanges: [{ CidrIp: "0.0.0.0/0" }], ...it })),
  });
