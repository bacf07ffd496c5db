import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { EC2, Filter, Tag } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test("tags are added to several resources, and written over by key", limit, async (t) => {
  const { client, groups } = await withGroups(t, 2);
  await tag(client, groups, { Key: "team", Value: "a" }, { Key: "Name", Value: "x" });
  await tag(client, groups.slice(0, 1), { Key: "team", Value: "b" });
  const [first, second] = await Promise.all(groups.map((id) => tagsOf(client, id)));
  assert.deepEqual(first, { Name: "x", team: "b" });
  assert.deepEqual(second, { Name: "x", team: "a" });
});

test("a tag that is asked for when a resource is made is there in the answer", limit, async (t) => {
  const { client } = await testRegion(t);
  const Tags = [{ Key: "team", Value: "a" }];
  const made = await client.createSecurityGroup({
    GroupName: "web",
    Description: "the web",
    TagSpecifications: [{ ResourceType: "security-group", Tags }],
  });
  assert.deepEqual(made.Tags, Tags);
});

test("a resource cannot be asked to be made with tags, but none", limit, async (t) => {
  const { client } = await testRegion(t);
  const TagSpecifications = [{ ResourceType: "key-pair" as const, Tags: [] }];
  await assert.rejects(client.createKeyPair({ KeyName: "me", KeyType: "ed25519", TagSpecifications }), {
    name: "InvalidParameterValue",
    message: "Tag specification must have at least one tag",
  });
});

test("tags asked for another type than the request makes are refused", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const made = client.createSecurityGroup({
    GroupName: "web",
    Description: "the web",
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "a", Value: "b" }] }],
  });
  await assert.rejects(made, {
    name: "InvalidParameterValue",
    message: "'instance' is not a valid taggable resource type for this operation.",
  });
  assert.equal(records.all("security-group").length, 1);
});

const missing: readonly [id: string, name: string, message: string][] = [
  [
    "sg-00000000000000000",
    "InvalidGroup.NotFound",
    "The security group 'sg-00000000000000000' does not exist",
  ],
  [
    "sgr-01230123012301230",
    "InvalidSecurityGroupRuleId.NotFound",
    "The security group rule ID 'sgr-01230123012301230' does not exist",
  ],
  [
    "i-01230123012301230",
    "InvalidInstanceID.NotFound",
    "The instance ID 'i-01230123012301230' does not exist",
  ],
  ["vol-01230123012301230", "InvalidVolume.NotFound", "The volume 'vol-01230123012301230' does not exist."],
  ["x", "InvalidID", "The ID 'x' is not valid"],
  ["", "InvalidID", "The ID '' is not valid"],
  ["constructor-1", "InvalidID", "The ID 'constructor-1' is not valid"],
];
test("one resource that is not there fails them all, in the words of its kind", limit, async (t) => {
  const { client, groups } = await withGroups(t, 2);
  for (const [id, name, message] of missing)
    await assert.rejects(tag(client, [...groups, id], { Key: "a", Value: "b" }), { name, message });
  for (const id of groups) assert.deepEqual(await tagsOf(client, id), {});
});

test("a tag is taken away by its key, or only where it has the value given", limit, async (t) => {
  const { client, groups } = await withGroups(t, 2);
  const [first = "", second = ""] = groups;
  await tag(
    client,
    groups,
    { Key: "team", Value: "a" },
    { Key: "Name", Value: "" },
    { Key: "x", Value: "1" },
  );
  await tag(client, [second], { Key: "team", Value: "b" });
  await client.deleteTags({ Resources: groups, Tags: [{ Key: "team", Value: "a" }, { Key: "x" }] });
  assert.deepEqual(await tagsOf(client, first), { Name: "" });
  assert.deepEqual(await tagsOf(client, second), { Name: "", team: "b" });
  await client.deleteTags({ Resources: [first], Tags: [{ Key: "Name", Value: "other" }] });
  assert.deepEqual(await tagsOf(client, first), { Name: "" });
  await client.deleteTags({ Resources: [first], Tags: [{ Key: "Name", Value: "" }] });
  assert.deepEqual(await tagsOf(client, first), {});
});

test("without naming any, all tags are taken away; what is not there is no error", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  await tag(client, groups, { Key: "a", Value: "1" }, { Key: "b", Value: "2" });
  await client.deleteTags({ Resources: groups });
  await client.deleteTags({ Resources: groups, Tags: [{ Key: "a" }] });
  assert.deepEqual(await tagsOf(client, groups[0] ?? ""), {});
  await assert.rejects(client.deleteTags({ Resources: ["i-01230123012301230"] }), {
    name: "InvalidInstanceID.NotFound",
  });
});

