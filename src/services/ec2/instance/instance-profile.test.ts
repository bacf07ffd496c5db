import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2, type RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { STS } from "@aws-sdk/client-sts";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 30_000 };
const one = { ImageId: testImage.id, InstanceType: "t3.micro" as const, MinCount: 1, MaxCount: 1 };
const arnOf = (kind: string, name: string) => `arn:aws:iam::111122223333:${kind}/${name}`;
const unknown = "iip-assoc-01230123012301230";

test("an instance is launched with a profile by its name or ARN, and is found by it", limit, async (t) => {
  const { ec2, launch, profileId } = await scene(t);
  const given: RunInstancesCommandInput["IamInstanceProfile"][] = [
    { Name: "web" },
    { Arn: arnOf("instance-profile", "web") },
  ];
  const expected = { Arn: arnOf("instance-profile", "web"), Id: profileId };
  for (const IamInstanceProfile of given)
    assert.deepEqual((await launch({ IamInstanceProfile })).IamInstanceProfile, expected);
  await launch({});
  const filters = {
    "iam-instance-profile.arn": expected.Arn,
    "iam-instance-profile.id": profileId,
    "iam-instance-profile.name": "web",
  };
  for (const [Name, value] of Object.entries(filters)) {
    const { Reservations } = await ec2.describeInstances({ Filters: [{ Name, Values: [value] }] });
    assert.equal(Reservations?.length, 2, Name);
  }
});

test("a launch template gives the profile, and an instance's data name it", limit, async (t) => {
  const { ec2, iam, launch } = await scene(t);
  await iam.createInstanceProfile({ InstanceProfileName: "db" });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: "db", RoleName: "reader" });
  await ec2.createLaunchTemplate({
    LaunchTemplateName: "web",
    LaunchTemplateData: { IamInstanceProfile: { Name: "web" } },
  });
  const LaunchTemplate = { LaunchTemplateName: "web" };
  const { InstanceId = "", IamInstanceProfile: web } = await launch({ LaunchTemplate });
  assert.equal(web?.Arn, arnOf("instance-profile", "web"));
  const { IamInstanceProfile: db } = await launch({ LaunchTemplate, IamInstanceProfile: { Name: "db" } });
  assert.equal(db?.Arn, arnOf("instance-profile", "db"));
  const { LaunchTemplateData } = await ec2.getLaunchTemplateData({ InstanceId });
  assert.deepEqual(LaunchTemplateData?.IamInstanceProfile, { Arn: web?.Arn });
});

test("what is no profile with a role is refused in AWS's words", limit, async (t) => {
  const { iam, launch } = await scene(t);
  await iam.createInstanceProfile({ InstanceProfileName: "empty" });
  const refused = (IamInstanceProfile: RunInstancesCommandInput["IamInstanceProfile"], message: string) =>
    assert.rejects(launch({ IamInstanceProfile }), { name: "InvalidParameterValue", message });
  await refused(
    { Name: "none" },
    "Value (none) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
  );
  for (const arn of [arnOf("instance-profile", "a/web"), "arn:aws:iam::999:instance-profile/web"])
    await refused(
      { Arn: arn },
      `Value (${arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN`,
    );
  await refused(
    { Name: "empty" },
    `IAM Instance Profile "${arnOf("instance-profile", "empty")}" has no associated IAM Roles`,
  );
  await assert.rejects(
    launch({ IamInstanceProfile: { Name: "web", Arn: arnOf("instance-profile", "web") } }),
    { name: "InvalidParameterCombination" },
  );
});

