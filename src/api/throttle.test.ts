import assert from "node:assert/strict";
import { test } from "node:test";
import { EC2, type EC2ServiceException } from "@aws-sdk/client-ec2";
import { FakeClock } from "#testing/fake-clock.ts";
import { testRegion } from "#testing/region.ts";
import { tokenBuckets } from "./throttle.ts";

const limit = { timeout: 20_000 };
const exceeded = { name: "RequestLimitExceeded", message: "Request limit exceeded." };
const rate = { burst: 3, perSecond: 2 };

test("a bucket gives what it holds, then what time fills in", async () => {
  const clock = new FakeClock();
  const take = tokenBuckets(clock);
  for (let n = 0; n < 3; n++) take("a", rate);
  assert.throws(() => take("a", rate), { ...exceeded, status: 503 });
  await clock.advance(499);
  assert.throws(() => take("a", rate), exceeded);
  await clock.advance(1);
  take("a", rate);
  assert.throws(() => take("a", rate), exceeded);
});

test("a bucket holds no more than its size, however long it is left alone", async () => {
  const clock = new FakeClock();
  const take = tokenBuckets(clock);
  take("a", rate);
  await clock.advance(3_600_000);
  for (let n = 0; n < 3; n++) take("a", rate);
  assert.throws(() => take("a", rate), exceeded);
});

test("buckets do not share", () => {
  const take = tokenBuckets(new FakeClock());
  for (let n = 0; n < 3; n++) take("a", rate);
  take("b", rate);
});

test("calls past AWS's rate are refused, of that operation and in that region alone", limit, async (t) => {
  const clock = new FakeClock();
  const { client, clientConfig } = await testRegion(t, { throttledBy: clock });
  const elsewhere = new EC2({ ...clientConfig, region: "us-east-1" });
  t.after(() => elsewhere.destroy());
  const vpcs = (by = client) => by.describeVpcs({});
  for (let n = 0; n < 50; n++) await vpcs();
  await assert.rejects(vpcs(), (error: EC2ServiceException) => {
    assert.equal(error.name, "RequestLimitExceeded");
    assert.equal(error.$metadata.httpStatusCode, 503);
    return true;
  });
  await vpcs(elsewhere);
  await client.describeSubnets({});
  await client.describeVpcs({ Filters: [{ Name: "is-default", Values: ["true"] }] });
  await clock.advance(100);
  await vpcs();
  await assert.rejects(vpcs(), exceeded);
});

test("what changes something is limited more than what asks for something", limit, async (t) => {
  const { client } = await testRegion(t, { throttledBy: new FakeClock() });
  for (let n = 0; n < 50; n++) await client.deleteKeyPair({ KeyName: "none" });
  await assert.rejects(client.deleteKeyPair({ KeyName: "none" }), exceeded);
  const filter = { Filters: [{ Name: "key-name", Values: ["none"] }] };
  for (let n = 0; n < 100; n++) await client.describeKeyPairs(filter);
  await assert.rejects(client.describeKeyPairs(filter), exceeded);
});

test("nobody is throttled who did not ask to be", limit, async (t) => {
  const { client } = await testRegion(t);
  for (let n = 0; n < 150; n++) await client.describeVpcs({});
});
