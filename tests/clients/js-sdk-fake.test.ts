import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";
import * as dlmModule from "@aws-sdk/client-dlm";
import * as ebsModule from "@aws-sdk/client-ebs";
import * as ec2Module from "@aws-sdk/client-ec2";
import * as iamModule from "@aws-sdk/client-iam";
import * as kmsModule from "@aws-sdk/client-kms";
import * as rbinModule from "@aws-sdk/client-rbin";
import * as quotasModule from "@aws-sdk/client-service-quotas";
import * as ssmModule from "@aws-sdk/client-ssm";
import * as stsModule from "@aws-sdk/client-sts";
import { startIssuer } from "#testing/issuer.ts";
import { makeSamlProvider } from "#testing/saml-provider.ts";
import { until } from "../until.ts";
import { followCoverage } from "./coverage.ts";
import { fakeRegion } from "./fake-region.ts";
import { federationTests } from "./js-sdk-federation.ts";
import { iamTests } from "./js-sdk-iam.ts";
import { iamCredentialTests } from "./js-sdk-iam-credentials.ts";
import { kmsTests } from "./js-sdk-kms.ts";
import { noting, offeredBy } from "./js-sdk.ts";

/** Every served operation by the SDK for JavaScript, on fake machines. Each test goes on from where the one before it ended. */
const region = await fakeRegion();
const [issuer, idp] = [await startIssuer({ after }), await makeSamlProvider({ after })];
Object.assign(process.env, region.environment);
const everythingWasUsed = await followCoverage(region.endpoint);

const used = new Set<string>();
const ebsSdk = noting("ebs", ebsModule, used);
const sdk = noting("ec2", ec2Module, used);
const iamSdk = noting("iam", iamModule, used);
const dlmSdk = noting("dlm", dlmModule, used);
const kmsSdk = noting("kms", kmsModule, used);
const rbinSdk = noting("rbin", rbinModule, used);
const quotasSdk = noting("servicequotas", quotasModule, used);
const ssmSdk = noting("ssm", ssmModule, used);
const offered = [
  ...(await offeredBy("ebs", ebsModule)),
  ...(await offeredBy("dlm", dlmModule)),
  ...(await offeredBy("ec2", ec2Module)),
  ...(await offeredBy("iam", iamModule)),
  ...(await offeredBy("kms", kmsModule)),
  ...(await offeredBy("rbin", rbinModule)),
  ...(await offeredBy("servicequotas", quotasModule)),
  ...(await offeredBy("ssm", ssmModule)),
  ...(await offeredBy("sts", stsModule)),
];
const ebs = new ebsSdk.EBS();
const ec2 = new sdk.EC2();
const dlm = new dlmSdk.DLM();
const iam = new iamSdk.IAM();
const kms = new kmsSdk.KMS();
const quotas = new quotasSdk.ServiceQuotas();
const ssm = new ssmSdk.SSM();
const sts = new stsModule.STS();
after(() => [dlm, ebs, ec2, iam, kms, quotas, ssm, sts].forEach((client) => client.destroy()));

const patience = { client: ec2, maxWaitTime: 120, minDelay: 1, maxDelay: 2 };
const release = "/aws/service/debian/release/12/latest/amd64";
const home = region.environment["AWS_REGION"] ?? "";
const zones = ["a", "b", "c"].map((letter) => `${home}${letter}`);
const [unknown, one] = ["i-00000000000000000", { MinCount: 1, MaxCount: 1 }];
const jpegBegins = Buffer.from([0xff, 0xd8, 0xff]);
let instances: string[] = [];
/** The one that changes, and the one whose volume and interface stay. */
let [nano, kept] = ["", ""];

test("the caller is the account's root, whose account has one VPC", async () => {
  const caller = await sts.getCallerIdentity({});
  assert.deepEqual([caller.Account, caller.Arn], ["000000000000", "arn:aws:iam::000000000000:root"]);
  const { Vpcs: [vpc, ...more] = [] } = await ec2.describeVpcs({});
  assert.deepEqual([vpc?.IsDefault, more], [true, []]);
  const { AccountAttributes: [attribute] = [] } = await ec2.describeAccountAttributes({
    AttributeNames: ["default-vpc"],
  });
  assert.deepEqual(attribute?.AttributeValues, [{ AttributeValue: vpc?.VpcId }]);
  assert.equal((await ec2.getEbsEncryptionByDefault({})).EbsEncryptionByDefault, false);
});

test("volumes are encrypted by default once the account says so, by the key that it chose", async () => {
  assert.equal((await ec2.enableEbsEncryptionByDefault({})).EbsEncryptionByDefault, true);
  assert.equal((await ec2.getEbsDefaultKmsKeyId({})).KmsKeyId, "alias/aws/ebs");
  const { KeyMetadata } = await kms.describeKey({ KeyId: "alias/aws/ebs" });
  const key = KeyMetadata?.Arn;
  assert.equal((await ec2.modifyEbsDefaultKmsKeyId({ KmsKeyId: KeyMetadata?.KeyId })).KmsKeyId, key);
  const made = await ec2.createVolume({ AvailabilityZone: zones[0], Size: 1 });
  assert.deepEqual([made.Encrypted, made.KmsKeyId], [true, key]);
  assert.equal((await ec2.resetEbsDefaultKmsKeyId({})).KmsKeyId, "alias/aws/ebs");
  assert.equal((await ec2.disableEbsEncryptionByDefault({})).EbsEncryptionByDefault, false);
  await sdk.waitUntilVolumeAvailable({ client: ec2, maxWaitTime: 60 }, { VolumeIds: [made.VolumeId ?? ""] });
  await ec2.deleteVolume({ VolumeId: made.VolumeId });
});

test("policies are simulated, page by page, and the keys they ask for are named", async () => {
  const policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Action: "s3:Get*", Resource: "arn:aws:s3:::${aws:username}/*" },
  });
  const asked = {
    PolicyInputList: [policy],
    ActionNames: ["s3:GetObject", "s3:PutObject"],
    ResourceArns: ["arn:aws:s3:::ada/1"],
    ContextEntries: [
      { ContextKeyName: "aws:username", ContextKeyValues: ["ada"], ContextKeyType: "string" as const },
    ],
  };
  const results = await severalPages(
    iamSdk.paginateSimulateCustomPolicy({ client: iam, pageSize: 1 }, asked),
    ({ EvaluationResults }) => EvaluationResults,
  );
  assert.deepEqual(
    results.map((it) => it.EvalDecision),
    ["allowed", "implicitDeny"],
  );
  const { ContextKeyNames } = await iam.getContextKeysForCustomPolicy({ PolicyInputList: [policy] });
  assert.deepEqual(ContextKeyNames, ["aws:username"]);
});

iamTests(iamSdk, iam, sts);
iamCredentialTests(iamSdk, iam);

federationTests(iamSdk, iam, sts, issuer, idp);

kmsTests(kmsSdk, kms);

test("EC2 tells who may not do what, and STS decodes it", async () => {
  await iam.createUser({ UserName: "eve" });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "eve" });
  const AccessKeyId = key?.AccessKeyId ?? "";
  const credentials = { accessKeyId: AccessKeyId, secretAccessKey: key?.SecretAccessKey ?? "" };
  const eve = new ec2Module.EC2({ credentials });
  const error: unknown = await eve.createVpc({ CidrBlock: "10.9.0.0/16" }).catch((it: unknown) => it);
  eve.destroy();
  const [, EncodedMessage] = /^UnauthorizedOperation: .* failure message: (\S+)$/.exec(String(error)) ?? [];
  const { DecodedMessage = "{}" } = await sts.decodeAuthorizationMessage({ EncodedMessage });
  assert.equal(JSON.parse(DecodedMessage).context.action, "ec2:CreateVpc");
  await iam.deleteAccessKey({ UserName: "eve", AccessKeyId });
  await iam.deleteUser({ UserName: "eve" });
});

test("service quotas come in pages, and are AWS's defaults", async () => {
  const inPages = { client: quotas, pageSize: 1 };
  const services = await severalPages(
    quotasSdk.paginateListServices(inPages, {}),
    ({ Services }) => Services,
  );
  assert.deepEqual(
    services.map(({ ServiceCode }) => ServiceCode),
    ["ec2", "vpc"],
  );
  const [applied, defaults] = [
    await severalPages(
      quotasSdk.paginateListServiceQuotas(inPages, { ServiceCode: "vpc" }),
      (it) => it.Quotas,
    ),
    await severalPages(
      quotasSdk.paginateListAWSDefaultServiceQuotas(inPages, { ServiceCode: "vpc" }),
      (it) => it.Quotas,
    ),
  ];
  const values = (list: quotasModule.ServiceQuota[]) => list.map((it) => [it.QuotaCode, it.Value]);
  assert.deepEqual(values(applied), values(defaults));
  const vpcs = { ServiceCode: "vpc", QuotaCode: "L-F678F1CE" };
  const { Quota } = await quotas.getServiceQuota(vpcs);
  assert.deepEqual([Quota?.QuotaName, Quota?.Value], ["VPCs per Region", 5]);
  assert.deepEqual(
    applied.find(({ QuotaCode }) => QuotaCode === vpcs.QuotaCode),
    Quota,
  );
  assert.equal((await quotas.getAWSDefaultServiceQuota(vpcs)).Quota?.Value, 5);
  await refused(quotas.getServiceQuota({ ...vpcs, QuotaCode: "L-00000000" }), "NoSuchResourceException");
});

test("regions and their zones are AWS's, and each region is its own", async () => {
  const { Regions: [paris] = [] } = await ec2.describeRegions({ RegionNames: ["eu-west-3"] });
  assert.equal(paris?.Endpoint, "ec2.eu-west-3.amazonaws.com");
  await refused(ec2.describeRegions({ RegionNames: ["mars-north-1"] }), "InvalidParameterValue");
  const { AvailabilityZones = [] } = await ec2.describeAvailabilityZones({});
  assert.deepEqual(
    AvailabilityZones.map(({ ZoneName }) => ZoneName),
    zones,
  );
});

test("the default VPC has a subnet in each zone", async () => {
  const vpcs = await pages(
    sdk.paginateDescribeVpcs(
      { client: ec2, pageSize: 5 },
      { Filters: [{ Name: "is-default", Values: ["true"] }] },
    ),
  );
  const id = vpcs[0]?.Vpcs?.[0]?.VpcId ?? "";
  await sdk.waitUntilVpcExists(patience, { VpcIds: [id] });
  await sdk.waitUntilVpcAvailable(patience, { VpcIds: [id] });
  const found = await pages(
    sdk.paginateDescribeSubnets(
      { client: ec2, pageSize: 5 },
      { Filters: [{ Name: "vpc-id", Values: [id] }] },
    ),
  );
  const subnets = found.flatMap(({ Subnets = [] }) => Subnets);
  assert.deepEqual(subnets.map(({ AvailabilityZone }) => AvailabilityZone ?? "").toSorted(), zones);
  await sdk.waitUntilSubnetAvailable(patience, {
    SubnetIds: subnets.map(({ SubnetId }) => SubnetId ?? ""),
  });
  const { EnableDnsSupport } = await ec2.describeVpcAttribute({ VpcId: id, Attribute: "enableDnsSupport" });
  assert.deepEqual(EnableDnsSupport, { Value: true });
  await refused(ec2.describeVpcs({ VpcIds: ["vpc-00000000000000000"] }), "InvalidVpcID.NotFound");
});

