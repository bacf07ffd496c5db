import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateLaunchTemplateCommandInput, RequestLaunchTemplateData } from "@aws-sdk/client-ec2";
import { testRegion, type TestRegion } from "#testing/region.ts";

const limit = { timeout: 10_000 };

test("a template is made with its first version, which is the default", limit, async (t) => {
  const { client } = await testRegion(t);
  const { LaunchTemplate: made } = await client.createLaunchTemplate({
    LaunchTemplateName: "web",
    VersionDescription: "the first",
    LaunchTemplateData: { InstanceType: "t3.micro", UserData: Buffer.from("x").toString("base64") },
    TagSpecifications: [{ ResourceType: "launch-template", Tags: [{ Key: "team", Value: "a" }] }],
  });
  assert.match(made?.LaunchTemplateId ?? "", /^lt-0[0-9a-f]{16}$/);
  assert.deepEqual([made?.DefaultVersionNumber, made?.LatestVersionNumber], [1, 1]);
  assert.equal(made?.CreatedBy, "arn:aws:iam::111122223333:root");
  assert.deepEqual(made?.Tags, [{ Key: "team", Value: "a" }]);
  const { LaunchTemplateVersions: [version] = [] } = await client.describeLaunchTemplateVersions({
    LaunchTemplateName: "web",
  });
  assert.deepEqual(version?.LaunchTemplateData, { InstanceType: "t3.micro", UserData: "eA==" });
  assert.deepEqual([version?.VersionDescription, version?.DefaultVersion], ["the first", true]);
});

test(
  "a name is taken once, whoever of 32 comes first, and is free again after deletion",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const made = await Promise.allSettled(
      Array.from({ length: 32 }, () => client.createLaunchTemplate(web())),
    );
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
    for (const it of made)
      if (it.status === "rejected") {
        assert.equal(it.reason.name, "InvalidLaunchTemplateName.AlreadyExistsException");
        assert.equal(it.reason.message, "Launch template name already in use.");
      }
    await client.deleteLaunchTemplate({ LaunchTemplateName: "web" });
    assert.deepEqual(records.all("launch-template"), []);
    await client.createLaunchTemplate(web());
  },
);

test(
  "a client token makes one template and one version; another request with it is refused",
  limit,
  async (t) => {
    const { client, records } = await testRegion(t);
    const once = { ...web(), ClientToken: "token-1" };
    const made = await Promise.all(Array.from({ length: 8 }, () => client.createLaunchTemplate(once)));
    assert.equal(new Set(made.map((it) => it.LaunchTemplate?.LaunchTemplateId)).size, 1);
    const mismatch = { name: "IdempotentParameterMismatch" };
    await assert.rejects(client.createLaunchTemplate({ ...once, VersionDescription: "other" }), mismatch);
    const second = {
      LaunchTemplateName: "web",
      LaunchTemplateData: { KeyName: "me" },
      ClientToken: "token-1",
    };
    for (let n = 0; n < 2; n++) {
      const { LaunchTemplateVersion: version } = await client.createLaunchTemplateVersion(second);
      assert.equal(version?.VersionNumber, 2);
    }
    await assert.rejects(
      client.createLaunchTemplateVersion({ ...second, LaunchTemplateData: { KeyName: "you" } }),
      mismatch,
    );
    assert.equal(records.all("launch-template-version").length, 2);
  },
);

test("a client token modifies once, and is forgotten with the template", limit, async (t) => {
  const { client, store } = await testRegion(t);
  const claims = async () =>
    (await store.list("claim/")).entries.filter(({ key }) => key.includes("ModifyLaunchTemplate")).length;
  await client.createLaunchTemplate(web());
  for (const InstanceType of ["t3.small", "t3.large"] as const)
    await client.createLaunchTemplateVersion({
      LaunchTemplateName: "web",
      LaunchTemplateData: { InstanceType },
    });
  const modify = async (DefaultVersion: string, ClientToken: string) =>
    (await client.modifyLaunchTemplate({ LaunchTemplateName: "web", DefaultVersion, ClientToken }))
      .LaunchTemplate?.DefaultVersionNumber;
  assert.equal(await modify("2", "second"), 2);
  assert.equal(await modify("3", "third"), 3);
  assert.equal(await modify("2", "second"), 3, "that was done before");
  await assert.rejects(modify("1", "second"), { name: "IdempotentParameterMismatch" });
  for (let n = 0; n < 30; n++) await modify("1", `token-${n}`);
  assert.equal(await claims(), 20);
  assert.equal(await modify("3", "last"), 3);
  assert.equal(await modify("1", "token-29"), 3, "that was done before");
  await client.deleteLaunchTemplate({ LaunchTemplateName: "web" });
  assert.equal(await claims(), 0);
});

