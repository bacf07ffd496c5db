import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2, IpPermission, SecurityGroupRuleRequest } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };
const ssh: IpPermission = {
  IpProtocol: "tcp",
  FromPort: 22,
  ToPort: 22,
  IpRanges: [{ CidrIp: "10.0.0.0/8", Description: "us" }],
};
const asRequest: SecurityGroupRuleRequest = {
  IpProtocol: "tcp",
  FromPort: 22,
  ToPort: 22,
  CidrIpv4: "10.0.0.0/8",
};

test("a rule is described whole, by its id, its group or its tags", limit, async (t) => {
  const { client, GroupId, ruleId } = await withRule(t);
  const rule = {
    SecurityGroupRuleId: ruleId,
    SecurityGroupRuleArn: `arn:aws:ec2:eu-central-1:111122223333:security-group-rule/${ruleId}`,
    GroupId,
    GroupOwnerId: "111122223333",
    IsEgress: false,
    IpProtocol: "tcp",
    FromPort: 22,
    ToPort: 22,
    CidrIpv4: "10.0.0.0/8",
    Description: "us",
    Tags: [{ Key: "team", Value: "a" }],
  };
  for (const input of [
    { SecurityGroupRuleIds: [ruleId] },
    { Filters: [{ Name: "security-group-rule-id", Values: [ruleId] }] },
    { Filters: [{ Name: "tag:team", Values: ["a"] }] },
  ])
    assert.deepEqual((await client.describeSecurityGroupRules(input)).SecurityGroupRules, [rule]);
  const ofGroup = await client.describeSecurityGroupRules({
    Filters: [{ Name: "group-id", Values: [GroupId] }],
  });
  assert.deepEqual(ofGroup.SecurityGroupRules?.map(({ IsEgress }) => IsEgress).toSorted(), [false, true]);
});

test("a rule that names a group says whose it is", limit, async (t) => {
  const { client, GroupId } = await withRule(t);
  const { SecurityGroupRules: [rule] = [] } = await client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [{ ...ssh, IpRanges: [], UserIdGroupPairs: [{ GroupId }] }],
  });
  assert.deepEqual(rule?.ReferencedGroupInfo, { GroupId, UserId: "111122223333" });
  assert.equal(rule?.CidrIpv4, undefined);
});

test("rules come in pages that hold each once", limit, async (t) => {
  const { client, GroupId } = await withRule(t);
  await client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: Array.from({ length: 9 }, (_, n) => ({ ...ssh, FromPort: n, ToPort: n })),
  });
  const seen = new Set<string | undefined>();
  let NextToken: string | undefined;
  do {
    const answer = await client.describeSecurityGroupRules({
      MaxResults: 5,
      ...(NextToken !== undefined && { NextToken }),
    });
    for (const rule of answer.SecurityGroupRules ?? []) seen.add(rule.SecurityGroupRuleId);
    NextToken = answer.NextToken;
  } while (NextToken !== undefined);
  assert.equal(seen.size, 13);
});

test("a rule that is not there is named, wherever it is asked for", limit, async (t) => {
  const { client, GroupId } = await withRule(t);
  const SecurityGroupRuleId = "sgr-00000000000000000";
  const missing = {
    name: "InvalidSecurityGroupRuleId.NotFound",
    message: `The security group rule ID '${SecurityGroupRuleId}' does not exist`,
  };
  await assert.rejects(
    client.describeSecurityGroupRules({ SecurityGroupRuleIds: [SecurityGroupRuleId] }),
    missing,
  );
  await assert.rejects(modify(client, GroupId, SecurityGroupRuleId, asRequest), missing);
  await assert.rejects(
    client.updateSecurityGroupRuleDescriptionsIngress({
      GroupId,
      SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId }],
    }),
    missing,
  );
});

test("a modified rule is what the request says, and keeps its id, direction and tags", limit, async (t) => {
  const { client, GroupId, ruleId } = await withRule(t);
  await modify(client, GroupId, ruleId, {
    IpProtocol: "17",
    FromPort: 53,
    ToPort: 54,
    CidrIpv4: "192.0.2.0/24",
  });
  const rule = await ruleOf(client, ruleId);
  assert.deepEqual(
    [rule?.IpProtocol, rule?.FromPort, rule?.ToPort, rule?.CidrIpv4, rule?.Description, rule?.IsEgress],
    ["udp", 53, 54, "192.0.2.0/24", undefined, false],
  );
  assert.deepEqual(rule?.Tags, [{ Key: "team", Value: "a" }]);
});

test("a rule cannot become one that is there already", limit, async (t) => {
  const { client, GroupId, ruleId } = await withRule(t);
  await client.authorizeSecurityGroupIngress({ GroupId, IpPermissions: [{ ...ssh, FromPort: 1 }] });
  await assert.rejects(modify(client, GroupId, ruleId, { ...asRequest, FromPort: 1 }), {
    name: "InvalidPermission.Duplicate",
    message: 'the specified rule "peer: 10.0.0.0/8, TCP, from port: 1, to port: 22, ALLOW" already exists',
  });
  await modify(client, GroupId, ruleId, { ...asRequest, Description: "itself" });
});

