import assert from "node:assert/strict";
import { test } from "node:test";
import type { EC2, RequestLaunchTemplateData } from "@aws-sdk/client-ec2";
import { recorded, retag, tagList, tagMap } from "./terraform.ts";

const limit = { timeout: 20_000 };
const tags = { Name: "web", team: "a" };

/** Every block that the provider's schema has, filled in: a template keeps also what no launch could use here. */
const everything: RequestLaunchTemplateData = {
  BlockDeviceMappings: [
    {
      DeviceName: "/dev/xvda",
      Ebs: {
        DeleteOnTermination: true,
        Encrypted: false,
        Iops: 4000,
        SnapshotId: "snap-0123456789abcdef0",
        Throughput: 250,
        VolumeSize: 20,
        VolumeType: "gp3",
      },
    },
    { DeviceName: "/dev/sdf", NoDevice: "" },
    { DeviceName: "/dev/sdg", VirtualName: "ephemeral0" },
  ],
  CapacityReservationSpecification: { CapacityReservationPreference: "open" },
  CpuOptions: { CoreCount: 2, ThreadsPerCore: 1 },
  CreditSpecification: { CpuCredits: "standard" },
  DisableApiStop: true,
  DisableApiTermination: true,
  EbsOptimized: false,
  EnclaveOptions: { Enabled: false },
  HibernationOptions: { Configured: false },
  IamInstanceProfile: { Name: "web" },
  ImageId: "ami-0123456789abcdef0",
  InstanceInitiatedShutdownBehavior: "terminate",
  InstanceMarketOptions: {
    MarketType: "spot",
    SpotOptions: {
      BlockDurationMinutes: 60,
      InstanceInterruptionBehavior: "terminate",
      MaxPrice: "0.05",
      SpotInstanceType: "one-time",
    },
  },
  InstanceType: "t3.micro",
  KernelId: "aki-0123456789abcdef0",
  KeyName: "deployer",
  LicenseSpecifications: [
    {
      LicenseConfigurationArn:
        "arn:aws:license-manager:eu-central-1:111122223333:license-configuration:lic-0",
    },
  ],
  MaintenanceOptions: { AutoRecovery: "disabled" },
  MetadataOptions: {
    HttpEndpoint: "enabled",
    HttpProtocolIpv6: "disabled",
    HttpPutResponseHopLimit: 2,
    HttpTokens: "required",
    InstanceMetadataTags: "enabled",
  },
  Monitoring: { Enabled: true },
  NetworkInterfaces: [
    {
      AssociatePublicIpAddress: true,
      DeleteOnTermination: false,
      Description: "the first",
      DeviceIndex: 0,
      Groups: ["sg-0123456789abcdef0", "sg-0123456789abcdef1"],
      InterfaceType: "interface",
      Ipv6Addresses: [{ Ipv6Address: "2001:db8::1" }],
      NetworkCardIndex: 0,
      PrivateIpAddresses: [
        { Primary: true, PrivateIpAddress: "10.0.0.7" },
        { Primary: false, PrivateIpAddress: "10.0.0.8" },
      ],
      SubnetId: "subnet-0123456789abcdef0",
    },
  ],
  Placement: {
    AvailabilityZone: "eu-central-1a",
    GroupName: "racks",
    PartitionNumber: 2,
    Tenancy: "default",
  },
  PrivateDnsNameOptions: {
    EnableResourceNameDnsAAAARecord: false,
    EnableResourceNameDnsARecord: true,
    HostnameType: "resource-name",
  },
  RamDiskId: "ari-0123456789abcdef0",
  SecurityGroupIds: ["sg-0123456789abcdef0"],
  SecurityGroups: ["web"],
  TagSpecifications: [
    { ResourceType: "instance", Tags: tagList(tags) },
    { ResourceType: "volume", Tags: tagList({ of: "web" }) },
  ],
  UserData: Buffer.from("#!/bin/sh\n").toString("base64"),
};