test("a client token is free again once what it made is gone", limit, async (t) => {
  const { client } = await testRegion(t);
  const input = { ...web(), ClientToken: "token-1" };
  const { LaunchTemplate: first } = await client.createLaunchTemplate(input);
  await client.deleteLaunchTemplate({ LaunchTemplateName: "web" });
  const { LaunchTemplate: second } = await client.createLaunchTemplate(input);
  assert.notEqual(second?.LaunchTemplateId, first?.LaunchTemplateId);
});

test("what is no template is refused", limit, async (t) => {
  const { client, records } = await testRegion(t);
  for (const [input, name] of [
    [{ LaunchTemplateName: "ab" }, "InvalidLaunchTemplateName.MalformedException"],
    [{ LaunchTemplateName: "a name" }, "InvalidLaunchTemplateName.MalformedException"],
    [{ LaunchTemplateData: {} }, "MissingParameter"],
    [{ LaunchTemplateData: { UserData: "not base64!" } }, "InvalidParameterValue"],
    [{ VersionDescription: "x".repeat(256) }, "InvalidParameterValue"],
    [{ TagSpecifications: [{ ResourceType: "instance", Tags: [] }] }, "InvalidParameterValue"],
    [{ DryRun: true }, "DryRunOperation"],
  ] satisfies [Partial<CreateLaunchTemplateCommandInput>, string][])
    await assert.rejects(client.createLaunchTemplate({ ...web(), ...input }), { name }, name);
  assert.deepEqual(records.all("launch-template"), []);
});

test("a version takes over what its source says and it does not", limit, async (t) => {
  const { client } = await testRegion(t);
  await client.createLaunchTemplate(web({ InstanceType: "t3.micro", KeyName: "me" }));
  const { LaunchTemplateVersion: next } = await client.createLaunchTemplateVersion({
    LaunchTemplateName: "web",
    SourceVersion: "1",
    LaunchTemplateData: { InstanceType: "t3.small" },
  });
  assert.deepEqual(next?.LaunchTemplateData, { InstanceType: "t3.small", KeyName: "me" });
  const { LaunchTemplateVersion: alone } = await client.createLaunchTemplateVersion({
    LaunchTemplateName: "web",
    LaunchTemplateData: { InstanceType: "t3.small" },
  });
  assert.deepEqual(alone?.LaunchTemplateData, { InstanceType: "t3.small" });
  await assert.rejects(
    client.createLaunchTemplateVersion({
      LaunchTemplateName: "web",
      SourceVersion: "9",
      LaunchTemplateData: { KeyName: "me" },
    }),
    { name: "InvalidLaunchTemplateId.VersionNotFound" },
  );
});

test("of 20 versions made at once each has a number of its own", limit, async (t) => {
  const { client } = await testRegion(t);
  await client.createLaunchTemplate(web());
  const made = await Promise.all(
    Array.from({ length: 20 }, () =>
      client.createLaunchTemplateVersion({
        LaunchTemplateName: "web",
        LaunchTemplateData: { KeyName: "me" },
      }),
    ),
  );
  const numbers = made.map((it) => it.LaunchTemplateVersion?.VersionNumber ?? 0).toSorted((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: 20 }, (_, n) => n + 2),
  );
});

test("the default version can be changed and not deleted; numbers are not used again", limit, async (t) => {
  const region = await testRegion(t);
  const { client } = region;
  const id = await withVersions(region, 3);
  await assert.rejects(client.modifyLaunchTemplate({ LaunchTemplateId: id, DefaultVersion: "9" }), {
    name: "InvalidLaunchTemplateId.VersionNotFound",
    message: `Could not find the specified version 9 for the launch template with ID ${id}.`,
  });
  const { LaunchTemplate: changed } = await client.modifyLaunchTemplate({
    LaunchTemplateId: id,
    DefaultVersion: "2",
  });
  assert.deepEqual([changed?.DefaultVersionNumber, changed?.LatestVersionNumber], [2, 3]);
  const deleted = await client.deleteLaunchTemplateVersions({
    LaunchTemplateId: id,
    Versions: ["2", "3", "7"],
  });
  assert.deepEqual(
    deleted.SuccessfullyDeletedLaunchTemplateVersions?.map((it) => it.VersionNumber),
    [3],
  );
  assert.deepEqual(
    deleted.UnsuccessfullyDeletedLaunchTemplateVersions?.map((it) => [
      it.VersionNumber,
      it.ResponseError?.Code,
    ]),
    [
      [2, "unexpectedError"],
      [7, "launchTemplateVersionDoesNotExist"],
    ],
  );
  assert.equal(await latest(region), 2);
  const { LaunchTemplateVersion: next } = await client.createLaunchTemplateVersion({
    LaunchTemplateId: id,
    LaunchTemplateData: { KeyName: "me" },
  });
  assert.equal(next?.VersionNumber, 4);
});

