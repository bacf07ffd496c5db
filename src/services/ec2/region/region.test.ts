import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { STS } from "@aws-sdk/client-sts";
import { testImage, testRegion, type TestRegion } from "#testing/region.ts";
import { recordKey } from "../records.ts";
import { isRegion, regionsWith } from "./region.ts";

const limit = { timeout: 20_000 };

test("AWS's commercial regions are there, each by its endpoint", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Regions = [] } = await client.describeRegions({});
  const by = new Map(Regions.map((it) => [it.RegionName, it]));
  assert.equal(by.get("us-east-1")?.OptInStatus, "opt-in-not-required");
  assert.equal(by.get("af-south-1")?.OptInStatus, "opted-in");
  assert.equal(by.get("sa-east-1")?.Endpoint, "ec2.sa-east-1.amazonaws.com");
  assert.equal(by.get("us-gov-west-1"), undefined);
  assert.equal(by.size, Regions.length);
});

test(
  "regions are described by name and filter, and one that AWS does not have is named",
  limit,
  async (t) => {
    const { client } = await testRegion(t);
    const named = await client.describeRegions({ RegionNames: ["eu-west-3", "us-west-2"] });
    assert.deepEqual(
      named.Regions?.map((it) => it.RegionName),
      ["eu-west-3", "us-west-2"],
    );
    const optedIn = await client.describeRegions({
      Filters: [{ Name: "opt-in-status", Values: ["opted-in"] }],
    });
    assert.ok(optedIn.Regions?.every((it) => it.OptInStatus === "opted-in"));
    await assert.rejects(client.describeRegions({ RegionNames: ["us-nowhere-1"] }), {
      name: "InvalidParameterValue",
      message: "Invalid region: [us-nowhere-1]",
    });
  },
);

test("a region with a name of its own is one more", () => {
  const names = regionsWith("xx-home-1").map(({ name }) => name);
  assert.ok(names.includes("xx-home-1") && names.includes("us-east-1"));
  assert.deepEqual([isRegion("xx-home-1", "xx-home-1"), isRegion("xx-home-1", "us-east-1")], [true, false]);
});

test(
  "a region's first call finds a default VPC of its own, and nothing of another region's",
  limit,
  async (t) => {
    const region = await testRegion(t);
    const other = clientIn(t, region, "us-west-2");
    await region.client.createKeyPair({ KeyName: "home" });
    const [home, away] = [await region.client.describeVpcs({}), await other.describeVpcs({})];
    assert.equal(away.Vpcs?.length, 1);
    assert.equal(away.Vpcs?.[0]?.IsDefault, true);
    assert.notEqual(away.Vpcs?.[0]?.VpcId, home.Vpcs?.[0]?.VpcId);
    assert.deepEqual((await other.describeKeyPairs({})).KeyPairs, []);
    const { AvailabilityZones: zones = [] } = await other.describeAvailabilityZones({});
    assert.deepEqual(
      zones.map((it) => it.ZoneName),
      ["us-west-2a", "us-west-2b", "us-west-2c"],
    );
    const vpcId = home.Vpcs?.[0]?.VpcId ?? "";
    await assert.rejects(other.describeVpcs({ VpcIds: [vpcId] }), { name: "InvalidVpcID.NotFound" });
  },
);

test("many first calls at once make one default VPC", limit, async (t) => {
  const region = await testRegion(t);
  const other = clientIn(t, region, "ap-south-1");
  const answers = await Promise.all(Array.from({ length: 16 }, () => other.describeVpcs({})));
  assert.equal(new Set(answers.map(({ Vpcs }) => Vpcs?.[0]?.VpcId)).size, 1);
  assert.equal((await other.describeVpcs({})).Vpcs?.length, 1);
});

test("a region nobody called holds no records", limit, async (t) => {
  const region = await testRegion(t);
  await clientIn(t, region, "eu-west-1").describeVpcs({});
  const regions = new Set((await region.store.list("vpc/")).entries.map(({ key }) => key.split("/")[2]));
  assert.deepEqual(regions, new Set(["eu-central-1", "eu-west-1"]));
});