test("a gateway endpoint has its routes in the tables that are chosen for it", async () => {
  const { Vpc } = await ec2.createVpc({ CidrBlock: "10.6.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  const { RouteTables: [table] = [] } = await ec2.describeRouteTables({
    Filters: [{ Name: "vpc-id", Values: [VpcId] }],
  });
  const RouteTableIds = [table?.RouteTableId ?? ""];
  const { ServiceNames = [] } = await ec2.describeVpcEndpointServices({});
  const ServiceName = ServiceNames.find((name) => name.endsWith(".s3"));
  await refused(ec2.createVpcEndpoint({ VpcId, ServiceName: "com.amazonaws.mars.s3" }), "InvalidServiceName");
  const made = await ec2.createVpcEndpoint({ VpcId, ServiceName, RouteTableIds });
  const VpcEndpointId = made.VpcEndpoint?.VpcEndpointId ?? "";
  await ec2.modifyVpcEndpoint({ VpcEndpointId, RemoveRouteTableIds: RouteTableIds });
  await ec2.modifyVpcEndpoint({ VpcEndpointId, AddRouteTableIds: RouteTableIds });
  const found = await pages(sdk.paginateDescribeVpcEndpoints({ client: ec2, pageSize: 5 }, {}));
  assert.deepEqual(
    found.flatMap((it) => it.VpcEndpoints ?? []).map((it) => [it.VpcEndpointId, it.RouteTableIds]),
    [[VpcEndpointId, RouteTableIds]],
  );
  const { Unsuccessful } = await ec2.deleteVpcEndpoints({ VpcEndpointIds: [VpcEndpointId] });
  assert.deepEqual(Unsuccessful, []);
  await ec2.deleteVpc({ VpcId });
});

test("two VPCs are peered, when the other one accepts", async () => {
  const made = await Promise.all(
    ["10.7.0.0/16", "10.8.0.0/16"].map((CidrBlock) => ec2.createVpc({ CidrBlock })),
  );
  const [VpcId = "", PeerVpcId = ""] = made.map(({ Vpc }) => Vpc?.VpcId ?? "");
  for (const it of [VpcId, PeerVpcId])
    await ec2.modifyVpcAttribute({ VpcId: it, EnableDnsHostnames: { Value: true } });
  const request = async () => {
    const { VpcPeeringConnection } = await ec2.createVpcPeeringConnection({ VpcId, PeerVpcId });
    const id = VpcPeeringConnection?.VpcPeeringConnectionId ?? "";
    await sdk.waitUntilVpcPeeringConnectionExists(patience, { VpcPeeringConnectionIds: [id] });
    return { VpcPeeringConnectionId: id };
  };
  const first = await request();
  await ec2.rejectVpcPeeringConnection(first);
  await refused(ec2.acceptVpcPeeringConnection(first), "InvalidStateTransition");
  const second = await request();
  await ec2.acceptVpcPeeringConnection(second);
  const found = await pages(sdk.paginateDescribeVpcPeeringConnections({ client: ec2, pageSize: 5 }, {}));
  assert.deepEqual(
    new Set(found.flatMap((it) => it.VpcPeeringConnections ?? []).map((it) => it.Status?.Code)),
    new Set(["active", "rejected"]),
  );
  const { RequesterPeeringConnectionOptions } = await ec2.modifyVpcPeeringConnectionOptions({
    ...second,
    RequesterPeeringConnectionOptions: { AllowDnsResolutionFromRemoteVpc: true },
  });
  assert.equal(RequesterPeeringConnectionOptions?.AllowDnsResolutionFromRemoteVpc, true);
  const groupIn = async (vpcId: string) => {
    const Filters = [{ Name: "vpc-id", Values: [vpcId] }];
    return (await ec2.describeSecurityGroups({ Filters })).SecurityGroups?.[0]?.GroupId ?? "";
  };
  const [GroupId, peersGroup] = [await groupIn(VpcId), await groupIn(PeerVpcId)];
  await ec2.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [{ IpProtocol: "-1", UserIdGroupPairs: [{ GroupId: peersGroup, VpcId: PeerVpcId }] }],
  });
  const { SecurityGroupReferenceSet } = await ec2.describeSecurityGroupReferences({ GroupId: [peersGroup] });
  assert.deepEqual(SecurityGroupReferenceSet, [{ GroupId: peersGroup, ReferencingVpcId: VpcId, ...second }]);
  await ec2.deleteVpcPeeringConnection(second);
  const stale = await pages(sdk.paginateDescribeStaleSecurityGroups({ client: ec2, pageSize: 5 }, { VpcId }));
  assert.deepEqual(
    stale.flatMap((it) => it.StaleSecurityGroupSet ?? []).map((it) => it.GroupId),
    [GroupId],
  );
  await sdk.waitUntilVpcPeeringConnectionDeleted(patience, {
    VpcPeeringConnectionIds: [second.VpcPeeringConnectionId],
  });
  for (const id of [VpcId, PeerVpcId]) await ec2.deleteVpc({ VpcId: id });
});

test("a group is for interfaces of a further VPC too, and one of them is another account's to attach", async () => {
  const made = await Promise.all(
    ["10.7.0.0/16", "10.8.0.0/16"].map((CidrBlock) => ec2.createVpc({ CidrBlock })),
  );
  const [VpcId = "", further = ""] = made.map(({ Vpc }) => Vpc?.VpcId ?? "");
  const { GroupId } = await ec2.createSecurityGroup({ VpcId, GroupName: "both", Description: "both" });
  const association = { GroupId, VpcId: further };
  await ec2.associateSecurityGroupVpc(association);
  const associated = { Filters: [{ Name: "vpc-id", Values: [further] }] };
  await sdk.waitUntilSecurityGroupVpcAssociationAssociated(patience, associated);
  const associations = await pages(
    sdk.paginateDescribeSecurityGroupVpcAssociations({ client: ec2, pageSize: 5 }, {}),
  );
  assert.deepEqual(
    associations.flatMap((it) => it.SecurityGroupVpcAssociations ?? []).map((it) => it.State),
    ["associated"],
  );
  const usable = await pages(
    sdk.paginateGetSecurityGroupsForVpc({ client: ec2, pageSize: 5 }, { VpcId: further }),
  );
  assert.equal(usable.flatMap((it) => it.SecurityGroupForVpcs ?? []).length, 2);
  const { Subnet } = await ec2.createSubnet({ VpcId: further, CidrBlock: "10.8.1.0/24" });
  const { NetworkInterface } = await ec2.createNetworkInterface({
    SubnetId: Subnet?.SubnetId,
    Groups: [GroupId ?? ""],
  });
  const { NetworkInterfaceId } = NetworkInterface ?? {};
  await refused(ec2.disassociateSecurityGroupVpc(association), "DependencyViolation");
  const { InterfacePermission } = await ec2.createNetworkInterfacePermission({
    NetworkInterfaceId,
    AwsAccountId: "444455556666",
    Permission: "INSTANCE-ATTACH",
  });
  const { NetworkInterfacePermissionId } = InterfacePermission ?? {};
  const permissions = await pages(
    sdk.paginateDescribeNetworkInterfacePermissions({ client: ec2, pageSize: 5 }, {}),
  );
  assert.deepEqual(
    permissions.flatMap((it) => it.NetworkInterfacePermissions ?? []),
    [InterfacePermission],
  );
  await ec2.deleteNetworkInterfacePermission({ NetworkInterfacePermissionId });
  await ec2.deleteNetworkInterface({ NetworkInterfaceId });
  await ec2.deleteSubnet({ SubnetId: Subnet?.SubnetId });
  await ec2.disassociateSecurityGroupVpc(association);
  await sdk.waitUntilSecurityGroupVpcAssociationDisassociated(patience, associated);
  await ec2.deleteSecurityGroup({ GroupId });
  for (const id of [VpcId, further]) await ec2.deleteVpc({ VpcId: id });
});

test("a VPC of one's own has subnets, a way out and routes, and goes with them", async () => {
  const { Vpc } = await ec2.createVpc({ CidrBlock: "10.0.0.0/16" });
  const VpcId = Vpc?.VpcId ?? "";
  await sdk.waitUntilVpcAvailable(patience, { VpcIds: [VpcId] });
  await ec2.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: true } });
  await ec2.modifyVpcTenancy({ VpcId, InstanceTenancy: "default" });
  const { CidrBlockAssociation } = await ec2.associateVpcCidrBlock({ VpcId, CidrBlock: "10.1.0.0/16" });
  const { Subnet } = await ec2.createSubnet({ VpcId, CidrBlock: "10.1.1.0/24" });
  const SubnetId = Subnet?.SubnetId ?? "";
  await sdk.waitUntilSubnetAvailable(patience, { SubnetIds: [SubnetId] });
  await ec2.modifySubnetAttribute({ SubnetId, MapPublicIpOnLaunch: { Value: true } });
  const range = { SubnetId, Cidr: "10.1.1.64/28", ReservationType: "explicit" } as const;
  const { SubnetCidrReservation: reserved } = await ec2.createSubnetCidrReservation(range);
  const reservations = await ec2.getSubnetCidrReservations({ SubnetId });
  assert.deepEqual(reservations.SubnetIpv4CidrReservations, [reserved]);
  await ec2.deleteSubnetCidrReservation({ SubnetCidrReservationId: reserved?.SubnetCidrReservationId });
  const { InternetGateway } = await ec2.createInternetGateway({});
  const InternetGatewayId = InternetGateway?.InternetGatewayId ?? "";
  await sdk.waitUntilInternetGatewayExists(patience, { InternetGatewayIds: [InternetGatewayId] });
  await ec2.attachInternetGateway({ InternetGatewayId, VpcId });
  const gateways = await pages(sdk.paginateDescribeInternetGateways({ client: ec2, pageSize: 5 }, {}));
  assert.equal(gateways.flatMap((it) => it.InternetGateways ?? []).length, 2);

  const tables = await Promise.all([1, 2].map(() => ec2.createRouteTable({ VpcId })));
  const [RouteTableId = "", other = ""] = tables.map((it) => it.RouteTable?.RouteTableId ?? "");
  const route = { RouteTableId, DestinationCidrBlock: "0.0.0.0/0" };
  await ec2.createRoute({ ...route, GatewayId: InternetGatewayId });
  const taken = { ...route, DestinationCidrBlock: "10.0.0.0/16", GatewayId: InternetGatewayId };
  await refused(ec2.createRoute(taken), "RouteAlreadyExists");
  await ec2.replaceRoute({ ...route, GatewayId: InternetGatewayId });
  const { AssociationId } = await ec2.associateRouteTable({ RouteTableId, SubnetId });
  const found = await pages(
    sdk.paginateDescribeRouteTables(
      { client: ec2, pageSize: 5 },
      { Filters: [{ Name: "association.subnet-id", Values: [SubnetId] }] },
    ),
  );
  assert.deepEqual(
    found.flatMap((it) => it.RouteTables ?? []).map((it) => it.RouteTableId),
    [RouteTableId],
  );
  const { NewAssociationId } = await ec2.replaceRouteTableAssociation({ AssociationId, RouteTableId: other });
  await refused(ec2.deleteVpc({ VpcId }), "DependencyViolation");
  await ec2.disassociateRouteTable({ AssociationId: NewAssociationId });
  await ec2.deleteRoute(route);
  for (const id of [RouteTableId, other]) await ec2.deleteRouteTable({ RouteTableId: id });
  await ec2.detachInternetGateway({ InternetGatewayId, VpcId });
  await ec2.deleteInternetGateway({ InternetGatewayId });
  await ec2.deleteSubnet({ SubnetId });
  await ec2.disassociateVpcCidrBlock({ AssociationId: CidrBlockAssociation?.AssociationId });
  await ec2.deleteVpc({ VpcId });
});

