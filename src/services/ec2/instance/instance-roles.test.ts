import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
import { STS } from "@aws-sdk/client-sts";
import type { GuestNetwork } from "#guest/guest-snapshot.ts";
import { answerImds } from "#guest/imds.ts";
import { sessionTokens } from "#guest/session-token.ts";
import { testImage, testRegion } from "#testing/region.ts";
import { reconcileVpc } from "../vpc/vpc-reconciler.ts";
import { instanceRoles } from "./instance-roles.ts";

const limit = { timeout: 30_000 };
const scope = { accountId: "111122223333", region: "eu-central-1" };
const hour = 3600 * 1000;

test(
  "IMDS hands out the role's credentials, and the session is named after the instance",
  limit,
  async (t) => {
    const { ask, as, id, profileId, allow } = await scene(t);
    assert.equal(ask("iam/").body, "info\nsecurity-credentials/");
    assert.equal(ask("iam/security-credentials/").body, "reader");
    assert.match(String(ask("iam/info").body), /^\{\n {2}"Code" : "Success",\n {2}"LastUpdated" : "\S+Z",\n/);
    const { LastUpdated: _, ...info } = JSON.parse(String(ask("iam/info").body));
    assert.deepEqual(info, {
      Code: "Success",
      InstanceProfileArn: "arn:aws:iam::111122223333:instance-profile/web",
      InstanceProfileId: profileId,
    });
    const given = JSON.parse(String(ask("iam/security-credentials/reader").body));
    assert.deepEqual(Object.keys(given), [
      "Code",
      "LastUpdated",
      "Type",
      "AccessKeyId",
      "SecretAccessKey",
      "Token",
      "Expiration",
    ]);
    assert.deepEqual([given.Code, given.Type], ["Success", "AWS-HMAC"]);
    assert.match(given.AccessKeyId, /^ASIA[A-Z2-7]{16}$/);
    assert.equal(Date.parse(given.Expiration) - Date.parse(given.LastUpdated), 6 * hour);

    const { ec2, sts } = as(given);
    const { Arn, UserId } = await sts.getCallerIdentity({});
    assert.equal(Arn, `arn:aws:sts::111122223333:assumed-role/reader/${id}`);
    assert.match(UserId ?? "", new RegExp(`^AROA\\w+:${id}$`));
    // What it may is what the role may now.
    const one = { ImageId: testImage.id, MinCount: 1, MaxCount: 1 };
    await ec2.describeInstances({});
    await assert.rejects(ec2.runInstances(one), {
      name: "UnauthorizedOperation",
      message: /ec2:RunInstances/,
    });
    await allow("ec2:*");
    await ec2.runInstances(one);
    await allow("ec2:RunInstances");
    await assert.rejects(ec2.describeInstances({}), { name: "UnauthorizedOperation" });
  },
);

test(
  "policies know which instance asks, and by which version of IMDS it got its credentials",
  limit,
  async (t) => {
    const { ask, as, id, allow, instance } = await scene(t);
    const read = (token?: string) =>
      as(JSON.parse(String(ask("iam/security-credentials/reader", token).body)));
    const [byOne, byTwo] = [read(), read("a token")];
    const may = async ({ ec2 }: ReturnType<typeof as>, Condition: object) => {
      await allow("ec2:DescribeInstances", { Condition });
      return ec2.describeInstances({}).then(
        () => true,
        () => false,
      );
    };
    const arn = `arn:aws:ec2:eu-central-1:111122223333:instance/${id}`;
    const own = {
      ArnEquals: { "ec2:SourceInstanceARN": arn },
      StringEquals: {
        "aws:Ec2InstanceSourceVpc": instance.VpcId,
        "aws:Ec2InstanceSourcePrivateIPv4": instance.PrivateIpAddress,
      },
    };
    const byVersion2 = { NumericEquals: { "ec2:RoleDelivery": "2.0" } };
    assert.equal(await may(byOne, own), true);
    assert.equal(await may(byOne, { ArnEquals: { "ec2:SourceInstanceARN": `${arn}0` } }), false);
    assert.equal(await may(byOne, byVersion2), false);
    assert.equal(await may(byTwo, { ...own, ...byVersion2 }), true);
  },
);

test(
  "a role that does not trust EC2 gives no credentials, and IMDS says why until it does",
  limit,
  async (t) => {
    const { ask, iam, until } = await scene(t);
    const code = (path: string) => JSON.parse(String(ask(path).body)).Code;
    const trust = (Service: string) =>
      iam.updateAssumeRolePolicy({ RoleName: "reader", PolicyDocument: document(trusting(Service)) });
    await trust("lambda.amazonaws.com");
    await until(() => code("iam/info") === "AssumeRoleUnauthorizedAccess");
    assert.deepEqual(Object.keys(JSON.parse(String(ask("iam/security-credentials/reader").body))), [
      "Code",
      "Message",
      "LastUpdated",
    ]);
    assert.equal(ask("iam/security-credentials/reader", "a token").body, ask("iam/info").body);
    await trust("ec2.amazonaws.com");
    await until(() => code("iam/security-credentials/reader") === "Success");
  },
);

test("a profile in use may lose its role and go, and IMDS follows", limit, async (t) => {
  const { ask, as, iam, until, region, id } = await scene(t);
  const given = as(JSON.parse(String(ask("iam/security-credentials/reader").body)));
  const profile = { InstanceProfileName: "web" };
  await iam.removeRoleFromInstanceProfile({ ...profile, RoleName: "reader" });
  await until(() => ask("iam/security-credentials/").status === 404);
  assert.equal(ask("iam/security-credentials/reader", "a token").status, 404);
  assert.equal(JSON.parse(String(ask("iam/info").body)).Code, "Success");
  await iam.deleteInstanceProfile(profile);
  await until(() => JSON.parse(String(ask("iam/info").body)).Code === "InstanceProfileNotFound");
  const { Reservations } = await region.client.describeInstances({ InstanceIds: [id] });
  assert.match(Reservations?.[0]?.Instances?.[0]?.IamInstanceProfile?.Arn ?? "", /instance-profile\/web$/);
  // What was handed out is good until it ends, or its role is gone.
  await given.ec2.describeInstances({});
  await iam.deleteRolePolicy({ RoleName: "reader", PolicyName: "p" });
  await iam.deleteRole({ RoleName: "reader" });
  await assert.rejects(given.ec2.describeInstances({}), { name: "AuthFailure" });

  const { IamInstanceProfileAssociations: [there] = [] } =
    await region.client.describeIamInstanceProfileAssociations({});
  await region.client.disassociateIamInstanceProfile({ AssociationId: there?.AssociationId });
  await until(() => ask("iam/info").status === 404);
});

test("another profile gives another role, and the same one again other credentials", limit, async (t) => {
  const { ask, iam, until, region } = await scene(t);
  await iam.createRole({
    RoleName: "writer",
    AssumeRolePolicyDocument: document(trusting("ec2.amazonaws.com")),
  });
  await iam.createInstanceProfile({ InstanceProfileName: "db" });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: "db", RoleName: "writer" });
  const before = ask("iam/security-credentials/reader").body;
  const replace = async (Name: string) => {
    const { IamInstanceProfileAssociations: [there] = [] } =
      await region.client.describeIamInstanceProfileAssociations({});
    await region.client.replaceIamInstanceProfileAssociation({
      AssociationId: there?.AssociationId,
      IamInstanceProfile: { Name },
    });
  };
  await replace("db");
  await until(() => ask("iam/security-credentials/").body === "writer");
  assert.equal(ask("iam/security-credentials/reader").status, 404);
  await replace("web");
  await until(() => ask("iam/security-credentials/").body === "reader");
  assert.notEqual(ask("iam/security-credentials/reader").body, before);
});

