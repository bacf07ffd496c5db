import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { IAM } from "@aws-sdk/client-iam";
import type { ResourceTag } from "@aws-sdk/client-rbin";
import { rbinClient, type RuleRequest } from "#testing/rbin-client.ts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 30_000 };
const days = (RetentionPeriodValue: number) => ({
  RetentionPeriodValue,
  RetentionPeriodUnit: "DAYS" as const,
});
const delay = (UnlockDelayValue: number) => ({
  LockConfiguration: { UnlockDelay: { UnlockDelayValue, UnlockDelayUnit: "DAYS" as const } },
});
const ofSnapshots = { ResourceType: "EBS_SNAPSHOT", RetentionPeriod: days(7) } as const;
const tag = (ResourceTagKey: string, ResourceTagValue = "yes"): ResourceTag => ({
  ResourceTagKey,
  ResourceTagValue,
});

async function withBin(t: TestContext) {
  const region = await testRegion(t);
  const rbin = rbinClient(region.clientConfig);
  t.after(() => rbin.destroy());
  const made = async (more: Partial<RuleRequest> = {}) =>
    (await rbin.createRule({ ...ofSnapshots, ...more })).Identifier ?? "";
  return { ...region, rbin, made };
}

test("a rule is made, read, changed, tagged and deleted", limit, async (t) => {
  const { rbin, accountId, clientConfig } = await withBin(t);
  const made = await rbin.createRule({
    ...ofSnapshots,
    Description: "a week",
    ResourceTags: [tag("keep")],
    Tags: [{ Key: "team", Value: "a" }],
  });
  const Identifier = made.Identifier ?? "";
  assert.match(Identifier, /^[0-9A-Za-z]{11}$/);
  assert.deepEqual(made.Tags, [{ Key: "team", Value: "a" }]);
  const ResourceArn = `arn:aws:rbin:${clientConfig.region}:${accountId}:rule/${Identifier}`;
  const { $metadata: _, ...read } = await rbin.getRule({ Identifier });
  assert.deepEqual(
    { ...read },
    {
      Identifier,
      Description: "a week",
      ResourceType: "EBS_SNAPSHOT",
      RetentionPeriod: days(7),
      ResourceTags: [tag("keep")],
      Status: "available",
      RuleArn: ResourceArn,
    },
  );
  const changed = await rbin.updateRule({
    Identifier,
    RetentionPeriod: days(9),
    Description: "",
    ResourceTags: [],
  });
  assert.deepEqual([changed.RetentionPeriod, changed.Description, changed.ResourceTags], [days(9), "", []]);
  await rbin.tagResource({ ResourceArn, Tags: [{ Key: "stage", Value: "b" }] });
  await rbin.untagResource({ ResourceArn, TagKeys: ["team"] });
  assert.deepEqual((await rbin.listTagsForResource({ ResourceArn })).Tags, [{ Key: "stage", Value: "b" }]);
  await rbin.deleteRule({ Identifier });
  for (const call of [() => rbin.getRule({ Identifier }), () => rbin.listTagsForResource({ ResourceArn })])
    await assert.rejects(call, { name: "ResourceNotFoundException", Reason: "RULE_NOT_FOUND" });
});

