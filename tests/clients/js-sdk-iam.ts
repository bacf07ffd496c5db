import assert from "node:assert/strict";
import { test } from "node:test";
import type * as iamModule from "@aws-sdk/client-iam";
import * as stsModule from "@aws-sdk/client-sts";
import { every } from "./every.ts";

const all = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: "*", Resource: "*" },
});
const byEc2 = JSON.stringify({
  Version: "2012-10-17",
  Statement: {
    Effect: "Allow",
    Principal: { Service: "ec2.amazonaws.com" },
    Action: "sts:AssumeRole",
  },
});

/** Every operation, paginator and waiter of IAM's entities and policies; `sdk` is the module that notes which were used. */
export function iamTests(sdk: typeof iamModule, iam: iamModule.IAM, sts: stsModule.STS): void {
  const inPages = { client: iam, pageSize: 1 };
  const patience = { client: iam, maxWaitTime: 120, minDelay: 1, maxDelay: 2 };
  const user = { UserName: "ada" };
  const group = { GroupName: "staff" };
  const role = { RoleName: "web" };
  const profile = { InstanceProfileName: "web" };
  const tags = {
    Tags: [
      { Key: "a", Value: "1" },
      { Key: "b", Value: "2" },
    ],
  };
  const untagged = { TagKeys: ["a", "b"] };
  let policy = { PolicyArn: "" };

  test("users, groups, roles, policies and instance profiles are made, tagged and listed page by page", async () => {
    const { Policy } = await iam.createPolicy({ PolicyName: "all", PolicyDocument: all, ...tags });
    policy = { PolicyArn: Policy?.Arn ?? "" };
    await iam.createUser(user);
    await iam.createUser({ UserName: "bob" });
    await iam.createGroup(group);
    await iam.createGroup({ GroupName: "other" });
    await iam.createRole({ ...role, AssumeRolePolicyDocument: byEc2 });
    await iam.createRole({ RoleName: "other", AssumeRolePolicyDocument: byEc2 });
    await iam.createInstanceProfile(profile);
    await iam.createInstanceProfile({ InstanceProfileName: "other" });
    await Promise.all([
      sdk.waitUntilUserExists(patience, user),
      sdk.waitUntilRoleExists(patience, role),
      sdk.waitUntilPolicyExists(patience, policy),
      sdk.waitUntilInstanceProfileExists(patience, profile),
    ]);
    await iam.tagUser({ ...user, ...tags });
    await iam.tagRole({ ...role, ...tags });
    await iam.tagPolicy({ ...policy, ...tags });
    await iam.tagInstanceProfile({ ...profile, ...tags });
    const tagLists = [
      await every(sdk.paginateListUserTags(inPages, { ...user }), (it) => it.Tags),
      await every(sdk.paginateListRoleTags(inPages, { ...role }), (it) => it.Tags),
      await every(sdk.paginateListPolicyTags(inPages, { ...policy }), (it) => it.Tags),
      await every(sdk.paginateListInstanceProfileTags(inPages, { ...profile }), (it) => it.Tags),
    ];
    assert.deepEqual(tagLists, [tags.Tags, tags.Tags, tags.Tags, tags.Tags]);
    await iam.untagUser({ ...user, ...untagged });
    await iam.untagRole({ ...role, ...untagged });
    await iam.untagPolicy({ ...policy, ...untagged });
    await iam.untagInstanceProfile({ ...profile, ...untagged });
    assert.deepEqual(
      [
        (await every(sdk.paginateListUsers(inPages, {}), (it) => it.Users)).map((it) => it.UserName),
        (await every(sdk.paginateListGroups(inPages, {}), (it) => it.Groups)).map((it) => it.GroupName),
        (await every(sdk.paginateListRoles(inPages, {}), (it) => it.Roles)).map((it) => it.RoleName),
        (await every(sdk.paginateListInstanceProfiles(inPages, {}), (it) => it.InstanceProfiles)).map(
          (it) => it.InstanceProfileName,
        ),
      ],
      [
        ["ada", "bob"],
        ["other", "staff"],
        ["other", "web"],
        ["other", "web"],
      ],
    );
    const aws = await every(
      sdk.paginateListPolicies({ client: iam, pageSize: 20 }, { Scope: "AWS" }),
      (it) => it.Policies,
    );
    assert.ok(aws.some((it) => it.Arn === "arn:aws:iam::aws:policy/AdministratorAccess"));
    await iam.updateUser({ UserName: "bob", NewUserName: "eve" });
    await iam.updateGroup({ ...group, NewPath: "/people/" });
    assert.equal((await iam.getUser({ UserName: "eve" })).User?.UserName, "eve");
    await iam.updateRole({ ...role, MaxSessionDuration: 7200 });
    await iam.updateRoleDescription({ ...role, Description: "of instances" });
    await iam.updateAssumeRolePolicy({ ...role, PolicyDocument: byEc2 });
    const { Role } = await iam.getRole(role);
    assert.deepEqual([Role?.MaxSessionDuration, Role?.Description], [7200, "of instances"]);
  });

  test("policies have versions, are attached, written in and bound, and know who uses them", async () => {
    await iam.createPolicyVersion({ ...policy, PolicyDocument: all });
    await iam.setDefaultPolicyVersion({ ...policy, VersionId: "v2" });
    const versions = await every(sdk.paginateListPolicyVersions(inPages, { ...policy }), (it) => it.Versions);
    assert.deepEqual(
      versions.map((it) => it.VersionId),
      ["v2", "v1"],
    );
    const { PolicyVersion } = await iam.getPolicyVersion({ ...policy, VersionId: "v2" });
    assert.equal(decodeURIComponent(PolicyVersion?.Document ?? ""), all);
    await iam.deletePolicyVersion({ ...policy, VersionId: "v1" });
    assert.equal((await iam.getPolicy(policy)).Policy?.DefaultVersionId, "v2");

    await iam.attachUserPolicy({ ...user, ...policy });
    await iam.attachGroupPolicy({ ...group, ...policy });
    await iam.attachRolePolicy({ ...role, ...policy });
    const attached = [
      ...(await every(
        sdk.paginateListAttachedUserPolicies(inPages, { ...user }),
        (it) => it.AttachedPolicies,
      )),
      ...(await every(
        sdk.paginateListAttachedGroupPolicies(inPages, { ...group }),
        (it) => it.AttachedPolicies,
      )),
      ...(await every(
        sdk.paginateListAttachedRolePolicies(inPages, { ...role }),
        (it) => it.AttachedPolicies,
      )),
    ];
    assert.deepEqual(
      attached.map((it) => it.PolicyName),
      ["all", "all", "all"],
    );
    const users = await every(
      sdk.paginateListEntitiesForPolicy(inPages, { ...policy }),
      (it) => it.PolicyUsers,
    );
    assert.deepEqual(
      users.map((it) => it.UserName),
      ["ada"],
    );

    const asked = {
      PolicySourceArn: "arn:aws:iam::000000000000:user/ada",
      ActionNames: ["s3:GetObject", "ec2:RunInstances"],
    };
    const results = await every(
      sdk.paginateSimulatePrincipalPolicy(inPages, asked),
      (it) => it.EvaluationResults,
    );
    assert.deepEqual(
      results.map((it) => [it.EvalDecision, it.MatchedStatements?.[0]?.SourcePolicyId]),
      [
        ["allowed", "all"],
        ["allowed", "all"],
      ],
    );
    const { ContextKeyNames } = await iam.getContextKeysForPrincipalPolicy(asked);
    assert.deepEqual(ContextKeyNames, []);

    const inline = { PolicyName: "in", PolicyDocument: all };
    await iam.putUserPolicy({ ...user, ...inline });
    await iam.putGroupPolicy({ ...group, ...inline });
    await iam.putRolePolicy({ ...role, ...inline });
    const found = [
      await iam.getUserPolicy({ ...user, PolicyName: "in" }),
      await iam.getGroupPolicy({ ...group, PolicyName: "in" }),
      await iam.getRolePolicy({ ...role, PolicyName: "in" }),
    ];
    for (const it of found) assert.equal(decodeURIComponent(it.PolicyDocument ?? ""), all);
    const names = [
      ...(await every(sdk.paginateListUserPolicies(inPages, { ...user }), (it) => it.PolicyNames)),
      ...(await every(sdk.paginateListGroupPolicies(inPages, { ...group }), (it) => it.PolicyNames)),
      ...(await every(sdk.paginateListRolePolicies(inPages, { ...role }), (it) => it.PolicyNames)),
    ];
    assert.deepEqual(names, ["in", "in", "in"]);

    const boundary = { PermissionsBoundary: policy.PolicyArn };
    await iam.putUserPermissionsBoundary({ ...user, ...boundary });
    await iam.putRolePermissionsBoundary({ ...role, ...boundary });
    assert.equal((await iam.getPolicy(policy)).Policy?.PermissionsBoundaryUsageCount, 2);
    await iam.deleteUserPermissionsBoundary(user);
    await iam.deleteRolePermissionsBoundary(role);
  });

  test("users are in groups, roles in instance profiles, and the account tells it all", async () => {
    await iam.addUserToGroup({ ...group, ...user });
    const members = await every(sdk.paginateGetGroup(inPages, { ...group }), (it) => it.Users);
    const groups = await every(sdk.paginateListGroupsForUser(inPages, { ...user }), (it) => it.Groups);
    assert.deepEqual([members[0]?.UserName, groups[0]?.GroupName], ["ada", "staff"]);
    await iam.addRoleToInstanceProfile({ ...profile, ...role });
    const { InstanceProfile } = await iam.getInstanceProfile(profile);
    const profiles = await every(
      sdk.paginateListInstanceProfilesForRole(inPages, { ...role }),
      (it) => it.InstanceProfiles,
    );
    assert.deepEqual([InstanceProfile?.Roles?.[0]?.RoleName, profiles.length], ["web", 1]);
    const { SummaryMap } = await iam.getAccountSummary({});
    assert.deepEqual([SummaryMap?.["Users"], SummaryMap?.["Policies"]], [2, 1]);
    const details = await every(
      sdk.paginateGetAccountAuthorizationDetails(inPages, { Filter: ["User"] }),
      (it) => it.UserDetailList,
    );
    assert.deepEqual(
      details.map((it) => [it.UserName, it.GroupList, it.UserPolicyList?.length]),
      [
        ["ada", ["staff"], 1],
        ["eve", [], 0],
      ],
    );
    await iam.createAccountAlias({ AccountAlias: "my-region" });
    assert.deepEqual(await every(sdk.paginateListAccountAliases(inPages, {}), (it) => it.AccountAliases), [
      "my-region",
    ]);
    await iam.deleteAccountAlias({ AccountAlias: "my-region" });
  });

  test("a user signs in by keys, is held to policy, and assumes a role", async () => {
    const { AccessKey: key } = await iam.createAccessKey(user);
    const id = { AccessKeyId: key?.AccessKeyId ?? "" };
    const keys = await every(sdk.paginateListAccessKeys(inPages, { ...user }), (it) => it.AccessKeyMetadata);
    assert.deepEqual(
      keys.map((it) => it.AccessKeyId),
      [id.AccessKeyId],
    );
    assert.equal((await iam.getAccessKeyLastUsed(id)).UserName, "ada");
    assert.equal((await sts.getAccessKeyInfo(id)).Account, "000000000000");
    const ada = new stsModule.STS({
      credentials: { accessKeyId: id.AccessKeyId, secretAccessKey: key?.SecretAccessKey ?? "" },
    });
    const Arn = (await ada.getCallerIdentity({})).Arn ?? "";
    assert.equal(Arn, "arn:aws:iam::000000000000:user/ada");
    const trust = byEc2.replace('"Service":"ec2.amazonaws.com"', `"AWS":"${Arn}"`);
    await iam.updateAssumeRolePolicy({ ...role, PolicyDocument: trust });
    const RoleArn = (await iam.getRole(role)).Role?.Arn;
    const assumed = await ada.assumeRole({ RoleArn, RoleSessionName: "me" });
    assert.equal(assumed.AssumedRoleUser?.Arn, "arn:aws:sts::000000000000:assumed-role/web/me");
    assert.ok((await ada.getSessionToken({})).Credentials?.SessionToken);
    assert.ok((await ada.getFederationToken({ Name: "guest" })).Credentials?.SessionToken);
    const denying = all.replace('"Allow"', '"Deny"');
    await iam.putUserPolicy({ ...user, PolicyName: "in", PolicyDocument: denying });
    const denied: unknown = await ada.getFederationToken({ Name: "guest" }).catch((it: unknown) => it);
    assert.match(
      String(denied),
      /AccessDenied: User: .*:user\/ada is not authorized to perform: sts:GetFederationToken/,
    );
    await iam.updateAccessKey({ ...user, ...id, Status: "Inactive" });
    await assert.rejects(ada.getCallerIdentity({}), { name: "InvalidClientTokenId" });
    ada.destroy();
    await iam.deleteAccessKey({ ...user, ...id });
  });

  test("and all of it goes, in the order that AWS asks for", async () => {
    await assert.rejects(iam.deleteUser(user), { name: "DeleteConflictException" });
    await iam.removeUserFromGroup({ ...group, ...user });
    await iam.removeRoleFromInstanceProfile({ ...profile, ...role });
    await iam.detachUserPolicy({ ...user, ...policy });
    await iam.detachGroupPolicy({ ...group, ...policy });
    await iam.detachRolePolicy({ ...role, ...policy });
    await iam.deleteUserPolicy({ ...user, PolicyName: "in" });
    await iam.deleteGroupPolicy({ ...group, PolicyName: "in" });
    await iam.deleteRolePolicy({ ...role, PolicyName: "in" });
    for (const UserName of ["ada", "eve"]) await iam.deleteUser({ UserName });
    for (const GroupName of ["staff", "other"]) await iam.deleteGroup({ GroupName });
    for (const RoleName of ["web", "other"]) await iam.deleteRole({ RoleName });
    for (const InstanceProfileName of ["web", "other"])
      await iam.deleteInstanceProfile({ InstanceProfileName });
    await iam.deletePolicy(policy);
    await assert.rejects(iam.getPolicy(policy), { name: "NoSuchEntityException" });
  });
}
