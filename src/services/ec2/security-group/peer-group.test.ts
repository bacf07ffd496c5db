import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };

test(
  "a rule names a peer's group: only its members pass, as they come and go, and only while the peering is active",
  limit,
  async (t) => {
    const { client, one, two, accept, routes, passes, becomes, moveTo } = await peers(t);
    await accept();
    await routes();
    const rule = {
      IpProtocol: "tcp",
      FromPort: 443,
      ToPort: 443,
      UserIdGroupPairs: [{ GroupId: one.web, Description: "web of one" }],
    };
    const { SecurityGroupRules: [made] = [] } = await client.authorizeSecurityGroupIngress({
      GroupId: two.group,
      IpPermissions: [rule],
    });
    assert.equal(made?.ReferencedGroupInfo?.VpcId, one.VpcId);
    assert.equal(passes(), false, "no interface is in the group");
    await moveTo(one.web);
    await becomes(true);
    assert.equal(passes(22), false);
    await moveTo(one.group);
    await becomes(false);
    await moveTo(one.web);
    await becomes(true);
    await client.revokeSecurityGroupIngress({ GroupId: two.group, IpPermissions: [rule] });
    await becomes(false);
  },
);

test(
  "a rule is stale once its peer's group or the peering is gone, is told so, and is good again by a new peering",
  limit,
  async (t) => {
    const { client, one, two, accept, routes, becomes, moveTo } = await peers(t);
    const first = await accept();
    await routes();
    await moveTo(one.web);
    const ports = { IpProtocol: "tcp", FromPort: 443, ToPort: 443 };
    const rule = { ...ports, UserIdGroupPairs: [{ GroupId: one.web }] };
    const authorize = (more = {}) =>
      client.authorizeSecurityGroupIngress({ GroupId: two.group, IpPermissions: [{ ...rule, ...more }] });
    await authorize();
    await becomes(true);
    const stale = async (VpcId: string) => {
      const { StaleSecurityGroupSet = [] } = await client.describeStaleSecurityGroups({ VpcId });
      return StaleSecurityGroupSet;
    };
    const pair = async () => {
      const { SecurityGroups: [group] = [] } = await client.describeSecurityGroups({
        GroupIds: [two.group],
      });
      return group?.IpPermissions?.flatMap((it) => it.UserIdGroupPairs ?? []).find((it) => it.VpcId);
    };
    const expected = { GroupId: one.web, UserId: "111122223333", VpcId: one.VpcId };
    assert.deepEqual(await pair(), {
      ...expected,
      VpcPeeringConnectionId: first,
      PeeringStatus: "active",
    });
    const { SecurityGroupReferenceSet } = await client.describeSecurityGroupReferences({
      GroupId: [one.web, two.group],
    });
    assert.deepEqual(SecurityGroupReferenceSet, [
      { GroupId: one.web, ReferencingVpcId: two.VpcId, VpcPeeringConnectionId: first },
    ]);
    assert.deepEqual(await stale(two.VpcId), []);

    await client.deleteVpcPeeringConnection({ VpcPeeringConnectionId: first });
    await becomes(false);
    assert.equal((await pair())?.PeeringStatus, "deleted");
    assert.deepEqual(await stale(one.VpcId), []);
    const told = { ...expected, VpcPeeringConnectionId: first, PeeringStatus: "deleted" };
    assert.deepEqual(await stale(two.VpcId), [
      {
        GroupId: two.group,
        GroupName: "default",
        Description: "default VPC security group",
        VpcId: two.VpcId,
        StaleIpPermissions: [{ ...ports, UserIdGroupPairs: [told], IpRanges: [], PrefixListIds: [] }],
        StaleIpPermissionsEgress: [],
      },
    ]);
    const none = await client.describeSecurityGroupReferences({ GroupId: [one.web] });
    assert.deepEqual(none.SecurityGroupReferenceSet, []);
    await assert.rejects(authorize({ FromPort: 80, ToPort: 80 }), { name: "InvalidGroup.NotFound" });

    await accept();
    assert.deepEqual(await stale(two.VpcId), []);
    await routes();
    await becomes(true);
    await moveTo(one.group);
    await client.deleteSecurityGroup({ GroupId: one.web });
    assert.equal((await stale(two.VpcId)).length, 1);
    await client.revokeSecurityGroupIngress({
      GroupId: two.group,
      IpPermissions: [{ ...ports, UserIdGroupPairs: [told] }],
    });
    assert.deepEqual(await stale(two.VpcId), []);
  },
);

test("a group of a VPC that is no peer, or of another peering, is refused", limit, async (t) => {
  const { client, one, two, accept } = await peers(t);
  const authorize = (pair: object) =>
    client.authorizeSecurityGroupIngress({
      GroupId: two.group,
      IpPermissions: [{ IpProtocol: "-1", UserIdGroupPairs: [{ GroupId: one.web, ...pair }] }],
    });
  const different = {
    name: "InvalidGroup.NotFound",
    message: "You have specified two resources that belong to different networks.",
  };
  await assert.rejects(authorize({}), different);
  const VpcPeeringConnectionId = await accept();
  await assert.rejects(authorize({ VpcPeeringConnectionId: "pcx-01230123012301230" }), different);
  await assert.rejects(authorize({ UserId: "444455556666" }), { name: "InvalidGroup.NotFound" });
  await authorize({ VpcPeeringConnectionId });
  await assert.rejects(authorize({}), { name: "InvalidPermission.Duplicate" });
});