test("two rules can change places in one request", limit, async (t) => {
  const { client, GroupId, ruleId } = await withRule(t);
  const { SecurityGroupRules: [other] = [] } = await client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [{ ...ssh, FromPort: 1 }],
  });
  const otherId = other?.SecurityGroupRuleId ?? "";
  await client.modifySecurityGroupRules({
    GroupId,
    SecurityGroupRules: [
      { SecurityGroupRuleId: ruleId, SecurityGroupRule: { ...asRequest, FromPort: 1 } },
      { SecurityGroupRuleId: otherId, SecurityGroupRule: asRequest },
    ],
  });
  assert.equal((await ruleOf(client, ruleId))?.FromPort, 1);
  assert.equal((await ruleOf(client, otherId))?.FromPort, 22);
});

const refused: readonly [what: string, request: SecurityGroupRuleRequest, name: string, message: RegExp][] = [
  [
    "a group instead of an address",
    { ...asRequest, CidrIpv4: undefined, ReferencedGroupId: "sg-1" },
    "InvalidParameterValue",
    /^You may not specify a referenced group id for an existing IPv4 CIDR rule\.$/,
  ],
  [
    "an IPv6 address instead of an IPv4 one",
    { ...asRequest, CidrIpv6: "::/0" },
    "InvalidParameterValue",
    /IPv6/,
  ],
  ["no peer", { ...asRequest, CidrIpv4: undefined }, "MissingParameter", /CidrIpv4/],
  [
    "host bits",
    { ...asRequest, CidrIpv4: "10.0.0.1/8" },
    "InvalidParameterValue",
    /^CIDR block 10\.0\.0\.1\/8 is malformed$/,
  ],
  ["no protocol", { ...asRequest, IpProtocol: undefined }, "MissingParameter", /ipProtocol/],
  ["ports from high to low", { ...asRequest, FromPort: 23 }, "InvalidParameterValue", /port range/],
  [
    "all protocols on one port",
    { ...asRequest, IpProtocol: "-1" },
    "InvalidParameterValue",
    /^You may not specify all protocols and specific ports\./,
  ],
  [
    "a prefix list in place of a CIDR block",
    { ...asRequest, PrefixListId: "pl-00000000000000000" },
    "InvalidParameterValue",
    /^You may not specify a prefix list id for an existing IPv4 CIDR rule\.$/,
  ],
];
for (const [what, request, name, message] of refused)
  test(`a rule cannot be modified to have ${what}`, limit, async (t) => {
    const { client, GroupId, ruleId, feed } = await withRule(t);
    const before = feed.revision;
    await assert.rejects(modify(client, GroupId, ruleId, request), { name, message });
    assert.equal(feed.revision, before);
  });

test(
  "a group that a rule names anew cannot be deleted, one that it no longer names can",
  limit,
  async (t) => {
    const { client, GroupId } = await withRule(t);
    const [before = "", after = ""] = await Promise.all(
      ["before", "after"].map(async (GroupName) => {
        const made = await client.createSecurityGroup({ GroupName, Description: "a group" });
        return made.GroupId;
      }),
    );
    const { SecurityGroupRules: [rule] = [] } = await client.authorizeSecurityGroupIngress({
      GroupId,
      IpPermissions: [{ ...ssh, IpRanges: [], UserIdGroupPairs: [{ GroupId: before }] }],
    });
    const { CidrIpv4: _, ...request } = asRequest;
    await modify(client, GroupId, rule?.SecurityGroupRuleId ?? "", { ...request, ReferencedGroupId: after });
    await client.deleteSecurityGroup({ GroupId: before });
    await assert.rejects(client.deleteSecurityGroup({ GroupId: after }), { name: "DependencyViolation" });
  },
);

test(
  "a description is written by id or by what the rule says, and taken away by leaving it out",
  limit,
  async (t) => {
    const { client, GroupId, ruleId } = await withRule(t);
    const descriptions: [
      Parameters<EC2["updateSecurityGroupRuleDescriptionsIngress"]>[0],
      string | undefined,
    ][] = [
      [{ SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: ruleId, Description: "new" }] }, "new"],
      [{ SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: ruleId }] }, undefined],
      [{ IpPermissions: [{ ...ssh, IpRanges: [{ CidrIp: "10.0.0.0/8", Description: "again" }] }] }, "again"],
      [{ IpPermissions: [{ ...ssh, IpRanges: [{ CidrIp: "10.0.0.0/8" }] }] }, undefined],
    ];
    for (const [input, description] of descriptions) {
      await client.updateSecurityGroupRuleDescriptionsIngress({ GroupId, ...input });
      const rule = await ruleOf(client, ruleId);
      assert.equal(rule?.Description, description);
      assert.deepEqual(rule?.Tags, [{ Key: "team", Value: "a" }]);
    }
  },
);