test("a provided image has an id of its own in each region, also one provided later", limit, async (t) => {
  const region = await testRegion(t);
  const other = clientIn(t, region, "eu-west-1");
  const [away] = (await other.describeImages({})).Images ?? [];
  assert.equal(away?.Name, testImage.name);
  assert.notEqual(away?.ImageId, testImage.id);
  await assert.rejects(other.describeImages({ ImageIds: [testImage.id] }), { name: "InvalidAMIID.NotFound" });

  const home = { accountId: "111122223333", region: "eu-central-1" };
  const later = { ...testImage, id: "ami-0bbbbbbbbbbbbbbbb", name: "later", cacheEntry: "later" } as const;
  const { revision } = await region.store.commit({
    put: [{ key: recordKey("image", home, later.id), value: later }],
  });
  await region.feed.reached(revision);
  const names = (await other.describeImages({})).Images?.map((it) => it.Name);
  assert.deepEqual(names?.toSorted(), [testImage.name, "later"].toSorted());
});

test("instances run in every region side by side, on one host's memory", limit, async (t) => {
  const region = await testRegion(t, { memoryMiB: 2 * 1024 });
  const other = clientIn(t, region, "us-west-2");
  const here = await launch(region.client);
  const there = await launch(other);
  await running(region.client, here.InstanceId);
  await running(other, there.InstanceId);
  assert.equal(there.Placement?.AvailabilityZone, "us-west-2a");
  assert.equal((await other.describeInstances({})).Reservations?.length, 1);
  await assert.rejects(launch(other), { name: "InsufficientInstanceCapacity" });
  await assert.rejects(launch(region.client), { name: "InsufficientInstanceCapacity" });

  await other.terminateInstances({ InstanceIds: [there.InstanceId ?? ""] });
  await region.until(
    () =>
      region.regions.find("instance", there.InstanceId ?? "")?.records.get("instance", there.InstanceId ?? "")
        ?.so.state === "terminated",
  );
  assert.deepEqual(await region.machines.list(), [here.InstanceId]);
});

test("no two regions ever have the same public address", limit, async (t) => {
  // 198.18.0.0/28 has 14 addresses.
  const region = await testRegion(t, { publicPool: "198.18.0.0/28", launchSlots: 16 });
  const clients = [region.client, clientIn(t, region, "us-west-2")];
  await Promise.all(Array.from({ length: 14 }, (_, n) => launch(clients[n % 2] ?? region.client, "t3.nano")));
  const { entries } = await region.store.list("public-address/");
  assert.equal(new Set(entries.map(({ value }) => (value as { id: string }).id)).size, 14);
  for (const client of clients)
    await assert.rejects(launch(client, "t3.nano"), { name: "InsufficientAddressCapacity" });
});

test("a region that AWS does not have is refused, in each service's words", limit, async (t) => {
  const region = await testRegion(t);
  await assert.rejects(clientIn(t, region, "us-nowhere-1").describeVpcs({}), {
    name: "AuthFailure",
    message: "Credential should be scoped to a valid region, not 'us-nowhere-1'.",
  });
  const sts = new STS({ ...region.clientConfig, region: "us-nowhere-1" });
  t.after(() => sts.destroy());
  await assert.rejects(sts.getCallerIdentity({}), { name: "SignatureDoesNotMatch" });
  assert.deepEqual((await region.store.list("vpc/111122223333/us-nowhere-1/")).entries, []);
});

function clientIn(t: TestContext, { clientConfig }: TestRegion, region: string): EC2 {
  const client = new EC2({ ...clientConfig, region });
  t.after(() => client.destroy());
  return client;
}

async function launch(client: EC2, type: "t3.nano" | "t3.micro" = "t3.micro") {
  const [image] = (await client.describeImages({})).Images ?? [];
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: image?.ImageId ?? "",
    InstanceType: type,
    MinCount: 1,
    MaxCount: 1,
  });
  return instance ?? assert.fail("no instance");
}

async function running(client: EC2, id: string | undefined): Promise<void> {
  for (;;) {
    const { Reservations } = await client.describeInstances({ InstanceIds: [id ?? ""] });
    if (Reservations?.[0]?.Instances?.[0]?.State?.Name === "running") return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