test(
  "credentials are renewed each hour, five before they end, and are the same in between",
  limit,
  async (t) => {
    const { region, instance } = await scene(t);
    let now = Date.now();
    const roles = instanceRoles({
      sealingKey: Buffer.alloc(32),
      random: (below) => now % below,
      now: () => new Date(now),
    });
    const said: GuestNetwork[] = [];
    const host = {
      hostId: "host-1",
      networks: region.networks,
      guests: { set: (it: GuestNetwork) => void said.push(it), remove() {} },
      signIdentity: () => ({ signature: "", pkcs7: "" }),
      roles,
    };
    const look = async () => {
      const outcome = await reconcileVpc(instance.VpcId ?? "", scope, region.records, host);
      const credentials = said.at(-1)?.interfaces[0]?.metadata.tree["iam/security-credentials/reader"];
      return { outcome, credentials };
    };
    const first = await look();
    assert.deepEqual(first.outcome, { kind: "wait", ms: hour / 12 }, "the host may sleep meanwhile");
    now += hour - 5000;
    assert.deepEqual(await look(), { outcome: { kind: "wait", ms: 5000 }, credentials: first.credentials });
    now += 5000;
    const second = await look();
    assert.deepEqual(second.outcome, first.outcome);
    assert.notEqual(second.credentials, first.credentials);
    const end = (it: typeof first) => Date.parse(JSON.parse(it.credentials ?? "{}").Expiration);
    assert.equal(Math.round((end(first) - now) / hour), 5);

    const { IamInstanceProfileAssociations: [there] = [] } =
      await region.client.describeIamInstanceProfileAssociations({});
    await region.client.disassociateIamInstanceProfile({ AssociationId: there?.AssociationId });
    const without = await look();
    assert.equal(without.credentials, undefined);
    assert.deepEqual(
      without.outcome,
      first.outcome,
      "those that say which instance it is are renewed as well",
    );
  },
);

