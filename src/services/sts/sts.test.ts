import assert from "node:assert/strict";
import { test } from "node:test";
import { AssumeRootCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 10_000 };

test("the caller is the root of the account whose key signed", limit, async (t) => {
  const { clientConfig } = await testRegion(t);
  const client = new STSClient(clientConfig);
  t.after(() => client.destroy());
  const { Account, Arn, UserId } = await client.send(new GetCallerIdentityCommand({}));
  assert.deepEqual(
    [Account, Arn, UserId],
    ["111122223333", "arn:aws:iam::111122223333:root", "111122223333"],
  );
});

test("what STS does not serve yet names itself", limit, async (t) => {
  const { clientConfig } = await testRegion(t);
  const client = new STSClient(clientConfig);
  t.after(() => client.destroy());
  const assume = new AssumeRootCommand({
    TargetPrincipal: "111122223333",
    TaskPolicyArn: { arn: "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials" },
  });
  await assert.rejects(client.send(assume), { name: "UnsupportedOperation", message: /sts:AssumeRoot/ });
});

test("a key of nobody, or a wrong secret, is refused", limit, async (t) => {
  const { clientConfig } = await testRegion(t);
  for (const [credentials, name] of [
    [{ ...clientConfig.credentials, accessKeyId: "AKIANOBODY" }, "InvalidClientTokenId"],
    [{ ...clientConfig.credentials, secretAccessKey: "guess" }, "SignatureDoesNotMatch"],
  ] as const) {
    const client = new STSClient({ ...clientConfig, credentials });
    t.after(() => client.destroy());
    await assert.rejects(client.send(new GetCallerIdentityCommand({})), { name });
  }
});

test("who is refused is told so in the form of the service that was asked", limit, async (t) => {
  const { clientConfig } = await testRegion(t);
  const told = async (service: string, headers: Record<string, string> = {}) => {
    const credential = `AKIANOBODY/20260101/${clientConfig.region}/${service}/aws4_request`;
    const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=${"0".repeat(64)}`;
    const sent = { authorization, "x-amz-date": "20260101T000000Z", ...headers };
    return (await fetch(clientConfig.endpoint, { method: "POST", headers: sent, body: "{}" })).text();
  };
  assert.match(await told("sts"), /^<ErrorResponse xmlns="https:\/\/sts\./);
  assert.match(await told("ec2"), /<Response><Errors><Error><Code>AuthFailure</);
  assert.match(
    await told("dynamodb", { "x-amz-target": "DynamoDB_20120810.ListTables" }),
    /^\{"__type":"Inv/,
  );
});
