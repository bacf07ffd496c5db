import assert from "node:assert/strict";
import { test } from "node:test";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test("an account is on VPC alone, and knows its default VPC", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const { AccountAttributes = [] } = await client.describeAccountAttributes({});
  const values = Object.fromEntries(
    AccountAttributes.map(({ AttributeName: name = "", AttributeValues: all }) => [
      name,
      all?.map((it) => it.AttributeValue),
    ]),
  );
  assert.deepEqual(values, {
    "supported-platforms": ["VPC"],
    "vpc-max-security-groups-per-interface": ["5"],
    "max-elastic-ips": ["5"],
    "max-instances": ["20"],
    "vpc-max-elastic-ips": ["5"],
    "default-vpc": [records.claimed("default-vpc")],
  });
});

test("an attribute of the account can be asked for by its name", limit, async (t) => {
  const { client } = await testRegion(t);
  const { AccountAttributes } = await client.describeAccountAttributes({
    AttributeNames: ["supported-platforms"],
  });
  assert.deepEqual(AccountAttributes, [
    { AttributeName: "supported-platforms", AttributeValues: [{ AttributeValue: "VPC" }] },
  ]);
});

test("volumes are not encrypted unless asked", limit, async (t) => {
  const { client } = await testRegion(t);
  const { EbsEncryptionByDefault, SseType } = await client.getEbsEncryptionByDefault({});
  assert.deepEqual([EbsEncryptionByDefault, SseType], [false, "none"]);
});