const identity = "identity-credentials/ec2/security-credentials/ec2-instance";

test(
  "an instance without a profile has credentials too, which say which instance it is",
  limit,
  async (t) => {
    const { ask, as, id, region, until } = await scene(t);
    const { IamInstanceProfileAssociations: [there] = [] } =
      await region.client.describeIamInstanceProfileAssociations({});
    await region.client.disassociateIamInstanceProfile({ AssociationId: there?.AssociationId });
    await until(() => ask("iam/info").status === 404);
    assert.equal(ask("identity-credentials/ec2/").body, "info\nsecurity-credentials/");
    assert.equal(ask("identity-credentials/ec2/security-credentials/").body, "ec2-instance");
    assert.equal(ask(identity, "a token").body, ask(identity).body);
    const { LastUpdated, Token, SecretAccessKey, ...given } = JSON.parse(String(ask(identity).body));
    assert.deepEqual(Object.keys(given), ["Code", "Type", "AccessKeyId", "Expiration"]);
    assert.deepEqual([given.Code, given.Type], ["Success", "AWS-HMAC"]);
    assert.equal(Date.parse(given.Expiration) - Date.parse(LastUpdated), 6 * hour);

    const { sts } = as({ ...given, Token, SecretAccessKey });
    const { $metadata: _, ...who } = await sts.getCallerIdentity({});
    assert.deepEqual(who, {
      Account: "111122223333",
      Arn: `arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/${id}`,
      UserId: `111122223333:aws:ec2-instance:${id}`,
    });
  },
);

