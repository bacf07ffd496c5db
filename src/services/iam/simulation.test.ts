import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  GetContextKeysForCustomPolicyCommand,
  IAMClient,
  paginateSimulateCustomPolicy,
  type PolicyIdentifier,
  SimulateCustomPolicyCommand,
  type SimulatePrincipalPolicyCommandInput,
} from "@aws-sdk/client-iam";
import { iamScene } from "#testing/iam.ts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 10_000 };
const box = "arn:aws:s3:::box/*";
const reads = `{
  "Version": "2012-10-17",
  "Statement": [
    { "Effect": "Allow", "Action": "s3:Get*", "Resource": "${box}" },
    {
      "Effect": "Deny",
      "Action": "*",
      "Resource": "*",
      "Condition": { "NotIpAddress": { "aws:SourceIp": "198.51.100.0/24" }, "StringEquals": { "aws:username": "\${aws:PrincipalTag/name}" } }
    }
  ]
}`;

async function iam(t: TestContext): Promise<IAMClient> {
  const { clientConfig } = await testRegion(t);
  const client = new IAMClient(clientConfig);
  t.after(() => client.destroy());
  return client;
}

test(
  "tells for each action on each resource what policies decide, and by which statement",
  limit,
  async (t) => {
    const client = await iam(t);
    const { EvaluationResults: results = [], IsTruncated } = await client.send(
      new SimulateCustomPolicyCommand({
        PolicyInputList: [reads],
        ActionNames: ["s3:GetObject", "s3:PutObject"],
        ResourceArns: ["arn:aws:s3:::box/a", "arn:aws:s3:::other/a"],
        ContextEntries: [
          { ContextKeyName: "aws:SourceIp", ContextKeyType: "ip", ContextKeyValues: ["198.51.100.7"] },
        ],
      }),
    );
    assert.equal(IsTruncated, false);
    assert.deepEqual(
      results.map((it) => [it.EvalActionName, it.EvalResourceName, it.EvalDecision]),
      [
        ["s3:GetObject", "arn:aws:s3:::box/a", "allowed"],
        ["s3:GetObject", "arn:aws:s3:::other/a", "implicitDeny"],
        ["s3:PutObject", "arn:aws:s3:::box/a", "implicitDeny"],
        ["s3:PutObject", "arn:aws:s3:::other/a", "implicitDeny"],
      ],
    );
    assert.deepEqual(results[0]?.MatchedStatements, [
      {
        SourcePolicyId: "PolicyInputList.1",
        StartPosition: { Line: 4, Column: 5 },
        EndPosition: { Line: 4, Column: 81 },
      },
    ]);
    assert.deepEqual(results[0]?.MissingContextValues, ["aws:username", "aws:PrincipalTag/name"]);
  },
);

test(
  "says whether a boundary allows it, and needs both accounts' leave across accounts",
  limit,
  async (t) => {
    const client = await iam(t);
    const all = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}';
    const simulated = async (more: object) => {
      const asked = {
        PolicyInputList: [all],
        ActionNames: ["s3:PutObject"],
        ResourceArns: ["arn:aws:s3:::box/a"],
      };
      const { EvaluationResults: [result] = [] } = await client.send(
        new SimulateCustomPolicyCommand({ ...asked, ...more }),
      );
      return [result?.EvalDecision, result?.PermissionsBoundaryDecisionDetail?.AllowedByPermissionsBoundary];
    };
    const caller = { CallerArn: "arn:aws:iam::111122223333:user/ada" };
    const foreign = { ...caller, ResourceOwner: "arn:aws:iam::444455556666:root" };
    const letting = all.replace('"Action"', '"Principal":{"AWS":"111122223333"},"Action"');
    assert.deepEqual(await simulated({}), ["allowed", undefined]);
    assert.deepEqual(await simulated({ PermissionsBoundaryPolicyInputList: [reads] }), [
      "implicitDeny",
      false,
    ]);
    assert.deepEqual(await simulated({ PermissionsBoundaryPolicyInputList: [all] }), ["allowed", true]);
    assert.deepEqual(await simulated(foreign), ["implicitDeny", undefined]);
    assert.deepEqual(await simulated({ ...foreign, ResourcePolicy: letting }), ["allowed", undefined]);
  },
);

