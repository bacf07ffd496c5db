import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import * as dlmSdk from "@aws-sdk/client-dlm";
import { IAM } from "@aws-sdk/client-iam";
import * as kmsSdk from "@aws-sdk/client-kms";
import { servedOperations } from "#services/operations.ts";
import { testRegion } from "#testing/region.ts";
import { shapeRow, structRow, type WireTable } from "#wire/table.ts";

const limit = { timeout: 60_000 };
const [first, second] = ["111122223333", "222233334444"];

async function scene(t: TestContext) {
  const region = await testRegion(t);
  const other = await region.newAccount(second);
  const undo = <Client extends { destroy(): void }>(client: Client): Client => {
    t.after(() => client.destroy());
    return client;
  };
  const kms = {
    first: undo(new kmsSdk.KMS(region.clientConfig)),
    second: undo(new kmsSdk.KMS(other.clientConfig)),
  };
  const dlm = {
    first: undo(new dlmSdk.DLM(region.clientConfig)),
    second: undo(new dlmSdk.DLM(other.clientConfig)),
  };
  const iam = undo(new IAM(region.clientConfig));
  const { KeyMetadata } = await kms.first.createKey({ Description: "theirs" });
  const key = KeyMetadata?.KeyId ?? "";
  await kms.first.createAlias({ AliasName: "alias/theirs", TargetKeyId: key });
  const { Role } = await iam.createRole({
    RoleName: "lifecycle",
    AssumeRolePolicyDocument: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "dlm.amazonaws.com" }, Action: "sts:AssumeRole" }],
    }),
  });
  const { PolicyId: policy = "" } = await dlm.first.createLifecyclePolicy({
    ExecutionRoleArn: Role?.Arn,
    Description: "theirs",
    State: "ENABLED",
    PolicyDetails: {
      ResourceTypes: ["VOLUME"],
      TargetTags: [{ Key: "a", Value: "1" }],
      Schedules: [{ CreateRule: { Interval: 24, IntervalUnit: "HOURS" }, RetainRule: { Count: 7 } }],
    },
  });
  return { region, kms, dlm, key, policy };
}

test("KMS and lifecycle policies answer of another account's ids as of what nobody has", limit, async (t) => {
  const { region, kms, dlm, key, policy } = await scene(t);
  const records = async () =>
    (await region.store.list("")).entries
      .filter((it) => it.key.split("/")[1] === first)
      .map((it) => `${it.key} ${it.revision}`);
  const before = await records();
  const nobodys = (id: string) => id.replace(/[0-9a-f]+$/, (digits) => "f".repeat(digits.length));
  const arn = (id: string) => `arn:aws:dlm:eu-central-1:${second}:policy/${id}`;
  const asked = [
    ...(await sweep(
      "kms",
      kmsSdk,
      kms.second,
      { KeyId: key, TargetKeyId: key },
      { KeyId: nobodys(key), TargetKeyId: nobodys(key) },
    )),
    ...(await sweep("kms", kmsSdk, kms.second, { KeyId: "alias/theirs" }, { KeyId: "alias/nobodys" })),
    ...(await sweep("dlm", dlmSdk, dlm.second, { PolicyId: policy }, { PolicyId: nobodys(policy) })),
    ...(await sweep(
      "dlm",
      dlmSdk,
      dlm.second,
      { ResourceArn: arn(policy) },
      { ResourceArn: arn(nobodys(policy)) },
    )),
  ];
  assert.ok(asked.length > 40, `${asked.length} questions`);
  assert.deepEqual(await records(), before);
});

test("what KMS and Data Lifecycle Manager list is the account's own", limit, async (t) => {
  const { kms, dlm, key, policy } = await scene(t);
  const said = JSON.stringify([
    await kms.second.listKeys({}),
    await kms.second.listAliases({}),
    await dlm.second.getLifecyclePolicies({}),
    await dlm.second.getLifecyclePolicies({ PolicyIds: [policy] }).catch(String),
    await kms.second.listAliases({ KeyId: key }).catch(String),
  ]);
  for (const theirs of [first, "theirs"]) assert.ok(!said.includes(theirs), said);
  assert.equal((await kms.first.listKeys({})).Keys?.length, 1);
});

/** Each served operation that takes one of these members, asked for both; the rest of what it requires is anything. */
async function sweep(
  service: "kms" | "dlm",
  sdk: object,
  client: { send(command: never): Promise<unknown> },
  theirs: Readonly<Record<string, string>>,
  nobodys: Readonly<Record<string, string>>,
): Promise<string[]> {
  const file = new URL(`../../wire/generated/${service}.generated.json`, import.meta.url);
  const wire: WireTable = JSON.parse(readFileSync(file, "utf8"));
  const asked: string[] = [];
  for (const operation of Object.keys(servedOperations[service])) {
    const [, required, members] = structRow(wire, wire.operations[operation]?.[0]);
    if (!members.some(([name]) => Object.hasOwn(theirs, name))) continue;
    const ask = async (ids: Readonly<Record<string, string>>) => {
      const input = Object.fromEntries(
        members.flatMap(([name, shape], n) => {
          if (Object.hasOwn(ids, name)) return [[name, ids[name]]];
          return n < required ? [[name, anything(wire, shape)]] : [];
        }),
      );
      const text = await client
        .send(new (Reflect.get(sdk, `${operation}Command`))(input) as never)
        .then((output) => `answered ${JSON.stringify({ ...Object(output), $metadata: undefined })}`, String);
      // An answer may name the last part of an ARN alone.
      return Object.values(ids)
        .flatMap((id) => [id, id.split("/").at(-1) ?? id])
        .reduce((now, id) => now.replaceAll(id, "ID"), text);
    };
    assert.equal(await ask(theirs), await ask(nobodys), operation);
    asked.push(operation);
  }
  return asked;
}

function anything(wire: WireTable, shape: number): unknown {
  const row = shapeRow(wire, shape);
  if (row[0] === "enum") return row[1][0];
  if (row[0] === "list") return [];
  if (row[0] === "string") return "anything";
  if (row[0] === "blob") return Buffer.from("anything");
  if (row[0] === "struct" || row[0] === "map") return {};
  return 7;
}