test(
  "a peer's public names lead to its private addresses in a VPC that it lets know, and in no other",
  limit,
  async (t) => {
    const { client, guests, one, two, accept, request } = await peers(t);
    const id = await request();
    const modify = (options: object) =>
      client.modifyVpcPeeringConnectionOptions({ VpcPeeringConnectionId: id, ...options });
    const on = { AccepterPeeringConnectionOptions: { AllowDnsResolutionFromRemoteVpc: true } };
    await assert.rejects(modify(on), {
      name: "OperationNotPermitted",
      message: `Peering ${id} is not active. Peering options can be added only to active peerings.`,
    });
    await accept(id);
    await assert.rejects(modify({}), { name: "MissingParameter" });
    for (const { VpcId } of [two, one]) {
      await assert.rejects(modify(on), { name: "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled" });
      await client.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: true } });
    }
    const { InternetGateway } = await client.createInternetGateway({});
    const { InternetGatewayId } = InternetGateway ?? {};
    await client.attachInternetGateway({ InternetGatewayId, VpcId: two.VpcId });
    const { AllocationId, PublicIp = "" } = await client.allocateAddress({});
    await client.associateAddress({ AllocationId, NetworkInterfaceId: two.nic });

    const peersOf = (vpcId: string) => guests.get(vpcId)?.peers;
    assert.equal(peersOf(one.VpcId), undefined);
    const changed = await modify(on);
    assert.equal(changed.AccepterPeeringConnectionOptions?.AllowDnsResolutionFromRemoteVpc, true);
    assert.equal(changed.RequesterPeeringConnectionOptions?.AllowDnsResolutionFromRemoteVpc, false);
    const { VpcPeeringConnections: [shown] = [] } = await client.describeVpcPeeringConnections({});
    assert.equal(shown?.AccepterVpcInfo?.PeeringOptions?.AllowDnsResolutionFromRemoteVpc, true);
    while (peersOf(one.VpcId)?.[PublicIp] !== "10.2.1.10") await sleep(5);
    assert.equal(peersOf(two.VpcId), undefined);
    await client.disassociateAddress({ PublicIp });
    while (peersOf(one.VpcId)) await sleep(5);
    await client.associateAddress({ AllocationId, NetworkInterfaceId: two.nic });
    while (!peersOf(one.VpcId)) await sleep(5);
    await modify({ AccepterPeeringConnectionOptions: { AllowDnsResolutionFromRemoteVpc: false } });
    while (peersOf(one.VpcId)) await sleep(5);
  },
);

/** Two VPCs with an instance each at .1.10, and a further group in the first. */
async function peers(t: TestContext) {
  const region = await testRegion(t);
  const { client, records, networks, until } = region;
  const side = async (net: string) => {
    const { Vpc } = await client.createVpc({ CidrBlock: `${net}.0.0/16` });
    const VpcId = Vpc?.VpcId ?? "";
    const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: `${net}.1.0/24` });
    const web = await client.createSecurityGroup({ VpcId, GroupName: "web", Description: "web" });
    await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: Subnet?.SubnetId, PrivateIpAddress: `${net}.1.10` }],
    });
    await until(() => records.interfacesIn(VpcId).every(({ so }) => so.ready));
    const group = records.groupsIn(VpcId).find(({ name }) => name === "default")?.id ?? "";
    const nic = records.interfacesIn(VpcId)[0]?.id ?? "";
    return { VpcId, group, web: web.GroupId ?? "", nic, RouteTableId: records.routeTablesIn(VpcId)[0]?.id };
  };
  const [one, two] = [await side("10.1"), await side("10.2")];
  const request = async () => {
    const { VpcPeeringConnection } = await client.createVpcPeeringConnection({
      VpcId: one.VpcId,
      PeerVpcId: two.VpcId,
    });
    return VpcPeeringConnection?.VpcPeeringConnectionId ?? "";
  };
  let peering = "";
  const accept = async (id?: string) => {
    peering = id ?? (await request());
    await client.acceptVpcPeeringConnection({ VpcPeeringConnectionId: peering });
    return peering;
  };
  /** Anew, when there were some. */
  const routes = async () => {
    for (const [{ RouteTableId }, DestinationCidrBlock] of [
      [one, "10.2.0.0/16"],
      [two, "10.1.0.0/16"],
    ] as const) {
      await client.deleteRoute({ RouteTableId, DestinationCidrBlock }).catch(() => undefined);
      await client.createRoute({ RouteTableId, DestinationCidrBlock, VpcPeeringConnectionId: peering });
    }
  };
  const passes = (port = 443) =>
    networks.passes(one.VpcId, { from: "10.1.1.10", to: "10.2.1.10", protocol: 6, port });
  const becomes = async (wanted: boolean) => {
    while (passes() !== wanted) await sleep(5);
  };
  const moveTo = (group: string) =>
    client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: one.nic, Groups: [group] });
  return { ...region, one, two, request, accept, routes, passes, becomes, moveTo };
}