const requirements: RequestLaunchTemplateData = {
  InstanceRequirements: {
    AcceleratorCount: { Max: 0 },
    AllowedInstanceTypes: ["m5*"],
    BareMetal: "excluded",
    BurstablePerformance: "included",
    CpuManufacturers: ["intel", "amd"],
    InstanceGenerations: ["current"],
    MemoryGiBPerVCpu: { Min: 1.5, Max: 4 },
    MemoryMiB: { Min: 1024, Max: 8192 },
    NetworkBandwidthGbps: { Min: 0.5 },
    RequireHibernateSupport: false,
    SpotMaxPricePercentageOverLowestPrice: 50,
    VCpuCount: { Min: 1, Max: 4 },
  },
  UserData: "",
};

/** The provider writes user data always, so that a template is never empty. */
const templates: readonly [
  what: string,
  before: RequestLaunchTemplateData,
  after: RequestLaunchTemplateData,
][] = [
  ["that says nothing", { UserData: "" }, { InstanceType: "t3.micro", UserData: "" }],
  ["that says everything", everything, { UserData: "" }],
  ["with requirements in the place of a type", requirements, everything],
];
for (const [what, before, after] of templates)
  test(`aws_launch_template ${what}: a change is a new version, and plans are empty`, limit, async (t) => {
    const { client, calls } = await recorded(t);
    const made = await client.createLaunchTemplate({
      ClientToken: "terraform-1",
      LaunchTemplateData: before,
      LaunchTemplateName: "web",
      TagSpecifications: [{ ResourceType: "launch-template", Tags: tagList(tags) }],
      VersionDescription: "the first",
    });
    const id = made.LaunchTemplate?.LaunchTemplateId ?? "";
    const state = await read(client, id);
    assert.deepEqual(state, {
      default_version: 1,
      description: "the first",
      latest_version: 1,
      name: "web",
      data: configured(before),
      tags,
    });
    assert.deepEqual(await read(client, id), state, "the second plan");

    // What is no longer in the configuration is not in the new version: it is made without a source.
    const { LaunchTemplateVersion: version } = await client.createLaunchTemplateVersion({
      ClientToken: "terraform-2",
      LaunchTemplateData: after,
      LaunchTemplateId: id,
    });
    assert.equal(version?.VersionNumber, 2);
    const changed = await read(client, id);
    assert.deepEqual(changed, {
      ...state,
      description: undefined,
      latest_version: 2,
      data: configured(after),
    });

    await client.modifyLaunchTemplate({ LaunchTemplateId: id, DefaultVersion: "2" });
    await retag(client, id, { team: "a" }, { Name: "api" });
    const final = await read(client, id);
    assert.deepEqual(final, { ...changed, default_version: 2, tags: { Name: "api" } });
    assert.deepEqual(await read(client, id), final, "the plan after the change");

    await client.deleteLaunchTemplate({ LaunchTemplateId: id });
    await assert.rejects(read(client, id), { name: "InvalidLaunchTemplateId.NotFound" });
    await assert.rejects(client.deleteLaunchTemplate({ LaunchTemplateId: id }), {
      name: "InvalidLaunchTemplateId.NotFound",
    });
    assert.deepEqual(
      calls.filter((name) => !name.startsWith("Describe")),
      [
        "CreateLaunchTemplate",
        "CreateLaunchTemplateVersion",
        "ModifyLaunchTemplate",
        "DeleteTags",
        "CreateTags",
        "DeleteLaunchTemplate",
        "DeleteLaunchTemplate",
      ],
    );
  });

/** As the provider writes what it reads into its state: of the data, all of them. */
async function read(client: EC2, id: string) {
  const { LaunchTemplates: [template, ...more] = [] } = await client.describeLaunchTemplates({
    LaunchTemplateIds: [id],
  });
  assert.deepEqual(more, []);
  const { LaunchTemplateVersions: [version, ...others] = [] } = await client.describeLaunchTemplateVersions({
    LaunchTemplateId: id,
    Versions: [String(template?.LatestVersionNumber)],
  });
  assert.deepEqual(others, []);
  return {
    default_version: template?.DefaultVersionNumber,
    description: version?.VersionDescription,
    latest_version: template?.LatestVersionNumber,
    name: template?.LaunchTemplateName,
    data: configured(version?.LaunchTemplateData ?? {}),
    tags: tagMap(template?.Tags),
  };
}

/** To the provider no user data are the same as empty ones. */
const configured = ({ UserData = "", ...data }: object & { UserData?: string | undefined }) => ({
  ...data,
  UserData,
});