test("whatever policies say, those credentials are good for nothing else", limit, async (t) => {
  const { ask, as, iam, region, id } = await scene(t);
  const given = JSON.parse(String(ask(identity).body));
  const { ec2, sts, iam: itsIam, kms } = as(given);
  // Everybody of the account, by name and by "*": a role and a key that AWS's users could open like this.
  const open = { Effect: "Allow", Action: "*", Resource: "*", Principal: { AWS: "*" } };
  const { Resource: _, ...opens } = open;
  await iam.createRole({
    RoleName: "open",
    AssumeRolePolicyDocument: document({ ...opens, Action: "sts:AssumeRole" }),
  });
  const owner = new KMS(region.clientConfig);
  t.after(() => owner.destroy());
  const { KeyMetadata: { KeyId } = {} } = await owner.createKey({ Policy: document(open) });
  const RoleArn = "arn:aws:iam::111122223333:role/open";
  const refused = (call: Promise<unknown>, name: string) =>
    assert.rejects(call, {
      name,
      message: new RegExp(`:assumed-role/aws:ec2-instance/${id} is not authorized to perform: `),
    });
  await refused(ec2.describeInstances({}), "UnauthorizedOperation");
  await refused(ec2.describeInstances({ DryRun: true }), "UnauthorizedOperation");
  await refused(ec2.terminateInstances({ InstanceIds: [id] }), "UnauthorizedOperation");
  await refused(sts.assumeRole({ RoleArn, RoleSessionName: "me" }), "AccessDenied");
  await refused(sts.getSessionToken({}), "AccessDenied");
  await refused(itsIam.getUser({}), "AccessDenied");
  await refused(itsIam.createAccessKey({}), "AccessDenied");
  await refused(kms.describeKey({ KeyId }), "AccessDeniedException");
  await assert.rejects(
    iam.getRole({ RoleName: "aws:ec2-instance" }),
    (error: Error) => error.name !== "AccessDenied",
  );
  // Nobody is it by another's key, and by no changed token.
  const { Token } = JSON.parse(String(ask("iam/security-credentials/reader").body));
  await assert.rejects(as({ ...given, Token }).sts.getCallerIdentity({}), { name: "InvalidClientTokenId" });
});

test("an instance whose IMDS is version 2 alone has credentials of it alone", limit, async (t) => {
  const { region, id, ask, until } = await scene(t);
  await region.client.modifyInstanceMetadataOptions({ InstanceId: id, HttpTokens: "required" });
  await until(() => ask("iam/security-credentials/reader").status === 401);
  const { tree, treeByToken } = region.guests.values().next().value?.interfaces[0]?.metadata ?? {};
  assert.equal(treeByToken, undefined);
  assert.equal(
    ask("iam/security-credentials/reader", "a token").body,
    tree?.["iam/security-credentials/reader"],
  );
});

const trusting = (Service: string) => ({ Effect: "Allow", Principal: { Service }, Action: "sts:AssumeRole" });
const document = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });

/** An instance with the role "reader" by the profile "web": it may describe instances. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const iam = new IAM(region.clientConfig);
  t.after(() => iam.destroy());
  const allow = (Action: string, more: object = {}) =>
    iam.putRolePolicy({
      RoleName: "reader",
      PolicyName: "p",
      PolicyDocument: document({ Effect: "Allow", Action, Resource: "*", ...more }),
    });
  await iam.createRole({
    RoleName: "reader",
    AssumeRolePolicyDocument: document(trusting("ec2.amazonaws.com")),
  });
  await allow("ec2:DescribeInstances");
  const { InstanceProfile } = await iam.createInstanceProfile({ InstanceProfileName: "web" });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: "web", RoleName: "reader" });
  const { Instances: [instance = {}] = [] } = await region.client.runInstances({
    ImageId: testImage.id,
    MinCount: 1,
    MaxCount: 1,
    IamInstanceProfile: { Name: "web" },
  });
  const id = instance.InstanceId ?? "";
  await region.until(() => region.records.get("instance", id)?.so.state === "running");

  const tokens = sessionTokens(Date.now, () => "a key");
  /** With any token: by version 2. */
  const ask = (path: string, token?: string) => {
    const guest = region.guests.get(instance.VpcId ?? "")?.interfaces[0];
    assert.ok(guest);
    const headers = token === undefined ? {} : { "x-aws-ec2-metadata-token": tokens.issue(id, 60) };
    return answerImds({ method: "GET", url: `/latest/meta-data/${path}`, headers }, guest, tokens);
  };
  const as = (given: { AccessKeyId: string; SecretAccessKey: string; Token: string }) => {
    const credentials = {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.Token,
    };
    const clients = {
      ec2: new EC2({ ...region.clientConfig, credentials }),
      sts: new STS({ ...region.clientConfig, credentials }),
      iam: new IAM({ ...region.clientConfig, credentials }),
      kms: new KMS({ ...region.clientConfig, credentials }),
    };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  /** What croft-guest is told follows the store, so it is looked at until it holds; the test's own time limit bounds it. */
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { region, iam, allow, instance, id, ask, as, until, profileId: InstanceProfile?.InstanceProfileId };
}
