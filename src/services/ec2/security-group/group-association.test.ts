import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testImage, testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };
const tcp = (port: number, peer: object) => ({ IpProtocol: "tcp", FromPort: port, ToPort: port, ...peer });
const anywhere = { IpRanges: [{ CidrIp: "0.0.0.0/0" }] };

test(
  "an associated group is for interfaces of the other VPC too: its rules decide there, at once, and name its members there",
  limit,
  async (t) => {
    const { client, networks, shared, one, two, launch } = await twoVpcs(t);
    const associated = await client.associateSecurityGroupVpc({ GroupId: shared, VpcId: two.VpcId });
    assert.equal(associated.State, "associating");
    const there = await launch(two, 10, shared);
    await launch(two, 11, shared);
    const passes = (vpcId: string, net: string, port: number) =>
      networks.passes(vpcId, { from: `${net}.1.11`, to: `${net}.1.10`, protocol: 6, port });
    const becomes = async (port: number, wanted: boolean) => {
      while (passes(two.VpcId, "10.2", port) !== wanted) await sleep(5);
    };
    assert.equal(passes(two.VpcId, "10.2", 443), false);
    const https = { GroupId: shared, IpPermissions: [tcp(443, anywhere)] };
    await client.authorizeSecurityGroupIngress(https);
    await becomes(443, true);
    await client.authorizeSecurityGroupIngress({
      GroupId: shared,
      IpPermissions: [tcp(22, { UserIdGroupPairs: [{ GroupId: shared }] })],
    });
    await becomes(22, true);
    await client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: there, Groups: [two.group] });
    await becomes(443, false);
    await client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: there, Groups: [shared] });
    await becomes(22, true);
    await client.revokeSecurityGroupIngress(https);
    await becomes(443, false);
    await launch(one, 10, shared);
    await launch(one, 11, one.group);
    assert.equal(passes(one.VpcId, "10.1", 22), false, "members are those of the VPC");
  },
);

test(
  "an association is told, keeps its group and its VPC, and stays while an interface needs it",
  limit,
  async (t) => {
    const { client, shared, one, two, launch } = await twoVpcs(t);
    const pair = { GroupId: shared, VpcId: two.VpcId };
    const told = async (filter?: string, value = "") => {
      const { SecurityGroupVpcAssociations = [] } = await client.describeSecurityGroupVpcAssociations({
        ...(filter !== undefined && { Filters: [{ Name: filter, Values: [value] }] }),
      });
      return SecurityGroupVpcAssociations.map(({ GroupId, VpcId, State }) => [GroupId, VpcId, State]);
    };
    const usable = async (VpcId: string) => {
      const { SecurityGroupForVpcs = [] } = await client.getSecurityGroupsForVpc({ VpcId });
      return SecurityGroupForVpcs.find(({ GroupId }) => GroupId === shared)?.PrimaryVpcId;
    };
    await assert.rejects(client.disassociateSecurityGroupVpc(pair), { name: "InvalidAssociation.NotFound" });
    assert.equal(await usable(two.VpcId), undefined);
    await client.associateSecurityGroupVpc(pair);
    assert.equal(await usable(two.VpcId), one.VpcId);
    await assert.rejects(client.associateSecurityGroupVpc(pair), { name: "Resource.AlreadyAssociated" });
    assert.deepEqual(await told(), [[shared, two.VpcId, "associated"]]);
    assert.deepEqual(await told("vpc-id", two.VpcId), [[shared, two.VpcId, "associated"]]);
    assert.deepEqual(await told("vpc-id", one.VpcId), []);
    assert.deepEqual(await told("state", "disassociating"), []);

    const nic = await launch(two, 10, shared);
    await assert.rejects(client.disassociateSecurityGroupVpc(pair), { name: "DependencyViolation" });
    await client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: nic, Groups: [two.group] });
    await assert.rejects(client.deleteSecurityGroup({ GroupId: shared }), { name: "DependencyViolation" });
    assert.equal((await client.disassociateSecurityGroupVpc(pair)).State, "disassociating");
    assert.deepEqual(await told(), []);
    await assert.rejects(
      client.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: nic, Groups: [shared] }),
      { name: "InvalidParameter" },
    );
    await client.deleteSecurityGroup({ GroupId: shared });
  },
);