test("a profile is associated, replaced and taken off, one at a time", limit, async (t) => {
  const { ec2, iam, launch, region, profileId } = await scene(t);
  await iam.createInstanceProfile({ InstanceProfileName: "db" });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: "db", RoleName: "reader" });
  const { InstanceId = "" } = await launch({});
  const web = { InstanceId, IamInstanceProfile: { Name: "web" } };
  const db = { IamInstanceProfile: { Arn: arnOf("instance-profile", "db") } };
  const listed = async () => {
    const { IamInstanceProfileAssociations = [] } = await ec2.describeIamInstanceProfileAssociations({});
    return IamInstanceProfileAssociations;
  };
  assert.deepEqual(await listed(), []);

  const { IamInstanceProfileAssociation: made } = await ec2.associateIamInstanceProfile(web);
  const AssociationId = made?.AssociationId ?? "";
  assert.match(AssociationId, /^iip-assoc-[0-9a-f]{17}$/);
  const profile = { Arn: arnOf("instance-profile", "web"), Id: profileId };
  assert.deepEqual(made, { AssociationId, InstanceId, IamInstanceProfile: profile, State: "associating" });
  assert.deepEqual(await listed(), [{ ...made, State: "associated" }]);
  await assert.rejects(ec2.associateIamInstanceProfile(web), {
    name: "IncorrectState",
    message: `There is an existing association for instance ${InstanceId}`,
  });

  const { IamInstanceProfileAssociation: next } = await ec2.replaceIamInstanceProfileAssociation({
    AssociationId,
    ...db,
  });
  assert.equal(next?.IamInstanceProfile?.Arn, arnOf("instance-profile", "db"));
  assert.notEqual(next?.AssociationId, AssociationId);
  for (const call of [
    ec2.replaceIamInstanceProfileAssociation({ AssociationId, ...db }),
    ec2.disassociateIamInstanceProfile({ AssociationId }),
    ec2.describeIamInstanceProfileAssociations({ AssociationIds: [unknown] }),
  ])
    await assert.rejects(call, { name: "NoSuchAssociation" });

  await ec2.stopInstances({ InstanceIds: [InstanceId], Force: true });
  await region.until(() => region.records.get("instance", InstanceId)?.so.state === "stopped");
  await assert.rejects(
    ec2.replaceIamInstanceProfileAssociation({ AssociationId: next?.AssociationId, ...db }),
    { name: "IncorrectState", message: /is not the active association/ },
  );
  const gone = await ec2.disassociateIamInstanceProfile({ AssociationId: next?.AssociationId });
  assert.equal(gone.IamInstanceProfileAssociation?.State, "disassociating");
  assert.deepEqual(await listed(), []);
  // A stopped instance may be given one as well.
  await ec2.associateIamInstanceProfile(web);
  assert.equal((await listed()).length, 1);
});

test("associations are filtered, paged, and gone with their instances", limit, async (t) => {
  const { ec2, launch, region } = await scene(t);
  const instances = [];
  for (let n = 0; n < 6; n++) instances.push(await launch({ IamInstanceProfile: { Name: "web" } }));
  const [{ InstanceId = "" } = {}] = instances;
  const describe = ec2.describeIamInstanceProfileAssociations.bind(ec2);
  const first = await describe({ MaxResults: 5 });
  const second = await describe({ MaxResults: 5, ...(first.NextToken && { NextToken: first.NextToken }) });
  assert.deepEqual(
    [first.IamInstanceProfileAssociations?.length, second.IamInstanceProfileAssociations?.length],
    [5, 1],
  );
  assert.equal(second.NextToken, undefined);
  const of = async (Name: string, ...Values: string[]) =>
    (await describe({ Filters: [{ Name, Values }] })).IamInstanceProfileAssociations?.length;
  assert.equal(await of("instance-id", InstanceId), 1);
  assert.equal(await of("state", "associated"), 6);
  assert.equal(await of("state", "disassociating"), 0);
  await assert.rejects(of("profile", "web"), { name: "InvalidParameterValue" });

  await ec2.terminateInstances({ InstanceIds: [InstanceId] });
  await region.until(() => region.records.get("instance", InstanceId)?.so.state === "terminated");
  assert.equal(await of("instance-id", InstanceId), 0);
  await assert.rejects(ec2.associateIamInstanceProfile({ InstanceId, IamInstanceProfile: { Name: "web" } }), {
    name: "IncorrectInstanceState",
    message: `The instance '${InstanceId}' is not in the 'running' or 'stopped' states.`,
  });
});