test("NAT gateways take elastic addresses, or private ones alone, and are shown after they are deleted", async () => {
  const { Subnets: [subnet] = [] } = await ec2.describeSubnets({
    Filters: [{ Name: "default-for-az", Values: ["true"] }],
  });
  const addresses = await Promise.all([1, 2].map(() => ec2.allocateAddress({})));
  const [first = "", second = ""] = addresses.map(({ AllocationId }) => AllocationId);
  const create = async (more: object) => {
    const { NatGateway } = await ec2.createNatGateway({ SubnetId: subnet?.SubnetId, ...more });
    return NatGateway?.NatGatewayId ?? "";
  };
  const open = await create({ AllocationId: first });
  const inner = await create({ ConnectivityType: "private" });
  await sdk.waitUntilNatGatewayAvailable(patience, { NatGatewayIds: [open, inner] });
  const { NatGatewayAddresses: [elastic] = [] } = await ec2.associateNatGatewayAddress({
    NatGatewayId: open,
    AllocationIds: [second],
  });
  await ec2.disassociateNatGatewayAddress({
    NatGatewayId: open,
    AssociationIds: [elastic?.AssociationId ?? ""],
  });
  const { NatGatewayAddresses: [own] = [] } = await ec2.assignPrivateNatGatewayAddress({
    NatGatewayId: inner,
    PrivateIpAddressCount: 1,
  });
  await ec2.unassignPrivateNatGatewayAddress({
    NatGatewayId: inner,
    PrivateIpAddresses: [own?.PrivateIp ?? ""],
  });
  for (const NatGatewayId of [open, inner]) await ec2.deleteNatGateway({ NatGatewayId });
  await sdk.waitUntilNatGatewayDeleted(patience, { NatGatewayIds: [open, inner] });
  const found = await pages(sdk.paginateDescribeNatGateways({ client: ec2, pageSize: 5 }, {}));
  const states = found.flatMap((it) => it.NatGateways ?? []).map(({ State }) => State);
  assert.deepEqual(new Set(states), new Set(["deleted"]));
  for (const AllocationId of [first, second]) await ec2.releaseAddress({ AllocationId });
});

test("a default VPC and its subnets are made again when they are gone", async () => {
  const there = new sdk.EC2({ region: "sa-east-1" });
  const { Vpcs: [vpc] = [] } = await there.describeVpcs({});
  const VpcId = vpc?.VpcId;
  const { Subnets = [] } = await there.describeSubnets({});
  for (const { SubnetId } of Subnets) await there.deleteSubnet({ SubnetId });
  await there.createDefaultSubnet({ AvailabilityZone: "sa-east-1b" });
  await refused(there.createDefaultVpc({}), "DefaultVpcAlreadyExists");
  const { Subnets: [made] = [] } = await there.describeSubnets({});
  await there.deleteSubnet({ SubnetId: made?.SubnetId });
  const { InternetGateways: [gateway] = [] } = await there.describeInternetGateways({});
  await there.detachInternetGateway({ VpcId, InternetGatewayId: gateway?.InternetGatewayId });
  await there.deleteVpc({ VpcId });
  const { Vpc } = await there.createDefaultVpc({});
  assert.equal(Vpc?.IsDefault, true);
  there.destroy();
});

test("an account says which images may be shared with everyone, and which it allows itself", async () => {
  await ec2.disableImageBlockPublicAccess({});
  const shared = await ec2.enableImageBlockPublicAccess({ ImageBlockPublicAccessState: "block-new-sharing" });
  assert.deepEqual(
    (await ec2.getImageBlockPublicAccessState({})).ImageBlockPublicAccessState,
    shared.ImageBlockPublicAccessState,
  );
  const ImageCriteria = [{ ImageProviders: ["amazon"] }];
  await ec2.replaceImageCriteriaInAllowedImagesSettings({ ImageCriteria });
  await ec2.enableAllowedImagesSettings({ AllowedImagesSettingsState: "enabled" });
  const { Images: [image] = [] } = await ec2.describeImages({ ImageIds: [region.imageId] });
  assert.equal(image?.ImageAllowed, true);
  await ec2.disableAllowedImagesSettings({});
  const settings = await ec2.getAllowedImagesSettings({});
  assert.deepEqual([settings.State, settings.ImageCriteria], ["disabled", ImageCriteria]);
});

test("the image is Amazon's, and public parameters name it", async () => {
  const found = await pages(sdk.paginateDescribeImages({ client: ec2, pageSize: 5 }, { Owners: ["amazon"] }));
  const images = found.flatMap(({ Images = [] }) => Images);
  assert.deepEqual(
    images.map(({ ImageId, State }) => [ImageId, State]),
    [[region.imageId, "available"]],
  );
  await sdk.waitUntilImageExists(patience, { ImageIds: [region.imageId] });
  await sdk.waitUntilImageAvailable(patience, { ImageIds: [region.imageId] });
  const { Parameter } = await ssm.getParameter({ Name: release });
  assert.deepEqual([Parameter?.Value, Parameter?.Type], [region.imageId, "String"]);
  const both = await ssm.getParameters({ Names: [release, "/no/such"] });
  assert.deepEqual([both.Parameters, both.InvalidParameters], [[Parameter], ["/no/such"]]);
  const parameters = await severalPages(
    ssmSdk.paginateGetParametersByPath(
      { client: ssm, pageSize: 1 },
      { Path: "/aws/service", Recursive: true },
    ),
    (it) => it.Parameters,
  );
  assert.ok(parameters.some(({ Name }) => Name === release));
  await refused(ec2.deregisterImage({ ImageId: region.imageId }), "AuthFailure");
  await refused(ec2.describeImages({ ImageIds: ["ami-00000000000000000"] }), "InvalidAMIID.NotFound");
  await refused(ssm.getParameter({ Name: "/no/such" }), "ParameterNotFound");
});

test("instance types come in pages, each once, and are found by what they must have", async () => {
  const types = await severalPages(
    sdk.paginateDescribeInstanceTypes({ client: ec2, pageSize: 100 }, {}),
    (it) => it.InstanceTypes,
  );
  assert.ok(types.length > 500, `${types.length} types`);
  const offerings = await severalPages(
    sdk.paginateDescribeInstanceTypeOfferings({ client: ec2, pageSize: 200 }, {}),
    (it) => it.InstanceTypeOfferings,
  );
  assert.deepEqual(names(offerings).toSorted(), names(types).toSorted());
  const found = await severalPages(
    sdk.paginateGetInstanceTypesFromInstanceRequirements(
      { client: ec2, pageSize: 3 },
      {
        ArchitectureTypes: ["x86_64"],
        VirtualizationTypes: ["hvm"],
        InstanceRequirements: {
          VCpuCount: { Min: 2, Max: 2 },
          MemoryMiB: { Min: 1024, Max: 2048 },
          BurstablePerformance: "included",
        },
      },
    ),
    (it) => it.InstanceTypes,
  );
  assert.ok(names(found).includes("t3.micro") && !names(found).includes("t3.nano"), names(found).join(" "));
});

test("key pairs are made, imported and deleted", async () => {
  const made = await ec2.createKeyPair({
    KeyName: "made",
    KeyType: "ed25519",
    TagSpecifications: [{ ResourceType: "key-pair", Tags: [{ Key: "team", Value: "a" }] }],
  });
  assert.match(made.KeyMaterial ?? "", /^-----BEGIN OPENSSH PRIVATE KEY-----/);
  await sdk.waitUntilKeyPairExists(patience, { KeyNames: ["made"] });
  const { KeyPairs: [described] = [] } = await ec2.describeKeyPairs({
    KeyNames: ["made"],
    IncludePublicKey: true,
  });
  assert.deepEqual([described?.KeyPairId, described?.Tags], [made.KeyPairId, [{ Key: "team", Value: "a" }]]);
  const imported = await ec2.importKeyPair({
    KeyName: "imported",
    PublicKeyMaterial: Buffer.from(described?.PublicKey ?? ""),
  });
  assert.equal(imported.KeyFingerprint, made.KeyFingerprint);
  await ec2.deleteKeyPair({ KeyName: "imported" });
  await refused(ec2.describeKeyPairs({ KeyNames: ["imported"] }), "InvalidKeyPair.NotFound");
  await refused(ec2.createKeyPair({ KeyName: "made" }), "InvalidKeyPair.Duplicate");
});

