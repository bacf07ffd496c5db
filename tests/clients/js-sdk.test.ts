import assert from "node:assert/strict";
import { cpus } from "node:os";
import { after, test } from "node:test";
import {
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
  paginateDescribeInstanceTypes,
  paginateDescribeInstances,
  waitUntilInstanceRunning,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { callEc2 } from "#cli/region-api.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

const region = await realRegion();
const { client } = region;
const patience = { client, maxWaitTime: 180, minDelay: 1, maxDelay: 2 };
const small = { ImageId: region.imageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 } as const;
let ids: string[] = [];

test("the SDK finds endpoint, region and key in the variables that croft env exports", async () => {
  Object.assign(process.env, region.environment);
  const clients = [new EC2Client({}), new STSClient({})] as const;
  after(() => clients.forEach((it) => it.destroy()));
  assert.deepEqual(await idsOf(clients[0]), []);
  assert.equal((await clients[1].send(new GetCallerIdentityCommand({}))).Account, "000000000000");
});

test("a paginator brings every instance type once", async () => {
  const names: (string | undefined)[] = [];
  for await (const { InstanceTypes = [] } of paginateDescribeInstanceTypes({ client, pageSize: 100 }, {}))
    names.push(...InstanceTypes.map((it) => it.InstanceType));
  assert.ok(names.length > 500, `${names.length} types`);
  assert.equal(new Set(names).size, names.length);
});

test("one launch more than may start at once waits for its turn, and status shows it", async () => {
  const { health: idle } = await region.status();
  // An emulated guest takes a whole processor while it starts.
  const turns = cpus().length * (idle?.acceleration === "tcg" ? 1 : 2);
  const tokens = Array.from({ length: turns + 1 }, (_, index) => `token-${index}`);
  ids = (await Promise.all(tokens.map((ClientToken) => run({ ClientToken })))).flat();
  assert.equal(new Set(ids).size, turns + 1);
  const { health } = await until(region.status, (it) => it.health?.queue === 1);
  assert.equal(health?.queue, 1);
  assert.equal(health.starting?.length, turns);
  assert.match(await region.croft("status"), /^launches +\d+ starting, 1 waiting$/m);
  await waitUntilInstanceRunning(patience, { InstanceIds: [...(health.starting ?? [])] });
});

test("the same client token is the same launch, and with another request a mistake", async () => {
  assert.deepEqual(await run({ ClientToken: "token-0" }), [ids[0]]);
  await assert.rejects(run({ ClientToken: "token-0", InstanceType: "t3.micro" }), {
    name: "IdempotentParameterMismatch",
  });
  assert.deepEqual((await idsOf(client)).toSorted(), ids.toSorted());
});

test("what does not fit on the host is refused, and nothing of it is made", async () => {
  const asked = run({ InstanceType: "r5.24xlarge" });
  await assert.rejects(asked, { name: "InsufficientInstanceCapacity", message: /MiB are free/ });
  assert.equal((await idsOf(client)).length, ids.length);
});

test("a call without a signature, of an operation or to a region that does not exist is refused", async () => {
  const unsigned = await fetch(`${region.endpoint}/?Action=DescribeInstances&Version=2016-11-15`);
  assert.match(await unsigned.text(), /<Code>MissingAuthenticationToken<\/Code>/);
  assert.equal(unsigned.status, 403);
  await assert.rejects(idsOf(clientIn("mars-north-1")), { name: "AuthFailure" });
  await assert.rejects(callEc2(region.dataDir, "MakeCoffee", {}), /The action MakeCoffee is not valid/);
});

test("another of AWS's regions has none of this one's instances", async () => {
  assert.deepEqual(await idsOf(clientIn("eu-west-3")), []);
});

test("terminated at once, also those that never had their turn", async () => {
  await client.send(new TerminateInstancesCommand({ InstanceIds: ids, Force: true }));
  await waitUntilInstanceTerminated(patience, { InstanceIds: ids });
  const { health } = await region.status();
  assert.deepEqual([health?.queue, health?.starting], [0, []]);
});

function clientIn(name: string): EC2Client {
  const elsewhere = new EC2Client({ region: name });
  after(() => elsewhere.destroy());
  return elsewhere;
}

async function run(more: Partial<RunInstancesCommandInput>): Promise<string[]> {
  const { Instances = [] } = await client.send(new RunInstancesCommand({ ...small, ...more }));
  return Instances.map(({ InstanceId = "" }) => InstanceId);
}

async function idsOf(by: EC2Client): Promise<string[]> {
  const found: string[] = [];
  for await (const { Reservations = [] } of paginateDescribeInstances({ client: by, pageSize: 5 }, {}))
    for (const { Instances = [] } of Reservations)
      found.push(...Instances.map(({ InstanceId = "" }) => InstanceId));
  return found;
}