test("names the keys of the request that policies ask for", limit, async (t) => {
  const client = await iam(t);
  const { ContextKeyNames } = await client.send(
    new GetContextKeysForCustomPolicyCommand({ PolicyInputList: [reads, reads] }),
  );
  assert.deepEqual(ContextKeyNames, ["aws:SourceIp", "aws:username", "aws:PrincipalTag/name"]);
});

test("gives results page by page", limit, async (t) => {
  const client = await iam(t);
  const asked = { PolicyInputList: [reads], ActionNames: ["s3:GetObject", "s3:PutObject", "s3:ListBucket"] };
  const pages: (string | undefined)[][] = [];
  for await (const page of paginateSimulateCustomPolicy({ client, pageSize: 2 }, asked))
    pages.push((page.EvaluationResults ?? []).map((it) => it.EvalActionName));
  assert.deepEqual(pages, [["s3:GetObject", "s3:PutObject"], ["s3:ListBucket"]]);
});

test("refuses what it cannot simulate", limit, async (t) => {
  const client = await iam(t);
  const refused = (more: object, name: string, message: RegExp) =>
    assert.rejects(
      client.send(
        new SimulateCustomPolicyCommand({ PolicyInputList: [reads], ActionNames: ["s3:GetObject"], ...more }),
      ),
      { name, message },
    );
  await refused({ PolicyInputList: ["{"] }, "InvalidInputException", /^Syntax errors in policy\.$/);
  await refused({ ActionNames: ["s3:*"] }, "InvalidInputException", /s3:\*/);
  await refused(
    { ResourcePolicy: reads.replaceAll('"Action"', '"Principal": "*", "Action"') },
    "InvalidInputException",
    /CallerArn/,
  );
  await refused({ CallerArn: "arn:aws:iam::111122223333:root" }, "InvalidInputException", /IAM user/);
  await refused({ Marker: "x" }, "InvalidInputException", /marker/);
});