test("who may not pass the role gives it to no instance, and is told so", limit, async (t) => {
  const { ec2, launch, ada, allow } = await scene(t);
  const { InstanceId = "" } = await launch({});
  const { IamInstanceProfileAssociation: there } = await ec2.associateIamInstanceProfile({
    InstanceId: (await launch({})).InstanceId,
    IamInstanceProfile: { Name: "web" },
  });
  await ec2.createLaunchTemplate({
    LaunchTemplateName: "web",
    LaunchTemplateData: { IamInstanceProfile: { Name: "web" } },
  });
  const IamInstanceProfile = { Name: "web" };
  const calls: (() => Promise<unknown>)[] = [
    () => ada.ec2.runInstances({ ...one, IamInstanceProfile }),
    () => ada.ec2.runInstances({ ...one, LaunchTemplate: { LaunchTemplateName: "web" } }),
    () => ada.ec2.associateIamInstanceProfile({ InstanceId, IamInstanceProfile }),
    () =>
      ada.ec2.replaceIamInstanceProfileAssociation({
        AssociationId: there?.AssociationId,
        IamInstanceProfile,
      }),
  ];
  await allow({ Action: ["ec2:*", "sts:DecodeAuthorizationMessage"] });
  for (const call of calls) {
    const error = await refusal(call);
    assert.equal(error.name, "UnauthorizedOperation");
    const told = /failure message: (\S+)$/.exec(error.message)?.[1];
    const { DecodedMessage } = await ada.sts.decodeAuthorizationMessage({ EncodedMessage: told });
    const { context } = JSON.parse(DecodedMessage ?? "{}");
    assert.deepEqual([context.action, context.resource], ["iam:PassRole", arnOf("role", "reader")]);
  }
  // To another service, or another role, is not enough.
  const pass = { Action: "iam:PassRole", Resource: arnOf("role", "reader") };
  const to = (service: string) => ({ Condition: { StringEquals: { "iam:PassedToService": service } } });
  const ec2Only = { Action: "ec2:*" };
  for (const wrong of [
    { ...pass, Resource: arnOf("role", "other") },
    { ...pass, ...to("lambda.amazonaws.com") },
  ]) {
    await allow(ec2Only, wrong);
    for (const call of calls) assert.equal((await refusal(call)).name, "UnauthorizedOperation");
  }
  await allow(ec2Only, { ...pass, ...to("ec2.amazonaws.com") });
  for (const call of calls) await call();
});

test("a role's tags are asked about as IAM's when it is passed", limit, async (t) => {
  const { ada, allow, iam } = await scene(t);
  const tagged = { Condition: { StringEquals: { "iam:ResourceTag/team": "blue" } } };
  await allow({ Action: "ec2:*" }, { Action: "iam:PassRole", ...tagged });
  const call = () => ada.ec2.runInstances({ ...one, IamInstanceProfile: { Name: "web" } });
  assert.equal((await refusal(call)).name, "UnauthorizedOperation");
  await iam.tagRole({ RoleName: "reader", Tags: [{ Key: "team", Value: "blue" }] });
  await call();
});

const refusal = async (call: () => Promise<unknown>): Promise<Error> => {
  const error: unknown = await call().then(
    () => assert.fail("it was allowed"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error);
  return error;
};

/** A profile "web" with a role "reader" that EC2 may assume, and a user "ada". */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const iam = new IAM(region.clientConfig);
  const document = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
  await iam.createRole({
    RoleName: "reader",
    AssumeRolePolicyDocument: document({
      Effect: "Allow",
      Principal: { Service: "ec2.amazonaws.com" },
      Action: "sts:AssumeRole",
    }),
  });
  const { InstanceProfile } = await iam.createInstanceProfile({ InstanceProfileName: "web" });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: "web", RoleName: "reader" });
  await iam.createUser({ UserName: "ada" });
  const { AccessKey } = await iam.createAccessKey({ UserName: "ada" });
  const credentials = {
    accessKeyId: AccessKey?.AccessKeyId ?? "",
    secretAccessKey: AccessKey?.SecretAccessKey ?? "",
  };
  const ada = {
    ec2: new EC2({ ...region.clientConfig, credentials }),
    sts: new STS({ ...region.clientConfig, credentials }),
  };
  t.after(() => [iam, ada.ec2, ada.sts].forEach((it) => it.destroy()));
  return {
    region,
    ec2: region.client,
    iam,
    ada,
    profileId: InstanceProfile?.InstanceProfileId ?? "",
    allow: (...statements: object[]) =>
      iam.putUserPolicy({
        UserName: "ada",
        PolicyName: "p",
        PolicyDocument: document(...statements.map((it) => ({ Effect: "Allow", Resource: "*", ...it }))),
      }),
    /** It runs when this resolves. */
    launch: async (input: Partial<RunInstancesCommandInput>) => {
      const { Instances: [made = {}] = [] } = await region.client.runInstances({ ...one, ...input });
      await region.until(() => region.records.get("instance", made.InstanceId ?? "")?.so.state === "running");
      return made;
    },
  };
}
