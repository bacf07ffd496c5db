import assert from "node:assert/strict";
import { test } from "node:test";
import { IAM, paginateListUsers } from "@aws-sdk/client-iam";
import { iamScene } from "#testing/iam.ts";

const limit = { timeout: 20_000 };
const account = "111122223333";
const all = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}';
const byEc2 =
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}';
const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess";

test(
  "a user has a path, tags and an id of its own, and is found whatever the case of its name",
  limit,
  async (t) => {
    const { iam, refused, clientConfig } = await iamScene(t);
    const { User: ada } = await iam.createUser({
      UserName: "Ada",
      Path: "/staff/",
      Tags: [{ Key: "team", Value: "x" }],
    });
    assert.match(ada?.UserId ?? "", /^AIDA[A-Z2-7]{17}$/);
    assert.equal(ada?.Arn, `arn:aws:iam::${account}:user/staff/Ada`);
    assert.deepEqual((await iam.getUser({ UserName: "ADA" })).User, ada);
    await refused(
      iam.createUser({ UserName: "ada" }),
      "EntityAlreadyExistsException",
      /User with name ada already/,
    );
    await refused(
      iam.getUser({ UserName: "eve" }),
      "NoSuchEntityException",
      /user with name eve cannot be found/,
    );
    await refused(iam.createUser({ UserName: "a b" }), "ValidationError", /userName is invalid/);
    await refused(iam.createUser({ UserName: "b", Path: "x" }), "ValidationError", /path is invalid/);
    assert.deepEqual((await iam.listUsers({ PathPrefix: "/other/" })).Users, []);
    // In every region it is the same account.
    const elsewhere = new IAM({ ...clientConfig, region: "us-east-1" });
    t.after(() => elsewhere.destroy());
    await elsewhere.updateUser({ UserName: "Ada", NewUserName: "Lovelace", NewPath: "/" });
    const { User: renamed } = await iam.getUser({ UserName: "lovelace" });
    assert.deepEqual([renamed?.UserId, renamed?.Arn], [ada?.UserId, `arn:aws:iam::${account}:user/Lovelace`]);
    await refused(iam.getUser({ UserName: "Ada" }), "NoSuchEntityException");
    await iam.deleteUser({ UserName: "Lovelace" });
    assert.deepEqual((await iam.listUsers({})).Users, []);
    assert.equal((await iam.getUser({})).User?.Arn, `arn:aws:iam::${account}:root`);
  },
);

test("lists come in pages, in the order of names", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  for (const UserName of ["c", "a", "b"]) await iam.createUser({ UserName });
  const pages: (string | undefined)[][] = [];
  for await (const { Users = [] } of paginateListUsers({ client: iam, pageSize: 2 }, {}))
    pages.push(Users.map((it) => it.UserName));
  assert.deepEqual(pages, [["a", "b"], ["c"]]);
  await refused(iam.listUsers({ Marker: "x" }), "InvalidInputException");
});

test("what has something, or is used, cannot be deleted", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const conflict = (call: Promise<unknown>, message: RegExp) =>
    refused(call, "DeleteConflictException", message);
  const { Policy } = await iam.createPolicy({ PolicyName: "p", PolicyDocument: all });
  const PolicyArn = Policy?.Arn ?? "";
  await iam.createUser({ UserName: "u", PermissionsBoundary: PolicyArn });
  await iam.createGroup({ GroupName: "g" });
  await iam.addUserToGroup({ GroupName: "g", UserName: "u" });
  await conflict(iam.deleteUser({ UserName: "u" }), /remove users from group/);
  await conflict(iam.deleteGroup({ GroupName: "g" }), /remove users from group/);
  await conflict(iam.deletePolicy({ PolicyArn }), /attached to entities/);
  await iam.deleteUserPermissionsBoundary({ UserName: "u" });
  await iam.removeUserFromGroup({ GroupName: "g", UserName: "u" });
  await refused(iam.removeUserFromGroup({ GroupName: "g", UserName: "u" }), "NoSuchEntityException");

  await iam.attachUserPolicy({ UserName: "u", PolicyArn });
  await conflict(iam.deleteUser({ UserName: "u" }), /detach all policies/);
  await conflict(iam.deletePolicy({ PolicyArn }), /attached to entities/);
  await iam.detachUserPolicy({ UserName: "u", PolicyArn });
  await iam.putGroupPolicy({ GroupName: "g", PolicyName: "in", PolicyDocument: all });
  await conflict(iam.deleteGroup({ GroupName: "g" }), /must delete policies first/);
  await iam.deleteGroupPolicy({ GroupName: "g", PolicyName: "in" });

  await iam.createRole({ RoleName: "r", AssumeRolePolicyDocument: byEc2 });
  await iam.createInstanceProfile({ InstanceProfileName: "ip" });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: "ip", RoleName: "r" });
  await refused(
    iam.addRoleToInstanceProfile({ InstanceProfileName: "ip", RoleName: "r" }),
    "LimitExceededException",
  );
  await conflict(iam.deleteRole({ RoleName: "r" }), /roles from instance profile/);
  await conflict(iam.deleteInstanceProfile({ InstanceProfileName: "ip" }), /roles from instance profile/);
  await iam.removeRoleFromInstanceProfile({ InstanceProfileName: "ip", RoleName: "r" });
  await Promise.all([
    iam.deleteRole({ RoleName: "r" }),
    iam.deleteInstanceProfile({ InstanceProfileName: "ip" }),
    iam.deleteUser({ UserName: "u" }),
    iam.deleteGroup({ GroupName: "g" }),
    iam.deletePolicy({ PolicyArn }),
  ]);
  assert.deepEqual((await iam.getAccountAuthorizationDetails({})).UserDetailList, []);
});