test("versions are described newest first, by number, name, range and filter, in pages", limit, async (t) => {
  const region = await testRegion(t);
  const id = await withVersions(region, 12);
  const numbers = async (input: Parameters<typeof region.client.describeLaunchTemplateVersions>[0]) => {
    const { LaunchTemplateVersions = [], NextToken } =
      await region.client.describeLaunchTemplateVersions(input);
    return { numbers: LaunchTemplateVersions.map((it) => it.VersionNumber), NextToken };
  };
  const of = { LaunchTemplateId: id };
  assert.deepEqual((await numbers({ ...of, Versions: ["$Latest", "$Default", "3"] })).numbers, [12, 3, 1]);
  assert.deepEqual((await numbers({ ...of, MinVersion: "3", MaxVersion: "5" })).numbers, [5, 4, 3]);
  assert.deepEqual((await numbers({ Versions: ["$Latest"] })).numbers, [12]);
  const typed = { Filters: [{ Name: "instance-type", Values: ["t3.micro"] }] };
  assert.deepEqual((await numbers({ ...of, ...typed })).numbers, [1]);
  const first = await numbers({ ...of, MaxResults: 10 });
  assert.deepEqual(first.numbers, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
  assert.deepEqual((await numbers({ ...of, NextToken: first.NextToken })).numbers, [2, 1]);
  await assert.rejects(numbers({ ...of, Versions: ["13"] }), {
    name: "InvalidLaunchTemplateId.VersionNotFound",
  });
  await assert.rejects(numbers({ Versions: ["1"] }), { name: "InvalidParameterValue" });
  await assert.rejects(numbers({ LaunchTemplateName: "other" }), {
    name: "InvalidLaunchTemplateName.NotFoundException",
    message: "The specified launch template, with template name other, does not exist.",
  });
});

test(
  "templates are described by id, name, filter and tag; those that are not there are errors",
  limit,
  async (t) => {
    const { client } = await testRegion(t);
    const { LaunchTemplate: made } = await client.createLaunchTemplate(web());
    await client.createLaunchTemplate({ ...web(), LaunchTemplateName: "other" });
    const id = made?.LaunchTemplateId ?? "";
    await client.createTags({ Resources: [id], Tags: [{ Key: "team", Value: "a" }] });
    for (const input of [
      { LaunchTemplateIds: [id] },
      { LaunchTemplateNames: ["web"] },
      { Filters: [{ Name: "launch-template-name", Values: ["w*"] }] },
      { Filters: [{ Name: "tag:team", Values: ["a"] }] },
    ]) {
      const { LaunchTemplates = [] } = await client.describeLaunchTemplates(input);
      assert.deepEqual(
        LaunchTemplates.map((it) => it.LaunchTemplateName),
        ["web"],
      );
    }
    await assert.rejects(client.describeLaunchTemplates({ LaunchTemplateNames: ["none"] }), {
      name: "InvalidLaunchTemplateName.NotFoundException",
    });
    await assert.rejects(client.describeLaunchTemplates({ LaunchTemplateIds: ["lt-01"] }), {
      name: "InvalidLaunchTemplateId.NotFound",
      message: "The specified launch template, with template ID lt-01, does not exist.",
    });
  },
);

test("a template's versions go with it, more of them than one transaction holds", limit, async (t) => {
  const region = await testRegion(t);
  await withVersions(region, 120);
  await region.client.deleteLaunchTemplate({ LaunchTemplateName: "web" });
  await region.until(() => region.records.all("launch-template-version").length === 0);
  assert.deepEqual(
    (await region.store.list("claim/")).entries.filter(({ key }) =>
      /launch-template|LaunchTemplate/.test(key),
    ),
    [],
  );
});

const web = (LaunchTemplateData: RequestLaunchTemplateData = { InstanceType: "t3.micro" }) => ({
  LaunchTemplateName: "web",
  LaunchTemplateData,
});

/** A template `web` with as many versions; its id. */
async function withVersions({ client }: TestRegion, count: number): Promise<string> {
  const { LaunchTemplate: made } = await client.createLaunchTemplate(web());
  for (let n = 2; n <= count; n++)
    await client.createLaunchTemplateVersion({
      LaunchTemplateName: "web",
      LaunchTemplateData: { InstanceType: "t3.small" },
      ClientToken: `version-${n}`,
    });
  return made?.LaunchTemplateId ?? "";
}

async function latest({ client }: TestRegion) {
  const { LaunchTemplates: [template] = [] } = await client.describeLaunchTemplates({});
  return template?.LatestVersionNumber;
}