test("rules and their group are tagged apart, also by one request", limit, async (t) => {
  const { client, groups, records } = await withGroups(t, 1);
  const [group = ""] = groups;
  const { SecurityGroupRules: [one, other] = [] } = await client.authorizeSecurityGroupIngress({
    GroupId: group,
    IpPermissions: [80, 81].map((port) => ({
      IpProtocol: "tcp",
      FromPort: port,
      ToPort: port,
      IpRanges: [{ CidrIp: "10.0.0.0/8" }],
    })),
  });
  const [a = "", b = ""] = [one?.SecurityGroupRuleId, other?.SecurityGroupRuleId];
  await tag(client, [group, a, b], { Key: "team", Value: "a" });
  await client.deleteTags({ Resources: [b] });
  assert.deepEqual(await tagsOf(client, group), { team: "a" });
  assert.deepEqual(await tagsOf(client, a), { team: "a" });
  assert.deepEqual(await tagsOf(client, b), {});
  const { Tags = [] } = await client.describeTags({
    Filters: [{ Name: "resource-type", Values: ["security-group-rule"] }],
  });
  assert.deepEqual(
    Tags.map(({ ResourceId }) => ResourceId),
    [a],
  );
  assert.equal(records.get("security-group", group)?.rules.length, 3);
});

test("every kind of resource that is there can be tagged", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { KeyPairId: key = "" } = await client.createKeyPair({ KeyName: "me", KeyType: "ed25519" });
  const kinds = ["image", "security-group", "subnet", "vpc"] as const;
  const ids = [key, ...kinds.flatMap((kind) => records.all(kind)[0]?.id ?? [])];
  await tag(client, ids, { Key: "a", Value: "b" });
  const { Tags = [] } = await client.describeTags({});
  assert.deepEqual(
    Object.fromEntries(Tags.map(({ ResourceId, ResourceType }) => [ResourceType, ResourceId])),
    Object.fromEntries(["key-pair", ...kinds].map((type, n) => [type, ids[n]])),
  );
});

test("100 resources are tagged by one request, all or none; more are refused", limit, async (t) => {
  const { client, groups, feed, records } = await withGroups(t, 101);
  await assert.rejects(tag(client, groups, { Key: "a", Value: "b" }), { name: "InvalidParameterValue" });
  const before = feed.revision;
  await tag(client, [...groups.slice(0, 100), ...groups.slice(0, 100)], { Key: "a", Value: "b" });
  assert.equal(feed.revision, before + 1);
  assert.equal(records.all("security-group").filter(({ tags }) => "a" in tags).length, 100);
});

test("a resource has up to 50 tags", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  const fifty = Array.from({ length: 50 }, (_, n) => ({ Key: `k${n}`, Value: "" }));
  await tag(client, groups, ...fifty);
  await tag(client, groups, { Key: "k0", Value: "again" });
  await assert.rejects(tag(client, groups, { Key: "k50", Value: "" }), {
    name: "TagLimitExceeded",
    message: "The maximum number of Tags for a resource has been reached.",
  });
});

test("keys have 1 to 128 characters and values up to 256, counted as people do", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  await tag(client, groups, { Key: "🦉".repeat(128), Value: "🦉".repeat(256) });
  for (const bad of [
    { Key: "k".repeat(129), Value: "" },
    { Key: "k", Value: "v".repeat(257) },
    { Key: "", Value: "v" },
    { Value: "v" },
  ])
    await assert.rejects(tag(client, groups, bad), { name: "InvalidParameterValue" });
});

test("a tag without a value has the empty one", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  await tag(client, groups, { Key: "k" });
  assert.deepEqual(await tagsOf(client, groups[0] ?? ""), { k: "" });
});

test("keys that begin with aws: are AWS's own", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  const reserved = "Tag keys starting with 'aws:' are reserved for internal use";
  for (const Key of ["aws:x", "AWS:x"]) {
    const refused = {
      name: "InvalidParameterValue",
      message: `Value ( ${Key} ) for parameter key is invalid. ${reserved}`,
    };
    await assert.rejects(tag(client, groups, { Key, Value: "" }), refused);
    await assert.rejects(client.deleteTags({ Resources: groups, Tags: [{ Key }] }), refused);
    const TagSpecifications = [{ ResourceType: "key-pair" as const, Tags: [{ Key, Value: "" }] }];
    await assert.rejects(client.createKeyPair({ KeyName: "me", KeyType: "ed25519", TagSpecifications }), {
      name: "InvalidParameterValue",
      message: reserved,
    });
  }
  await tag(client, groups, { Key: "aws", Value: "aws:" });
});