test("a security group's rules are authorized, described, changed and revoked", async () => {
  const groups = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (n) => {
      const { GroupId = "" } = await ec2.createSecurityGroup({
        GroupName: `group-${n}`,
        Description: "made by a test",
      });
      return GroupId;
    }),
  );
  const listed = await severalPages(
    sdk.paginateDescribeSecurityGroups(
      { client: ec2, pageSize: 5 },
      { Filters: [{ Name: "group-name", Values: ["group-*"] }] },
    ),
    (it) => it.SecurityGroups,
  );
  assert.deepEqual(listed.map(({ GroupId = "" }) => GroupId).toSorted(), groups.toSorted());

  const [GroupId = ""] = groups;
  await sdk.waitUntilSecurityGroupExists(patience, { GroupIds: [GroupId] });
  const permission = (port: number, Description?: string) => ({
    IpProtocol: "tcp",
    FromPort: port,
    ToPort: port,
    IpRanges: [{ CidrIp: "10.0.0.0/8", ...(Description && { Description }) }],
  });
  const ports = [80, 81, 82, 83];
  const all = { GroupId, IpPermissions: ports.map((port) => permission(port)) };
  const { SecurityGroupRules: [web, other] = [] } = await ec2.authorizeSecurityGroupIngress(all);
  assert.deepEqual([web?.FromPort, web?.CidrIpv4, web?.IsEgress], [80, "10.0.0.0/8", false]);
  assert.equal((await ec2.authorizeSecurityGroupEgress(all)).Return, true);
  await refused(ec2.authorizeSecurityGroupIngress(all), "InvalidPermission.Duplicate");
  const described = { GroupId, IpPermissions: [permission(80, "web")] };
  assert.equal((await ec2.updateSecurityGroupRuleDescriptionsIngress(described)).Return, true);
  assert.equal((await ec2.updateSecurityGroupRuleDescriptionsEgress(described)).Return, true);
  await ec2.modifySecurityGroupRules({
    GroupId,
    SecurityGroupRules: [
      {
        SecurityGroupRuleId: other?.SecurityGroupRuleId,
        SecurityGroupRule: { IpProtocol: "tcp", FromPort: 443, ToPort: 443, CidrIpv4: "10.0.0.0/8" },
      },
    ],
  });
  const rulesOfGroup = async () =>
    severalPages(
      sdk.paginateDescribeSecurityGroupRules(
        { client: ec2, pageSize: 5 },
        { Filters: [{ Name: "group-id", Values: [GroupId] }] },
      ),
      (it) => it.SecurityGroupRules,
    );
  const rules = await rulesOfGroup();
  const fromPorts = (egress: boolean) =>
    rules.filter(({ IsEgress }) => IsEgress === egress).map(({ FromPort }) => FromPort);
  assert.deepEqual(new Set(fromPorts(false)), new Set([80, 82, 83, 443]));
  assert.deepEqual(new Set(fromPorts(true)), new Set([-1, ...ports]));
  assert.equal(rules.filter(({ Description }) => Description === "web").length, 2);
  const { SecurityGroupReferenceSet } = await ec2.describeSecurityGroupReferences({ GroupId: [GroupId] });
  assert.deepEqual(SecurityGroupReferenceSet, []);

  await ec2.revokeSecurityGroupIngress({ GroupId, IpPermissions: [permission(80)] });
  assert.equal((await rulesOfGroup()).length, rules.length - 1);
  assert.equal((await ec2.revokeSecurityGroupEgress(all)).Return, true);
  const { SecurityGroups: [group] = [] } = await ec2.describeSecurityGroups({ GroupIds: [GroupId] });
  assert.deepEqual(
    group?.IpPermissionsEgress?.map(({ IpProtocol }) => IpProtocol),
    ["-1"],
  );
  await ec2.deleteSecurityGroup({ GroupId });
  await refused(ec2.describeSecurityGroups({ GroupIds: [GroupId] }), "InvalidGroup.NotFound");
});

test("a network ACL's entries are numbered, and a subnet is in one ACL", async () => {
  const mine = [{ Name: "default", Values: ["true"] }];
  const { NetworkAcls: [defaultAcl] = [] } = await ec2.describeNetworkAcls({ Filters: mine });
  const { VpcId, NetworkAclId: defaultId, Associations: [there] = [] } = defaultAcl ?? {};
  const acls = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(
      async () => (await ec2.createNetworkAcl({ VpcId })).NetworkAcl?.NetworkAclId ?? "",
    ),
  );
  const listed = await severalPages(
    sdk.paginateDescribeNetworkAcls({ client: ec2, pageSize: 5 }, {}),
    (it) => it.NetworkAcls,
  );
  for (const id of acls) assert.ok(listed.some(({ NetworkAclId }) => NetworkAclId === id));
  const [NetworkAclId] = acls;
  const place = { NetworkAclId, RuleNumber: 100, Egress: false };
  const web = { ...place, Protocol: "6", PortRange: { From: 80, To: 80 }, CidrBlock: "10.0.0.0/8" };
  await ec2.createNetworkAclEntry({ ...web, RuleAction: "allow" });
  await refused(ec2.createNetworkAclEntry({ ...web, RuleAction: "deny" }), "NetworkAclEntryAlreadyExists");
  await ec2.replaceNetworkAclEntry({ ...web, RuleAction: "deny" });
  const { NetworkAcls: [acl] = [] } = await ec2.describeNetworkAcls({ NetworkAclIds: acls.slice(0, 1) });
  const entry = acl?.Entries?.find(({ RuleNumber }) => RuleNumber === 100);
  assert.deepEqual([entry?.RuleAction, entry?.PortRange], ["deny", { From: 80, To: 80 }]);
  await ec2.deleteNetworkAclEntry(place);
  await refused(ec2.deleteNetworkAclEntry(place), "InvalidNetworkAclEntry.NotFound");
  const { NewAssociationId: AssociationId } = await ec2.replaceNetworkAclAssociation({
    AssociationId: there?.NetworkAclAssociationId,
    NetworkAclId,
  });
  await refused(ec2.deleteNetworkAcl({ NetworkAclId }), "DependencyViolation");
  await ec2.replaceNetworkAclAssociation({ AssociationId, NetworkAclId: defaultId });
  await Promise.all(acls.map((id) => ec2.deleteNetworkAcl({ NetworkAclId: id })));
  await refused(ec2.deleteNetworkAcl({ NetworkAclId: defaultId }), "InvalidParameterValue");
});

test("DHCP options are sets, of which a VPC has one", async () => {
  const { Vpcs: [vpc] = [] } = await ec2.describeVpcs({
    Filters: [{ Name: "is-default", Values: ["true"] }],
  });
  const DhcpConfigurations = [{ Key: "domain-name", Values: ["corp.example"] }];
  const sets = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async () => {
      const { DhcpOptions } = await ec2.createDhcpOptions({ DhcpConfigurations });
      return DhcpOptions?.DhcpOptionsId ?? "";
    }),
  );
  const listed = await severalPages(
    sdk.paginateDescribeDhcpOptions({ client: ec2, pageSize: 5 }, {}),
    (it) => it.DhcpOptions,
  );
  for (const id of sets) assert.ok(listed.some(({ DhcpOptionsId }) => DhcpOptionsId === id));
  const [DhcpOptionsId] = sets;
  await ec2.associateDhcpOptions({ VpcId: vpc?.VpcId, DhcpOptionsId });
  await refused(ec2.deleteDhcpOptions({ DhcpOptionsId }), "DependencyViolation");
  await ec2.associateDhcpOptions({ VpcId: vpc?.VpcId, DhcpOptionsId: vpc?.DhcpOptionsId });
  await Promise.all(sets.map((id) => ec2.deleteDhcpOptions({ DhcpOptionsId: id })));
  await refused(ec2.describeDhcpOptions({ DhcpOptionsIds: sets }), "InvalidDhcpOptionID.NotFound");
});

test("a prefix list has versions, and rules that name it keep it", async () => {
  const lists = await Promise.all(
    [0, 1].map(async (n) => {
      const { PrefixList } = await ec2.createManagedPrefixList({
        PrefixListName: `list-${n}`,
        MaxEntries: 10,
        AddressFamily: "IPv4",
        Entries: [0, 1, 2].map((third) => ({ Cidr: `10.${n}.${third}.0/24` })),
      });
      return PrefixList?.PrefixListId ?? "";
    }),
  );
  const described = await severalPages(
    sdk.paginateDescribeManagedPrefixLists({ client: ec2, pageSize: 1 }, {}),
    (it) => it.PrefixLists,
  );
  const ofAws = await severalPages(
    sdk.paginateDescribePrefixLists({ client: ec2, pageSize: 1 }, {}),
    (it) => it.PrefixLists,
  );
  assert.deepEqual(
    described.map(({ PrefixListId = "" }) => PrefixListId).toSorted(),
    [...lists, ...ofAws.map(({ PrefixListId = "" }) => PrefixListId)].toSorted(),
  );
  const [PrefixListId = ""] = lists;
  await ec2.modifyManagedPrefixList({
    PrefixListId,
    CurrentVersion: 1,
    RemoveEntries: [{ Cidr: "10.0.0.0/24" }],
  });
  const entries = await severalPages(
    sdk.paginateGetManagedPrefixListEntries({ client: ec2, pageSize: 1 }, { PrefixListId }),
    (it) => it.Entries,
  );
  assert.equal(entries.length, 2);
  const restore = { PrefixListId, PreviousVersion: 1 };
  await refused(
    ec2.restoreManagedPrefixListVersion({ ...restore, CurrentVersion: 1 }),
    "PrefixListVersionMismatch",
  );
  await ec2.restoreManagedPrefixListVersion({ ...restore, CurrentVersion: 2 });
  const { GroupId } = await ec2.createSecurityGroup({ GroupName: "of-list", Description: "made by a test" });
  await ec2.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [{ IpProtocol: "tcp", FromPort: 80, ToPort: 80, PrefixListIds: [{ PrefixListId }] }],
  });
  const named = await pages(
    sdk.paginateGetManagedPrefixListAssociations({ client: ec2, pageSize: 5 }, { PrefixListId }),
  );
  assert.deepEqual(
    named.flatMap(({ PrefixListAssociations = [] }) => PrefixListAssociations.map((it) => it.ResourceId)),
    [GroupId],
  );
  await refused(ec2.deleteManagedPrefixList({ PrefixListId }), "DependencyViolation");
  await ec2.deleteSecurityGroup({ GroupId });
  await Promise.all(lists.map((id) => ec2.deleteManagedPrefixList({ PrefixListId: id })));
});

test("a launch template has versions, one of them the default", async () => {
  const data = { InstanceType: "t3.micro", KeyName: "made", ImageId: `resolve:ssm:${release}` } as const;
  const named = { LaunchTemplateName: "nano" };
  for (const LaunchTemplateName of ["nano", "other"])
    await ec2.createLaunchTemplate({ LaunchTemplateName, LaunchTemplateData: data });
  for (const InstanceType of ["t3.small", "t3.nano"] as const)
    await ec2.createLaunchTemplateVersion({
      ...named,
      SourceVersion: "1",
      LaunchTemplateData: { InstanceType },
    });
  const { LaunchTemplate } = await ec2.modifyLaunchTemplate({ ...named, DefaultVersion: "3" });
  assert.deepEqual([LaunchTemplate?.DefaultVersionNumber, LaunchTemplate?.LatestVersionNumber], [3, 3]);
  const deleted = await ec2.deleteLaunchTemplateVersions({ ...named, Versions: ["1", "3"] });
  const numbers = (list: { VersionNumber?: number | undefined }[] = []) =>
    list.map(({ VersionNumber }) => VersionNumber);
  assert.deepEqual(numbers(deleted.SuccessfullyDeletedLaunchTemplateVersions), [1]);
  assert.deepEqual(numbers(deleted.UnsuccessfullyDeletedLaunchTemplateVersions), [3]);
  const versions = await severalPages(
    sdk.paginateDescribeLaunchTemplateVersions({ client: ec2, pageSize: 1 }, named),
    (it) => it.LaunchTemplateVersions,
  );
  assert.deepEqual(
    versions.map((it) => it.LaunchTemplateData?.InstanceType),
    ["t3.nano", "t3.small"],
  );
  const templates = await severalPages(
    sdk.paginateDescribeLaunchTemplates({ client: ec2, pageSize: 1 }, {}),
    (it) => it.LaunchTemplates,
  );
  assert.deepEqual(templates.map((it) => it.LaunchTemplateName ?? "").toSorted(), ["nano", "other"]);
  await ec2.deleteLaunchTemplate({ LaunchTemplateName: "other" });
  await refused(
    ec2.describeLaunchTemplates({ LaunchTemplateNames: ["other"] }),
    "InvalidLaunchTemplateName.NotFoundException",
  );
});

