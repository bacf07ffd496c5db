import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  GetContextKeysForCustomPolicyCommand,
  IAMClient,
  paginateSimulateCustomPolicy,
  SimulateCustomPolicyCommand,
} from "@aws-sdk/client-iam";
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
  await refused({ ResourcePolicy: reads }, "InvalidInputException", /CallerArn/);
  await refused({ CallerArn: "arn:aws:iam::111122223333:role/r" }, "InvalidInputException", /IAM user/);
  await refused({ Marker: "x" }, "InvalidInputException", /marker/);
});
