import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { STS, type Credentials } from "@aws-sdk/client-sts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";
const RoleArn = `arn:aws:iam::${account}:role/reader`;
const me = { RoleArn, RoleSessionName: "me" };
const ada = `arn:aws:iam::${account}:user/ada`;

const allowing = (Action: string | string[], more: object = {}) =>
  JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", Action, Resource: "*", ...more } });
const trusting = (AWS: string, more: object = {}, Action: string | string[] = "sts:AssumeRole") =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Principal: { AWS }, Action, ...more },
  });

async function scene(t: TestContext) {
  const { clientConfig } = await testRegion(t);
  const iam = new IAM(clientConfig);
  const root = new STS(clientConfig);
  const as = (given: Credentials | undefined) => {
    const credentials = {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      ...(given?.SessionToken !== undefined && { sessionToken: given.SessionToken }),
    };
    const config = { ...clientConfig, credentials };
    const clients = { ec2: new EC2(config), iam: new IAM(config), sts: new STS(config) };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  const user = async (UserName: string) => {
    await iam.createUser({ UserName });
    const { AccessKey: key } = await iam.createAccessKey({ UserName });
    return as({
      AccessKeyId: key?.AccessKeyId,
      SecretAccessKey: key?.SecretAccessKey,
      SessionToken: undefined,
      Expiration: undefined,
    });
  };
  t.after(() => [iam, root].forEach((it) => it.destroy()));
  const adas = await user("ada");
  await iam.createRole({ RoleName: "reader", AssumeRolePolicyDocument: trusting(ada) });
  const read = { RoleName: "reader", PolicyName: "read", PolicyDocument: allowing("ec2:Describe*") };
  await iam.putRolePolicy(read);
  const trust = (PolicyDocument: string) =>
    iam.updateAssumeRolePolicy({ RoleName: "reader", PolicyDocument });
  return { iam, root, as, user, adas, trust };
}

const denied = (call: Promise<unknown>, name = "AccessDenied", message = /./) =>
  assert.rejects(call, { name, message });

test("a role is assumed by whom it trusts, and its session may do what the role may", limit, async (t) => {
  const { adas, as, user, root, iam } = await scene(t);
  const { Credentials: given, AssumedRoleUser } = await adas.sts.assumeRole(me);
  assert.equal(AssumedRoleUser?.Arn, `arn:aws:sts::${account}:assumed-role/reader/me`);
  assert.match(given?.AccessKeyId ?? "", /^ASIA[A-Z2-7]{16}$/);
  const session = as(given);
  const identity = await session.sts.getCallerIdentity({});
  assert.deepEqual([identity.Arn, identity.UserId], [AssumedRoleUser?.Arn, AssumedRoleUser?.AssumedRoleId]);
  await session.ec2.describeVpcs({});
  await denied(
    session.ec2.createVpc({ CidrBlock: "10.0.0.0/16" }),
    "UnauthorizedOperation",
    /assumed-role\/reader\/me/,
  );
  await denied(adas.ec2.describeVpcs({}), "UnauthorizedOperation");

  const eve = await user("eve");
  const words = `User: arn:aws:iam::${account}:user/eve is not authorized to perform: sts:AssumeRole on resource: `;
  await denied(eve.sts.assumeRole(me), "AccessDenied", new RegExp(`^${words}${RoleArn}`));
  // A role that is not there is told in the same words.
  await denied(eve.sts.assumeRole({ ...me, RoleArn: `${RoleArn}s` }), "AccessDenied", new RegExp(words));
  await denied(root.assumeRole(me), "AccessDenied", /root accounts/);
  // Whoever may do everything is not thereby trusted.
  await iam.putUserPolicy({ UserName: "eve", PolicyName: "all", PolicyDocument: allowing("*") });
  await denied(eve.sts.assumeRole(me));
});

test("a token belongs to its key, and nothing in it can be changed", limit, async (t) => {
  const { adas, as, iam } = await scene(t);
  const [{ Credentials: one }, { Credentials: two }] = [
    await adas.sts.assumeRole(me),
    await adas.sts.assumeRole(me),
  ];
  const invalid = (changed: Partial<Credentials>) =>
    denied(as({ ...one, ...changed } as Credentials).sts.getCallerIdentity({}), "InvalidClientTokenId");
  await invalid({ SessionToken: two?.SessionToken });
  await invalid({ SessionToken: undefined });
  await invalid({ SessionToken: `${one?.SessionToken?.slice(0, -8)}AAAAAAA=` });
  await denied(as({ ...one, SessionToken: "x" } as Credentials).ec2.describeVpcs({}), "AuthFailure");
  await denied(
    as({ ...one, SecretAccessKey: two?.SecretAccessKey } as Credentials).sts.getCallerIdentity({}),
    "SignatureDoesNotMatch",
  );
  // With the role its sessions go, and one by the same name has others.
  await iam.deleteRolePolicy({ RoleName: "reader", PolicyName: "read" });
  await iam.deleteRole({ RoleName: "reader" });
  await iam.createRole({ RoleName: "reader", AssumeRolePolicyDocument: trusting(ada) });
  await invalid({});
});

test(
  "who trusts an account leaves it to the account's policies; an external id is asked for",
  limit,
  async (t) => {
    const { adas, iam, trust } = await scene(t);
    await trust(trusting(account, { Condition: { StringEquals: { "sts:ExternalId": "secret" } } }));
    await denied(adas.sts.assumeRole({ ...me, ExternalId: "secret" }));
    const assume = allowing("sts:AssumeRole");
    await iam.putUserPolicy({ UserName: "ada", PolicyName: "assume", PolicyDocument: assume });
    await adas.sts.assumeRole({ ...me, ExternalId: "secret" });
    await denied(adas.sts.assumeRole(me));
    await denied(adas.sts.assumeRole({ ...me, ExternalId: "other" }));
  },
);

test("who comes by the name of one who was trusted is not trusted", limit, async (t) => {
  const { adas, iam, user } = await scene(t);
  await adas.sts.assumeRole(me);
  const { AccessKeyMetadata: [key] = [] } = await iam.listAccessKeys({ UserName: "ada" });
  await iam.deleteAccessKey({ UserName: "ada", AccessKeyId: key?.AccessKeyId });
  await iam.deleteUser({ UserName: "ada" });
  const second = await user("ada");
  await denied(second.sts.assumeRole(me));
});

test(
  "a session does no more than the policies it was given allow, and no less is denied",
  limit,
  async (t) => {
    const { adas, as } = await scene(t);
    const vpcs = await adas.sts.assumeRole({
      ...me,
      Policy: allowing(["ec2:DescribeVpcs", "ec2:CreateVpc"]),
    });
    const limited = as(vpcs.Credentials);
    await limited.ec2.describeVpcs({});
    await denied(limited.ec2.describeSubnets({}), "UnauthorizedOperation", /no session policy allows/);
    await denied(
      limited.ec2.createVpc({ CidrBlock: "10.0.0.0/16" }),
      "UnauthorizedOperation",
      /no identity-based/,
    );
    const PolicyArns = [{ arn: "arn:aws:iam::aws:policy/AmazonS3FullAccess" }];
    const s3 = await adas.sts.assumeRole({ ...me, PolicyArns });
    await denied(as(s3.Credentials).ec2.describeVpcs({}), "UnauthorizedOperation");
    await denied(adas.sts.assumeRole({ ...me, Policy: "{" }), "MalformedPolicyDocumentException");
  },
);

test("sessions last as long as their role lets them, and an hour in a chain", limit, async (t) => {
  const { adas, as, iam, trust } = await scene(t);
  const tooLong = (seconds: number, by = adas, message = /MaxSessionDuration/) =>
    denied(by.sts.assumeRole({ ...me, DurationSeconds: seconds }), "ValidationError", message);
  await tooLong(3601);
  await iam.updateRole({ RoleName: "reader", MaxSessionDuration: 7200 });
  const { Credentials: given } = await adas.sts.assumeRole({ ...me, DurationSeconds: 7200 });
  const seconds = ((given?.Expiration?.getTime() ?? 0) - Date.now()) / 1000;
  assert.ok(seconds > 7100 && seconds <= 7200, String(seconds));
  await trust(trusting(RoleArn));
  await tooLong(3601, as(given), /role chaining/);
  await as(given).sts.assumeRole(me);
  await denied(as(given).sts.getSessionToken({}));
});

test(
  "a session's tags must be allowed, are its principal's, and go on in a chain where they are transitive",
  limit,
  async (t) => {
    const { adas, as, trust, iam } = await scene(t);
    const Tags = [
      { Key: "team", Value: "blue" },
      { Key: "desk", Value: "1" },
    ];
    await denied(adas.sts.assumeRole({ ...me, Tags }));
    const both = ["sts:AssumeRole", "sts:TagSession"];
    await trust(trusting(ada, {}, both));
    const only = {
      Condition: { StringEquals: { "aws:PrincipalTag/team": "blue", "aws:PrincipalTag/desk": "1" } },
    };
    const read = { RoleName: "reader", PolicyName: "read", PolicyDocument: allowing("ec2:Describe*", only) };
    await iam.putRolePolicy(read);
    const tagged = await adas.sts.assumeRole({ ...me, Tags, TransitiveTagKeys: ["team"] });
    await as(tagged.Credentials).ec2.describeVpcs({});
    await denied(
      as((await adas.sts.assumeRole(me)).Credentials).ec2.describeVpcs({}),
      "UnauthorizedOperation",
    );
    await trust(trusting(RoleArn, {}, both));
    const next = await as(tagged.Credentials).sts.assumeRole(me);
    await denied(as(next.Credentials).ec2.describeVpcs({}), "UnauthorizedOperation");
    await iam.putRolePolicy({
      ...read,
      PolicyDocument: allowing("ec2:Describe*", {
        Condition: { StringEquals: { "aws:PrincipalTag/team": "blue" } },
      }),
    });
    await as(next.Credentials).ec2.describeVpcs({});
    await denied(
      as(next.Credentials).sts.assumeRole({ ...me, Tags: [{ Key: "team", Value: "green" }] }),
      "ValidationError",
    );
  },
);

test("sessions are ended by a policy that asks when they began", limit, async (t) => {
  const { adas, as, iam } = await scene(t);
  const session = as((await adas.sts.assumeRole(me)).Credentials);
  await session.ec2.describeVpcs({});
  const before = new Date(Date.now() + 5000).toISOString();
  const revoked = { Effect: "Deny", Condition: { DateLessThan: { "aws:TokenIssueTime": before } } };
  await iam.putRolePolicy({
    RoleName: "reader",
    PolicyName: "revoke",
    PolicyDocument: allowing("*", revoked),
  });
  await denied(session.ec2.describeVpcs({}), "UnauthorizedOperation", /explicit deny/);
});

test(
  "a user's session does what the user may, but for IAM; a federated one what it was given too",
  limit,
  async (t) => {
    const { adas, as, iam, root } = await scene(t);
    await iam.putUserPolicy({ UserName: "ada", PolicyName: "all", PolicyDocument: allowing("*") });
    const own = as((await adas.sts.getSessionToken({})).Credentials);
    assert.equal((await own.sts.getCallerIdentity({})).Arn, ada);
    await own.ec2.describeVpcs({});
    await denied(own.iam.listUsers({}));
    await denied(own.sts.getSessionToken({}));
    await own.sts.assumeRole(me);
    const federate = (Policy?: string) =>
      adas.sts.getFederationToken({ Name: "guest", ...(Policy && { Policy }) });
    const guest = as((await federate(allowing("ec2:DescribeVpcs"))).Credentials);
    assert.equal((await guest.sts.getCallerIdentity({})).Arn, `arn:aws:sts::${account}:federated-user/guest`);
    await guest.ec2.describeVpcs({});
    await denied(guest.ec2.describeSubnets({}), "UnauthorizedOperation");
    await denied(guest.sts.assumeRole(me));
    await denied(as((await federate()).Credentials).ec2.describeVpcs({}), "UnauthorizedOperation");
    const rootSession = as((await root.getSessionToken({})).Credentials);
    await rootSession.ec2.describeVpcs({});
    await denied(rootSession.iam.listUsers({}));
  },
);

test("an access key's id names its account", limit, async (t) => {
  const { root, adas, iam } = await scene(t);
  const { Credentials: given } = await adas.sts.assumeRole(me);
  const { AccessKeyMetadata: [key] = [] } = await iam.listAccessKeys({ UserName: "ada" });
  for (const AccessKeyId of [given?.AccessKeyId, key?.AccessKeyId])
    assert.equal((await root.getAccessKeyInfo({ AccessKeyId })).Account, account);
  await denied(root.getAccessKeyInfo({ AccessKeyId: "AKIAIOSFODNN7EXAMPLE" }), "ValidationError");
});
