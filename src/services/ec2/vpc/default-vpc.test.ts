import assert from "node:assert/strict";
import { test } from "node:test";
import { startFeed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { testRegion } from "#testing/region.ts";
import { newId, random } from "../chance.ts";
import { Ec2Records, ec2Indexes } from "../records.ts";
import { defaultVpc } from "./default-vpc.ts";

const limit = { timeout: 20_000 };

test("a region has a default VPC from its start", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Vpcs: [vpc, ...more] = [] } = await client.describeVpcs({});
  assert.equal(more.length, 0);
  assert.deepEqual(
    [vpc?.CidrBlock, vpc?.IsDefault, vpc?.State, vpc?.OwnerId, vpc?.InstanceTenancy],
    ["172.31.0.0/16", true, "available", "111122223333", "default"],
  );
  assert.match(vpc?.VpcId ?? "", /^vpc-0[0-9a-f]{16}$/);
});

test("it has a /20 subnet in each zone, whose instances get public addresses", limit, async (t) => {
  const { client } = await testRegion(t);
  const { Subnets = [] } = await client.describeSubnets({});
  assert.deepEqual(
    Subnets.map((it) => [
      it.AvailabilityZone,
      it.AvailabilityZoneId,
      it.CidrBlock,
      it.AvailableIpAddressCount,
    ]).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    [
      ["eu-central-1a", "euc1-az1", "172.31.0.0/20", 4091],
      ["eu-central-1b", "euc1-az2", "172.31.16.0/20", 4091],
      ["eu-central-1c", "euc1-az3", "172.31.32.0/20", 4091],
    ],
  );
  assert.ok(Subnets.every((it) => it.MapPublicIpOnLaunch && it.DefaultForAz && it.State === "available"));
});

test("it has one security group, the default one", limit, async (t) => {
  const { client } = await testRegion(t);
  const { SecurityGroups = [] } = await client.describeSecurityGroups({});
  assert.deepEqual(
    SecurityGroups.map((it) => [it.GroupName, it.Description]),
    [["default", "default VPC security group"]],
  );
});

test("it is made once: not by two starts at once, nor again at the next", limit, async (t) => {
  const ending = new AbortController();
  const store = openMemoryStore();
  t.after(() => store.close());
  t.after(() => ending.abort());
  const feed = await startFeed(store, ending.signal);
  const scope = { accountId: "111122223333", region: "eu-central-1" };
  const records = new Ec2Records(feed, scope, ec2Indexes(feed));
  const context = {
    ...scope,
    records,
    newId,
    random,
    publicPool: "",
    homeRegion: scope.region,
    now: () => new Date(),
  };
  const starts = [defaultVpc(context) ?? {}, defaultVpc(context) ?? {}];
  const ends = await Promise.allSettled(starts.map((start) => store.commit(start)));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  await feed.reached(1);
  assert.equal(defaultVpc(context), undefined);
  assert.equal(records.all("vpc").length, 1);
});

test("it and its subnets are found by what AWS lists them by", limit, async (t) => {
  const { client } = await testRegion(t);
  const vpcs = async (Name: string, ...Values: string[]) =>
    (await client.describeVpcs({ Filters: [{ Name, Values }] })).Vpcs?.length;
  assert.equal(await vpcs("is-default", "true"), 1);
  assert.equal(await vpcs("isDefault", "false"), 0);
  assert.equal(await vpcs("cidr", "172.31.*"), 1);
  assert.equal(await vpcs("state", "pending"), 0);
  const subnets = async (Name: string, ...Values: string[]) =>
    (await client.describeSubnets({ Filters: [{ Name, Values }] })).Subnets?.map((it) => it.CidrBlock);
  assert.deepEqual(await subnets("availability-zone", "*b"), ["172.31.16.0/20"]);
  assert.deepEqual(await subnets("cidrBlock", "172.31.32.0/20"), ["172.31.32.0/20"]);
  assert.equal((await subnets("available-ip-address-count", "4091"))?.length, 3);
});

test("what is not there is named in the error", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const there = records.all("subnet")[0]?.id ?? "";
  await assert.rejects(client.describeSubnets({ SubnetIds: [there, "subnet-00000001"] }), {
    name: "InvalidSubnetID.NotFound",
    message: "The subnet ID 'subnet-00000001' does not exist",
  });
  await assert.rejects(client.describeSubnets({ SubnetIds: ["subnet-00000001", "subnet-00000002"] }), {
    message: "The subnet IDs 'subnet-00000001, subnet-00000002' do not exist",
  });
  await assert.rejects(client.describeVpcs({ VpcIds: ["vpc-00000001"] }), { name: "InvalidVpcID.NotFound" });
});

test("without it, what is meant to be in it is refused by AWS's codes", limit, async (t) => {
  const { client, records } = await testRegion(t);
  const VpcId = records.claimed("default-vpc");
  for (const { id } of records.all("subnet")) await client.deleteSubnet({ SubnetId: id });
  const [gateway] = records.all("internet-gateway");
  await client.detachInternetGateway({ InternetGatewayId: gateway?.id, VpcId });
  await client.deleteVpc({ VpcId });
  const noVpc = { name: "VPCIdNotSpecified", message: "No default VPC for this user" };
  await assert.rejects(client.createSecurityGroup({ GroupName: "web", Description: "the web" }), noVpc);
  await assert.rejects(client.describeSecurityGroups({ GroupNames: ["web"] }), noVpc);
  await assert.rejects(client.createDefaultSubnet({ AvailabilityZone: "eu-central-1a" }), {
    name: "DefaultVpcDoesNotExist",
    message: "No default VPC exists for this account in this region.",
  });
});