test("instances are launched, and the waiters see them run", async () => {
  const { PlacementGroup } = await ec2.createPlacementGroup({ GroupName: "apart", Strategy: "spread" });
  assert.deepEqual((await ec2.describePlacementGroups({ GroupNames: ["apart"] })).PlacementGroups, [
    PlacementGroup,
  ]);
  const ofTemplate = await ec2.runInstances({
    LaunchTemplate: { LaunchTemplateName: "nano" },
    Placement: { GroupName: "apart" },
    MinCount: 5,
    MaxCount: 5,
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: "nano" }] }],
  });
  const keeping = await ec2.runInstances({
    ...one,
    ImageId: region.imageId,
    InstanceType: "t3.nano",
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { DeleteOnTermination: false } }],
    NetworkInterfaces: [{ DeviceIndex: 0, DeleteOnTermination: false }],
  });
  const launched = [...(ofTemplate.Instances ?? []), ...(keeping.Instances ?? [])];
  assert.deepEqual(new Set(launched.map(({ State }) => State?.Name)), new Set(["pending"]));
  instances = launched.map(({ InstanceId = "" }) => InstanceId);
  assert.equal(new Set(instances).size, 6);
  [nano, kept] = [instances[0] ?? "", instances[5] ?? ""];
  await refused(ec2.deletePlacementGroup({ GroupName: "apart" }), "InvalidPlacementGroup.InUse");
  await sdk.waitUntilInstanceExists(patience, { InstanceIds: instances });
  await sdk.waitUntilInstanceRunning(patience, { InstanceIds: instances });
  await sdk.waitUntilInstanceStatusOk(patience, { InstanceIds: instances });
  await sdk.waitUntilSystemStatusOk(patience, { InstanceIds: instances });
});

test("what belongs to instances is listed in pages", async () => {
  const inPages = { client: ec2, pageSize: 5 };
  const reservations = await pages(sdk.paginateDescribeInstances(inPages, {}));
  assert.equal(reservations.length, 2);
  const statuses = await severalPages(
    sdk.paginateDescribeInstanceStatus(inPages, {}),
    (it) => it.InstanceStatuses,
  );
  const credits = await severalPages(
    sdk.paginateDescribeInstanceCreditSpecifications(inPages, {}),
    (it) => it.InstanceCreditSpecifications,
  );
  const nics = await severalPages(
    sdk.paginateDescribeNetworkInterfaces(inPages, {}),
    (it) => it.NetworkInterfaces,
  );
  const volumes = await severalPages(sdk.paginateDescribeVolumes(inPages, {}), (it) => it.Volumes);
  const volumeStatuses = await severalPages(
    sdk.paginateDescribeVolumeStatus(inPages, {}),
    (it) => it.VolumeStatuses,
  );
  for (const ids of [
    reservations.flatMap((it) => (it.Reservations ?? []).flatMap(({ Instances = [] }) => Instances)),
    statuses,
    credits,
    nics.map(({ Attachment }) => Attachment),
    volumes.map(({ Attachments }) => Attachments?.[0]),
    volumeStatuses.map(({ AttachmentStatuses }) => AttachmentStatuses?.[0]),
  ])
    assert.deepEqual(ids.map((it) => it?.InstanceId ?? "").toSorted(), instances.toSorted());
  await sdk.waitUntilVolumeInUse(patience, { VolumeIds: volumes.map(({ VolumeId = "" }) => VolumeId) });
});

test("an instance is asked for its console, its screen, its template and its password", async () => {
  const output = await until(
    async () =>
      Buffer.from((await ec2.getConsoleOutput({ InstanceId: nano })).Output ?? "", "base64").toString(),
    (text) => text !== "",
  );
  assert.match(output, /This machine is fake/);
  const { LaunchTemplateData: data } = await ec2.getLaunchTemplateData({ InstanceId: nano });
  assert.deepEqual([data?.ImageId, data?.InstanceType, data?.KeyName], [region.imageId, "t3.nano", "made"]);
  const password = await ec2.getPasswordData({ InstanceId: nano });
  assert.deepEqual([password.InstanceId, password.PasswordData], [nano, ""]);
  await assert.rejects(
    sdk.waitUntilPasswordDataAvailable({ ...patience, maxWaitTime: 3 }, { InstanceId: nano }),
    { name: "TimeoutError" },
  );
  const { ImageData = "" } = await ec2.getConsoleScreenshot({ InstanceId: nano });
  assert.deepEqual(Buffer.from(ImageData, "base64").subarray(0, 3), jpegBegins);
});

test("a running instance's options change", async () => {
  const { InstanceMetadataOptions: options } = await ec2.modifyInstanceMetadataOptions({
    InstanceId: nano,
    HttpTokens: "required",
    HttpPutResponseHopLimit: 2,
  });
  assert.deepEqual([options?.HttpTokens, options?.HttpPutResponseHopLimit], ["required", 2]);
  const maintained = await ec2.modifyInstanceMaintenanceOptions({
    InstanceId: nano,
    AutoRecovery: "disabled",
  });
  assert.equal(maintained.AutoRecovery, "disabled");
  await ec2.monitorInstances({ InstanceIds: [nano] });
  assert.equal((await shown()).Monitoring?.State, "enabled");
  await ec2.unmonitorInstances({ InstanceIds: [nano] });
  assert.equal((await shown()).Monitoring?.State, "disabled");
  const changed = await ec2.modifyInstanceCreditSpecification({
    InstanceCreditSpecifications: [nano, unknown].map((InstanceId) => ({
      InstanceId,
      CpuCredits: "standard",
    })),
  });
  assert.deepEqual(changed.SuccessfulInstanceCreditSpecifications, [{ InstanceId: nano }]);
  assert.equal(
    changed.UnsuccessfulInstanceCreditSpecifications?.[0]?.Error?.Code,
    "InvalidInstanceID.NotFound",
  );
  const id = (await shown()).NetworkInterfaces?.[0]?.NetworkInterfaceId;
  await ec2.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: id, Description: { Value: "first" } });
  const { NetworkInterfaces: [nic] = [] } = await ec2.describeNetworkInterfaces({
    Filters: [{ Name: "description", Values: ["first"] }],
  });
  assert.equal(nic?.NetworkInterfaceId, id);
});

test("a running instance is given a role by a profile, another one, and none", async () => {
  const trust = { Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" };
  const role = { RoleName: "reader" };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: trust });
  await iam.createRole({ ...role, AssumeRolePolicyDocument });
  const profiles = ["first", "second"].map((InstanceProfileName) => ({ InstanceProfileName }));
  for (const profile of profiles) {
    await iam.createInstanceProfile(profile);
    await iam.addRoleToInstanceProfile({ ...profile, ...role });
  }
  const { IamInstanceProfileAssociation: made } = await ec2.associateIamInstanceProfile({
    InstanceId: nano,
    IamInstanceProfile: { Name: "first" },
  });
  assert.equal(made?.State, "associating");
  const { IamInstanceProfileAssociation: other } = await ec2.replaceIamInstanceProfileAssociation({
    AssociationId: made?.AssociationId,
    IamInstanceProfile: { Arn: "arn:aws:iam::000000000000:instance-profile/second" },
  });
  assert.deepEqual((await shown()).IamInstanceProfile, other?.IamInstanceProfile);
  const [page, ...more] = await pages(
    sdk.paginateDescribeIamInstanceProfileAssociations({ client: ec2, pageSize: 5 }, {}),
  );
  assert.deepEqual(page?.IamInstanceProfileAssociations, [{ ...other, State: "associated" }]);
  assert.deepEqual(more, []);
  const gone = { AssociationId: other?.AssociationId };
  await ec2.disassociateIamInstanceProfile(gone);
  await refused(ec2.disassociateIamInstanceProfile(gone), "NoSuchAssociation");
  assert.equal((await shown()).IamInstanceProfile, undefined);
  for (const profile of profiles) {
    await iam.removeRoleFromInstanceProfile({ ...profile, ...role });
    await iam.deleteInstanceProfile(profile);
  }
  await iam.deleteRole(role);
});

test("an elastic address is allocated, mapped to the instance, and released", async () => {
  const { AllocationId, PublicIp = "" } = await ec2.allocateAddress({ Domain: "vpc" });
  const spare = await ec2.allocateAddress({});
  const { AssociationId } = await ec2.associateAddress({ AllocationId, InstanceId: nano });
  assert.equal((await shown()).PublicIpAddress, PublicIp);
  await refused(ec2.releaseAddress({ AllocationId }), "InvalidIPAddress.InUse");
  const { Addresses: [address] = [] } = await ec2.describeAddresses({ PublicIps: [PublicIp] });
  assert.deepEqual([address?.AssociationId, address?.InstanceId], [AssociationId, nano]);
  await ec2.disassociateAddress({ AssociationId });
  const attributes = await severalPages(
    sdk.paginateDescribeAddressesAttribute({ client: ec2, pageSize: 1 }, { Attribute: "domain-name" }),
    (it) => it.Addresses,
  );
  assert.equal(attributes.length, 2);
  await ec2.releaseAddress({ AllocationId });
  await ec2.releaseAddress({ PublicIp: spare.PublicIp });
  await refused(ec2.releaseAddress({ AllocationId }), "InvalidAllocationID.NotFound");
});

test("an interface is made, given and denied addresses, attached and detached, and deleted", async () => {
  const made = await ec2.createNetworkInterface({ SubnetId: (await shown()).SubnetId });
  const it = { NetworkInterfaceId: made.NetworkInterface?.NetworkInterfaceId };
  const { AssignedPrivateIpAddresses = [] } = await ec2.assignPrivateIpAddresses({
    ...it,
    SecondaryPrivateIpAddressCount: 1,
  });
  const addresses = AssignedPrivateIpAddresses.map(({ PrivateIpAddress = "" }) => PrivateIpAddress);
  await ec2.unassignPrivateIpAddresses({ ...it, PrivateIpAddresses: addresses });
  await ec2.modifyNetworkInterfaceAttribute({ ...it, SourceDestCheck: { Value: false } });
  await ec2.resetNetworkInterfaceAttribute({ ...it, SourceDestCheck: "true" });
  const { SourceDestCheck } = await ec2.describeNetworkInterfaceAttribute({
    ...it,
    Attribute: "sourceDestCheck",
  });
  assert.equal(SourceDestCheck?.Value, true);
  const to = { ...it, InstanceId: nano };
  await refused(ec2.attachNetworkInterface({ ...to, DeviceIndex: 0 }), "InvalidParameterValue");
  const { AttachmentId } = await ec2.attachNetworkInterface({ ...to, DeviceIndex: 1 });
  await refused(ec2.deleteNetworkInterface(it), "InvalidParameterValue");
  await ec2.detachNetworkInterface({ AttachmentId });
  await sdk.waitUntilNetworkInterfaceAvailable(patience, {
    NetworkInterfaceIds: [it.NetworkInterfaceId ?? ""],
  });
  await ec2.deleteNetworkInterface(it);
  await refused(ec2.deleteNetworkInterface(it), "InvalidNetworkInterfaceID.NotFound");
});

