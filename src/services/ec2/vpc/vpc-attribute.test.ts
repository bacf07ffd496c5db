import assert from "node:assert/strict";
import { test } from "node:test";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test("the default VPC has DNS and gives names; each attribute is answered alone", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const [vpc] = records.all("vpc");
  const VpcId = vpc?.id ?? "";
  const attribute = async (
    Attribute: "enableDnsSupport" | "enableDnsHostnames" | "enableNetworkAddressUsageMetrics",
  ) => {
    const { $metadata: _, ...answer } = await client.describeVpcAttribute({ VpcId, Attribute });
    return answer;
  };
  assert.deepEqual(await attribute("enableDnsSupport"), { VpcId, EnableDnsSupport: { Value: true } });
  assert.deepEqual(await attribute("enableDnsHostnames"), { VpcId, EnableDnsHostnames: { Value: true } });
  assert.deepEqual(await attribute("enableNetworkAddressUsageMetrics"), {
    VpcId,
    EnableNetworkAddressUsageMetrics: { Value: false },
  });
});

test("another VPC gives no names until told to", limit, async (t) => {
  const { client, records, store, feed } = await testRegion(t);
  const [vpc] = records.all("vpc");
  assert.ok(vpc);
  const { revision } = await store.commit({
    put: [{ key: records.key("vpc", vpc.id), value: { ...vpc, isDefault: false } }],
  });
  await feed.reached(revision);
  const { EnableDnsHostnames } = await client.describeVpcAttribute({
    VpcId: vpc.id,
    Attribute: "enableDnsHostnames",
  });
  assert.deepEqual(EnableDnsHostnames, { Value: false });
});

test("a VPC that is not there has no attributes", limit, async (t) => {
  const { client } = await testRegion(t);
  await assert.rejects(
    client.describeVpcAttribute({ VpcId: "vpc-00000000000000000", Attribute: "enableDnsSupport" }),
    { name: "InvalidVpcID.NotFound", message: "The vpc ID 'vpc-00000000000000000' does not exist" },
  );
});