test("one of many at once gets a name, and nothing is left used by what is gone", limit, async (t) => {
  const { iam } = await iamScene(t);
  const made = await Promise.allSettled(Array.from({ length: 8 }, () => iam.createUser({ UserName: "one" })));
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  await iam.createGroup({ GroupName: "g" });
  const [added, deleted] = await Promise.allSettled([
    iam.addUserToGroup({ GroupName: "g", UserName: "one" }),
    iam.deleteGroup({ GroupName: "g" }),
  ]);
  assert.ok((added.status === "fulfilled") !== (deleted.status === "fulfilled"));
  const { Groups = [] } = await iam.listGroupsForUser({ UserName: "one" });
  assert.equal(Groups.length, added.status === "fulfilled" ? 1 : 0);
});

test("a role says who may assume it, and names only who is there", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const trusting = (principal: object) =>
    JSON.stringify({
      Version: "2012-10-17",
      Statement: { Effect: "Allow", Principal: principal, Action: "sts:AssumeRole" },
    });
  const { Role } = await iam.createRole({
    RoleName: "web",
    AssumeRolePolicyDocument: byEc2,
    Description: "of instances",
    PermissionsBoundary: readOnly,
  });
  assert.equal(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ""), byEc2);
  assert.deepEqual(
    [Role?.MaxSessionDuration, Role?.PermissionsBoundary?.PermissionsBoundaryArn],
    [3600, readOnly],
  );
  await iam.updateRole({ RoleName: "web", MaxSessionDuration: 7200 });
  const { Role: changed } = await iam.getRole({ RoleName: "web" });
  assert.deepEqual([changed?.MaxSessionDuration, changed?.Description], [7200, "of instances"]);

  const malformed = (document: string, message: RegExp) =>
    refused(
      iam.updateAssumeRolePolicy({ RoleName: "web", PolicyDocument: document }),
      "MalformedPolicyDocumentException",
      message,
    );
  await malformed(all, /prohibited field Resource/);
  await malformed(byEc2.replace("sts:AssumeRole", "s3:GetObject"), /only specify STS AssumeRole actions/);
  await malformed(trusting({ AWS: `arn:aws:iam::${account}:user/nobody` }), /Invalid principal in policy/);
  await malformed(trusting({ AWS: "nobody" }), /Invalid principal in policy/);
  await malformed("{", /Syntax errors in policy/);
  await iam.createUser({ UserName: "ada" });
  await iam.updateAssumeRolePolicy({
    RoleName: "web",
    PolicyDocument: trusting({ AWS: [`arn:aws:iam::${account}:user/ada`, account] }),
  });
  await refused(
    iam.createRole({ RoleName: "WEB", AssumeRolePolicyDocument: byEc2 }),
    "EntityAlreadyExistsException",
  );
});

test("tags are told apart without regard to case, and are fifty at most", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  await iam.createUser({ UserName: "u" });
  await iam.tagUser({ UserName: "u", Tags: [{ Key: "Team", Value: "a" }] });
  await iam.tagUser({ UserName: "u", Tags: [{ Key: "team", Value: "b" }] });
  assert.deepEqual((await iam.listUserTags({ UserName: "u" })).Tags, [{ Key: "team", Value: "b" }]);
  const many = Array.from({ length: 50 }, (_, n) => ({ Key: `k${n}`, Value: "" }));
  await refused(iam.tagUser({ UserName: "u", Tags: many }), "LimitExceededException");
  await refused(iam.tagUser({ UserName: "u", Tags: [{ Key: "aws:x", Value: "" }] }), "InvalidInputException");
  await iam.untagUser({ UserName: "u", TagKeys: ["TEAM"] });
  assert.deepEqual((await iam.listUserTags({ UserName: "u" })).Tags, []);
});
