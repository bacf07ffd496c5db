import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreatePlacementGroupCommandInput, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";
import { instanceState } from "../instance/instance.ts";

const limit = { timeout: 10_000 };

test("a group is made once, found by name, id, filter and tag, and deleted", limit, async (t) => {
  const { client } = await testRegion(t);
  const TagSpecifications = [
    { ResourceType: "placement-group" as const, Tags: [{ Key: "team", Value: "a" }] },
  ];
  const { PlacementGroup: made } = await client.createPlacementGroup({
    GroupName: "near",
    Strategy: "cluster",
    TagSpecifications,
  });
  await client.createPlacementGroup({ GroupName: "apart", Strategy: "spread" });
  assert.match(made?.GroupId ?? "", /^pg-0[0-9a-f]{16}$/);
  assert.equal(made?.GroupArn, "arn:aws:ec2:eu-central-1:111122223333:placement-group/near");
  for (const input of [
    { GroupNames: ["near"] },
    { GroupIds: [made?.GroupId ?? ""] },
    { Filters: [{ Name: "strategy", Values: ["cluster"] }] },
    { Filters: [{ Name: "tag:team", Values: ["a"] }] },
  ]) {
    const { PlacementGroups = [] } = await client.describePlacementGroups(input);
    assert.deepEqual(PlacementGroups, [made]);
  }
  await assert.rejects(client.createPlacementGroup({ GroupName: "near", Strategy: "spread" }), {
    name: "InvalidPlacementGroup.Duplicate",
  });
  await client.deletePlacementGroup({ GroupName: "near" });
  await assert.rejects(client.describePlacementGroups({ GroupNames: ["near"] }), {
    name: "InvalidPlacementGroup.Unknown",
    message: "The Placement Group 'near' is unknown.",
  });
  await client.createPlacementGroup({ GroupName: "near", Strategy: "spread" });
});

test("of 32 clients that want the same name one gets the group", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const made = await Promise.allSettled(
    Array.from({ length: 32 }, () => client.createPlacementGroup({ GroupName: "one", Strategy: "cluster" })),
  );
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal(records.all("placement-group").length, 1);
});

test("a strategy takes only the parameters that are its own", limit, async (t) => {
  const { client } = await testRegion(t);
  for (const [input, name] of [
    [{ Strategy: "cluster", PartitionCount: 2 }, "InvalidParameterCombination"],
    [{ Strategy: "partition", PartitionCount: 8 }, "InvalidParameterValue"],
    [{ Strategy: "cluster", SpreadLevel: "rack" }, "InvalidParameterCombination"],
    [{ Strategy: "spread", SpreadLevel: "host" }, "UnsupportedOperation"],
    [{ Strategy: "cluster", DryRun: true }, "DryRunOperation"],
  ] satisfies [CreatePlacementGroupCommandInput, string][])
    await assert.rejects(client.createPlacementGroup({ GroupName: "one", ...input }), { name });
  await assert.rejects(client.createPlacementGroup({ Strategy: "cluster" }), { name: "MissingParameter" });
});

test("a spread group has up to seven running instances in a zone", limit, async (t) => {
  const region = await testRegion(t);
  await region.client.createPlacementGroup({ GroupName: "apart", Strategy: "spread" });
  const [first = ""] = await launch(region, { MaxCount: 7, Placement: { GroupName: "apart" } });
  const full = {
    name: "InstanceLimitExceeded",
    message:
      "The spread placement group 'apart' may have up to 7 running instances in the Availability Zone eu-central-1a.",
  };
  await assert.rejects(launch(region, { Placement: { GroupName: "apart" } }), full);
  await launch(region, { Placement: { GroupName: "apart", AvailabilityZone: "eu-central-1b" } });
  await region.client.stopInstances({ InstanceIds: [first] });
  await state(region, first, "stopped");
  await launch(region, { Placement: { GroupName: "apart" } });
  await assert.rejects(region.client.startInstances({ InstanceIds: [first] }), full);
});

test("launches that race for the places of a spread group get no more than there are", limit, async (t) => {
  const region = await testRegion(t);
  await region.client.createPlacementGroup({ GroupName: "apart", Strategy: "spread" });
  const all = await Promise.allSettled(
    Array.from({ length: 12 }, () => launch(region, { Placement: { GroupName: "apart" } })),
  );
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 7);
  assert.equal(region.records.all("instance").length, 7);
});

test("partitions fill evenly unless one is named", limit, async (t) => {
  const region = await testRegion(t);
  await region.client.createPlacementGroup({ GroupName: "parts", Strategy: "partition", PartitionCount: 3 });
  await launch(region, { Placement: { GroupName: "parts", PartitionNumber: 2 } });
  await launch(region, { MaxCount: 5, Placement: { GroupName: "parts" } });
  for (const partition of ["1", "2", "3"]) {
    const { Reservations = [] } = await region.client.describeInstances({
      Filters: [
        { Name: "placement-group-name", Values: ["parts"] },
        { Name: "placement-partition-number", Values: [partition] },
      ],
    });
    assert.equal(Reservations.flatMap(({ Instances = [] }) => Instances).length, 2, partition);
  }
  await assert.rejects(launch(region, { Placement: { GroupName: "parts", PartitionNumber: 4 } }), {
    name: "InvalidParameterValue",
  });
});

test("a cluster is in one zone, and of types made for it", limit, async (t) => {
  const region = await testRegion(t);
  await region.client.createPlacementGroup({ GroupName: "near", Strategy: "cluster" });
  const near = (zone: string) => ({
    InstanceType: "m5.large" as const,
    Placement: { GroupName: "near", AvailabilityZone: zone },
  });
  await launch(region, near("eu-central-1b"));
  await launch(region, near("eu-central-1b"));
  await assert.rejects(launch(region, near("eu-central-1a")), { name: "InvalidPlacementGroup.InUse" });
  await assert.rejects(launch(region, { Placement: { GroupName: "near" } }), {
    name: "InvalidParameterCombination",
    message: /^Cluster placement groups are not supported by the 't3.micro' instance type\./,
  });
});

test("a group is not deleted before the last instance in it is terminated", limit, async (t) => {
  const region = await testRegion(t);
  const { PlacementGroup: group } = await region.client.createPlacementGroup({
    GroupName: "apart",
    Strategy: "spread",
  });
  const [id = ""] = await launch(region, { Placement: { GroupId: group?.GroupId } });
  const { Reservations: [reservation] = [] } = await region.client.describeInstances({ InstanceIds: [id] });
  assert.equal(reservation?.Instances?.[0]?.Placement?.GroupName, "apart");
  await assert.rejects(region.client.deletePlacementGroup({ GroupName: "apart" }), {
    name: "InvalidPlacementGroup.InUse",
    message: "The placement group 'apart' is in use and may not be deleted.",
  });
  await region.client.terminateInstances({ InstanceIds: [id] });
  await state(region, id, "terminated");
  await region.client.deletePlacementGroup({ GroupName: "apart" });
  await assert.rejects(launch(region, { Placement: { GroupName: "apart" } }), {
    name: "InvalidPlacementGroup.Unknown",
  });
});

async function launch({ client }: TestRegion, input: Partial<RunInstancesCommandInput>): Promise<string[]> {
  const { Instances = [] } = await client.runInstances({
    ImageId: testImage.id,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
    ...input,
  });
  return Instances.map(({ InstanceId = "" }) => InstanceId);
}

const state = (region: TestRegion, id: string, wanted: string) =>
  region.until(() => {
    const instance = region.records.get("instance", id);
    return instance !== undefined && instanceState(instance) === wanted;
  });
