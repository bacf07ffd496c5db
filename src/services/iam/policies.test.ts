import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePolicy } from "#policy/policy-document.ts";
import { iamScene } from "#testing/iam.ts";
import { awsManagedPolicies } from "./aws-managed-policies.ts";

const limit = { timeout: 20_000 };
const allowing = (action: string, size = 0) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: { Sid: "a".repeat(size), Effect: "Allow", Action: action, Resource: "*" },
  });

test("every policy of AWS's that is kept can be read, and bears AWS's ARN", () => {
  for (const [arn, { name, path, versions, defaultVersion }] of awsManagedPolicies) {
    assert.equal(arn, `arn:aws:iam::aws:policy${path}${name}`);
    assert.deepEqual(
      versions.map(({ id }) => id),
      [defaultVersion],
    );
    assert.ok(parsePolicy(versions[0]?.document ?? "", "identity").statements.length > 0, arn);
  }
  for (const name of ["AdministratorAccess", "ReadOnlyAccess", "AmazonSSMManagedInstanceCore"])
    assert.ok(awsManagedPolicies.has(`arn:aws:iam::aws:policy/${name}`), name);
});

test("a managed policy has up to five versions, of which one is in force", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const { Policy } = await iam.createPolicy({ PolicyName: "p", PolicyDocument: allowing("s3:*") });
  const PolicyArn = Policy?.Arn ?? "";
  assert.deepEqual([Policy?.DefaultVersionId, Policy?.AttachmentCount], ["v1", 0]);
  for (const n of [2, 3, 4, 5]) {
    const document = { PolicyArn, PolicyDocument: allowing(`ec2:Run${n}`), SetAsDefault: n === 5 };
    const { PolicyVersion } = await iam.createPolicyVersion(document);
    assert.deepEqual([PolicyVersion?.VersionId, PolicyVersion?.IsDefaultVersion], [`v${n}`, n === 5]);
  }
  const sixth = { PolicyArn, PolicyDocument: allowing("ec2:*") };
  await refused(iam.createPolicyVersion(sixth), "LimitExceededException", /up to 5 versions/);
  await refused(iam.deletePolicy({ PolicyArn }), "DeleteConflictException", /more than one version/);
  await refused(iam.deletePolicyVersion({ PolicyArn, VersionId: "v5" }), "DeleteConflictException");
  await iam.setDefaultPolicyVersion({ PolicyArn, VersionId: "v2" });
  await iam.deletePolicyVersion({ PolicyArn, VersionId: "v5" });
  await refused(iam.getPolicyVersion({ PolicyArn, VersionId: "v5" }), "NoSuchEntityException");
  // A number is not used again.
  assert.equal((await iam.createPolicyVersion(sixth)).PolicyVersion?.VersionId, "v6");
  const { Versions = [] } = await iam.listPolicyVersions({ PolicyArn });
  assert.deepEqual(
    Versions.map((it) => [it.VersionId, it.IsDefaultVersion]),
    [
      ["v6", false],
      ["v4", false],
      ["v3", false],
      ["v2", true],
      ["v1", false],
    ],
  );
  const { PolicyVersion } = await iam.getPolicyVersion({ PolicyArn, VersionId: "v2" });
  assert.equal(decodeURIComponent(PolicyVersion?.Document ?? ""), allowing("ec2:Run2"));
});

test("a document that is none, or too long, is refused and changes nothing", limit, async (t) => {
  const { iam, refused } = await iamScene(t);
  const malformed = "MalformedPolicyDocumentException";
  const create = (PolicyDocument: string) => iam.createPolicy({ PolicyName: "p", PolicyDocument });
  await refused(create("{}"), malformed, /Syntax errors in policy/);
  await refused(create(allowing("s3")), malformed, /prefaced by a vendor/);
  await refused(
    create(allowing("s3:*").replace('"Resource"', '"Principal":"*","Resource"')),
    malformed,
    /principal/,
  );
  await refused(create(allowing("s3:*", 6144)), "LimitExceededException", /PolicySize: 6144/);
  // White space does not count.
  await create(allowing("s3:*", 6000) + " ".repeat(500));
  await iam.createUser({ UserName: "u" });
  const put = (size: number) =>
    iam.putUserPolicy({ UserName: "u", PolicyName: `p${size}`, PolicyDocument: allowing("s3:*", size) });
  await put(1000);
  await refused(put(1001), "LimitExceededException", /2048 bytes exceeded for user u/);
  assert.deepEqual((await iam.listUserPolicies({ UserName: "u" })).PolicyNames, ["p1000"]);
});

test(
  "up to ten policies are attached, AWS's among them, and each knows by whom it is used",
  limit,
  async (t) => {
    const { iam, refused } = await iamScene(t);
    const own = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const { Policy } = await iam.createPolicy({ PolicyName: `p${n}`, PolicyDocument: allowing("s3:*") });
        return Policy?.Arn ?? "";
      }),
    );
    await iam.createGroup({ GroupName: "g" });
    const aws = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
    for (const PolicyArn of [aws, ...own.slice(1)])
      await iam.attachGroupPolicy({ GroupName: "g", PolicyArn });
    await iam.attachGroupPolicy({ GroupName: "g", PolicyArn: aws });
    await refused(
      iam.attachGroupPolicy({ GroupName: "g", PolicyArn: own[0] }),
      "LimitExceededException",
      /PoliciesPerGroup: 10/,
    );
    const nobodys = "arn:aws:iam::111122223333:policy/x/p1";
    await refused(iam.attachGroupPolicy({ GroupName: "g", PolicyArn: nobodys }), "NoSuchEntityException");
    await refused(iam.detachGroupPolicy({ GroupName: "g", PolicyArn: own[0] }), "NoSuchEntityException");
    const { PolicyGroups } = await iam.listEntitiesForPolicy({ PolicyArn: aws });
    assert.deepEqual(
      PolicyGroups?.map((it) => it.GroupName),
      ["g"],
    );
    assert.equal((await iam.getPolicy({ PolicyArn: aws })).Policy?.AttachmentCount, 1);
    const { Policies = [] } = await iam.listPolicies({ Scope: "AWS", OnlyAttached: true });
    assert.deepEqual(
      Policies.map((it) => it.Arn),
      [aws],
    );
    await refused(iam.deletePolicy({ PolicyArn: aws }), "InvalidInputException");
  },
);