test("rules are listed by type, tags and lock, in pages", limit, async (t) => {
  const { rbin, made } = await withBin(t);
  const [plain, tagged, locked, excluding, images] = [
    await made(),
    await made({ ResourceTags: [tag("keep"), tag("other")] }),
    await made(delay(7)),
    await made({ ExcludeResourceTags: [tag("scratch")] }),
    await made({ ResourceType: "EC2_IMAGE" }),
  ];
  const found = async (filter: object) =>
    ((await rbin.listRules({ ResourceType: "EBS_SNAPSHOT", ...filter })).Rules ?? []).map(
      (it) => it.Identifier,
    );
  assert.deepEqual(await found({}), [plain, tagged, locked, excluding].toSorted());
  assert.deepEqual(await found({ ResourceType: "EC2_IMAGE" }), [images]);
  assert.deepEqual(await found({ ResourceTags: [tag("keep")] }), [tagged]);
  assert.deepEqual(await found({ ResourceTags: [tag("keep"), tag("scratch")] }), []);
  assert.deepEqual(await found({ LockState: "locked" }), [locked]);
  assert.deepEqual(await found({ ExcludeResourceTags: [tag("scratch")] }), [excluding]);
  const first = await rbin.listRules({ ResourceType: "EBS_SNAPSHOT", MaxResults: 3 });
  const second = await rbin.listRules({ ResourceType: "EBS_SNAPSHOT", NextToken: first.NextToken ?? "" });
  assert.deepEqual([first.Rules?.length, second.Rules?.length, second.NextToken], [3, 1, undefined]);
  await assert.rejects(rbin.listRules({ ResourceType: "EBS_SNAPSHOT", NextToken: "bm9uZQ==" }), {
    name: "ValidationException",
    Reason: "INVALID_PAGE_TOKEN",
  });
});

test("a locked rule is changed only when the delay that it was locked with is over", limit, async (t) => {
  const { rbin, made, records, store, feed } = await withBin(t);
  const Identifier = await made();
  const conflict = { name: "ConflictException", Reason: "INVALID_RULE_STATE" };
  await assert.rejects(rbin.unlockRule({ Identifier }), conflict);
  const locked = await rbin.lockRule({ Identifier, ...delay(8) });
  assert.deepEqual([locked.LockState, locked.LockConfiguration], ["locked", delay(8).LockConfiguration]);
  const change = () => rbin.updateRule({ Identifier, RetentionPeriod: days(1) });
  for (const call of [
    change,
    () => rbin.deleteRule({ Identifier }),
    () => rbin.lockRule({ Identifier, ...delay(9) }),
  ])
    await assert.rejects(call, conflict);

  const before = Date.now();
  const unlocked = await rbin.unlockRule({ Identifier });
  assert.equal(unlocked.LockState, "pending_unlock");
  const endsInMs = (unlocked.LockEndTime?.getTime() ?? 0) - before;
  assert.ok(Math.abs(endsInMs - 8 * 86_400_000) < 60_000, String(endsInMs));
  for (const call of [change, () => rbin.deleteRule({ Identifier }), () => rbin.unlockRule({ Identifier })])
    await assert.rejects(call, conflict);
  assert.equal((await rbin.lockRule({ Identifier, ...delay(7) })).LockState, "locked", "it is locked again");
  await rbin.unlockRule({ Identifier });

  const rule = records.get("rbin-rule", Identifier);
  assert.ok(rule?.lock);
  const over = records.rewrite("rbin-rule", {
    ...rule,
    lock: { ...rule.lock, endsAt: "2026-01-01T00:00:00.000Z" },
  });
  await feed.reached((await store.commit(over)).revision);
  const read = await rbin.getRule({ Identifier });
  assert.deepEqual([read.LockState, read.LockEndTime], ["unlocked", undefined]);
  await change();
  await rbin.deleteRule({ Identifier });
});

