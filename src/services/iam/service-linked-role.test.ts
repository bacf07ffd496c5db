import assert from "node:assert/strict";
import { test } from "node:test";
import { iamScene } from "#testing/iam.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";
const spot = { RoleName: "AWSServiceRoleForEC2Spot" };
const PolicyArn = "arn:aws:iam::aws:policy/aws-service-role/AWSEC2SpotServiceRolePolicy";
const services =
  `spot spotfleet ec2fleet ec2fastlaunch ec2-instance-connect autoscaling elasticloadbalancing rds elasticfilesystem
  transitgateway ssm servicequotas events mrk.kms`.split(/\s+/);

test("a service-linked role has the name, trust and policy that AWS documents, once", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const AWSServiceName = "spot.amazonaws.com";
  const { Role } = await iam.createServiceLinkedRole({ AWSServiceName, Description: "mine" });
  assert.equal(Role?.Arn, `arn:aws:iam::${account}:role/aws-service-role/${AWSServiceName}/${spot.RoleName}`);
  assert.equal(Role.Description, "mine");
  const trust = JSON.parse(decodeURIComponent(Role.AssumeRolePolicyDocument ?? ""));
  assert.deepEqual(trust.Statement[0].Principal, { Service: AWSServiceName });
  const { AttachedPolicies } = await iam.listAttachedRolePolicies(spot);
  assert.deepEqual(AttachedPolicies, [{ PolicyName: "AWSEC2SpotServiceRolePolicy", PolicyArn }]);
  await refused(
    iam.createServiceLinkedRole({ AWSServiceName }),
    "InvalidInputException",
    /^Service role name AWSServiceRoleForEC2Spot has been taken in this account, please try a different suffix\.$/,
  );
  await refused(
    iam.createServiceLinkedRole({ AWSServiceName, CustomSuffix: "a" }),
    "InvalidInputException",
    /^Custom suffix is not allowed for spot\.amazonaws\.com$/,
  );
  await refused(
    iam.createServiceLinkedRole({ AWSServiceName: "mars.amazonaws.com" }),
    "InvalidInputException",
  );
  for (const service of services.filter((it) => it !== "spot"))
    await iam.createServiceLinkedRole({ AWSServiceName: `${service}.amazonaws.com` });
  const scaling = { AWSServiceName: "autoscaling.amazonaws.com", CustomSuffix: "mine" };
  const suffixed = await iam.createServiceLinkedRole(scaling);
  assert.equal(suffixed.Role?.RoleName, "AWSServiceRoleForAutoScaling_mine");
  const { Roles = [] } = await iam.listRoles({ PathPrefix: "/aws-service-role/" });
  assert.equal(Roles.length, services.length + 1);
});

test("nobody but the service changes its role, but for the description and tags", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  await iam.createServiceLinkedRole({ AWSServiceName: "spot.amazonaws.com" });
  await iam.createInstanceProfile({ InstanceProfileName: "web" });
  const PolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" },
  });
  const all = "arn:aws:iam::aws:policy/AdministratorAccess";
  for (const change of [
    () => iam.attachRolePolicy({ ...spot, PolicyArn: all }),
    () => iam.detachRolePolicy({ ...spot, PolicyArn }),
    () =>
      iam.putRolePolicy({
        ...spot,
        PolicyName: "in",
        PolicyDocument: PolicyDocument.replace('"Principal":{"AWS":"111122223333"},', ""),
      }),
    () => iam.deleteRolePolicy({ ...spot, PolicyName: "in" }),
    () => iam.putRolePermissionsBoundary({ ...spot, PermissionsBoundary: all }),
    () => iam.deleteRolePermissionsBoundary(spot),
    () => iam.updateAssumeRolePolicy({ ...spot, PolicyDocument }),
    () => iam.updateRole({ ...spot, MaxSessionDuration: 7200 }),
    () => iam.addRoleToInstanceProfile({ ...spot, InstanceProfileName: "web" }),
    () => iam.deleteRole(spot),
  ])
    await refused(
      change(),
      "UnmodifiableEntityException",
      /^Cannot perform the operation on the protected role 'AWSServiceRoleForEC2Spot' - this role is only modifiable by AWS$/,
    );
  await iam.updateRole({ ...spot, Description: "one" });
  await iam.updateRoleDescription({ ...spot, Description: "two" });
  await iam.tagRole({ ...spot, Tags: [{ Key: "a", Value: "1" }] });
  const { Role } = await iam.getRole(spot);
  assert.deepEqual(
    [Role?.Description, Role?.Tags, Role?.MaxSessionDuration],
    ["two", [{ Key: "a", Value: "1" }], 3600],
  );
  // What such roles have no other has.
  await iam.createUser({ UserName: "ada" });
  await refused(
    iam.attachUserPolicy({ UserName: "ada", PolicyArn }),
    "PolicyNotAttachableException",
    /Customer Role/,
  );
});

test("it is deleted by a task that can be asked about, and made anew", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  await iam.createServiceLinkedRole({ AWSServiceName: "spot.amazonaws.com" });
  const { DeletionTaskId = "" } = await iam.deleteServiceLinkedRole(spot);
  assert.match(
    DeletionTaskId,
    /^task\/aws-service-role\/spot\.amazonaws\.com\/AWSServiceRoleForEC2Spot\/[0-9a-f-]{36}$/,
  );
  assert.equal((await iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId })).Status, "SUCCEEDED");
  await refused(iam.getRole(spot), "NoSuchEntityException");
  await refused(iam.deleteServiceLinkedRole(spot), "NoSuchEntityException");
  await refused(
    iam.getServiceLinkedRoleDeletionStatus({ DeletionTaskId: DeletionTaskId.replace("EC2Spot/", "RDS/") }),
    "NoSuchEntityException",
  );
  const { Policy } = await iam.getPolicy({ PolicyArn });
  assert.equal(Policy?.AttachmentCount, 0);
  await iam.createServiceLinkedRole({ AWSServiceName: "spot.amazonaws.com" });
  const AssumeRolePolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" },
  });
  await iam.createRole({
    RoleName: "own",
    AssumeRolePolicyDocument,
    Path: "/aws-service-role/spot.amazonaws.com/",
  });
  await refused(iam.deleteServiceLinkedRole({ RoleName: "own" }), "NoSuchEntityException");
  await iam.deleteRole({ RoleName: "own" });
});