test("a key that occurs twice in one request is refused", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  await assert.rejects(tag(client, groups, { Key: "a", Value: "1" }, { Key: "a", Value: "2" }), {
    message: "Duplicate tag key 'a' specified.",
  });
});

test("keys are only text, whatever they mean to a program", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  const keys = ["__proto__", "constructor", "toString", "a/b:c", "ключ", "<&>"];
  await tag(client, groups, ...keys.map((Key) => ({ Key, Value: "v" })));
  const { Tags = [] } = await client.describeTags({});
  assert.deepEqual(new Set(Tags.map(({ Key }) => Key)), new Set(keys));
});

test("tags are found by key, value, resource, type and as pairs", limit, async (t) => {
  const { client, groups } = await withGroups(t, 2);
  const [a = "", b = ""] = groups;
  await tag(client, [a], { Key: "team", Value: "red" }, { Key: "Name", Value: "front" });
  await tag(client, [b], { Key: "team", Value: "blue" });
  const found = async (...filters: [Name: string, ...Values: string[]][]) => {
    const Filters: Filter[] = filters.map(([Name, ...Values]) => ({ Name, Values }));
    const { Tags = [] } = await client.describeTags({ Filters });
    return new Set(
      Tags.map(({ ResourceId, Key, Value }) => `${ResourceId === a ? "a" : "b"} ${Key}=${Value}`),
    );
  };
  assert.deepEqual(await found(), new Set(["a Name=front", "a team=red", "b team=blue"]));
  assert.deepEqual(await found(["key", "team"]), new Set(["a team=red", "b team=blue"]));
  assert.deepEqual(await found(["value", "*e*"], ["key", "t*"]), new Set(["a team=red", "b team=blue"]));
  assert.deepEqual(await found(["resource-id", a]), new Set(["a Name=front", "a team=red"]));
  assert.deepEqual(
    await found(["resource-type", "security-group"], ["key", "Name"]),
    new Set(["a Name=front"]),
  );
  assert.deepEqual(await found(["resource-type", "instance"]), new Set());
  assert.deepEqual(await found(["tag:team", "blue", "green"]), new Set(["b team=blue"]));
  await assert.rejects(found(["tag", "team"]), { name: "InvalidParameterValue" });
});

test("tags come in pages that hold each once", limit, async (t) => {
  const { client, groups } = await withGroups(t, 3);
  await tag(client, groups, ...Array.from({ length: 4 }, (_, n) => ({ Key: `k${n}`, Value: "" })));
  const seen: string[] = [];
  let NextToken: string | undefined;
  do {
    const answer = await client.describeTags({
      MaxResults: 5,
      ...(NextToken !== undefined && { NextToken }),
    });
    seen.push(...(answer.Tags ?? []).map(({ ResourceId, Key }) => `${ResourceId} ${Key}`));
    NextToken = answer.NextToken;
  } while (NextToken !== undefined);
  assert.equal(seen.length, 12);
  assert.equal(new Set(seen).size, 12);
});

test("32 clients that tag one resource at once all do", limit, async (t) => {
  const { client, groups } = await withGroups(t, 1);
  await Promise.all(Array.from({ length: 32 }, (_, n) => tag(client, groups, { Key: `k${n}`, Value: "" })));
  assert.equal(Object.keys(await tagsOf(client, groups[0] ?? "")).length, 32);
});

async function withGroups(t: TestContext, count: number) {
  const region = await testRegion(t);
  const groups = await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const { GroupId = "" } = await region.client.createSecurityGroup({
        GroupName: `g${n}`,
        Description: "a group",
      });
      return GroupId;
    }),
  );
  return { ...region, groups };
}

const tag = (client: EC2, Resources: string[], ...Tags: Tag[]) => client.createTags({ Resources, Tags });

async function tagsOf(client: EC2, id: string) {
  const { Tags = [] } = await client.describeTags({ Filters: [{ Name: "resource-id", Values: [id] }] });
  return Object.fromEntries(Tags.map(({ Key = "", Value }) => [Key, Value]));
}