test("an instance is rebooted, stopped, changed while it is stopped, and started", async () => {
  const ids = { InstanceIds: [nano] };
  const larger = { InstanceId: nano, InstanceType: { Value: "t3.micro" } };
  await ec2.rebootInstances(ids);
  await refused(ec2.modifyInstanceAttribute(larger), "IncorrectInstanceState");
  const { StoppingInstances: [change] = [] } = await ec2.stopInstances(ids);
  assert.equal(change?.PreviousState?.Name, "running");
  await sdk.waitUntilInstanceStopped(patience, ids);
  await refused(ec2.rebootInstances(ids), "IncorrectInstanceState");
  await ec2.modifyInstanceAttribute(larger);
  const attribute = (Attribute: "instanceType" | "sourceDestCheck") =>
    ec2.describeInstanceAttribute({ InstanceId: nano, Attribute });
  assert.equal((await attribute("instanceType")).InstanceType?.Value, "t3.micro");
  await ec2.modifyInstanceAttribute({ InstanceId: nano, SourceDestCheck: { Value: false } });
  const named = { PrivateDnsHostnameType: "resource-name", EnableResourceNameDnsARecord: true } as const;
  assert.equal((await ec2.modifyPrivateDnsNameOptions({ InstanceId: nano, ...named })).Return, true);
  assert.equal((await attribute("sourceDestCheck")).SourceDestCheck?.Value, false);
  await ec2.resetInstanceAttribute({ InstanceId: nano, Attribute: "sourceDestCheck" });
  assert.equal((await attribute("sourceDestCheck")).SourceDestCheck?.Value, true);
  const { StartingInstances: [started] = [] } = await ec2.startInstances(ids);
  assert.equal(started?.PreviousState?.Name, "stopped");
  await sdk.waitUntilInstanceRunning(patience, ids);
});

test("a volume is made, its status and attribute described, attached and detached, and deleted", async () => {
  const AvailabilityZone = (await shown()).Placement?.AvailabilityZone;
  const wanted = { AvailabilityZone, Size: 4, VolumeType: "gp3", ClientToken: "volume" } as const;
  const { VolumeId } = await ec2.createVolume(wanted);
  assert.equal((await ec2.createVolume(wanted)).VolumeId, VolumeId);
  await refused(
    ec2.createVolume({ AvailabilityZone, Size: 4, VolumeType: "io2" }),
    "InvalidParameterCombination",
  );
  const named = { VolumeIds: [VolumeId ?? ""] };
  await sdk.waitUntilVolumeAvailable(patience, named);
  const { VolumeStatuses: [status] = [] } = await ec2.describeVolumeStatus(named);
  assert.equal(status?.VolumeStatus?.Status, "ok");
  await ec2.modifyVolumeAttribute({ VolumeId, AutoEnableIO: { Value: true } });
  const { AutoEnableIO } = await ec2.describeVolumeAttribute({ VolumeId, Attribute: "autoEnableIO" });
  assert.equal(AutoEnableIO?.Value, true);
  await ec2.enableVolumeIO({ VolumeId });
  assert.equal((await ec2.modifyVolume({ VolumeId, Size: 5 })).VolumeModification?.TargetSize, 5);
  const modifications = () =>
    pages(sdk.paginateDescribeVolumesModifications({ client: ec2, pageSize: 5 }, {}));
  const [page] = await until(modifications, ([first]) => isCompleted(first?.VolumesModifications?.[0]));
  assert.equal(page?.VolumesModifications?.[0]?.VolumeId, VolumeId);
  const to = { VolumeId, InstanceId: nano };
  await refused(ec2.attachVolume({ ...to, Device: "/dev/xvda" }), "InvalidParameterValue");
  assert.equal((await ec2.attachVolume({ ...to, Device: "/dev/sdg" })).State, "attaching");
  await sdk.waitUntilVolumeInUse(patience, named);
  await refused(ec2.deleteVolume({ VolumeId }), "VolumeInUse");
  assert.equal((await ec2.detachVolume(to)).State, "detaching");
  await sdk.waitUntilVolumeAvailable(patience, named);
  await ec2.deleteVolume({ VolumeId });
  await sdk.waitUntilVolumeDeleted(patience, named);
});

test("a volume with Multi-Attach, enabled after it was made, is detached from the instance that is named", async () => {
  const AvailabilityZone = (await shown()).Placement?.AvailabilityZone;
  const wanted = { AvailabilityZone, Size: 4, MultiAttachEnabled: true };
  await refused(ec2.createVolume({ ...wanted, VolumeType: "gp3" }), "InvalidParameterCombination");
  const io2 = { VolumeType: "io2", Iops: 100, MultiAttachEnabled: false } as const;
  const { VolumeId = "" } = await ec2.createVolume({ ...wanted, ...io2 });
  const named = { VolumeIds: [VolumeId] };
  await sdk.waitUntilVolumeAvailable(patience, named);
  const { VolumeModification } = await ec2.modifyVolume({ VolumeId, MultiAttachEnabled: true });
  assert.equal(VolumeModification?.TargetMultiAttachEnabled, true);
  const enabled = async () => (await ec2.describeVolumes(named)).Volumes?.[0]?.MultiAttachEnabled;
  assert.equal(await until(enabled, (is) => is === true), true);
  const to = { VolumeId, InstanceId: nano };
  await ec2.attachVolume({ ...to, Device: "/dev/sdg" });
  await sdk.waitUntilVolumeInUse(patience, named);
  await refused(ec2.modifyVolume({ VolumeId, MultiAttachEnabled: false }), "IncorrectState");
  await refused(ec2.detachVolume({ VolumeId }), "MissingParameter");
  assert.equal((await ec2.detachVolume(to)).State, "detaching");
  await sdk.waitUntilVolumeAvailable(patience, named);
  await ec2.deleteVolume({ VolumeId });
});

test("snapshots are made, found in pages, shared, locked, copied, made volumes of, and deleted", async () => {
  const AvailabilityZone = (await shown()).Placement?.AvailabilityZone;
  const volumes: string[] = [];
  const volumeOf = async (input: object) => {
    const { VolumeId = "" } = await ec2.createVolume({ AvailabilityZone, ...input });
    volumes.push(VolumeId);
    await sdk.waitUntilVolumeAvailable(patience, { VolumeIds: [VolumeId] });
    return VolumeId;
  };
  const { SnapshotId = "" } = await ec2.createSnapshot({ VolumeId: await volumeOf({ Size: 4 }) });
  await sdk.waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] });
  const { Snapshots: together = [] } = await ec2.createSnapshots({
    InstanceSpecification: { InstanceId: nano },
    CopyTagsFromSource: "volume",
  });
  const ids = [SnapshotId, ...together.map((it) => it.SnapshotId ?? "")];
  await sdk.waitUntilSnapshotCompleted(patience, { SnapshotIds: ids });
  const copied = { SourceRegion: await ec2.config.region(), SourceSnapshotId: SnapshotId };
  while (ids.length < 6) ids.push((await ec2.copySnapshot(copied)).SnapshotId ?? "");
  const inPages = { client: ec2, pageSize: 5 };
  const found = await severalPages(
    sdk.paginateDescribeSnapshots(inPages, { OwnerIds: ["self"] }),
    (it) => it.Snapshots,
  );
  assert.deepEqual(found.map((it) => it.SnapshotId ?? "").toSorted(), ids.toSorted());
  const tiers = await severalPages(
    sdk.paginateDescribeSnapshotTierStatus(inPages, {}),
    (it) => it.SnapshotTierStatuses,
  );
  assert.equal(tiers.length, ids.length);
  const attribute = { SnapshotId, Attribute: "createVolumePermission" } as const;
  await ec2.modifySnapshotAttribute({
    SnapshotId,
    CreateVolumePermission: { Add: [{ UserId: "123456789012" }] },
  });
  const shared = async () => (await ec2.describeSnapshotAttribute(attribute)).CreateVolumePermissions;
  assert.deepEqual(await shared(), [{ UserId: "123456789012" }]);
  await ec2.resetSnapshotAttribute(attribute);
  assert.deepEqual(await shared(), []);
  await ec2.lockSnapshot({ SnapshotId, LockMode: "governance", LockDuration: 1 });
  const { Snapshots: locked } = await ec2.describeLockedSnapshots({});
  assert.deepEqual(
    locked?.map((it) => it.SnapshotId),
    [SnapshotId],
  );
  await refused(ec2.deleteSnapshot({ SnapshotId }), "OperationNotPermitted");
  await ec2.unlockSnapshot({ SnapshotId });
  await refused(ec2.createVolume({ AvailabilityZone, SnapshotId, Size: 3 }), "InvalidParameterValue");
  await volumeOf({ SnapshotId });
  const byHundreds = { client: ebs, pageSize: 100 };
  const blocks = ebsSdk.paginateListSnapshotBlocks(byHundreds, { SnapshotId });
  const [block] = (await pages(blocks)).flatMap((it) => it.Blocks ?? []);
  const both = { FirstSnapshotId: SnapshotId, SecondSnapshotId: ids.at(-1) };
  const changes = await pages(ebsSdk.paginateListChangedBlocks(byHundreds, both));
  assert.deepEqual(
    changes.flatMap((it) => it.ChangedBlocks ?? []).map((it) => it.BlockIndex),
    [block?.BlockIndex],
  );
  const { BlockIndex, BlockToken } = block ?? {};
  const read = await ebs.getSnapshotBlock({ SnapshotId, BlockIndex, BlockToken });
  const data = await read.BlockData?.transformToByteArray();
  assert.equal(data?.length, read.DataLength);
  assert.equal(
    createHash("sha256")
      .update(data ?? "")
      .digest("base64"),
    read.Checksum,
  );
  await refused(
    ebs.getSnapshotBlock({ SnapshotId: ids.at(-1), BlockIndex, BlockToken }),
    "ValidationException",
  );
  for (const id of ids) await ec2.deleteSnapshot({ SnapshotId: id });
  await refused(ec2.deleteSnapshot({ SnapshotId }), "InvalidSnapshot.NotFound");
  await refused(ebs.listSnapshotBlocks({ SnapshotId }), "ResourceNotFoundException");
  for (const VolumeId of volumes) await ec2.deleteVolume({ VolumeId });
  await sdk.waitUntilVolumeDeleted(patience, { VolumeIds: volumes });
});

