import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startIssuer } from "#testing/issuer.ts";
import { makeSamlProvider } from "#testing/saml-provider.ts";
import { until } from "../until.ts";
import { awsCli } from "./aws-cli.ts";
import { federationTests } from "./aws-cli-federation.ts";
import { iamTests } from "./aws-cli-iam.ts";
import { iamCredentialTests } from "./aws-cli-iam-credentials.ts";
import { kmsTests } from "./aws-cli-kms.ts";
import { followCoverage } from "./coverage.ts";
import { fakeRegion } from "./fake-region.ts";

/** Every served operation by the CLI of Debian 12, on fake machines. Each test goes on from where the one before it ended. */
const region = await fakeRegion();
const [issuer, idp] = [await startIssuer({ after }), await makeSamlProvider({ after })];
const aws = awsCli(region);
const everythingWasUsed = await followCoverage(region.endpoint);
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));

const release = "/aws/service/debian/release/12/latest/amd64";
const zones = ["a", "b", "c"].map((letter) => `${region.environment["AWS_REGION"]}${letter}`);
const jpegBegins = Buffer.from([0xff, 0xd8, 0xff]);
let instances: string[] = [];
/** The one that changes, and the one whose volume and interface stay. */
let [nano, kept] = ["", ""];

test("the caller is the account's root, whose account has one VPC", async () => {
  const [caller, defaultVpc, vpcs, encrypted] = await Promise.all([
    line("sts get-caller-identity --query [Account,Arn]"),
    line(
      "ec2 describe-account-attributes --attribute-names default-vpc --query AccountAttributes[0].AttributeValues",
    ),
    line("ec2 describe-vpcs --query Vpcs[].VpcId"),
    line("ec2 get-ebs-encryption-by-default --query EbsEncryptionByDefault"),
  ]);
  assert.deepEqual(caller, ["000000000000", "arn:aws:iam::000000000000:root"]);
  assert.deepEqual(defaultVpc, vpcs);
  assert.deepEqual(encrypted, ["False"]);
});

test("volumes are encrypted by default once the account says so, by the key that it chose", async () => {
  const byDefault = "ebs-encryption-by-default --query EbsEncryptionByDefault";
  const key = (operation: string, more = "") =>
    line(`ec2 ${operation}-ebs-default-kms-key-id --query KmsKeyId${more}`);
  assert.deepEqual(await line(`ec2 enable-${byDefault}`), ["True"]);
  assert.deepEqual(await key("get"), ["alias/aws/ebs"]);
  const [arn = ""] = await line("kms create-key --query KeyMetadata.Arn");
  assert.deepEqual(await key("modify", ` --kms-key-id ${arn}`), [arn]);
  const made = await line(
    `ec2 create-volume --availability-zone ${zones[0]} --size 1 --query [VolumeId,Encrypted,KmsKeyId]`,
  );
  assert.deepEqual(made.slice(1), ["True", arn]);
  assert.deepEqual(await key("reset"), ["alias/aws/ebs"]);
  assert.deepEqual(await line(`ec2 disable-${byDefault}`), ["False"]);
  await aws.rows(`ec2 wait volume-available --volume-ids ${made[0]}`);
  await aws.rows(`ec2 delete-volume --volume-id ${made[0]}`);
});

test("service quotas come in pages, and are AWS's defaults", async () => {
  assert.deepEqual(
    await aws.rows("service-quotas list-services --page-size 1 --query Services[].ServiceCode"),
    [["ec2"], ["vpc"]],
  );
  const [applied, defaults] = await Promise.all([
    severalPages(
      "service-quotas list-service-quotas --service-code vpc --page-size 2 --query Quotas[].QuotaCode",
    ),
    severalPages(
      "service-quotas list-aws-default-service-quotas --service-code vpc --page-size 2 --query Quotas[].QuotaCode",
    ),
  ]);
  assert.deepEqual(applied, defaults);
  const vpcs = "--service-code vpc --quota-code L-F678F1CE --query Quota.[QuotaName,Value]";
  assert.ok(applied.includes("L-F678F1CE"), applied.join(" "));
  assert.deepEqual(await line(`service-quotas get-service-quota ${vpcs}`), ["VPCs per Region", "5"]);
  assert.deepEqual(await line(`service-quotas get-aws-default-service-quota ${vpcs}`), [
    "VPCs per Region",
    "5",
  ]);
  assert.equal(
    await aws.refusal("service-quotas get-service-quota --service-code vpc --quota-code L-00000000"),
    "NoSuchResourceException",
  );
});

