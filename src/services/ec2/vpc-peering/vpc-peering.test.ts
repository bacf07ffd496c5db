import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere } from "#testing/crash-everywhere.ts";
import { testImage, testRegion } from "#testing/region.ts";
import { recordKey } from "../records.ts";
import { regionalRecords } from "../regional-records.ts";
import { reconcilePeering } from "./vpc-peering-reconciler.ts";
import { endOf, peeringClaim, vpcsOfPeering, type VpcPeeringRecord } from "./vpc-peering.ts";

const limit = { timeout: 60_000 };

/** VPCs of such ranges, each with an open group and its main route table. */
async function scene(t: TestContext, ...ranges: readonly string[]) {
  const region = await testRegion(t);
  const { client, records } = region;
  const vpcs = await Promise.all(
    ranges.map(async (CidrBlock) => {
      const { Vpc } = await client.createVpc({ CidrBlock });
      const VpcId = Vpc?.VpcId ?? "";
      return {
        VpcId,
        RouteTableId: records.routeTablesIn(VpcId)[0]?.id,
        group: records.groupsIn(VpcId)[0]?.id,
      };
    }),
  );
  const [one, two, three] = vpcs;
  assert.ok(one && two);
  const request = async (from = one, to = two) => {
    const { VpcPeeringConnection } = await client.createVpcPeeringConnection({
      VpcId: from.VpcId,
      PeerVpcId: to.VpcId,
    });
    return VpcPeeringConnection?.VpcPeeringConnectionId ?? "";
  };
  const described = async (id: string) => {
    const { VpcPeeringConnections: [it] = [] } = await client.describeVpcPeeringConnections({
      VpcPeeringConnectionIds: [id],
    });
    return it;
  };
  return { ...region, one, two, three, request, described };
}

test("packets pass between peers once both route to it, and no more when it is deleted", limit, async (t) => {
  const { client, records, networks, until, one, two, request } = await scene(
    t,
    "10.1.0.0/16",
    "10.2.0.0/16",
  );
  const sides = [
    { ...one, net: "10.1", other: "10.2.0.0/16" },
    { ...two, net: "10.2", other: "10.1.0.0/16" },
  ];
  for (const { VpcId, net, group, other } of sides) {
    await client.authorizeSecurityGroupIngress({
      GroupId: group,
      IpProtocol: "tcp",
      FromPort: 443,
      ToPort: 443,
      CidrIp: other,
    });
    const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: `${net}.1.0/24` });
    await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: Subnet?.SubnetId, PrivateIpAddress: `${net}.1.10` }],
    });
    await until(() => records.interfacesIn(VpcId).every(({ so }) => so.ready));
  }
  const passes = (port = 443) =>
    networks.passes(one.VpcId, { from: "10.1.1.10", to: "10.2.1.10", protocol: 6, port });
  const VpcPeeringConnectionId = await request();
  const routes = sides.map(({ RouteTableId, other }) => ({
    RouteTableId,
    DestinationCidrBlock: other,
    VpcPeeringConnectionId,
  }));
  for (const route of routes) await client.createRoute(route);
  const states = async () => {
    const { RouteTables = [] } = await client.describeRouteTables({
      Filters: [{ Name: "route.vpc-peering-connection-id", Values: [VpcPeeringConnectionId] }],
    });
    return RouteTables.map((it) => it.Routes?.find((route) => route.VpcPeeringConnectionId)?.State);
  };
  assert.deepEqual(await states(), ["blackhole", "blackhole"]);
  assert.equal(passes(), false);
  await client.acceptVpcPeeringConnection({ VpcPeeringConnectionId });
  await until(() => passes());
  assert.equal(passes(22), false);
  assert.deepEqual(await states(), ["active", "active"]);
  await client.deleteRoute({ RouteTableId: one.RouteTableId, DestinationCidrBlock: "10.2.0.0/16" });
  await until(() => !passes());
  await client.createRoute({ ...routes[0], RouteTableId: one.RouteTableId });
  await until(() => passes());
  await client.deleteVpcPeeringConnection({ VpcPeeringConnectionId });
  await until(() => !passes());
  assert.deepEqual(await states(), ["blackhole", "blackhole"]);
  await assert.rejects(
    client.createRoute({ ...routes[0], RouteTableId: one.RouteTableId, DestinationCidrBlock: "10.3.0.0/16" }),
    { name: "InvalidStateTransition" },
  );
});

