import assert from "node:assert/strict";
import { test } from "node:test";
import { testRegion } from "#testing/region.ts";
import { zonesOf } from "./availability-zone.ts";

const limit = { timeout: 20_000 };

for (const [region, id] of [
  ["us-east-1", "use1-az1"],
  ["eu-central-1", "euc1-az1"],
  ["ap-southeast-2", "apse2-az1"],
  ["ca-west-1", "caw1-az1"],
  ["us-gov-west-1", "usgw1-az1"],
  ["il-central-1", "ilc1-az1"],
] as const)
  test(`the first zone of ${region} has the id ${id}`, () => {
    assert.deepEqual(zonesOf(region)[0], { name: `${region}a`, id });
  });

test("a region has three zones, all available", limit, async (t) => {
  const { client } = await testRegion(t);
  const { AvailabilityZones: zones = [] } = await client.describeAvailabilityZones({});
  assert.deepEqual(
    zones.map((it) => [it.ZoneName, it.ZoneId, it.State, it.GroupName, it.RegionName]),
    ["a", "b", "c"].map((letter, n) => [
      `eu-central-1${letter}`,
      `euc1-az${n + 1}`,
      "available",
      "eu-central-1-zg-1",
      "eu-central-1",
    ]),
  );
});

test("zones are described by name, id and filter", limit, async (t) => {
  const { client } = await testRegion(t);
  for (const input of [
    { ZoneNames: ["eu-central-1b"] },
    { ZoneIds: ["euc1-az2"] },
    { Filters: [{ Name: "zone-name", Values: ["*b"] }] },
  ]) {
    const { AvailabilityZones: zones = [] } = await client.describeAvailabilityZones(input);
    assert.deepEqual(
      zones.map((it) => it.ZoneName),
      ["eu-central-1b"],
    );
  }
  await assert.rejects(client.describeAvailabilityZones({ ZoneNames: ["us-east-1a"] }), {
    name: "InvalidParameterValue",
    message: "Invalid availability zone: [us-east-1a]",
  });
});