test("descriptions of what is not there, elsewhere or of two forms at once are refused", limit, async (t) => {
  const { client, GroupId, ruleId } = await withRule(t);
  const byId = [{ SecurityGroupRuleId: ruleId, Description: "x" }];
  await assert.rejects(
    client.updateSecurityGroupRuleDescriptionsEgress({ GroupId, SecurityGroupRuleDescriptions: byId }),
    { name: "InvalidSecurityGroupRuleId.NotFound" },
  );
  await assert.rejects(
    client.updateSecurityGroupRuleDescriptionsIngress({
      GroupId,
      IpPermissions: [{ ...ssh, FromPort: 21 }],
    }),
    {
      name: "InvalidPermission.NotFound",
      message: "The specified rule does not exist in this security group.",
    },
  );
  await assert.rejects(
    client.updateSecurityGroupRuleDescriptionsIngress({
      GroupId,
      IpPermissions: [ssh],
      SecurityGroupRuleDescriptions: byId,
    }),
    {
      name: "InvalidParameterCombination",
      message:
        "The parameter 'ipPermissions' may not be used in combination with 'securityGroupRuleDescriptions'.",
    },
  );
  await assert.rejects(client.updateSecurityGroupRuleDescriptionsIngress({ GroupId }), {
    name: "MissingParameter",
  });
});

test("tags for rules that are asked for as another type are refused", limit, async (t) => {
  const { client, GroupId } = await withRule(t);
  await assert.rejects(
    client.authorizeSecurityGroupEgress({
      GroupId,
      IpPermissions: [ssh],
      TagSpecifications: [{ ResourceType: "security-group", Tags: [{ Key: "a", Value: "b" }] }],
    }),
    { name: "InvalidParameterValue" },
  );
});

test("a group names every prefix list of its region", limit, async (t) => {
  const { client } = await testRegion(t);
  const { GroupId = "" } = await client.createSecurityGroup({ GroupName: "web", Description: "the web" });
  const lists = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      client.createManagedPrefixList({ PrefixListName: `list-${n}`, MaxEntries: 1, AddressFamily: "IPv4" }),
    ),
  );
  const ids = lists.map(({ PrefixList }) => ({ PrefixListId: PrefixList?.PrefixListId }));
  const allow = (some: typeof ids) => ({
    GroupId,
    IpPermissions: [{ IpProtocol: "-1", PrefixListIds: some }],
  });
  await client.authorizeSecurityGroupIngress(allow(ids.slice(0, 50)));
  await client.authorizeSecurityGroupEgress(allow(ids.slice(50)));
  const { SecurityGroupRules = [] } = await client.describeSecurityGroupRules({});
  const named = SecurityGroupRules.flatMap((it) => it.PrefixListId ?? []);
  assert.deepEqual(new Set(named), new Set(ids.map((it) => it.PrefixListId)));
});

test("of 32 clients that modify 32 rules into the same one, one does", limit, async (t) => {
  const { client, GroupId } = await withRule(t);
  const { SecurityGroupRules = [] } = await client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: Array.from({ length: 32 }, (_, n) => ({ ...ssh, FromPort: n + 100, ToPort: n + 100 })),
  });
  const wanted = { ...asRequest, FromPort: 443, ToPort: 443 };
  const modified = await Promise.allSettled(
    SecurityGroupRules.map((rule) => modify(client, GroupId, rule.SecurityGroupRuleId ?? "", wanted)),
  );
  assert.equal(modified.filter(({ status }) => status === "fulfilled").length, 1);
  for (const it of modified)
    if (it.status === "rejected") assert.equal(it.reason.name, "InvalidPermission.Duplicate");
});

test("no group of another VPC names what no peer has", limit, async (t) => {
  const { client, GroupId } = await withRule(t);
  const { SecurityGroupReferenceSet } = await client.describeSecurityGroupReferences({ GroupId: [GroupId] });
  assert.deepEqual(SecurityGroupReferenceSet, []);
  await assert.rejects(client.describeSecurityGroupReferences({ GroupId: ["sg-01230123012301230"] }), {
    name: "InvalidGroup.NotFound",
  });
});

async function withRule(t: TestContext) {
  const region = await testRegion(t);
  const { GroupId = "" } = await region.client.createSecurityGroup({
    GroupName: "web",
    Description: "the web",
  });
  const { SecurityGroupRules: [rule] = [] } = await region.client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [ssh],
    TagSpecifications: [{ ResourceType: "security-group-rule", Tags: [{ Key: "team", Value: "a" }] }],
  });
  return { ...region, GroupId, ruleId: rule?.SecurityGroupRuleId ?? "" };
}

async function ruleOf(client: EC2, id: string) {
  const { SecurityGroupRules: [rule] = [] } = await client.describeSecurityGroupRules({
    SecurityGroupRuleIds: [id],
  });
  return rule;
}

const modify = (client: EC2, GroupId: string, SecurityGroupRuleId: string, rule: SecurityGroupRuleRequest) =>
  client.modifySecurityGroupRules({
    GroupId,
    SecurityGroupRules: [{ SecurityGroupRuleId, SecurityGroupRule: rule }],
  });