test(
  "a request is pending until it is accepted, rejected or deleted, which is refused in any other state",
  limit,
  async (t) => {
    const { client, one, two, request, described } = await scene(t, "10.1.0.0/16", "10.2.0.0/16");
    const id = { VpcPeeringConnectionId: await request() };
    const pending = await described(id.VpcPeeringConnectionId);
    assert.equal(pending?.Status?.Code, "pending-acceptance");
    assert.equal(pending.Status.Message, "Pending Acceptance by 111122223333");
    assert.equal(pending.RequesterVpcInfo?.CidrBlock, "10.1.0.0/16");
    assert.deepEqual(pending.AccepterVpcInfo?.CidrBlockSet, [{ CidrBlock: "10.2.0.0/16" }]);
    const days = (Number(pending.ExpirationTime) - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days <= 7, String(days));
    assert.equal(await request(), id.VpcPeeringConnectionId, "the same request finds what it made");
    await assert.rejects(request(two, one), { name: "VpcPeeringConnectionAlreadyExists" });
    await client.rejectVpcPeeringConnection(id);
    assert.equal((await described(id.VpcPeeringConnectionId))?.Status?.Code, "rejected");
    const wrong = { name: "InvalidStateTransition" };
    await assert.rejects(client.acceptVpcPeeringConnection(id), wrong);
    await assert.rejects(client.rejectVpcPeeringConnection(id), wrong);
    // By "to deleting" Terraform knows that there is nothing left to delete.
    await assert.rejects(client.deleteVpcPeeringConnection(id), {
      ...wrong,
      message: `Invalid state transition for ${id.VpcPeeringConnectionId}, attempted to transition from rejected to deleting`,
    });
    const again = { VpcPeeringConnectionId: await request(two, one) };
    const { VpcPeeringConnection } = await client.acceptVpcPeeringConnection(again);
    assert.equal(VpcPeeringConnection?.Status?.Code, "active");
    await assert.rejects(client.rejectVpcPeeringConnection(again), wrong);
    await assert.rejects(client.associateVpcCidrBlock({ VpcId: one.VpcId, CidrBlock: "10.2.0.0/16" }), {
      name: "InvalidVpc.Conflict",
    });
    await assert.rejects(
      client.acceptVpcPeeringConnection({ VpcPeeringConnectionId: "pcx-00000000000000000" }),
      {
        name: "InvalidVpcPeeringConnectionID.NotFound",
        message: "The vpcPeeringConnection ID 'pcx-00000000000000000' does not exist",
      },
    );
    await assert.rejects(client.createVpcPeeringConnection({ VpcId: one.VpcId }), {
      name: "MissingParameter",
    });
  },
);

test("a peering with overlapping ranges, or with a VPC that is not here, fails", limit, async (t) => {
  const { client, one, three, request, described } = await scene(
    t,
    "10.1.0.0/16",
    "10.2.0.0/16",
    "10.1.0.0/16",
  );
  assert.equal((await described(await request(one, three)))?.Status?.Code, "failed");
  for (const peer of [
    { PeerVpcId: "vpc-00000000000000000" },
    { PeerVpcId: three?.VpcId, PeerOwnerId: "999999999999" },
    { PeerVpcId: three?.VpcId, PeerRegion: "us-east-1" },
  ]) {
    const { VpcPeeringConnection: it } = await client.createVpcPeeringConnection({
      VpcId: one.VpcId,
      ...peer,
    });
    assert.equal(it?.Status?.Code, "initiating-request");
    const { Status } = (await described(it.VpcPeeringConnectionId ?? "")) ?? {};
    assert.deepEqual(Status, {
      Code: "failed",
      Message: "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range",
    });
  }
});

test("a peering goes with either of its VPCs", limit, async (t) => {
  const { client, records, until, two, request } = await scene(t, "10.1.0.0/16", "10.2.0.0/16");
  const VpcPeeringConnectionId = await request();
  await client.acceptVpcPeeringConnection({ VpcPeeringConnectionId });
  await client.deleteVpc({ VpcId: two.VpcId });
  await until(() => records.get("vpc-peering-connection", VpcPeeringConnectionId)?.state === "deleted");
});

test("a request that nobody answers expires and is forgotten, whenever a crash happens", limit, async () => {
  const scope = { accountId: "111122223333", region: "eu-central-1" };
  const side = (vpcId: string) => ({ vpcId, ownerId: scope.accountId, region: scope.region, cidrs: [] });
  const crashes = await crashEverywhere(
    async (clock) => {
      const store = openMemoryStore();
      const since = clock.now().toISOString();
      const peering: VpcPeeringRecord = {
        id: "pcx-1",
        requester: side("vpc-1"),
        accepter: side("vpc-2"),
        state: "pending-acceptance",
        since,
        tags: {},
        createdAt: since,
      };
      assert.equal(Number(endOf(peering)?.at) - clock.now().getTime(), 7 * 86_400_000);
      await store.commit({
        put: [
          { key: recordKey("vpc-peering-connection", scope, peering.id), value: peering },
          { key: recordKey("claim", scope, peeringClaim(vpcsOfPeering(peering))), value: peering.id },
          ...["vpc-1", "vpc-2"].map((id) => ({ key: recordKey("vpc", scope, id), value: { id } })),
        ],
      });
      return {
        store,
        drivers: {},
        reconcilers: ({ feed, clock: now }) => [
          {
            kind: "vpc-peering-connection",
            step: async () => reconcilePeering("pcx-1", regionalRecords(feed).in(scope), now.now()),
          },
        ],
      };
    },
    async ({ store }) => {
      const left = (await store.list("")).entries.map(({ key }) => key.split("/")[0]);
      assert.deepEqual(new Set(left), new Set(["vpc"]));
    },
  );
  assert.ok(crashes >= 4, `${crashes} crashes`);
});
