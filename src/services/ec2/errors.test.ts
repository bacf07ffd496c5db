import assert from "node:assert/strict";
import { test } from "node:test";
import type { EC2 } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

const asked: readonly [code: string, good: string, ask: (client: EC2, id: string) => Promise<unknown>][] = [
  ["InvalidInstanceID", "i-", (client, id) => client.describeInstances({ InstanceIds: [id] })],
  ["InvalidSubnetID", "subnet-", (client, id) => client.describeSubnets({ SubnetIds: [id] })],
  ["InvalidVpcID", "vpc-", (client, id) => client.describeVpcs({ VpcIds: [id] })],
  ["InvalidAMIID", "ami-", (client, id) => client.describeImages({ ImageIds: [id] })],
  [
    "InvalidSecurityGroupRuleId",
    "sgr-",
    (client, id) => client.describeSecurityGroupRules({ SecurityGroupRuleIds: [id] }),
  ],
];
for (const [code, prefix, ask] of asked)
  test(`${prefix}… that cannot be an id is told apart from one that is none`, limit, async (t) => {
    const { client } = await testRegion(t);
    for (const id of [
      `${prefix}0123`,
      `x${prefix}01234567`,
      `${prefix}0123456789ABCDEF0`,
      `${prefix}g1234567`,
    ])
      await assert.rejects(ask(client, id), { name: `${code}.Malformed`, message: `Invalid id: "${id}"` });
    for (const id of [`${prefix}01234567`, `${prefix}0123456789abcdef0`])
      await assert.rejects(ask(client, id), { name: `${code}.NotFound` });
  });

test("a group's malformed id has a code of its own", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(client.describeSecurityGroups({ GroupIds: ["someid"] }), {
    name: "InvalidGroupId.Malformed",
    message: 'Invalid id: "someid"',
  });
});