test("a VPC with an associated group cannot be deleted", limit, async (t) => {
  const { client, shared } = await twoVpcs(t);
  const { Vpc } = await client.createVpc({ CidrBlock: "10.3.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  await client.associateSecurityGroupVpc({ GroupId: shared, VpcId });
  await assert.rejects(client.deleteVpc({ VpcId }), { name: "DependencyViolation" });
  await client.disassociateSecurityGroupVpc({ GroupId: shared, VpcId });
  await client.deleteVpc({ VpcId });
});

test("default groups and default VPCs are not associated, nor a group with its own VPC", limit, async (t) => {
  const { client, shared, one, two } = await twoVpcs(t);
  const refused = { name: "InvalidParameterValue" };
  const { Vpcs: [standard] = [] } = await client.describeVpcs({
    Filters: [{ Name: "is-default", Values: ["true"] }],
  });
  const associate = (GroupId: string, VpcId: string | undefined) =>
    client.associateSecurityGroupVpc({ GroupId, VpcId });
  await assert.rejects(associate(one.group, two.VpcId), refused);
  await assert.rejects(associate(shared, standard?.VpcId), refused);
  await assert.rejects(associate(shared, one.VpcId), { name: "Resource.AlreadyAssociated" });
  await assert.rejects(associate("sg-00000000", two.VpcId), { name: "InvalidGroup.NotFound" });
  await assert.rejects(associate(shared, "vpc-00000000"), { name: "InvalidVpcID.NotFound" });
});

test("of an interface and the end of its group's association, one comes first", limit, async (t) => {
  const { client, shared, two } = await twoVpcs(t);
  const pair = { GroupId: shared, VpcId: two.VpcId };
  for (let n = 0; n < 10; n++) {
    await client.associateSecurityGroupVpc(pair);
    const [made, ended] = await Promise.allSettled([
      client.createNetworkInterface({ SubnetId: two.SubnetId, Groups: [shared] }),
      client.disassociateSecurityGroupVpc(pair),
    ]);
    assert.notEqual(made.status, ended.status);
    if (made.status === "rejected") continue;
    const { NetworkInterfaceId } = made.value.NetworkInterface ?? {};
    await client.deleteNetworkInterface({ NetworkInterfaceId });
    await client.disassociateSecurityGroupVpc(pair);
  }
});

/** Two VPCs, and a group of the first that is to be shared. */
async function twoVpcs(t: TestContext) {
  const region = await testRegion(t);
  const { client, records, until } = region;
  const side = async (net: string) => {
    const { Vpc } = await client.createVpc({ CidrBlock: `${net}.0.0/16` });
    const VpcId = Vpc?.VpcId ?? "";
    const { Subnet } = await client.createSubnet({ VpcId, CidrBlock: `${net}.1.0/24` });
    return { VpcId, net, SubnetId: Subnet?.SubnetId, group: records.groupsIn(VpcId)[0]?.id ?? "" };
  };
  const [one, two] = [await side("10.1"), await side("10.2")];
  const { GroupId: shared = "" } = await client.createSecurityGroup({
    VpcId: one.VpcId,
    GroupName: "shared",
    Description: "shared",
  });
  const launch = async (where: typeof one, host: number, group: string) => {
    const { Instances: [made] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      SecurityGroupIds: [group],
      SubnetId: where.SubnetId,
      PrivateIpAddress: `${where.net}.1.${host}`,
    });
    const id = made?.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "";
    await until(() => records.get("network-interface", id)?.so.ready === true);
    return id;
  };
  return { ...region, shared, one, two, launch };
}
