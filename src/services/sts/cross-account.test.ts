import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { STS, type Credentials } from "@aws-sdk/client-sts";
import { testRegion, type TestRegion } from "#testing/region.ts";

const limit = { timeout: 30_000 };
const [owners, guests] = ["111122223333", "222233334444"];
const RoleArn = `arn:aws:iam::${owners}:role/shared`;
const me = { RoleArn, RoleSessionName: "me" };
const guest = `arn:aws:iam::${guests}:user/guest`;
const describing = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";

const document = (statement: object) =>
  JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", ...statement } });
const trusting = (AWS: string, more: object = {}) =>
  document({ Principal: { AWS }, Action: "sts:AssumeRole", ...more });
const assuming = document({ Action: "sts:AssumeRole", Resource: RoleArn });

/** A role "shared" that may describe, and in a second account a user "guest", whom nothing is allowed yet. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const second = await region.newAccount(guests);
  const clientsOf = (credentials: TestRegion["clientConfig"]["credentials"]) => {
    const config = { ...region.clientConfig, credentials };
    const clients = { ec2: new EC2(config), iam: new IAM(config), sts: new STS(config) };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  const as = (given: Partial<Credentials> | undefined) =>
    clientsOf({
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      ...(given?.SessionToken !== undefined && { sessionToken: given.SessionToken }),
    });
  const [owner, other] = [
    clientsOf(region.clientConfig.credentials),
    clientsOf(second.clientConfig.credentials),
  ];
  const user = async (UserName: string, policy?: string) => {
    await other.iam.createUser({ UserName });
    const named = { UserName, PolicyName: "p" };
    if (policy !== undefined) await other.iam.putUserPolicy({ ...named, PolicyDocument: policy });
    const { AccessKey } = await other.iam.createAccessKey({ UserName });
    return as({ ...AccessKey });
  };
  const trust = (PolicyDocument: string) =>
    owner.iam.updateAssumeRolePolicy({ RoleName: "shared", PolicyDocument });
  await owner.iam.createRole({ RoleName: "shared", AssumeRolePolicyDocument: trusting(owners) });
  await owner.iam.attachRolePolicy({ RoleName: "shared", PolicyArn: describing });
  return { region, owner, other, as, user, trust };
}

const denied = (call: Promise<unknown>) =>
  assert.rejects(call, {
    name: "AccessDenied",
    message: new RegExp(`is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}$`),
  });

test("a role of another account is assumed when both sides allow it, and only then", limit, async (t) => {
  const { owner, other, as, user, trust } = await scene(t);
  const allowed = await user("guest", assuming);
  const unallowed = await user("idle");
  await denied(allowed.sts.assumeRole(me));
  await trust(trusting(guests));
  await denied(unallowed.sts.assumeRole(me));
  const { Credentials: given, AssumedRoleUser } = await allowed.sts.assumeRole(me);
  assert.equal(AssumedRoleUser?.Arn, `arn:aws:sts::${owners}:assumed-role/shared/me`);

  const session = as(given);
  assert.equal((await session.sts.getCallerIdentity({})).Account, owners);
  const own = (await owner.ec2.describeVpcs({})).Vpcs;
  assert.deepEqual((await session.ec2.describeVpcs({})).Vpcs, own);
  assert.notDeepEqual((await other.ec2.describeVpcs({})).Vpcs, own);
  await assert.rejects(session.ec2.createVpc({ CidrBlock: "10.0.0.0/16" }), {
    name: "UnauthorizedOperation",
  });
  assert.equal((await owner.sts.getAccessKeyInfo({ AccessKeyId: given?.AccessKeyId })).Account, owners);
  await trust(trusting(owners));
  await denied(allowed.sts.assumeRole(me));
});

test(
  "within an account the role's naming of a user is enough, from another account it is not",
  limit,
  async (t) => {
    const { user, trust } = await scene(t);
    const idle = await user("guest");
    await trust(trusting(guest));
    await denied(idle.sts.assumeRole(me));
  },
);

test("a deny of either side wins", limit, async (t) => {
  const { other, user, trust } = await scene(t);
  const caller = await user("guest", assuming);
  await trust(
    JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { AWS: guests }, Action: "sts:AssumeRole" },
        { Effect: "Deny", Principal: { AWS: guest }, Action: "sts:AssumeRole" },
      ],
    }),
  );
  await denied(caller.sts.assumeRole(me));
  await trust(trusting(guests));
  await caller.sts.assumeRole(me);
  const denying = document({ Effect: "Deny", Action: "sts:*", Resource: "*" });
  await other.iam.putUserPolicy({ UserName: "guest", PolicyName: "no", PolicyDocument: denying });
  await denied(caller.sts.assumeRole(me));
});

test("a boundary or session of who asks bounds it as well", limit, async (t) => {
  const { other, as, user, trust } = await scene(t);
  const caller = await user("guest", assuming);
  await trust(trusting(guest));
  await other.iam.putUserPermissionsBoundary({ UserName: "guest", PermissionsBoundary: describing });
  await denied(caller.sts.assumeRole(me));
  await other.iam.deleteUserPermissionsBoundary({ UserName: "guest" });

  await other.iam.createRole({ RoleName: "step", AssumeRolePolicyDocument: trusting(guest) });
  await other.iam.putRolePolicy({ RoleName: "step", PolicyName: "p", PolicyDocument: assuming });
  await trust(trusting(`arn:aws:iam::${guests}:role/step`));
  await denied(caller.sts.assumeRole(me));
  const step = { RoleArn: `arn:aws:iam::${guests}:role/step`, RoleSessionName: "step" };
  const { Credentials: whole } = await caller.sts.assumeRole(step);
  await as(whole).sts.assumeRole(me);
  const Policy = document({ Action: "ec2:*", Resource: "*" });
  const { Credentials: bounded } = await caller.sts.assumeRole({ ...step, Policy });
  await denied(as(bounded).sts.assumeRole(me));
});

test("a deputy for many gets at a customer's role by that customer's external id only", limit, async (t) => {
  const { user, trust } = await scene(t);
  const deputy = await user("guest", document({ Action: "sts:AssumeRole", Resource: "*" }));
  await trust(trusting(guests, { Condition: { StringEquals: { "sts:ExternalId": "customer-1" } } }));
  await denied(deputy.sts.assumeRole(me));
  await denied(deputy.sts.assumeRole({ ...me, ExternalId: "customer-2" }));
  await denied(deputy.sts.assumeRole({ ...me, ExternalId: "Customer-1" }));
  await deputy.sts.assumeRole({ ...me, ExternalId: "customer-1" });
});

test("who comes later by a trusted name is not trusted, also from another account", limit, async (t) => {
  const { owner, other, user, trust } = await scene(t);
  const before = await user("guest", assuming);
  await trust(trusting(guest));
  await before.sts.assumeRole(me);
  const { AccessKeyMetadata: [key] = [] } = await other.iam.listAccessKeys({ UserName: "guest" });
  await other.iam.deleteAccessKey({ UserName: "guest", AccessKeyId: key?.AccessKeyId });
  await other.iam.deleteUserPolicy({ UserName: "guest", PolicyName: "p" });
  await other.iam.deleteUser({ UserName: "guest" });
  const later = await user("guest", assuming);
  await denied(later.sts.assumeRole(me));
  const { Role: role } = await owner.iam.getRole({ RoleName: "shared" });
  assert.match(decodeURIComponent(role?.AssumeRolePolicyDocument ?? ""), /"AIDA\w{17}"/);
});

test(
  "a user who is not there is named by no role; an account that the region does not have may be",
  limit,
  async (t) => {
    const { trust } = await scene(t);
    await assert.rejects(trust(trusting(`arn:aws:iam::${guests}:user/none`)), {
      name: "MalformedPolicyDocumentException",
      message: `Invalid principal in policy: "AWS":"arn:aws:iam::${guests}:user/none"`,
    });
    await trust(trusting("arn:aws:iam::999988887777:role/vendor"));
  },
);

test(
  "a session's policies are those of the role's account, and nothing of the caller's",
  limit,
  async (t) => {
    const { owner, other, as, user, trust } = await scene(t);
    const caller = await user("guest", assuming);
    await trust(trusting(guest));
    const PolicyDocument = document({ Action: "ec2:DescribeVpcs", Resource: "*" });
    for (const { iam } of [owner, other]) await iam.createPolicy({ PolicyName: "vpcs", PolicyDocument });
    const of = (account: string) => ({
      ...me,
      PolicyArns: [{ arn: `arn:aws:iam::${account}:policy/vpcs` }],
    });
    await assert.rejects(caller.sts.assumeRole(of(guests)), /does not exist or is not attachable/);
    const { Credentials: given } = await caller.sts.assumeRole(of(owners));
    await as(given).ec2.describeVpcs({});
    await assert.rejects(as(given).ec2.describeSubnets({}), { name: "UnauthorizedOperation" });
  },
);

test("a root of another account assumes no role", limit, async (t) => {
  const { other, trust } = await scene(t);
  await trust(trusting(guests));
  await assert.rejects(other.sts.assumeRole(me), /Roles may not be assumed by root accounts/);
});