test(
  "tells what a user, group or role may by the policies it has, and which of them decides",
  limit,
  async (t) => {
    const { iam: client, refused } = await iamScene(t);
    const letting = (Action: string, more: object = {}) =>
      JSON.stringify({
        Version: "2012-10-17",
        Statement: { Effect: "Allow", Action, Resource: "*", ...more },
      });
    const { User: ada } = await client.createUser({ UserName: "ada", Path: "/people/" });
    await client.createGroup({ GroupName: "staff" });
    await client.addUserToGroup({ UserName: "ada", GroupName: "staff" });
    await client.putUserPolicy({
      UserName: "ada",
      PolicyName: "own",
      PolicyDocument: letting("s3:GetObject"),
    });
    const byTag = { Condition: { StringEquals: { "aws:RequestTag/a": "${aws:username}" } } };
    const PolicyDocument = letting("ec2:CreateVpc", byTag);
    await client.putGroupPolicy({ GroupName: "staff", PolicyName: "networks", PolicyDocument });
    await client.attachGroupPolicy({
      GroupName: "staff",
      PolicyArn: "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
    });
    const source = { PolicySourceArn: ada?.Arn ?? "" };
    const ActionNames = ["s3:GetObject", "ec2:DescribeVpcs", "ec2:CreateVpc", "ec2:DeleteVpc"];
    const decided = async (more: Partial<SimulatePrincipalPolicyCommandInput> = {}) => {
      const { EvaluationResults = [] } = await client.simulatePrincipalPolicy({
        ...source,
        ActionNames,
        ...more,
      });
      return EvaluationResults.map((it) => [
        it.EvalDecision,
        ...(it.MatchedStatements ?? []).map(({ SourcePolicyId }) => SourcePolicyId),
      ]);
    };
    const denied = ["implicitDeny"];
    assert.deepEqual(await decided(), [
      ["allowed", "user_ada_own"],
      ["allowed", "AmazonEC2ReadOnlyAccess"],
      denied,
      denied,
    ]);
    const names = ["aws:RequestTag/a", "aws:username"];
    const told = names.map((ContextKeyName) => ({
      ContextKeyName,
      ContextKeyValues: ["ada"],
      ContextKeyType: "string" as const,
    }));
    const more = { ContextEntries: told, PolicyInputList: [letting("ec2:DeleteVpc")] };
    assert.deepEqual((await decided(more)).slice(2), [
      ["allowed", "group_staff_networks"],
      ["allowed", "PolicyInputList.1"],
    ]);
    const keys = await client.getContextKeysForPrincipalPolicy({ ...source, PolicyInputList: [reads] });
    assert.deepEqual(
      keys.ContextKeyNames?.filter((it) => !it.startsWith("ec2:")).toSorted(),
      [...names, "aws:PrincipalTag/name", "aws:SourceIp"].toSorted(),
    );

    // What it would be without some of them.
    const without = async (PolicyExclusionList: PolicyIdentifier[]) =>
      (await decided({ PolicyExclusionList })).slice(0, 2).map(([decision]) => decision === "allowed");
    const inline = { PolicyName: "own", AttachmentType: "user" as const };
    assert.deepEqual(await without([{ PolicyType: "inline" }]), [false, true]);
    assert.deepEqual(await without([{ PolicyType: "aws-managed" }]), [true, false]);
    assert.deepEqual(await without([{ PolicyArn: "arn:aws:iam::aws:policy/AmazonEC2*" }]), [true, false]);
    assert.deepEqual(await without([{ InlinePolicyIdentifier: { ...inline, AttachmentName: "a?a" } }]), [
      false,
      true,
    ]);
    assert.deepEqual(await without([{ InlinePolicyIdentifier: { ...inline, AttachmentName: "eve" } }]), [
      true,
      true,
    ]);
    for (const PolicyArn of [
      "arn:aws:iam::*:policy/x",
      "arn:aws:iam::aws:policy/*x*",
      "arn:aws:iam::aws:role/none",
    ])
      await refused(without([{ PolicyArn }]), "InvalidInputException");

    // Its boundary counts, unless another is sent along.
    const { Policy } = await client.createPolicy({ PolicyName: "bound", PolicyDocument: letting("s3:*") });
    await client.putUserPermissionsBoundary({ UserName: "ada", PermissionsBoundary: Policy?.Arn });
    assert.deepEqual((await decided()).slice(0, 2), [["allowed", "user_ada_own"], denied]);
    assert.deepEqual(await without([{ PolicyType: "permission-boundary" }]), [true, true]);
    const other = { PermissionsBoundaryPolicyInputList: [letting("ec2:*")] };
    assert.deepEqual((await decided(other)).slice(0, 2), [denied, ["allowed", "AmazonEC2ReadOnlyAccess"]]);

    // A resource's policy names the caller, who is the principal itself unless it is told otherwise.
    const naming = (AWS: string) => ({
      ActionNames: ["s3:PutObject"],
      ResourceArns: ["arn:aws:s3:::box/a"],
      ResourcePolicy: letting("s3:PutObject", { Principal: { AWS }, Resource: box }),
    });
    assert.deepEqual(await decided(naming(source.PolicySourceArn)), [["allowed", "ResourcePolicy"]]);
    assert.deepEqual(await decided(naming("arn:aws:iam::111122223333:user/eve")), [denied]);
    const box1 = { ActionNames: ["s3:GetObject"], ResourceArns: ["arn:aws:s3:::box/a"] };
    assert.deepEqual(await decided({ ...box1, ResourceOwner: "111122223333" }), [
      ["allowed", "user_ada_own"],
    ]);
    assert.deepEqual(await decided({ ...box1, ResourceOwner: "444455556666" }), [denied]);

    for (const PolicySourceArn of [
      "arn:aws:iam::111122223333:user/ada",
      "arn:aws:iam::111122223333:role/none",
    ])
      await refused(decided({ PolicySourceArn }), "NoSuchEntityException");
    await refused(decided({ PolicySourceArn: "arn:aws:iam::111122223333:root" }), "InvalidInputException");
  },
);