test("a snapshot is written block by block over another, completed, and has those bytes", async () => {
  const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
  const ClientToken = "started-once";
  const {
    SnapshotId: parent = "",
    Status,
    BlockSize = 0,
  } = await ebs.startSnapshot({ VolumeSize: 1, ClientToken });
  assert.equal(Status, "pending");
  assert.equal((await ebs.startSnapshot({ VolumeSize: 1, ClientToken })).SnapshotId, parent);
  await refused(ebs.startSnapshot({ VolumeSize: 2, ClientToken }), "ConflictException");
  const written = Buffer.alloc(BlockSize, "written");
  const block = {
    SnapshotId: parent,
    BlockIndex: 9,
    BlockData: written,
    DataLength: BlockSize,
    ChecksumAlgorithm: "SHA256",
    Checksum: digest(written).toString("base64"),
  } as const;
  await refused(ebs.putSnapshotBlock({ ...block, Checksum: "AAAA" }), "ValidationException");
  assert.equal((await ebs.putSnapshotBlock(block)).Checksum, block.Checksum);
  const completion = {
    SnapshotId: parent,
    ChangedBlocksCount: 1,
    Checksum: digest(digest(written)).toString("base64"),
    ChecksumAlgorithm: "SHA256",
    ChecksumAggregationMethod: "LINEAR",
  } as const;
  await refused(ebs.completeSnapshot({ ...completion, ChangedBlocksCount: 2 }), "ValidationException");
  await ebs.completeSnapshot(completion);
  await sdk.waitUntilSnapshotCompleted(patience, { SnapshotIds: [parent] });
  await refused(ebs.putSnapshotBlock(block), "ValidationException");
  const { SnapshotId = "" } = await ebs.startSnapshot({ VolumeSize: 1, ParentSnapshotId: parent });
  await ebs.completeSnapshot({ SnapshotId, ChangedBlocksCount: 0 });
  await sdk.waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] });
  const { Blocks = [] } = await ebs.listSnapshotBlocks({ SnapshotId });
  const [{ BlockIndex, BlockToken } = {}] = Blocks;
  assert.deepEqual([Blocks.length, BlockIndex], [1, 9]);
  const { BlockData } = await ebs.getSnapshotBlock({ SnapshotId, BlockIndex, BlockToken });
  assert.ok(written.equals((await BlockData?.transformToByteArray()) ?? Buffer.alloc(0)));
  for (const it of [parent, SnapshotId]) await ec2.deleteSnapshot({ SnapshotId: it });
});

test("images are made of an instance and of a snapshot, described, shared, disabled, protected, and deregistered", async () => {
  const { ImageId = "" } = await ec2.createImage({ InstanceId: nano, Name: "made", NoReboot: true });
  await sdk.waitUntilImageAvailable(patience, { ImageIds: [ImageId] });
  const { Images: [image] = [] } = await ec2.describeImages({ Owners: ["self"] });
  assert.deepEqual([image?.ImageId, image?.SourceInstanceId], [ImageId, nano]);
  const [root] = image?.BlockDeviceMappings ?? [];
  const { ImageId: registered = "" } = await ec2.registerImage({
    Name: "registered",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceName: "/dev/xvda",
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { SnapshotId: root?.Ebs?.SnapshotId } }],
  });
  await refused(ec2.createImage({ InstanceId: nano, Name: "made" }), "InvalidAMIName.Duplicate");
  const copied = { SourceImageId: ImageId, SourceRegion: await ec2.config.region(), Name: "copied" };
  const { ImageId: copy = "" } = await ec2.copyImage(copied);
  await sdk.waitUntilImageAvailable(patience, { ImageIds: [copy] });
  const { ImageAncestryEntries: ancestry } = await ec2.getImageAncestry({ ImageId: copy });
  assert.deepEqual(
    ancestry?.map((it) => it.ImageId),
    [copy, ImageId, region.imageId],
  );
  await ec2.deregisterImage({ ImageId: copy, DeleteAssociatedSnapshots: true });
  await refused(ec2.deleteSnapshot({ SnapshotId: root?.Ebs?.SnapshotId }), "InvalidSnapshot.InUse");
  const permissions = { ImageId, Attribute: "launchPermission" } as const;
  await ec2.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId: "123456789012" }] } });
  const sharedWith = async () => (await ec2.describeImageAttribute(permissions)).LaunchPermissions;
  assert.deepEqual(await sharedWith(), [{ UserId: "123456789012" }]);
  await refused(ec2.cancelImageLaunchPermission({ ImageId }), "AuthFailure");
  const { Account: UserId } = await sts.getCallerIdentity({});
  await ec2.modifyImageAttribute({ ImageId, LaunchPermission: { Add: [{ UserId }] } });
  assert.equal((await ec2.cancelImageLaunchPermission({ ImageId })).Return, true);
  assert.deepEqual(await sharedWith(), [{ UserId: "123456789012" }]);
  await ec2.resetImageAttribute(permissions);
  assert.deepEqual(await sharedWith(), []);
  await ec2.disableImage({ ImageId });
  await refused(
    ec2.runInstances({ ImageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 }),
    "InvalidAMIID.Unavailable",
  );
  await ec2.enableImage({ ImageId });
  await ec2.enableImageDeprecation({ ImageId, DeprecateAt: new Date(Date.now() + 86_400_000) });
  await ec2.disableImageDeprecation({ ImageId });
  await ec2.enableImageDeregistrationProtection({ ImageId });
  await refused(ec2.deregisterImage({ ImageId }), "OperationNotPermitted");
  await ec2.disableImageDeregistrationProtection({ ImageId });
  await ec2.deregisterImage({ ImageId });
  const { DeleteSnapshotResults } = await ec2.deregisterImage({
    ImageId: registered,
    DeleteAssociatedSnapshots: true,
  });
  assert.deepEqual(DeleteSnapshotResults, [{ SnapshotId: root?.Ebs?.SnapshotId, ReturnCode: "success" }]);
});

test("a running instance's root volume is replaced, and its tasks are listed in pages", async () => {
  const rootOf = async () => (await shown()).BlockDeviceMappings?.[0]?.Ebs?.VolumeId ?? "";
  const of = { InstanceId: nano, DeleteReplacedRootVolume: true };
  const tasks: string[] = [];
  for (const ImageId of [undefined, region.imageId]) {
    const before = await rootOf();
    const { ReplaceRootVolumeTask: task } = await ec2.createReplaceRootVolumeTask({ ...of, ImageId });
    const ReplaceRootVolumeTaskIds = [task?.ReplaceRootVolumeTaskId ?? ""];
    tasks.push(...ReplaceRootVolumeTaskIds);
    const [ended] = await until(
      async () =>
        (await ec2.describeReplaceRootVolumeTasks({ ReplaceRootVolumeTaskIds })).ReplaceRootVolumeTasks ?? [],
      ([it]) => it?.CompleteTime !== undefined,
    );
    assert.equal(ended?.TaskState, "succeeded");
    assert.notEqual(await rootOf(), before);
    await sdk.waitUntilVolumeDeleted(patience, { VolumeIds: [before] });
  }
  const found = await severalPages(
    sdk.paginateDescribeReplaceRootVolumeTasks(
      { client: ec2, pageSize: 1 },
      { Filters: [{ Name: "instance-id", Values: [nano] }] },
    ),
    (it) => it.ReplaceRootVolumeTasks,
  );
  assert.deepEqual(found.map((it) => it.ReplaceRootVolumeTaskId ?? "").toSorted(), tasks.toSorted());
  await refused(
    ec2.createReplaceRootVolumeTask({ ...of, ImageId: region.imageId, SnapshotId: "snap-00000000000000000" }),
    "InvalidParameterCombination",
  );
});

test("disks are imported as images and snapshots, by tasks that are described in pages and canceled", async () => {
  const disk = { Url: "http://images.example/disk.vmdk", Format: "VMDK" };
  const tasks: string[] = [];
  for (let n = 0; n < 2; n++)
    tasks.push((await ec2.importSnapshot({ DiskContainer: disk })).ImportTaskId ?? "");
  await sdk.waitUntilSnapshotImported(patience, { ImportTaskIds: tasks });
  const inPages = { client: ec2, pageSize: 1 };
  const found = await severalPages(
    sdk.paginateDescribeImportSnapshotTasks(inPages, {}),
    (it) => it.ImportSnapshotTasks,
  );
  assert.deepEqual(found.map((it) => it.ImportTaskId ?? "").toSorted(), tasks.toSorted());
  const endless = { DiskContainers: [{ Url: "http://images.example/endless" }] };
  const { ImportTaskId = "" } = await ec2.importImage(endless);
  const { ImportTaskId: task = "" } = await ec2.importImage({ DiskContainers: [disk] });
  const canceled = await ec2.cancelImportTask({ ImportTaskId });
  assert.deepEqual([canceled.PreviousState, canceled.State], ["active", "deleting"]);
  const over = (id: string) =>
    until(
      async () => (await ec2.describeImportImageTasks({ ImportTaskIds: [id] })).ImportImageTasks?.[0],
      (it) => it?.Status === "completed" || it?.Status === "deleted",
    );
  assert.equal((await over(ImportTaskId))?.Status, "deleted");
  const { ImageId } = (await over(task)) ?? {};
  const images = await severalPages(
    sdk.paginateDescribeImportImageTasks(inPages, {}),
    (it) => it.ImportImageTasks,
  );
  assert.equal(images.length, 2);
  await refused(ec2.cancelImportTask({ ImportTaskId }), "IncorrectState");
  await ec2.deregisterImage({ ImageId, DeleteAssociatedSnapshots: true });
  for (const { SnapshotId } of (await ec2.describeSnapshots({ OwnerIds: ["self"] })).Snapshots ?? [])
    await ec2.deleteSnapshot({ SnapshotId });
  const UserBucket = { S3Bucket: "IMAGES", S3Key: "disk.vmdk" };
  await refused(ec2.importSnapshot({ DiskContainer: { UserBucket } }), "InvalidBucketName");
});

test("images are exported and stored as objects, and restored, by tasks that are described in pages and canceled", async () => {
  const disk = { Url: "http://images.example/disk.vmdk", Format: "VMDK" };
  const { ImportTaskId: task = "" } = await ec2.importImage({ DiskContainers: [disk] });
  const { ImageId = "" } =
    (await until(
      async () => (await ec2.describeImportImageTasks({ ImportTaskIds: [task] })).ImportImageTasks?.[0],
      (it) => it?.Status === "completed",
    )) ?? {};
  const to = (S3Bucket: string) =>
    ec2.exportImage({ ImageId, DiskImageFormat: "VMDK", S3ExportLocation: { S3Bucket } });
  const { ExportImageTaskId: whole = "" } = await to("exports");
  const { ExportImageTaskId: canceled = "" } = await to("endless-exports");
  await ec2.cancelExportTask({ ExportTaskId: canceled });
  for (const [id, status] of [
    [whole, "completed"],
    [canceled, "deleted"],
  ] as const)
    await until(
      async () => (await ec2.describeExportImageTasks({ ExportImageTaskIds: [id] })).ExportImageTasks?.[0],
      (it) => it?.Status === status,
    );
  const inPages = { client: ec2, pageSize: 1 };
  const exported = await severalPages(
    sdk.paginateDescribeExportImageTasks(inPages, {}),
    (it) => it.ExportImageTasks,
  );
  assert.equal(exported.length, 2);
  await refused(ec2.cancelExportTask({ ExportTaskId: whole }), "IncorrectState");
  const { ObjectKey } = await ec2.createStoreImageTask({ ImageId, Bucket: "exports" });
  await sdk.waitUntilStoreImageTaskComplete(patience, { ImageIds: [ImageId] });
  await ec2.createStoreImageTask({ ImageId, Bucket: "endless-exports" });
  const stores = () =>
    severalPages(sdk.paginateDescribeStoreImageTasks(inPages, {}), (it) => it.StoreImageTaskResults);
  assert.equal((await stores()).length, 2);
  const named = { Bucket: "exports", ObjectKey, Name: "restored" };
  const { ImageId: restored = "" } = await ec2.createRestoreImageTask(named);
  await sdk.waitUntilImageAvailable(patience, { ImageIds: [restored] });
  await refused(ec2.createRestoreImageTask({ ...named, ObjectKey: "absent", Name: "absent" }), "NoSuchKey");
  for (const id of [ImageId, restored])
    await ec2.deregisterImage({ ImageId: id, DeleteAssociatedSnapshots: true });
});