test("policies are simulated, and the keys they ask for are named", async () => {
  const policy =
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::${aws:username}/*"}}';
  const asked = `--policy-input-list ${policy} --action-names s3:GetObject s3:PutObject --resource-arns arn:aws:s3:::ada/1`;
  const who = "--context-entries ContextKeyName=aws:username,ContextKeyValues=ada,ContextKeyType=string";
  assert.deepEqual(
    await aws.rows(
      `iam simulate-custom-policy ${asked} ${who} --page-size 1 --query EvaluationResults[].EvalDecision`,
    ),
    [["allowed"], ["implicitDeny"]],
  );
  assert.deepEqual(
    await line(
      `iam get-context-keys-for-custom-policy --policy-input-list ${policy} --query ContextKeyNames`,
    ),
    ["aws:username"],
  );
  assert.equal(
    await aws.refusal("iam simulate-custom-policy --policy-input-list { --action-names s3:GetObject"),
    "InvalidInput",
  );
});

const awsAs = (environment: Readonly<Record<string, string>>) =>
  awsCli({ ...region, environment: { ...region.environment, ...environment } });
iamTests(aws, awsAs);
iamCredentialTests(aws, awsAs, files);

federationTests(aws, issuer, idp);

kmsTests(aws);

test("regions and their zones are AWS's", async () => {
  const zoneNames = "ec2 describe-availability-zones --query AvailabilityZones[].ZoneName";
  const [endpoint, here, there] = await Promise.all([
    line("ec2 describe-regions --region-names eu-west-3 --query Regions[].Endpoint"),
    line(zoneNames),
    line(`${zoneNames} --region eu-west-3`),
  ]);
  assert.deepEqual(endpoint, ["ec2.eu-west-3.amazonaws.com"]);
  assert.deepEqual(here, zones);
  assert.deepEqual(there, ["eu-west-3a", "eu-west-3b", "eu-west-3c"]);
  assert.equal(
    await aws.refusal("ec2 describe-regions --region-names mars-north-1"),
    "InvalidParameterValue",
  );
});

test("the default VPC has a subnet in each zone", async () => {
  const [vpc] = await line(
    "ec2 describe-vpcs --page-size 5 --filters Name=is-default,Values=true --query Vpcs[].VpcId",
  );
  const inVpc = `ec2 describe-subnets --page-size 5 --filters Name=vpc-id,Values=${vpc}`;
  const [subnetZones, subnets, dns] = await Promise.all([
    line(`${inVpc} --query Subnets[].AvailabilityZone`),
    line(`${inVpc} --query Subnets[].SubnetId`),
    line(
      `ec2 describe-vpc-attribute --vpc-id ${vpc} --attribute enableDnsSupport --query EnableDnsSupport.Value`,
    ),
    aws.text(`ec2 wait vpc-exists --vpc-ids ${vpc}`),
    aws.text(`ec2 wait vpc-available --vpc-ids ${vpc}`),
  ]);
  assert.deepEqual(subnetZones.toSorted(), zones);
  assert.deepEqual(dns, ["True"]);
  await aws.text(`ec2 wait subnet-available --subnet-ids ${subnets.join(" ")}`);
  assert.equal(
    await aws.refusal("ec2 describe-vpcs --vpc-ids vpc-00000000000000000"),
    "InvalidVpcID.NotFound",
  );
});

test("a VPC of one's own has subnets, a way out and routes, and goes with them", async () => {
  const id = async (command: string): Promise<string> => (await line(command))[0] ?? "";
  const vpc = await id("ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId");
  const [range, gateway, table, other] = await Promise.all([
    id(
      `ec2 associate-vpc-cidr-block --vpc-id ${vpc} --cidr-block 10.1.0.0/16 --query CidrBlockAssociation.AssociationId`,
    ),
    id("ec2 create-internet-gateway --query InternetGateway.InternetGatewayId"),
    id(`ec2 create-route-table --vpc-id ${vpc} --query RouteTable.RouteTableId`),
    id(`ec2 create-route-table --vpc-id ${vpc} --query RouteTable.RouteTableId`),
    aws.text(`ec2 wait vpc-available --vpc-ids ${vpc}`),
    aws.text(`ec2 wait vpc-exists --vpc-ids ${vpc}`),
  ]);
  await Promise.all([
    aws.text(`ec2 modify-vpc-attribute --vpc-id ${vpc} --enable-dns-hostnames`),
    aws.text(`ec2 modify-vpc-tenancy --vpc-id ${vpc} --instance-tenancy default`),
  ]);
  const [subnet] = await Promise.all([
    id(`ec2 create-subnet --vpc-id ${vpc} --cidr-block 10.1.1.0/24 --query Subnet.SubnetId`),
    aws.text(`ec2 attach-internet-gateway --vpc-id ${vpc} --internet-gateway-id ${gateway}`),
  ]);
  const wished = "--cidr 10.1.1.64/28 --reservation-type explicit";
  const reserved = await id(
    `ec2 create-subnet-cidr-reservation --subnet-id ${subnet} ${wished} --query SubnetCidrReservation.SubnetCidrReservationId`,
  );
  assert.equal(
    await id(
      `ec2 get-subnet-cidr-reservations --subnet-id ${subnet} --query SubnetIpv4CidrReservations[].SubnetCidrReservationId`,
    ),
    reserved,
  );
  await aws.text(`ec2 delete-subnet-cidr-reservation --subnet-cidr-reservation-id ${reserved}`);
  await Promise.all([
    aws.text(`ec2 wait subnet-available --subnet-ids ${subnet}`),
    aws.text(`ec2 wait internet-gateway-exists --internet-gateway-ids ${gateway}`),
    aws.text(`ec2 modify-subnet-attribute --subnet-id ${subnet} --map-public-ip-on-launch`),
  ]);
  const route = `--route-table-id ${table} --destination-cidr-block 0.0.0.0/0`;
  await aws.text(`ec2 create-route ${route} --gateway-id ${gateway}`);
  await aws.text(`ec2 replace-route ${route} --gateway-id ${gateway}`);
  const taken = `--route-table-id ${table} --destination-cidr-block 10.0.0.0/16`;
  assert.equal(await aws.refusal(`ec2 create-route ${taken} --gateway-id ${gateway}`), "RouteAlreadyExists");
  const association = await id(
    `ec2 associate-route-table --route-table-id ${table} --subnet-id ${subnet} --query AssociationId`,
  );
  assert.deepEqual(
    await aws.rows(
      `ec2 describe-route-tables --filters Name=association.subnet-id,Values=${subnet} --page-size 5 ` +
        "--query RouteTables[].Routes[].[DestinationCidrBlock,GatewayId]",
    ),
    [
      ["10.0.0.0/16", "local"],
      ["10.1.0.0/16", "local"],
      ["0.0.0.0/0", gateway],
    ],
  );
  const replaced = await id(
    `ec2 replace-route-table-association --association-id ${association} --route-table-id ${other} --query NewAssociationId`,
  );
  assert.equal(await aws.refusal(`ec2 delete-vpc --vpc-id ${vpc}`), "DependencyViolation");
  const gateways =
    "ec2 describe-internet-gateways --page-size 5 --query InternetGateways[].[InternetGatewayId]";
  assert.equal((await aws.rows(gateways)).length, 2);
  await aws.text(`ec2 disassociate-route-table --association-id ${replaced}`);
  await aws.text(`ec2 delete-route ${route}`);
  await Promise.all([table, other].map((it) => aws.text(`ec2 delete-route-table --route-table-id ${it}`)));
  await Promise.all([
    aws.text(`ec2 detach-internet-gateway --vpc-id ${vpc} --internet-gateway-id ${gateway}`),
    aws.text(`ec2 delete-subnet --subnet-id ${subnet}`),
  ]);
  await Promise.all([
    aws.text(`ec2 delete-internet-gateway --internet-gateway-id ${gateway}`),
    aws.text(`ec2 disassociate-vpc-cidr-block --association-id ${range}`),
  ]);
  await aws.text(`ec2 delete-vpc --vpc-id ${vpc}`);
});

test("NAT gateways have an elastic address, or a private one alone, and are shown after they are deleted", async () => {
  const [[subnet], [allocation]] = await Promise.all([
    line("ec2 describe-subnets --filters Name=default-for-az,Values=true --query Subnets[0].SubnetId"),
    line("ec2 allocate-address --query AllocationId"),
  ]);
  const create = `ec2 create-nat-gateway --subnet-id ${subnet} --query NatGateway.NatGatewayId`;
  const [[open = ""], [inner = ""]] = await Promise.all([
    line(`${create} --allocation-id ${allocation}`),
    line(`${create} --connectivity-type private`),
  ]);
  await aws.text(`ec2 wait nat-gateway-available --nat-gateway-ids ${open} ${inner}`);
  await Promise.all([open, inner].map((id) => aws.text(`ec2 delete-nat-gateway --nat-gateway-id ${id}`)));
  await aws.text(`ec2 wait nat-gateway-deleted --nat-gateway-ids ${open} ${inner}`);
  const states = "ec2 describe-nat-gateways --page-size 5 --query NatGateways[].State";
  assert.deepEqual(new Set((await aws.rows(states)).flat()), new Set(["deleted"]));
  await aws.text(`ec2 release-address --allocation-id ${allocation}`);
});

test("a gateway endpoint has its routes in the tables that are chosen for it", async () => {
  const [vpc = ""] = await line("ec2 create-vpc --cidr-block 10.6.0.0/16 --query Vpc.VpcId");
  const [table = ""] = await line(
    `ec2 describe-route-tables --filters Name=vpc-id,Values=${vpc} --query RouteTables[].RouteTableId`,
  );
  const services = "ec2 describe-vpc-endpoint-services --page-size 1 --query ServiceNames[]";
  const service = (await severalPages(services)).find((name) => name.endsWith(".s3")) ?? "";
  const create = `ec2 create-vpc-endpoint --vpc-id ${vpc} --route-table-ids ${table} --service-name`;
  assert.equal(await aws.refusal(`${create} com.amazonaws.mars.s3`), "InvalidServiceName");
  const [id = ""] = await line(`${create} ${service} --query VpcEndpoint.VpcEndpointId`);
  await aws.text(`ec2 modify-vpc-endpoint --vpc-endpoint-id ${id} --remove-route-table-ids ${table}`);
  await aws.text(`ec2 modify-vpc-endpoint --vpc-endpoint-id ${id} --add-route-table-ids ${table}`);
  assert.deepEqual(
    await aws.rows(
      "ec2 describe-vpc-endpoints --page-size 5 --query VpcEndpoints[].[VpcEndpointId,RouteTableIds[0]]",
    ),
    [[id, table]],
  );
  await aws.text(`ec2 delete-vpc-endpoints --vpc-endpoint-ids ${id}`);
  await aws.text(`ec2 delete-vpc --vpc-id ${vpc}`);
});

test("two VPCs are peered, when the other one accepts", async () => {
  const create = (cidr: string) => aws.rows(`ec2 create-vpc --cidr-block ${cidr} --query Vpc.[VpcId]`);
  const [[[one = ""] = []], [[two = ""] = []]] = await Promise.all([
    create("10.7.0.0/16"),
    create("10.8.0.0/16"),
  ]);
  const request = async () => {
    const [[id = ""] = []] = await aws.rows(
      `ec2 create-vpc-peering-connection --vpc-id ${one} --peer-vpc-id ${two} ` +
        "--query VpcPeeringConnection.[VpcPeeringConnectionId]",
    );
    await aws.text(`ec2 wait vpc-peering-connection-exists --vpc-peering-connection-ids ${id}`);
    return id;
  };
  const first = await request();
  await aws.text(`ec2 reject-vpc-peering-connection --vpc-peering-connection-id ${first}`);
  const accept = (id: string) => `ec2 accept-vpc-peering-connection --vpc-peering-connection-id ${id}`;
  assert.equal(await aws.refusal(accept(first)), "InvalidStateTransition");
  const second = await request();
  await aws.text(accept(second));
  assert.deepEqual(
    new Map(
      (
        await aws.rows(
          "ec2 describe-vpc-peering-connections --page-size 5 --query VpcPeeringConnections[].[VpcPeeringConnectionId,Status.Code]",
        )
      ).map(([id = "", state]) => [id, state]),
    ),
    new Map([
      [first, "rejected"],
      [second, "active"],
    ]),
  );
  const options = "--requester-peering-connection-options AllowDnsResolutionFromRemoteVpc=true";
  const modify = `ec2 modify-vpc-peering-connection-options --vpc-peering-connection-id ${second} ${options}`;
  assert.equal(await aws.refusal(modify), "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled");
  for (const vpc of [one, two])
    await aws.text(`ec2 modify-vpc-attribute --vpc-id ${vpc} --enable-dns-hostnames`);
  await aws.text(modify);
  const groups = await Promise.all(
    [one, two].map(async (vpc) => {
      const found = `ec2 describe-security-groups --filters Name=vpc-id,Values=${vpc} --query SecurityGroups[].[GroupId]`;
      return (await aws.rows(found))[0]?.[0] ?? "";
    }),
  );
  await aws.text(
    `ec2 authorize-security-group-ingress --group-id ${groups[0]} --protocol tcp --port 443 --source-group ${groups[1]}`,
  );
  assert.deepEqual(
    await aws.rows(
      `ec2 describe-security-group-references --group-id ${groups[1]} ` +
        "--query SecurityGroupReferenceSet[].[ReferencingVpcId,VpcPeeringConnectionId]",
    ),
    [[one, second]],
  );
  await aws.text(`ec2 delete-vpc-peering-connection --vpc-peering-connection-id ${second}`);
  assert.deepEqual(
    await aws.rows(
      `ec2 describe-stale-security-groups --vpc-id ${one} --page-size 5 --query StaleSecurityGroupSet[].[GroupId]`,
    ),
    [[groups[0]]],
  );
  await aws.text(`ec2 wait vpc-peering-connection-deleted --vpc-peering-connection-ids ${second}`);
  await Promise.all([one, two].map((id) => aws.text(`ec2 delete-vpc --vpc-id ${id}`)));
});

test("an interface is another account's to attach while that is permitted", async () => {
  const one = async (command: string) => (await aws.rows(command))[0]?.[0] ?? "";
  const subnet = await one("ec2 describe-subnets --query Subnets[].[SubnetId]");
  const nic = await one(
    `ec2 create-network-interface --subnet-id ${subnet} --query NetworkInterface.[NetworkInterfaceId]`,
  );
  const permission = await one(
    `ec2 create-network-interface-permission --network-interface-id ${nic} --aws-account-id 444455556666 ` +
      "--permission INSTANCE-ATTACH --query InterfacePermission.[NetworkInterfacePermissionId]",
  );
  assert.deepEqual(
    await aws.rows(
      "ec2 describe-network-interface-permissions --page-size 5 --query NetworkInterfacePermissions[].[NetworkInterfacePermissionId,PermissionState.State]",
    ),
    [[permission, "granted"]],
  );
  await aws.text(`ec2 delete-network-interface-permission --network-interface-permission-id ${permission}`);
  await aws.text(`ec2 delete-network-interface --network-interface-id ${nic}`);
});

test("a default VPC and its subnets are made again when they are gone", async () => {
  const there = "--region sa-east-1";
  const [[subnets = []], [[gateway = "", vpc = ""] = []]] = await Promise.all([
    aws.rows(`ec2 describe-subnets ${there} --query Subnets[].SubnetId`).then((rows) => [rows.flat()]),
    aws
      .rows(
        `ec2 describe-internet-gateways ${there} --query InternetGateways[].[InternetGatewayId,Attachments[0].VpcId]`,
      )
      .then((rows) => [rows[0]]),
  ]);
  await Promise.all(subnets.map((it) => aws.text(`ec2 delete-subnet ${there} --subnet-id ${it}`)));
  const made = await line(
    `ec2 create-default-subnet ${there} --availability-zone sa-east-1b --query Subnet.SubnetId`,
  );
  await Promise.all([
    aws.text(`ec2 delete-subnet ${there} --subnet-id ${made[0]}`),
    aws.text(`ec2 detach-internet-gateway ${there} --vpc-id ${vpc} --internet-gateway-id ${gateway}`),
  ]);
  await aws.text(`ec2 delete-vpc ${there} --vpc-id ${vpc}`);
  assert.deepEqual(await line(`ec2 create-default-vpc ${there} --query Vpc.IsDefault`), ["True"]);
});

test("the image is Amazon's, and public parameters name it", async () => {
  const [owned, parameter, parameters, names] = await Promise.all([
    line("ec2 describe-images --owners amazon --page-size 5 --query Images[].[ImageId,State]"),
    line(`ssm get-parameter --name ${release} --query Parameter.[Value,Type]`),
    aws.rows(`ssm get-parameters --names ${release} /no/such --query [Parameters[].Value,InvalidParameters]`),
    severalPages(
      "ssm get-parameters-by-path --path /aws/service --recursive --page-size 1 --query Parameters[].Name",
    ),
    aws.text(`ec2 wait image-exists --image-ids ${region.imageId}`),
    aws.text(`ec2 wait image-available --image-ids ${region.imageId}`),
  ]);
  assert.deepEqual(owned, [region.imageId, "available"]);
  assert.deepEqual(parameter, [region.imageId, "String"]);
  assert.deepEqual(parameters, [[region.imageId], ["/no/such"]]);
  assert.ok(names.includes(release), names.join(" "));
  assert.equal(
    await aws.refusal("ec2 describe-images --image-ids ami-00000000000000000"),
    "InvalidAMIID.NotFound",
  );
  assert.equal(await aws.refusal(`ec2 deregister-image --image-id ${region.imageId}`), "AuthFailure");
  const shared = `--launch-permission Add=[{UserId=111122223333}]`;
  assert.equal(
    await aws.refusal(`ec2 modify-image-attribute --image-id ${region.imageId} ${shared}`),
    "AuthFailure",
  );
  assert.equal(await aws.refusal("ssm get-parameter --name /no/such"), "ParameterNotFound");
});

test("instance types come in pages, each once, and are found by what they must have", async () => {
  const required =
    "--architecture-types x86_64 --virtualization-types hvm --instance-requirements " +
    "VCpuCount={Min=2,Max=2},MemoryMiB={Min=1024,Max=2048},BurstablePerformance=included";
  const [types, offered, found] = await Promise.all([
    severalPages("ec2 describe-instance-types --page-size 100 --query InstanceTypes[].InstanceType"),
    severalPages(
      "ec2 describe-instance-type-offerings --page-size 200 --query InstanceTypeOfferings[].InstanceType",
    ),
    severalPages(
      `ec2 get-instance-types-from-instance-requirements ${required} --page-size 3 --query InstanceTypes[].InstanceType`,
    ),
  ]);
  assert.ok(types.length > 500, `${types.length} types`);
  assert.deepEqual(offered.toSorted(), types.toSorted());
  assert.ok(
    found.includes("t3.micro") && found.includes("t3.small") && !found.includes("t3.nano"),
    found.join(" "),
  );
  assert.equal(
    await aws.refusal("ec2 describe-instance-types --instance-types t99.mega"),
    "InvalidInstanceType",
  );
});

test("key pairs are made, imported and deleted", async () => {
  const made = await line(
    "ec2 create-key-pair --key-name made --key-type ed25519 --query [KeyPairId,KeyFingerprint] " +
      "--tag-specifications ResourceType=key-pair,Tags=[{Key=team,Value=a}]",
  );
  const [described] = await aws.rows(
    "ec2 describe-key-pairs --key-names made --include-public-key --query KeyPairs[].[KeyPairId,KeyFingerprint,PublicKey]",
  );
  const [id, fingerprint, publicKey = ""] = described ?? [];
  assert.deepEqual([id, fingerprint], made);
  assert.match(publicKey, /^ssh-ed25519 /);
  writeFileSync(join(files, "made.pub"), publicKey);
  const [imported] = await Promise.all([
    line(
      `ec2 import-key-pair --key-name imported --public-key-material fileb://${files}/made.pub --query KeyFingerprint`,
    ),
    aws.text("ec2 wait key-pair-exists --key-names made"),
  ]);
  assert.deepEqual(imported, [fingerprint]);
  await aws.text("ec2 delete-key-pair --key-name imported");
  assert.equal(await aws.refusal("ec2 describe-key-pairs --key-names imported"), "InvalidKeyPair.NotFound");
  assert.equal(await aws.refusal("ec2 create-key-pair --key-name made"), "InvalidKeyPair.Duplicate");
});

test("a security group's rules are authorized, described, changed and revoked", async () => {
  const groups = await Promise.all(
    [0, 1, 2, 3, 4, 5].map((n) =>
      line(`ec2 create-security-group --group-name group-${n} --description made-by-a-test --query GroupId`),
    ),
  );
  const [group = ""] = groups.flat();
  const named = "--page-size 5 --filters Name=group-name,Values=group-*";
  const listed = await severalPages(`ec2 describe-security-groups ${named} --query SecurityGroups[].GroupId`);
  assert.deepEqual(listed.toSorted(), groups.flat().toSorted());

  const ports = [80, 81, 82, 83];
  const permission = (port: number, more = "") =>
    `IpProtocol=tcp,FromPort=${port},ToPort=${port},IpRanges=[{CidrIp=10.0.0.0/8${more}}]`;
  const all = `--group-id ${group} --ip-permissions ${ports.map((port) => permission(port)).join(" ")}`;
  const [authorized] = await Promise.all([
    line(`ec2 authorize-security-group-ingress ${all} --query SecurityGroupRules[].SecurityGroupRuleId`),
    aws.text(`ec2 authorize-security-group-egress ${all}`),
    aws.text(`ec2 wait security-group-exists --group-ids ${group}`),
  ]);
  assert.equal(authorized.length, ports.length);
  assert.equal(
    await aws.refusal(`ec2 authorize-security-group-ingress ${all}`),
    "InvalidPermission.Duplicate",
  );
  const described = `--group-id ${group} --ip-permissions ${permission(80, ",Description=web")} --query Return`;
  for (const way of ["ingress", "egress"])
    assert.deepEqual(await line(`ec2 update-security-group-rule-descriptions-${way} ${described}`), ["True"]);
  const rule = "SecurityGroupRule={IpProtocol=tcp,FromPort=443,ToPort=443,CidrIpv4=10.0.0.0/8}";
  const change = `SecurityGroupRuleId=${authorized[1]},${rule}`;
  assert.deepEqual(
    await line(
      `ec2 modify-security-group-rules --group-id ${group} --security-group-rules ${change} --query Return`,
    ),
    ["True"],
  );

  const mine = `ec2 describe-security-group-rules --filters Name=group-id,Values=${group}`;
  const [ids, web, rules, references] = await Promise.all([
    severalPages(`${mine} --page-size 5 --query SecurityGroupRules[].SecurityGroupRuleId`),
    line(`${mine} --query SecurityGroupRules[?Description=='web'].IsEgress`),
    line(`${mine} --query sort(SecurityGroupRules[?!IsEgress].FromPort)`),
    aws.rows(`ec2 describe-security-group-references --group-id ${group} --query SecurityGroupReferenceSet`),
  ]);
  assert.equal(new Set(ids).size, 2 * ports.length + 1, "with the rule that lets everything out");
  assert.deepEqual(web.toSorted(), ["False", "True"]);
  assert.deepEqual(rules, ["80", "82", "83", "443"]);
  assert.deepEqual(references, []);

  assert.deepEqual(
    await line(
      `ec2 revoke-security-group-ingress --group-id ${group} --ip-permissions ${permission(80)} --query Return`,
    ),
    ["True"],
  );
  await aws.text(`ec2 revoke-security-group-egress ${all}`);
  assert.deepEqual((await line(`${mine} --query SecurityGroupRules[].[to_string(FromPort)][]`)).toSorted(), [
    "-1",
    "443",
    "82",
    "83",
  ]);
  await aws.text(`ec2 delete-security-group --group-id ${group}`);
  assert.equal(
    await aws.refusal(`ec2 describe-security-groups --group-ids ${group}`),
    "InvalidGroup.NotFound",
  );
});

test("a network ACL's entries are numbered, and a subnet is in one ACL", async () => {
  const [vpc = "", home = "", there = ""] = await line(
    "ec2 describe-network-acls --filters Name=default,Values=true --query NetworkAcls[0].[VpcId,NetworkAclId,Associations[0].NetworkAclAssociationId]",
  );
  const made = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(() =>
      line(`ec2 create-network-acl --vpc-id ${vpc} --query NetworkAcl.NetworkAclId`),
    ),
  );
  const acls = made.flat();
  const listed = await severalPages(
    "ec2 describe-network-acls --page-size 5 --query NetworkAcls[].NetworkAclId",
  );
  for (const id of acls) assert.ok(listed.includes(id));
  const place = `--network-acl-id ${acls[0]} --ingress --rule-number 100`;
  const web = `${place} --protocol tcp --port-range From=80,To=80 --cidr-block 10.0.0.0/8 --rule-action`;
  await aws.text(`ec2 create-network-acl-entry ${web} allow`);
  assert.equal(await aws.refusal(`ec2 create-network-acl-entry ${web} deny`), "NetworkAclEntryAlreadyExists");
  await aws.text(`ec2 replace-network-acl-entry ${web.replace("tcp", "6")} deny`);
  const shownEntry =
    "NetworkAcls[0].Entries[?RuleNumber==`100`].[RuleAction,Protocol,to_string(PortRange.From)][]";
  assert.deepEqual(
    await line(`ec2 describe-network-acls --network-acl-ids ${acls[0]} --query ${shownEntry}`),
    ["deny", "6", "80"],
  );
  await aws.text(`ec2 delete-network-acl-entry ${place}`);
  assert.equal(await aws.refusal(`ec2 delete-network-acl-entry ${place}`), "InvalidNetworkAclEntry.NotFound");
  const [moved = ""] = await line(
    `ec2 replace-network-acl-association --association-id ${there} --network-acl-id ${acls[0]} --query NewAssociationId`,
  );
  assert.equal(
    await aws.refusal(`ec2 delete-network-acl --network-acl-id ${acls[0]}`),
    "DependencyViolation",
  );
  await aws.text(`ec2 replace-network-acl-association --association-id ${moved} --network-acl-id ${home}`);
  await Promise.all(acls.map((id) => aws.text(`ec2 delete-network-acl --network-acl-id ${id}`)));
  assert.equal(await aws.refusal(`ec2 delete-network-acl --network-acl-id ${home}`), "InvalidParameterValue");
});

test("DHCP options are sets, of which a VPC has one", async () => {
  const [vpc = "", before = ""] = await line(
    "ec2 describe-vpcs --filters Name=is-default,Values=true --query Vpcs[0].[VpcId,DhcpOptionsId]",
  );
  const made = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(() =>
      line(
        "ec2 create-dhcp-options --dhcp-configurations Key=domain-name,Values=corp.example " +
          "--query DhcpOptions.DhcpOptionsId",
      ),
    ),
  );
  const sets = made.flat();
  const listed = await severalPages(
    "ec2 describe-dhcp-options --page-size 5 --query DhcpOptions[].DhcpOptionsId",
  );
  for (const id of sets) assert.ok(listed.includes(id));
  const associate = `ec2 associate-dhcp-options --vpc-id ${vpc} --dhcp-options-id`;
  await aws.text(`${associate} ${sets[0]}`);
  assert.equal(
    await aws.refusal(`ec2 delete-dhcp-options --dhcp-options-id ${sets[0]}`),
    "DependencyViolation",
  );
  await aws.text(`${associate} ${before}`);
  await Promise.all(sets.map((id) => aws.text(`ec2 delete-dhcp-options --dhcp-options-id ${id}`)));
  assert.equal(
    await aws.refusal(`ec2 describe-dhcp-options --dhcp-options-ids ${sets[0]}`),
    "InvalidDhcpOptionID.NotFound",
  );
});

test("a prefix list has versions, and rules that name it keep it", async () => {
  const made = await Promise.all(
    [0, 1].map((n) =>
      line(
        `ec2 create-managed-prefix-list --prefix-list-name list-${n} --max-entries 10 --address-family IPv4 ` +
          `--entries Cidr=10.${n}.0.0/24 Cidr=10.${n}.1.0/24 Cidr=10.${n}.2.0/24 --query PrefixList.PrefixListId`,
      ),
    ),
  );
  const lists = made.flat();
  const [first] = lists;
  const [described, ofAws] = await Promise.all([
    severalPages("ec2 describe-managed-prefix-lists --page-size 1 --query PrefixLists[].PrefixListId"),
    severalPages("ec2 describe-prefix-lists --page-size 1 --query PrefixLists[].PrefixListId"),
  ]);
  assert.deepEqual(described.toSorted(), [...lists, ...ofAws].toSorted());
  const one = `--prefix-list-id ${first}`;
  await aws.text(
    `ec2 modify-managed-prefix-list ${one} --current-version 1 --remove-entries Cidr=10.0.0.0/24`,
  );
  assert.deepEqual(
    await severalPages(`ec2 get-managed-prefix-list-entries ${one} --page-size 1 --query Entries[].Cidr`),
    ["10.0.1.0/24", "10.0.2.0/24"],
  );
  const restore = `ec2 restore-managed-prefix-list-version ${one} --previous-version 1 --current-version`;
  assert.equal(await aws.refusal(`${restore} 1`), "PrefixListVersionMismatch");
  assert.deepEqual(await line(`${restore} 2 --query PrefixList.Version`), ["3"]);
  const [group = ""] = await line(
    "ec2 create-security-group --group-name of-list --description made-by-a-test --query GroupId",
  );
  const web = `IpProtocol=tcp,FromPort=80,ToPort=80,PrefixListIds=[{PrefixListId=${first}}]`;
  await aws.text(`ec2 authorize-security-group-ingress --group-id ${group} --ip-permissions ${web}`);
  assert.deepEqual(
    await line(
      `ec2 get-managed-prefix-list-associations ${one} --page-size 5 --query PrefixListAssociations[].ResourceId`,
    ),
    [group],
  );
  assert.equal(await aws.refusal(`ec2 delete-managed-prefix-list ${one}`), "DependencyViolation");
  await aws.text(`ec2 delete-security-group --group-id ${group}`);
  await Promise.all(lists.map((id) => aws.text(`ec2 delete-managed-prefix-list --prefix-list-id ${id}`)));
});

test("a launch template has versions, one of them the default", async () => {
  const made = `ec2 create-launch-template --launch-template-data InstanceType=t3.micro,KeyName=made,ImageId=resolve:ssm:${release}`;
  const version = "ec2 create-launch-template-version --launch-template-name nano --source-version 1";
  const named = "--launch-template-name nano";
  await Promise.all(["nano", "other"].map((name) => aws.text(`${made} --launch-template-name ${name}`)));
  for (const [number, type] of [
    ["2", "t3.small"],
    ["3", "t3.nano"],
  ])
    assert.deepEqual(
      await line(
        `${version} --launch-template-data InstanceType=${type} --query LaunchTemplateVersion.[VersionNumber,LaunchTemplateData.InstanceType]`,
      ),
      [number, type],
    );
  assert.deepEqual(
    await line(
      `ec2 modify-launch-template ${named} --default-version 3 --query LaunchTemplate.DefaultVersionNumber`,
    ),
    ["3"],
  );
  const deleted = await line(
    `ec2 delete-launch-template-versions ${named} --versions 1 3 --query [` +
      "SuccessfullyDeletedLaunchTemplateVersions[0].VersionNumber,UnsuccessfullyDeletedLaunchTemplateVersions[0].VersionNumber]",
  );
  assert.deepEqual(deleted, ["1", "3"]);
  const [types, templates] = await Promise.all([
    severalPages(
      `ec2 describe-launch-template-versions ${named} --page-size 1 --query LaunchTemplateVersions[].LaunchTemplateData.InstanceType`,
    ),
    severalPages("ec2 describe-launch-templates --page-size 1 --query LaunchTemplates[].LaunchTemplateName"),
  ]);
  assert.deepEqual(types, ["t3.nano", "t3.small"]);
  assert.deepEqual(templates.toSorted(), ["nano", "other"]);
  await aws.text("ec2 delete-launch-template --launch-template-name other");
  assert.equal(
    await aws.refusal("ec2 describe-launch-templates --launch-template-names other"),
    "InvalidLaunchTemplateName.NotFoundException",
  );
});

test("instances are launched, and the waiters see them run", async () => {
  assert.deepEqual(
    await line(
      "ec2 create-placement-group --group-name apart --strategy spread --query PlacementGroup.State",
    ),
    ["available"],
  );
  const ofTemplate = await line(
    "ec2 run-instances --launch-template LaunchTemplateName=nano --placement GroupName=apart --count 5 " +
      "--tag-specifications ResourceType=instance,Tags=[{Key=Name,Value=nano}] --query Instances[].InstanceId",
  );
  const keeping = await line(
    `ec2 run-instances --image-id ${region.imageId} --instance-type t3.nano --query Instances[].InstanceId ` +
      "--block-device-mappings DeviceName=/dev/xvda,Ebs={DeleteOnTermination=false} " +
      "--network-interfaces DeviceIndex=0,DeleteOnTermination=false",
  );
  instances = [...ofTemplate, ...keeping];
  [nano = "", kept = ""] = [ofTemplate[0], keeping[0]];
  assert.equal(new Set(instances).size, 6);
  assert.ok(
    instances.every((id) => /^i-[0-9a-f]{17}$/.test(id)),
    instances.join(" "),
  );
  assert.equal(
    await aws.refusal("ec2 delete-placement-group --group-name apart"),
    "InvalidPlacementGroup.InUse",
  );
  const ids = `--instance-ids ${instances.join(" ")}`;
  for (const waiter of ["instance-exists", "instance-running", "instance-status-ok", "system-status-ok"])
    await aws.text(`ec2 wait ${waiter} ${ids}`);
  assert.deepEqual(
    await line(
      "ec2 describe-placement-groups --group-names apart --query PlacementGroups[].[GroupName,Strategy]",
    ),
    ["apart", "spread"],
  );
});

test("what belongs to instances is listed in pages", async () => {
  const [ids, running, credits, attached, volumes, statuses] = await Promise.all([
    severalPages("ec2 describe-instances --page-size 5 --query Reservations[].Instances[].InstanceId"),
    severalPages("ec2 describe-instance-status --page-size 5 --query InstanceStatuses[].InstanceId"),
    severalPages(
      "ec2 describe-instance-credit-specifications --page-size 5 --query InstanceCreditSpecifications[].InstanceId",
    ),
    severalPages(
      "ec2 describe-network-interfaces --page-size 5 --query NetworkInterfaces[].Attachment.InstanceId",
    ),
    severalPages("ec2 describe-volumes --page-size 5 --query Volumes[].VolumeId"),
    severalPages("ec2 describe-volume-status --page-size 5 --query VolumeStatuses[].VolumeId"),
  ]);
  for (const list of [ids, running, credits, attached])
    assert.deepEqual(list.toSorted(), instances.toSorted());
  assert.equal(new Set(volumes).size, instances.length);
  assert.deepEqual(statuses.toSorted(), volumes.toSorted());
  await aws.text(`ec2 wait volume-in-use --volume-ids ${volumes.join(" ")}`);
  assert.deepEqual(
    (
      await line(
        "ec2 describe-instances --filters Name=tag:Name,Values=na* --query Reservations[].Instances[].InstanceId",
      )
    ).toSorted(),
    instances.filter((id) => id !== kept).toSorted(),
  );
});

test("an instance is asked for its console, its screen, its template and its password", async () => {
  const [output, data, password, screenshot] = await Promise.all([
    until(
      () => aws.text(`ec2 get-console-output --instance-id ${nano} --query Output`),
      (said) => said.trim() !== "",
    ),
    line(
      `ec2 get-launch-template-data --instance-id ${nano} --query LaunchTemplateData.[ImageId,InstanceType,KeyName]`,
    ),
    line(`ec2 get-password-data --instance-id ${nano} --query [InstanceId,PasswordData]`),
    line(`ec2 get-console-screenshot --instance-id ${nano} --query [InstanceId,ImageData]`),
  ]);
  assert.match(output, /This machine is fake/);
  assert.deepEqual(data, [region.imageId, "t3.nano", "made"]);
  assert.deepEqual(password, [nano, ""]);
  assert.equal(screenshot[0], nano);
  assert.deepEqual(Buffer.from(screenshot[1] ?? "", "base64").subarray(0, 3), jpegBegins);
});

test("a running instance's options change", async () => {
  const one = `--instance-id ${nano}`;
  assert.deepEqual(
    await line(
      `ec2 modify-instance-metadata-options ${one} --http-tokens required --http-put-response-hop-limit 2 ` +
        "--query InstanceMetadataOptions.[HttpTokens,HttpPutResponseHopLimit]",
    ),
    ["required", "2"],
  );
  assert.deepEqual(
    await line(
      `ec2 modify-instance-maintenance-options ${one} --auto-recovery disabled --query AutoRecovery`,
    ),
    ["disabled"],
  );
  await aws.text(`ec2 monitor-instances --instance-ids ${nano}`);
  assert.deepEqual(await shown("Monitoring.State"), ["enabled"]);
  await aws.text(`ec2 unmonitor-instances --instance-ids ${nano}`);
  assert.deepEqual(await shown("Monitoring.State"), ["disabled"]);
  const unknown = "i-00000000000000000";
  assert.deepEqual(
    await line(
      "ec2 modify-instance-credit-specification --instance-credit-specifications " +
        `InstanceId=${nano},CpuCredits=standard InstanceId=${unknown},CpuCredits=standard --query ` +
        "[SuccessfulInstanceCreditSpecifications[0].InstanceId,UnsuccessfulInstanceCreditSpecifications[0].Error.Code]",
    ),
    [nano, "InvalidInstanceID.NotFound"],
  );
  const [nic] = await shown("NetworkInterfaces[0].NetworkInterfaceId");
  await aws.text(`ec2 modify-network-interface-attribute --network-interface-id ${nic} --description first`);
  assert.deepEqual(
    await line(
      "ec2 describe-network-interfaces --filters Name=description,Values=first --query NetworkInterfaces[].NetworkInterfaceId",
    ),
    [nic],
  );
});

test("a running instance is given a role by a profile, another one, and none", async () => {
  const trust =
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}';
  const profiles = ["first", "second"];
  const each = (command: string) =>
    Promise.all(profiles.map((name) => aws.text(`iam ${command} --instance-profile-name ${name}`)));
  await Promise.all([
    aws.text(`iam create-role --role-name reader --assume-role-policy-document ${trust}`),
    each("create-instance-profile"),
  ]);
  await each("add-role-to-instance-profile --role-name reader");
  const query = "--query IamInstanceProfileAssociation.[AssociationId,State]";
  const [first = "", state] = await line(
    `ec2 associate-iam-instance-profile --instance-id ${nano} --iam-instance-profile Name=first ${query}`,
  );
  assert.equal(state, "associating");
  const [second = ""] = await line(
    `ec2 replace-iam-instance-profile-association --association-id ${first} ` +
      `--iam-instance-profile Arn=arn:aws:iam::000000000000:instance-profile/second ${query}`,
  );
  assert.deepEqual(await shown("IamInstanceProfile.Arn"), [
    "arn:aws:iam::000000000000:instance-profile/second",
  ]);
  assert.deepEqual(
    await line(
      "ec2 describe-iam-instance-profile-associations --page-size 5 --query IamInstanceProfileAssociations[].[AssociationId,State]",
    ),
    [second, "associated"],
  );
  await aws.text(`ec2 disassociate-iam-instance-profile --association-id ${second}`);
  assert.equal(
    await aws.refusal(`ec2 disassociate-iam-instance-profile --association-id ${second}`),
    "NoSuchAssociation",
  );
  await each("remove-role-from-instance-profile --role-name reader");
  await Promise.all([each("delete-instance-profile"), aws.text("iam delete-role --role-name reader")]);
});

test("an elastic address is allocated, mapped to the instance, and released", async () => {
  const allocate = "ec2 allocate-address --domain vpc --query [AllocationId,PublicIp]";
  const [allocation, address] = await line(allocate);
  const [spare] = await line(allocate);
  const giveBack = `ec2 release-address --allocation-id ${allocation}`;
  await aws.text(`ec2 associate-address --allocation-id ${allocation} --instance-id ${nano}`);
  assert.deepEqual(await shown("PublicIpAddress"), [address]);
  assert.equal(await aws.refusal(giveBack), "InvalidIPAddress.InUse");
  const [association, instance] = await line(
    `ec2 describe-addresses --public-ips ${address} --query Addresses[0].[AssociationId,InstanceId]`,
  );
  assert.equal(instance, nano);
  await aws.text(`ec2 disassociate-address --association-id ${association}`);
  const attributes = "ec2 describe-addresses-attribute --attribute domain-name --page-size 1";
  assert.deepEqual(
    new Set(await severalPages(`${attributes} --query Addresses[].AllocationId`)),
    new Set([allocation, spare]),
  );
  await aws.text(giveBack);
  await aws.text(`ec2 release-address --allocation-id ${spare}`);
  assert.equal(await aws.refusal(giveBack), "InvalidAllocationID.NotFound");
});

test("an interface is made, given and denied addresses, attached and detached, and deleted", async () => {
  const [subnet] = await shown("SubnetId");
  const [nic] = await line(
    `ec2 create-network-interface --subnet-id ${subnet} --query NetworkInterface.NetworkInterfaceId`,
  );
  const it = `--network-interface-id ${nic}`;
  const [address] = await line(
    `ec2 assign-private-ip-addresses ${it} --secondary-private-ip-address-count 1 --query AssignedPrivateIpAddresses[].PrivateIpAddress`,
  );
  await aws.text(`ec2 unassign-private-ip-addresses ${it} --private-ip-addresses ${address}`);
  await aws.text(`ec2 modify-network-interface-attribute ${it} --no-source-dest-check`);
  await aws.text(`ec2 reset-network-interface-attribute ${it} --source-dest-check true`);
  assert.deepEqual(
    await line(
      `ec2 describe-network-interface-attribute ${it} --attribute sourceDestCheck --query SourceDestCheck.Value`,
    ),
    ["True"],
  );
  const attach = `ec2 attach-network-interface ${it} --instance-id ${nano} --query AttachmentId --device-index`;
  assert.equal(await aws.refusal(`${attach} 0`), "InvalidParameterValue");
  const [attachment] = await line(`${attach} 1`);
  assert.equal(await aws.refusal(`ec2 delete-network-interface ${it}`), "InvalidParameterValue");
  await aws.text(`ec2 detach-network-interface --attachment-id ${attachment}`);
  await aws.text(`ec2 wait network-interface-available --network-interface-ids ${nic}`);
  await aws.text(`ec2 delete-network-interface ${it}`);
  assert.equal(await aws.refusal(`ec2 delete-network-interface ${it}`), "InvalidNetworkInterfaceID.NotFound");
});

test("an instance is rebooted, stopped, changed while it is stopped, and started", async () => {
  await aws.text(`ec2 reboot-instances --instance-ids ${nano}`);
  const type = `ec2 modify-instance-attribute --instance-id ${nano} --instance-type t3.micro`;
  assert.equal(await aws.refusal(type), "IncorrectInstanceState");
  assert.deepEqual(
    await line(
      `ec2 stop-instances --instance-ids ${nano} --query StoppingInstances[].[PreviousState.Name,CurrentState.Name]`,
    ),
    ["running", "stopping"],
  );
  await aws.text(`ec2 wait instance-stopped --instance-ids ${nano}`);
  assert.equal(await aws.refusal(`ec2 reboot-instances --instance-ids ${nano}`), "IncorrectInstanceState");
  await aws.text(type);
  assert.deepEqual(await attribute("instanceType", "InstanceType"), ["t3.micro"]);
  await aws.text(`ec2 modify-instance-attribute --instance-id ${nano} --no-source-dest-check`);
  await aws.text(
    `ec2 modify-private-dns-name-options --instance-id ${nano} --private-dns-hostname-type resource-name`,
  );
  assert.deepEqual(await attribute("sourceDestCheck", "SourceDestCheck"), ["False"]);
  await aws.text(`ec2 reset-instance-attribute --instance-id ${nano} --attribute sourceDestCheck`);
  assert.deepEqual(await attribute("sourceDestCheck", "SourceDestCheck"), ["True"]);
  assert.deepEqual(
    await line(`ec2 start-instances --instance-ids ${nano} --query StartingInstances[].PreviousState.Name`),
    ["stopped"],
  );
  await aws.text(`ec2 wait instance-running --instance-ids ${nano}`);
});

test("tags are put on, listed in pages, and taken off", async () => {
  const [key] = await line("ec2 describe-key-pairs --query KeyPairs[].KeyPairId");
  const tags = [0, 1, 2, 3, 4, 5].map((n) => `Key=tag${n},Value=${n}`);
  await aws.text(`ec2 create-tags --resources ${key} --tags ${tags.join(" ")}`);
  const mine = `ec2 describe-tags --page-size 5 --filters Name=resource-id,Values=${key} --query Tags[].Key`;
  assert.deepEqual((await severalPages(mine)).toSorted(), [
    "tag0",
    "tag1",
    "tag2",
    "tag3",
    "tag4",
    "tag5",
    "team",
  ]);
  await aws.text(`ec2 delete-tags --resources ${key} --tags Key=team,Value=b Key=tag0`);
  assert.deepEqual((await severalPages(mine)).toSorted(), ["tag1", "tag2", "tag3", "tag4", "tag5", "team"]);
});

test("a volume is made, its status and attribute described, attached and detached, and deleted", async () => {
  const [zone] = await shown("Placement.AvailabilityZone");
  const create = `ec2 create-volume --availability-zone ${zone} --size 4 --query VolumeId --client-token volume --volume-type`;
  const [id] = await line(`${create} gp3`);
  assert.deepEqual(await line(`${create} gp3`), [id]);
  assert.equal(await aws.refusal(`${create} gp2`), "IdempotentParameterMismatch");
  await aws.text(`ec2 wait volume-available --volume-ids ${id}`);
  await aws.text(`ec2 modify-volume-attribute --volume-id ${id} --auto-enable-io`);
  await aws.text(`ec2 enable-volume-io --volume-id ${id}`);
  const target = "VolumeModification.[OriginalSize,TargetSize]";
  assert.deepEqual(await line(`ec2 modify-volume --volume-id ${id} --size 5 --query ${target}`), ["4", "5"]);
  const modified =
    "ec2 describe-volumes-modifications --page-size 5 --query VolumesModifications[].ModificationState";
  await until(
    () => line(modified),
    (states) => states.join() === "completed",
  );
  const [status, enabled] = await Promise.all([
    line(`ec2 describe-volume-status --volume-ids ${id} --query VolumeStatuses[].VolumeStatus.Status`),
    line(
      `ec2 describe-volume-attribute --volume-id ${id} --attribute autoEnableIO --query AutoEnableIO.Value`,
    ),
  ]);
  assert.deepEqual([...status, ...enabled], ["ok", "True"]);
  const attach = `ec2 attach-volume --volume-id ${id} --instance-id ${nano} --query State --device`;
  assert.equal(await aws.refusal(`${attach} /dev/xvda`), "InvalidParameterValue");
  assert.deepEqual(await line(`${attach} /dev/sdg`), ["attaching"]);
  await aws.text(`ec2 wait volume-in-use --volume-ids ${id}`);
  assert.equal(await aws.refusal(`ec2 delete-volume --volume-id ${id}`), "VolumeInUse");
  assert.deepEqual(await line(`ec2 detach-volume --volume-id ${id} --query State`), ["detaching"]);
  await aws.text(`ec2 wait volume-available --volume-ids ${id}`);
  await aws.text(`ec2 delete-volume --volume-id ${id}`);
  await aws.text(`ec2 wait volume-deleted --volume-ids ${id}`);
});

test("a volume with Multi-Attach, enabled after it was made, is detached from the instance that is named", async () => {
  const [zone] = await shown("Placement.AvailabilityZone");
  const create = `ec2 create-volume --availability-zone ${zone} --size 4 --query VolumeId`;
  assert.equal(
    await aws.refusal(`${create} --volume-type gp3 --multi-attach-enabled`),
    "InvalidParameterCombination",
  );
  const [id] = await line(`${create} --volume-type io2 --iops 100`);
  await aws.text(`ec2 wait volume-available --volume-ids ${id}`);
  const target = "VolumeModification.TargetMultiAttachEnabled";
  const modify = `ec2 modify-volume --volume-id ${id} --query ${target}`;
  assert.deepEqual(await line(`${modify} --multi-attach-enabled`), ["True"]);
  const enabled =
    "ec2 describe-volumes --filters Name=multi-attach-enabled,Values=true --query Volumes[].VolumeId";
  await until(
    () => line(enabled),
    ([found]) => found === id,
  );
  await aws.text(`ec2 attach-volume --volume-id ${id} --instance-id ${nano} --device /dev/sdg`);
  await aws.text(`ec2 wait volume-in-use --volume-ids ${id}`);
  assert.equal(await aws.refusal(`${modify} --no-multi-attach-enabled`), "IncorrectState");
  const detach = `ec2 detach-volume --volume-id ${id} --query State`;
  assert.equal(await aws.refusal(detach), "MissingParameter");
  assert.deepEqual(await line(`${detach} --instance-id ${nano}`), ["detaching"]);
  await aws.text(`ec2 wait volume-available --volume-ids ${id}`);
  await aws.text(`ec2 delete-volume --volume-id ${id}`);
});

test("snapshots are made, found in pages, shared, locked, copied, made volumes of, and deleted", async () => {
  const [zone] = await shown("Placement.AvailabilityZone");
  const [volume] = await line(`ec2 create-volume --availability-zone ${zone} --size 4 --query VolumeId`);
  await aws.text(`ec2 wait volume-available --volume-ids ${volume}`);
  const [id = ""] = await line(
    `ec2 create-snapshot --volume-id ${volume} --description before --query SnapshotId`,
  );
  await aws.text(`ec2 wait snapshot-completed --snapshot-ids ${id}`);
  const all = `ec2 create-snapshots --instance-specification InstanceId=${nano} --copy-tags-from-source volume`;
  const together = await aws.rows(`${all} --query Snapshots[].[SnapshotId]`);
  const rest = together.flat();
  assert.ok(rest.length > 0);
  await aws.text(`ec2 wait snapshot-completed --snapshot-ids ${rest.join(" ")}`);
  const copying = `ec2 copy-snapshot --source-region ${region.environment["AWS_REGION"]} --source-snapshot-id ${id} --query SnapshotId`;
  for (let n = rest.length; n < 5; n++) rest.push(...(await line(copying)));
  const pages = await severalPages(
    "ec2 describe-snapshots --owner-ids self --page-size 5 --query Snapshots[].SnapshotId",
  );
  assert.deepEqual(pages.toSorted(), [id, ...rest].toSorted());
  const tiers = await severalPages(
    "ec2 describe-snapshot-tier-status --page-size 5 --query SnapshotTierStatuses[].SnapshotId",
  );
  assert.equal(tiers.length, 6);
  const permission = `--snapshot-id ${id} --attribute createVolumePermission`;
  await aws.text(`ec2 modify-snapshot-attribute ${permission} --operation-type add --user-ids 123456789012`);
  const sharedWith = () =>
    aws.rows(`ec2 describe-snapshot-attribute ${permission} --query CreateVolumePermissions[].UserId`);
  assert.deepEqual(await sharedWith(), [["123456789012"]]);
  await aws.text(`ec2 reset-snapshot-attribute ${permission}`);
  assert.deepEqual(await sharedWith(), []);
  const [index, token] = await line(
    `ebs list-snapshot-blocks --snapshot-id ${id} --query Blocks[].[BlockIndex,BlockToken]`,
  );
  const changed = `ebs list-changed-blocks --first-snapshot-id ${id} --second-snapshot-id ${rest.at(-1)}`;
  assert.deepEqual(await line(`${changed} --query ChangedBlocks[].BlockIndex`), [index]);
  const [file, block] = [join(files, "block"), `--block-index ${index} --block-token ${token}`];
  const [checksum, algorithm] = await line(
    `ebs get-snapshot-block --snapshot-id ${id} ${block} ${file} --query [Checksum,ChecksumAlgorithm]`,
  );
  const digest = createHash("sha256").update(readFileSync(file)).digest("base64");
  assert.deepEqual([checksum, algorithm], [digest, "SHA256"]);
  const another = `ebs get-snapshot-block --snapshot-id ${rest[0]} ${block} ${file}`;
  assert.equal(await aws.refusal(another), "ValidationException");
  const create = `ec2 create-volume --availability-zone ${zone} --snapshot-id ${id} --query VolumeId`;
  assert.equal(await aws.refusal(`${create} --size 3`), "InvalidParameterValue");
  const [restored] = await line(create);
  await aws.text(`ec2 wait volume-available --volume-ids ${restored}`);
  for (const snapshot of [id, ...rest]) await aws.text(`ec2 delete-snapshot --snapshot-id ${snapshot}`);
  assert.equal(await aws.refusal(`ec2 delete-snapshot --snapshot-id ${id}`), "InvalidSnapshot.NotFound");
  assert.equal(
    await aws.refusal(`ebs list-snapshot-blocks --snapshot-id ${id}`),
    "ResourceNotFoundException",
  );
  for (const it of [volume, restored]) await aws.text(`ec2 delete-volume --volume-id ${it}`);
  await aws.text(`ec2 wait volume-deleted --volume-ids ${volume} ${restored}`);
});

test("a snapshot is written block by block over another, completed, and has those bytes", async () => {
  const start = "ebs start-snapshot --volume-size 1 --query [SnapshotId,Status,BlockSize]";
  const [parent = "", ...told] = await line(start);
  assert.deepEqual(told, ["pending", "524288"]);
  const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
  const [written, file] = [Buffer.alloc(524_288, "written"), join(files, "written")];
  writeFileSync(file, written);
  const checksum = digest(written).toString("base64");
  const put = (id: string, sum: string) =>
    `ebs put-snapshot-block --snapshot-id ${id} --block-index 9 --block-data ${file} ` +
    `--data-length 524288 --checksum-algorithm SHA256 --checksum ${sum}`;
  assert.equal(
    await aws.refusal(put(parent, digest(Buffer.from("other")).toString("base64"))),
    "ValidationException",
  );
  assert.deepEqual(await line(`${put(parent, checksum)} --query Checksum`), [checksum]);
  const all = digest(digest(written)).toString("base64");
  const complete = `ebs complete-snapshot --snapshot-id ${parent} --query Status`;
  assert.equal(await aws.refusal(`${complete} --changed-blocks-count 2`), "ValidationException");
  await line(
    `${complete} --changed-blocks-count 1 --checksum ${all} --checksum-algorithm SHA256 --checksum-aggregation-method LINEAR`,
  );
  await aws.text(`ec2 wait snapshot-completed --snapshot-ids ${parent}`);
  assert.equal(await aws.refusal(put(parent, checksum)), "ValidationException");
  const [id = ""] = await line(`${start} --parent-snapshot-id ${parent}`);
  await line(`ebs complete-snapshot --snapshot-id ${id} --changed-blocks-count 0 --query Status`);
  await aws.text(`ec2 wait snapshot-completed --snapshot-ids ${id}`);
  const [index, token] = await line(
    `ebs list-snapshot-blocks --snapshot-id ${id} --query Blocks[].[BlockIndex,BlockToken]`,
  );
  const read = join(files, "read");
  await aws.text(
    `ebs get-snapshot-block --snapshot-id ${id} --block-index ${index} --block-token ${token} ${read}`,
  );
  assert.ok(readFileSync(read).equals(written));
  for (const it of [parent, id]) await aws.text(`ec2 delete-snapshot --snapshot-id ${it}`);
});

test("images are made of an instance and of a snapshot, described, shared, deprecated, and deregistered", async () => {
  const create = `ec2 create-image --instance-id ${nano} --name made --no-reboot --query ImageId`;
  const [id = ""] = await line(create);
  await aws.text(`ec2 wait image-available --image-ids ${id}`);
  const snapshotOf = "BlockDeviceMappings[0].Ebs.SnapshotId";
  const [own, snapshot] = await line(
    `ec2 describe-images --owners self --query Images[].[ImageId,${snapshotOf}]`,
  );
  assert.equal(own, id);
  const [registered = ""] = await line(
    "ec2 register-image --name registered --architecture x86_64 --virtualization-type hvm --root-device-name /dev/xvda " +
      `--block-device-mappings DeviceName=/dev/xvda,Ebs={SnapshotId=${snapshot}} --query ImageId`,
  );
  assert.equal(await aws.refusal(create), "InvalidAMIName.Duplicate");
  const [copy = ""] = await line(
    `ec2 copy-image --source-region ${region.environment["AWS_REGION"]} --source-image-id ${id} --name copied --query ImageId`,
  );
  await aws.text(`ec2 wait image-available --image-ids ${copy}`);
  const [copied] = await line(`ec2 describe-images --image-ids ${copy} --query Images[].${snapshotOf}`);
  await aws.text(`ec2 deregister-image --image-id ${copy}`);
  await aws.text(`ec2 delete-snapshot --snapshot-id ${copied}`);
  assert.equal(await aws.refusal(`ec2 delete-snapshot --snapshot-id ${snapshot}`), "InvalidSnapshot.InUse");
  await aws.text(
    `ec2 modify-image-attribute --image-id ${id} --launch-permission Add=[{UserId=123456789012}]`,
  );
  const permission = `--image-id ${id} --attribute launchPermission`;
  const sharedWith = () =>
    aws.rows(`ec2 describe-image-attribute ${permission} --query LaunchPermissions[].UserId`);
  assert.deepEqual(await sharedWith(), [["123456789012"]]);
  assert.equal(await aws.refusal(`ec2 cancel-image-launch-permission --image-id ${id}`), "AuthFailure");
  const [account] = await line("sts get-caller-identity --query Account");
  await aws.text(`ec2 modify-image-attribute --image-id ${id} --launch-permission Add=[{UserId=${account}}]`);
  await aws.text(`ec2 cancel-image-launch-permission --image-id ${id}`);
  assert.deepEqual(await sharedWith(), [["123456789012"]]);
  await aws.text(`ec2 reset-image-attribute ${permission}`);
  assert.deepEqual(await sharedWith(), []);
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  await aws.text(`ec2 enable-image-deprecation --image-id ${id} --deprecate-at ${tomorrow}`);
  await aws.text(`ec2 disable-image-deprecation --image-id ${id}`);
  for (const it of [id, registered]) await aws.text(`ec2 deregister-image --image-id ${it}`);
  await aws.text(`ec2 delete-snapshot --snapshot-id ${snapshot}`);
});

test("a running instance's root volume is replaced, and its tasks are listed in pages", async () => {
  const create = `ec2 create-replace-root-volume-task --instance-id ${nano} --delete-replaced-root-volume`;
  const tasks: string[] = [];
  for (const source of ["", ` --image-id ${region.imageId}`]) {
    const [before] = await shown("BlockDeviceMappings[0].Ebs.VolumeId");
    const [id = "", state] = await line(
      `${create}${source} --query ReplaceRootVolumeTask.[ReplaceRootVolumeTaskId,TaskState]`,
    );
    assert.equal(state, "pending");
    tasks.push(id);
    await until(
      () =>
        line(
          `ec2 describe-replace-root-volume-tasks --replace-root-volume-task-ids ${id} --query ReplaceRootVolumeTasks[].TaskState`,
        ),
      ([now]) => now === "succeeded",
    );
    await aws.text(`ec2 wait volume-deleted --volume-ids ${before}`);
    assert.notDeepEqual(await shown("BlockDeviceMappings[0].Ebs.VolumeId"), [before]);
  }
  const found = await severalPages(
    `ec2 describe-replace-root-volume-tasks --page-size 1 --filters Name=instance-id,Values=${nano} ` +
      "--query ReplaceRootVolumeTasks[].ReplaceRootVolumeTaskId",
  );
  assert.deepEqual(found.toSorted(), tasks.toSorted());
  assert.equal(
    await aws.refusal(`${create} --image-id ${region.imageId} --snapshot-id snap-00000000000000000`),
    "InvalidParameterCombination",
  );
});

test("disks are imported as images and snapshots, by tasks that are described in pages and canceled", async () => {
  const disk = "Url=http://images.example/disk.vmdk,Format=VMDK";
  const tasks: string[] = [];
  for (let n = 0; n < 2; n++)
    tasks.push(...(await line(`ec2 import-snapshot --disk-container ${disk} --query ImportTaskId`)));
  const [snapshots, images] = ["describe-import-snapshot-tasks", "describe-import-image-tasks"];
  for (const task of tasks) {
    const described = `ec2 ${snapshots} --import-task-ids ${task} --query ImportSnapshotTasks[].SnapshotTaskDetail`;
    await until(
      () => aws.text(`${described}.Status`),
      (it) => it.trim() === "completed",
    );
  }
  if (aws.conveniences().offered.includes("ec2:wait SnapshotImported"))
    await aws.text(`ec2 wait snapshot-imported --import-task-ids ${tasks[0]}`);
  assert.deepEqual(
    (
      await severalPages(`ec2 ${snapshots} --page-size 1 --query ImportSnapshotTasks[].ImportTaskId`)
    ).toSorted(),
    tasks.toSorted(),
  );
  const endless = "Url=http://images.example/endless";
  const [canceled] = await line(`ec2 import-image --disk-containers ${endless} --query ImportTaskId`);
  const [task] = await line(`ec2 import-image --disk-containers ${disk} --query ImportTaskId`);
  const cancel = `ec2 cancel-import-task --import-task-id ${canceled}`;
  assert.deepEqual(await line(`${cancel} --query PreviousState`), ["active"]);
  const made = `ec2 ${images} --import-task-ids ${task} --query ImportImageTasks[].[Status,ImageId]`;
  const [, image] = await until(
    () => line(made),
    ([status]) => status === "completed",
  );
  assert.equal(
    (await severalPages(`ec2 ${images} --page-size 1 --query ImportImageTasks[].ImportTaskId`)).length,
    2,
  );
  assert.equal(await aws.refusal(cancel), "IncorrectState");
  await aws.text(`ec2 deregister-image --image-id ${image}`);
  for (const [left] of await aws.rows(
    "ec2 describe-snapshots --owner-ids self --query Snapshots[].[SnapshotId]",
  ))
    await aws.text(`ec2 delete-snapshot --snapshot-id ${left}`);
  const bucket = "UserBucket={S3Bucket=IMAGES,S3Key=disk.vmdk}";
  assert.equal(await aws.refusal(`ec2 import-snapshot --disk-container ${bucket}`), "InvalidBucketName");
});

test("images are exported and stored as objects, and restored, by tasks that are described in pages and canceled", async () => {
  const disk = "Url=http://images.example/disk.vmdk,Format=VMDK";
  const [task] = await line(`ec2 import-image --disk-containers ${disk} --query ImportTaskId`);
  const [, image] = await until(
    () =>
      line(
        `ec2 describe-import-image-tasks --import-task-ids ${task} --query ImportImageTasks[].[Status,ImageId]`,
      ),
    ([status]) => status === "completed",
  );
  const begin = async (bucket: string) => {
    const location = `--disk-image-format VMDK --s3-export-location S3Bucket=${bucket}`;
    const [id = ""] = await line(
      `ec2 export-image --image-id ${image} ${location} --query ExportImageTaskId`,
    );
    return id;
  };
  const [whole, canceled] = [await begin("exports"), await begin("endless-exports")];
  await aws.text(`ec2 cancel-export-task --export-task-id ${canceled}`);
  const described = "ec2 describe-export-image-tasks";
  for (const [id, status] of [
    [whole, "completed"],
    [canceled, "deleted"],
  ])
    await until(
      () => line(`${described} --export-image-task-ids ${id} --query ExportImageTasks[].Status`),
      ([now]) => now === status,
    );
  const exported = await severalPages(
    `${described} --page-size 1 --query ExportImageTasks[].ExportImageTaskId`,
  );
  assert.deepEqual(exported.toSorted(), [whole, canceled].toSorted());
  assert.equal(await aws.refusal(`ec2 cancel-export-task --export-task-id ${whole}`), "IncorrectState");
  const store = (bucket: string) =>
    line(`ec2 create-store-image-task --image-id ${image} --bucket ${bucket} --query ObjectKey`);
  const [key] = await store("exports");
  if (aws.conveniences().offered.includes("ec2:wait StoreImageTaskComplete"))
    await aws.text(`ec2 wait store-image-task-complete --image-ids ${image}`);
  assert.deepEqual(await store("endless-exports"), [key]);
  await until(
    () =>
      severalPages(
        "ec2 describe-store-image-tasks --page-size 1 --query StoreImageTaskResults[].StoreTaskState",
      ),
    (states) => states.includes("Completed"),
  );
  const restore = (object: string | undefined, name: string) =>
    `ec2 create-restore-image-task --bucket exports --object-key ${object} --name ${name} --query ImageId`;
  const [restored] = await line(restore(key, "restored"));
  await aws.text(`ec2 wait image-available --image-ids ${restored}`);
  assert.equal(await aws.refusal(restore("absent", "absent")), "NoSuchKey");
  for (const id of [image, restored]) await aws.text(`ec2 deregister-image --image-id ${id}`);
  for (const [left] of await aws.rows(
    "ec2 describe-snapshots --owner-ids self --query Snapshots[].[SnapshotId]",
  ))
    await aws.text(`ec2 delete-snapshot --snapshot-id ${left}`);
});

test("lifecycle policies are made, changed, tagged and deleted", async () => {
  const trust = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "dlm.amazonaws.com" }, Action: "sts:AssumeRole" }],
  });
  const [role = ""] = await line(
    `iam create-role --role-name lifecycle --assume-role-policy-document ${trust} --query Role.Arn`,
  );
  const details = JSON.stringify({
    ResourceTypes: ["VOLUME"],
    TargetTags: [{ Key: "backup", Value: "daily" }],
    Schedules: [{ CreateRule: { Interval: 24, IntervalUnit: "HOURS" }, RetainRule: { Count: 7 } }],
  });
  const [policy = ""] = await line(
    `dlm create-lifecycle-policy --execution-role-arn ${role} --description daily --state ENABLED --policy-details ${details} --query PolicyId`,
  );
  await aws.text(`dlm update-lifecycle-policy --policy-id ${policy} --state DISABLED`);
  const found = "dlm get-lifecycle-policies --state DISABLED --query Policies[].[PolicyId]";
  assert.deepEqual(await aws.rows(found), [[policy]]);
  const get = `dlm get-lifecycle-policy --policy-id ${policy} --query Policy.PolicyArn`;
  const [arn = ""] = await line(get);
  await aws.text(`dlm tag-resource --resource-arn ${arn} --tags team=a,stage=b`);
  await aws.text(`dlm untag-resource --resource-arn ${arn} --tag-keys team`);
  assert.deepEqual(await line(`dlm list-tags-for-resource --resource-arn ${arn} --query Tags.stage`), ["b"]);
  await aws.text(`dlm delete-lifecycle-policy --policy-id ${policy}`);
  assert.equal(await aws.refusal(get), "ResourceNotFoundException");
  await aws.text("iam delete-role --role-name lifecycle");
});

test("the recycle bin keeps what is deleted, by rules that are tagged, listed in pages, locked, and deleted", async () => {
  // The rule that stays locked keeps nothing that other tests delete.
  const there = "--region eu-north-1";
  const week = "--retention-period RetentionPeriodValue=7,RetentionPeriodUnit=DAYS";
  const rules: string[] = [];
  for (const type of ["EBS_SNAPSHOT", "EC2_IMAGE", "EC2_IMAGE"])
    rules.push(
      ...(await line(`rbin create-rule ${there} ${week} --resource-type ${type} --query Identifier`)),
    );
  const [ofSnapshots = "", ofImages = "", locked = ""] = rules;
  const described = `rbin get-rule ${there} --identifier`;
  assert.deepEqual(await line(`${described} ${ofSnapshots} --query Status`), ["available"]);
  const arn = `arn:aws:rbin:eu-north-1:000000000000:rule/${ofSnapshots}`;
  await aws.text(
    `rbin tag-resource ${there} --resource-arn ${arn} --tags Key=team,Value=a Key=stage,Value=b`,
  );
  await aws.text(`rbin untag-resource ${there} --resource-arn ${arn} --tag-keys team`);
  const tags = `rbin list-tags-for-resource ${there} --resource-arn ${arn} --query Tags[].[Key,Value]`;
  assert.deepEqual(await aws.rows(tags), [["stage", "b"]]);
  const listed = `rbin list-rules ${there} --resource-type EC2_IMAGE --page-size 1 --query Rules[].Identifier`;
  assert.deepEqual((await severalPages(listed)).toSorted(), [ofImages, locked].toSorted());
  await aws.text(`rbin update-rule ${there} --identifier ${ofSnapshots} --description mine`);
  const delay = "--lock-configuration UnlockDelay={UnlockDelayValue=7,UnlockDelayUnit=DAYS}";
  const state = "--query LockState";
  assert.deepEqual(await line(`rbin lock-rule ${there} --identifier ${locked} ${delay} ${state}`), [
    "locked",
  ]);
  assert.equal(await aws.refusal(`rbin delete-rule ${there} --identifier ${locked}`), "ConflictException");
  const unlocked = `rbin unlock-rule ${there} --identifier ${locked} ${state}`;
  assert.deepEqual(await line(unlocked), ["pending_unlock"]);

  const [volume = ""] = await line(
    `ec2 create-volume ${there} --availability-zone eu-north-1a --size 1 --query VolumeId`,
  );
  await aws.text(`ec2 wait volume-available ${there} --volume-ids ${volume}`);
  const [id = ""] = await line(`ec2 create-snapshot ${there} --volume-id ${volume} --query SnapshotId`);
  await aws.text(`ec2 wait snapshot-completed ${there} --snapshot-ids ${id}`);
  const [image = ""] = await line(
    `ec2 register-image ${there} --name kept --root-device-name /dev/sda1 --architecture x86_64 --virtualization-type hvm ` +
      `--block-device-mappings DeviceName=/dev/sda1,Ebs={SnapshotId=${id}} --query ImageId`,
  );
  await aws.text(`ec2 deregister-image ${there} --image-id ${image}`);
  await aws.text(`ec2 delete-snapshot ${there} --snapshot-id ${id}`);
  const snapshots = `ec2 list-snapshots-in-recycle-bin ${there} --page-size 5 --query Snapshots[].[SnapshotId,VolumeId]`;
  assert.deepEqual(await aws.rows(snapshots), [[id, volume]]);
  const images = `ec2 list-images-in-recycle-bin ${there} --page-size 5 --query Images[].[ImageId,Name]`;
  assert.deepEqual(await aws.rows(images), [[image, "kept"]]);
  const restoreImage = `ec2 restore-image-from-recycle-bin ${there} --image-id ${image} --query Return`;
  assert.equal(await aws.refusal(restoreImage), "InvalidSnapshot.NotFound");
  const restored = `ec2 restore-snapshot-from-recycle-bin ${there} --snapshot-id ${id} --query State`;
  assert.deepEqual(await line(restored), ["completed"]);
  assert.deepEqual(await line(restoreImage), ["True"]);
  for (const rule of [ofSnapshots, ofImages])
    await aws.text(`rbin delete-rule ${there} --identifier ${rule}`);
  assert.equal(await aws.refusal(`${described} ${ofSnapshots}`), "ResourceNotFoundException");
});

test("terminated instances leave what was to be kept, and nothing else", async () => {
  const volumeOf = "BlockDeviceMappings[0].Ebs.VolumeId";
  const [[gone], [volume], [nic]] = await Promise.all([
    shown(volumeOf),
    shown(volumeOf, kept),
    shown("NetworkInterfaces[0].NetworkInterfaceId", kept),
  ]);
  const ids = `--instance-ids ${instances.join(" ")}`;
  assert.deepEqual(
    new Set(await line(`ec2 terminate-instances ${ids} --query TerminatingInstances[].CurrentState.Name`)),
    new Set(["shutting-down"]),
  );
  await aws.text(`ec2 wait instance-terminated ${ids}`);
  await Promise.all([
    aws.text(`ec2 wait volume-deleted --volume-ids ${gone}`),
    aws.text(`ec2 wait volume-available --volume-ids ${volume}`),
    aws.text(`ec2 wait network-interface-available --network-interface-ids ${nic}`),
  ]);
  assert.deepEqual(await line("ec2 describe-volumes --query Volumes[].VolumeId"), [volume]);
  assert.deepEqual(
    await line("ec2 describe-network-interfaces --query NetworkInterfaces[].NetworkInterfaceId"),
    [nic],
  );
  await aws.text("ec2 delete-placement-group --group-name apart");
  assert.deepEqual(await aws.rows("ec2 describe-placement-groups --query PlacementGroups[].GroupName"), []);
});

test("what Croft does not serve yet is refused by its name", async () => {
  assert.equal(await aws.refusal("ec2 create-transit-gateway"), "UnsupportedOperation");
  assert.equal(
    await aws.refusal("ssm put-parameter --name /mine --value a --type String"),
    "UnsupportedOperationException",
  );
});

everythingWasUsed("the aws CLI", aws.conveniences);

/** The one line it printed. */
async function line(command: string): Promise<string[]> {
  const rows = await aws.rows(command);
  assert.equal(rows.length, 1, `aws ${command}: ${rows.length} lines`);
  return rows[0] ?? [];
}

/** A list that comes in several pages, whole; nothing is in it twice. */
async function severalPages(command: string): Promise<string[]> {
  const pages = await aws.rows(command);
  assert.ok(pages.length > 1, `aws ${command}: one page`);
  const list = pages.flat();
  assert.equal(new Set(list).size, list.length, `aws ${command}: ${list.join(" ")}`);
  return list;
}

function shown(member: string, id = nano): Promise<string[]> {
  return line(`ec2 describe-instances --instance-ids ${id} --query Reservations[0].Instances[0].${member}`);
}

function attribute(name: string, member: string): Promise<string[]> {
  return line(
    `ec2 describe-instance-attribute --instance-id ${nano} --attribute ${name} --query ${member}.Value`,
  );
}