test("what a rule cannot be is refused, and nothing is written", limit, async (t) => {
  const { rbin, made, records } = await withBin(t);
  const invalid = { name: "ValidationException" };
  for (const more of [
    { RetentionPeriod: days(0) },
    { RetentionPeriod: days(366) },
    { ResourceType: "EBS_VOLUME" as "EBS_SNAPSHOT", RetentionPeriod: days(8) },
    { ResourceType: "EBS_LAKE" as "EBS_SNAPSHOT" },
    { Description: "a\tb" },
    { Description: "a".repeat(256) },
    { ResourceTags: [tag("")] },
    { ResourceTags: [tag("a"), tag("a")] },
    { ResourceTags: [tag("a")], ExcludeResourceTags: [tag("b")] },
    { ResourceTags: [tag("a")], ...delay(7) },
    { ExcludeResourceTags: [tag("a")], ...delay(7) },
    { ExcludeResourceTags: ["a", "b", "c", "d", "e", "f"].map((it) => tag(it)) },
    delay(6),
    delay(31),
    { Tags: [{ Key: "aws:x", Value: "" }] },
    { Tags: [{ Key: "#", Value: "" }] },
  ])
    await assert.rejects(made(more), invalid, JSON.stringify(more));
  assert.deepEqual(records.all("rbin-rule"), []);

  const Identifier = await made({ ResourceTags: [tag("a")] });
  for (const call of [
    () => rbin.updateRule({ Identifier, ResourceType: "EC2_IMAGE" }),
    () => rbin.updateRule({ Identifier, RetentionPeriod: days(400) }),
    () => rbin.lockRule({ Identifier, ...delay(7) }),
    () => rbin.getRule({ Identifier: "short" }),
    () => rbin.listTagsForResource({ ResourceArn: "arn:aws:ec2:eu-central-1:111122223333:volume/vol-1" }),
  ])
    await assert.rejects(call, invalid);
  assert.deepEqual(records.get("rbin-rule", Identifier)?.days, 7);
});

test("a tag is in five rules at most, a rule has fifty tags, a region 250 rules", limit, async (t) => {
  const { rbin, made } = await withBin(t);
  const exceeded = { name: "ServiceQuotaExceededException", Reason: "SERVICE_QUOTA_EXCEEDED" };
  const tagged = { ResourceTags: [tag("keep")] };
  for (let n = 0; n < 5; n++) await made(tagged);
  await assert.rejects(made(tagged), exceeded);
  const other = await made({ ResourceTags: [tag("keep", "no")] });
  await assert.rejects(rbin.updateRule({ Identifier: other, ...tagged }), exceeded);
  const Tags = Array.from({ length: 51 }, (_, n) => ({ Key: `k${n}`, Value: "" }));
  await assert.rejects(made({ Tags }), exceeded);
  for (let n = 6; n < 250; n++) await made();
  await assert.rejects(made(), exceeded);
});

test("policies are asked of the rule, its tags and its resource type", limit, async (t) => {
  const region = await withBin(t);
  const iam = new IAM(region.clientConfig);
  await iam.createUser({ UserName: "ada" });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
  const allow = (Action: string, Condition: object) => ({
    Effect: "Allow",
    Action,
    Resource: "*",
    Condition,
  });
  const PolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      allow("rbin:CreateRule", { StringEquals: { "rbin:Request/ResourceType": "EC2_IMAGE" } }),
      allow("rbin:ListRules", { StringEquals: { "rbin:Request/ResourceType": "EC2_IMAGE" } }),
      allow("rbin:GetRule", { StringEquals: { "rbin:Attribute/ResourceType": "EC2_IMAGE" } }),
      allow("rbin:DeleteRule", { StringEquals: { "aws:ResourceTag/team": "a" } }),
    ],
  });
  await iam.putUserPolicy({ UserName: "ada", PolicyName: "images", PolicyDocument });
  const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  const ada = rbinClient({ ...region.clientConfig, credentials });
  t.after(() => [iam, ada].forEach((it) => it.destroy()));
  const denied = { name: "AccessDeniedException" };
  const images = { ...ofSnapshots, ResourceType: "EC2_IMAGE" as const };
  const { Identifier } = await ada.createRule({ ...images, Tags: [{ Key: "team", Value: "a" }] });
  await assert.rejects(ada.createRule(ofSnapshots), denied);
  assert.equal((await ada.listRules({ ResourceType: "EC2_IMAGE" })).Rules?.length, 1);
  await assert.rejects(ada.listRules({ ResourceType: "EBS_SNAPSHOT" }), denied);
  await ada.getRule({ Identifier });
  await assert.rejects(ada.getRule({ Identifier: await region.made() }), denied);
  await assert.rejects(ada.lockRule({ Identifier, ...delay(7) }), denied);
  await ada.deleteRule({ Identifier });
});