test("lifecycle policies are made, changed, tagged and deleted", async () => {
  const byDlm = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "dlm.amazonaws.com" }, Action: "sts:AssumeRole" }],
  };
  const role = { RoleName: "lifecycle", AssumeRolePolicyDocument: JSON.stringify(byDlm) };
  const ExecutionRoleArn = (await iam.createRole(role)).Role?.Arn ?? "";
  const wanted = {
    ExecutionRoleArn,
    Description: "each day",
    State: "ENABLED" as const,
    PolicyDetails: {
      ResourceTypes: ["VOLUME" as const],
      TargetTags: [{ Key: "backup", Value: "daily" }],
      Schedules: [{ CreateRule: { CronExpression: "cron(0 3 * * ? *)" }, RetainRule: { Count: 7 } }],
    },
  };
  await refused(
    dlm.createLifecyclePolicy({ ...wanted, ExecutionRoleArn: `${ExecutionRoleArn}-none` }),
    "InvalidRequestException",
  );
  const { PolicyId = "" } = await dlm.createLifecyclePolicy(wanted);
  await dlm.updateLifecyclePolicy({ PolicyId, State: "DISABLED" });
  const { Policies } = await dlm.getLifecyclePolicies({ State: "DISABLED", ResourceTypes: ["VOLUME"] });
  assert.deepEqual(
    Policies?.map((it) => it.PolicyId),
    [PolicyId],
  );
  const { Policy } = await dlm.getLifecyclePolicy({ PolicyId });
  const ResourceArn = Policy?.PolicyArn ?? "";
  await dlm.tagResource({ ResourceArn, Tags: { team: "a", stage: "b" } });
  await dlm.untagResource({ ResourceArn, TagKeys: ["team"] });
  assert.deepEqual((await dlm.listTagsForResource({ ResourceArn })).Tags, { stage: "b" });
  await dlm.deleteLifecyclePolicy({ PolicyId });
  await refused(dlm.getLifecyclePolicy({ PolicyId }), "ResourceNotFoundException");
  await iam.deleteRole(role);
});

test("the recycle bin keeps what is deleted, by rules that are tagged, listed in pages, locked, and deleted", async () => {
  // The rule that stays locked keeps nothing that other tests delete.
  const elsewhere = { region: "eu-north-1" };
  const [rbin, there] = [new rbinSdk.Rbin(elsewhere), new sdk.EC2(elsewhere)];
  const days = (RetentionPeriodValue: number) => ({
    RetentionPeriodValue,
    RetentionPeriodUnit: "DAYS" as const,
  });
  const made = async (type: string, period = days(7)) => {
    const wanted = { ResourceType: type as rbinModule.ResourceType, RetentionPeriod: period };
    return (await rbin.createRule(wanted)).Identifier ?? "";
  };
  const rules = [await made("EBS_SNAPSHOT"), await made("EBS_VOLUME"), await made("EC2_IMAGE")];
  const locked = await made("EC2_IMAGE", days(1));
  const [Identifier = ""] = rules;
  const { RuleArn: ResourceArn = "" } = await rbin.getRule({ Identifier });
  await rbin.tagResource({ ResourceArn, Tags: [{ Key: "team", Value: "a" }] });
  assert.deepEqual((await rbin.listTagsForResource({ ResourceArn })).Tags, [{ Key: "team", Value: "a" }]);
  await rbin.untagResource({ ResourceArn, TagKeys: ["team"] });
  const listed = await severalPages(
    rbinSdk.paginateListRules({ client: rbin, pageSize: 1 }, { ResourceType: "EC2_IMAGE" }),
    (page) => page.Rules,
  );
  assert.deepEqual(new Set(listed.map((it) => it.Identifier)), new Set([rules[2], locked]));
  const changed = await rbin.updateRule({ Identifier, RetentionPeriod: days(9) });
  assert.deepEqual(changed.RetentionPeriod, days(9));
  const UnlockDelay = { UnlockDelayValue: 7, UnlockDelayUnit: "DAYS" as const };
  const lock = await rbin.lockRule({ Identifier: locked, LockConfiguration: { UnlockDelay } });
  assert.equal(lock.LockState, "locked");
  await refused(rbin.deleteRule({ Identifier: locked }), "ConflictException");
  assert.equal((await rbin.unlockRule({ Identifier: locked })).LockState, "pending_unlock");

  const { VolumeId = "" } = await there.createVolume({ AvailabilityZone: "eu-north-1a", Size: 1 });
  const patient = { ...patience, client: there };
  await sdk.waitUntilVolumeAvailable(patient, { VolumeIds: [VolumeId] });
  const { SnapshotId = "" } = await there.createSnapshot({ VolumeId });
  await sdk.waitUntilSnapshotCompleted(patient, { SnapshotIds: [SnapshotId] });
  const { ImageId = "" } = await there.registerImage({
    Name: "kept",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceName: "/dev/sda1",
    BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { SnapshotId } }],
  });
  await there.deregisterImage({ ImageId });
  await there.deleteSnapshot({ SnapshotId });
  await there.deleteVolume({ VolumeId });
  const inPages = { client: there, pageSize: 5 };
  const [[snapshots], [images], volumes] = [
    await pages(sdk.paginateListSnapshotsInRecycleBin(inPages, {})),
    await pages(sdk.paginateListImagesInRecycleBin(inPages, {})),
    await there.listVolumesInRecycleBin({ MaxResults: 5 }),
  ];
  assert.deepEqual(
    [
      snapshots?.Snapshots?.map((it) => it.SnapshotId),
      images?.Images?.map((it) => it.ImageId),
      volumes.Volumes?.map((it) => it.VolumeId),
    ],
    [[SnapshotId], [ImageId], [VolumeId]],
  );
  await refused(there.restoreImageFromRecycleBin({ ImageId }), "InvalidSnapshot.NotFound");
  assert.equal((await there.restoreSnapshotFromRecycleBin({ SnapshotId })).State, "completed");
  assert.equal((await there.restoreImageFromRecycleBin({ ImageId })).Return, true);
  assert.equal((await there.restoreVolumeFromRecycleBin({ VolumeId })).Return, true);
  for (const rule of rules) await rbin.deleteRule({ Identifier: rule });
  await refused(rbin.getRule({ Identifier }), "ResourceNotFoundException");
  [rbin, there].forEach((client) => client.destroy());
});

const isCompleted = (it: ec2Module.VolumeModification | undefined) => it?.ModificationState === "completed";

test("tags are put on, listed in pages, and taken off", async () => {
  const { KeyPairs: [key] = [] } = await ec2.describeKeyPairs({});
  const Resources = [key?.KeyPairId ?? ""];
  await ec2.createTags({
    Resources,
    Tags: [0, 1, 2, 3, 4, 5].map((n) => ({ Key: `tag${n}`, Value: `${n}` })),
  });
  const tags = async () => {
    const list = await severalPages(
      sdk.paginateDescribeTags(
        { client: ec2, pageSize: 5 },
        { Filters: [{ Name: "resource-id", Values: Resources }] },
      ),
      (it) => it.Tags,
    );
    return list.map(({ Key = "" }) => Key).toSorted();
  };
  assert.deepEqual(await tags(), ["tag0", "tag1", "tag2", "tag3", "tag4", "tag5", "team"]);
  await ec2.deleteTags({ Resources, Tags: [{ Key: "team", Value: "b" }, { Key: "tag0" }] });
  assert.deepEqual(await tags(), ["tag1", "tag2", "tag3", "tag4", "tag5", "team"]);
});

test("terminated instances leave what was to be kept, and nothing else", async () => {
  const [gone, stays] = [await shown(), await shown(kept)];
  const volumeOf = (it: ec2Module.Instance) => it.BlockDeviceMappings?.[0]?.Ebs?.VolumeId ?? "";
  const nic = stays.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? "";
  const { TerminatingInstances = [] } = await ec2.terminateInstances({ InstanceIds: instances });
  assert.equal(TerminatingInstances.length, instances.length);
  await sdk.waitUntilInstanceTerminated(patience, { InstanceIds: instances });
  await sdk.waitUntilVolumeDeleted(patience, { VolumeIds: [volumeOf(gone)] });
  await sdk.waitUntilVolumeAvailable(patience, { VolumeIds: [volumeOf(stays)] });
  await sdk.waitUntilNetworkInterfaceAvailable(patience, { NetworkInterfaceIds: [nic] });
  const { Volumes = [] } = await ec2.describeVolumes({});
  assert.deepEqual(
    Volumes.map(({ VolumeId }) => VolumeId),
    [volumeOf(stays)],
  );
  const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({});
  assert.deepEqual(
    NetworkInterfaces.map(({ NetworkInterfaceId }) => NetworkInterfaceId),
    [nic],
  );
  await ec2.deletePlacementGroup({ GroupName: "apart" });
  assert.deepEqual((await ec2.describePlacementGroups({})).PlacementGroups, []);
});

test("what Croft does not serve yet is refused by its name", async () => {
  await refused(ec2.createTransitGateway({}), "UnsupportedOperation");
  await refused(
    ssm.putParameter({ Name: "/mine", Value: "a", Type: "String" }),
    "UnsupportedOperationException",
  );
});

everythingWasUsed("the JavaScript SDK", () => ({ offered, used }));

const refused = (call: Promise<unknown>, name: string) => assert.rejects(call, { name });

async function pages<Page>(paginator: AsyncIterable<Page>): Promise<Page[]> {
  const found: Page[] = [];
  for await (const page of paginator) found.push(page);
  return found;
}

/** A list that comes in several pages, whole. */
async function severalPages<Page, Item>(
  paginator: AsyncIterable<Page>,
  items: (page: Page) => Item[] | undefined,
): Promise<Item[]> {
  const found = await pages(paginator);
  assert.ok(found.length > 1, "one page");
  const list = found.flatMap((page) => items(page) ?? []);
  assert.equal(new Set(list.map((it) => JSON.stringify(it))).size, list.length, "nothing is in it twice");
  return list;
}

function names(types: readonly { InstanceType?: string | undefined }[]): string[] {
  return types.map(({ InstanceType = "" }) => InstanceType);
}

async function shown(id = nano): Promise<ec2Module.Instance> {
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: [id] });
  return Reservations[0]?.Instances?.[0] ?? assert.fail(`${id} is not there`);
}
