import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type {
  EC2,
  InstanceAttributeName,
  InstanceStateName,
  ModifyInstanceAttributeCommandInput,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { testImage } from "#testing/region.ts";
import { recorded, retag, tagList, tagMap } from "./terraform.ts";

const limit = { timeout: 20_000 };
const tags = { Name: "web", team: "a" };
const [before, after] = ["#!/bin/sh\necho before\n", "#!/bin/sh\necho after\n"];

test(
  "aws_instance: plans are empty, changes are made in place, and destroy leaves nothing",
  limit,
  async (t) => {
    const { client, calls } = await recorded(t);
    const { subnet, group, other } = await surroundings(client);
    const rootDevice = await rootDeviceName(client);
    calls.length = 0;

    const id = await create(client, {
      BlockDeviceMappings: [
        { DeviceName: "/dev/sdf", Ebs: { DeleteOnTermination: false, VolumeSize: 3, VolumeType: "gp2" } },
        {
          DeviceName: rootDevice,
          Ebs: { DeleteOnTermination: true, VolumeSize: 12, VolumeType: "gp3", Iops: 4000, Throughput: 250 },
        },
      ],
      CreditSpecification: { CpuCredits: "standard" },
      DisableApiStop: false,
      DisableApiTermination: true,
      InstanceInitiatedShutdownBehavior: "terminate",
      InstanceType: "t3.micro",
      MetadataOptions: {
        HttpEndpoint: "enabled",
        HttpTokens: "required",
        HttpPutResponseHopLimit: 2,
        HttpProtocolIpv6: "disabled",
        InstanceMetadataTags: "enabled",
      },
      Monitoring: { Enabled: true },
      SecurityGroupIds: [group],
      SubnetId: subnet.id,
      TagSpecifications: [
        { ResourceType: "instance", Tags: tagList(tags) },
        { ResourceType: "volume", Tags: tagList({ of: "web" }) },
      ],
      UserData: Buffer.from(before).toString("base64"),
    });
    // Of a new instance, too, the provider changes what the configuration says of these.
    await client.modifyInstanceAttribute({
      InstanceId: id,
      InstanceInitiatedShutdownBehavior: { Value: "terminate" },
    });
    await client.monitorInstances({ InstanceIds: [id] });

    const state = await read(client, id);
    const [root, data] = [state.root_block_device, state.ebs_block_device[0]];
    assert.deepEqual(state, {
      ...bare,
      availability_zone: subnet.zone,
      credit_specification: "standard",
      disable_api_termination: true,
      ebs_block_device: [
        {
          ...blankVolume,
          volume_id: data?.volume_id,
          device_name: "/dev/sdf",
          delete_on_termination: false,
          volume_size: 3,
          volume_type: "gp2",
          iops: 100,
          tags: { of: "web" },
        },
      ],
      instance_initiated_shutdown_behavior: "terminate",
      metadata_options: {
        http_endpoint: "enabled",
        http_protocol_ipv6: "disabled",
        http_put_response_hop_limit: 2,
        http_tokens: "required",
        instance_metadata_tags: "enabled",
      },
      monitoring: true,
      ...addresses(state),
      root_block_device: {
        ...imageVolume,
        volume_id: root?.volume_id,
        volume_size: 12,
        iops: 4000,
        throughput: 250,
        tags: { of: "web" },
      },
      security_groups: ["web"],
      subnet_id: subnet.id,
      tags,
      user_data: before,
      vpc_security_group_ids: [group],
    });
    assert.deepEqual(await read(client, id), state, "the second plan");

    await retag(client, id, { team: "a" }, { Name: "api" });
    await modify(client, { InstanceId: id, SourceDestCheck: { Value: false } });
    await client.modifyNetworkInterfaceAttribute({
      NetworkInterfaceId: state.primary_network_interface_id ?? "",
      Groups: [other],
    });
    await withStopAndStart(client, { InstanceId: id, InstanceType: { Value: "t3.xlarge" } });
    await withStopAndStart(client, { InstanceId: id, UserData: { Value: Buffer.from(after) } });
    await modify(client, { InstanceId: id, DisableApiStop: { Value: true } });
    await modify(client, { InstanceId: id, InstanceInitiatedShutdownBehavior: { Value: "stop" } });
    await client.modifyInstanceMaintenanceOptions({ InstanceId: id, AutoRecovery: "disabled" });
    await client.unmonitorInstances({ InstanceIds: [id] });
    const { SuccessfulInstanceCreditSpecifications: recredited } =
      await client.modifyInstanceCreditSpecification({
        ClientToken: "terraform-2",
        InstanceCreditSpecifications: [{ InstanceId: id, CpuCredits: "unlimited" }],
      });
    assert.deepEqual(recredited, [{ InstanceId: id }]);
    await client.modifyInstanceMetadataOptions({
      InstanceId: id,
      HttpEndpoint: "enabled",
      HttpTokens: "optional",
      HttpProtocolIpv6: "disabled",
      HttpPutResponseHopLimit: 1,
      InstanceMetadataTags: "disabled",
    });
    assert.equal((await find(client, id)).MetadataOptions?.State, "applied");
    await modify(client, {
      InstanceId: id,
      BlockDeviceMappings: [{ DeviceName: rootDevice, Ebs: { DeleteOnTermination: false } }],
    });
    await retag(client, root?.volume_id ?? "", { of: "web" }, { of: "api" });

    const changed = await read(client, id);
    assert.deepEqual(changed, {
      ...state,
      cpu_core_count: 2,
      ...publicAddress(changed),
      credit_specification: "unlimited",
      disable_api_stop: true,
      instance_initiated_shutdown_behavior: "stop",
      instance_type: "t3.xlarge",
      maintenance_options: "disabled",
      metadata_options: bare.metadata_options,
      monitoring: false,
      root_block_device: { ...root, delete_on_termination: false, tags: { of: "api" } },
      security_groups: ["other"],
      source_dest_check: false,
      tags: { Name: "api" },
      user_data: after,
      vpc_security_group_ids: [other],
    });
    assert.deepEqual(await read(client, id), changed, "the plan after the change");

    await withoutStopProtection(client, id);
    await withStopAndStart(client, { InstanceId: id, UserData: { Value: new Uint8Array() } });
    assert.equal((await read(client, id)).user_data, undefined);

    await destroy(client, id, true);
    const { NetworkInterfaces: left } = await client.describeNetworkInterfaces({
      Filters: [{ Name: "group-id", Values: [other] }],
    });
    assert.deepEqual(left, []);
    const { Volumes: kept = [] } = await client.describeVolumes();
    assert.deepEqual(
      new Set(kept.map(({ VolumeId, State }) => `${VolumeId} ${State}`)),
      new Set([`${root?.volume_id} available`, `${data?.volume_id} available`]),
    );
    for (const GroupId of [group, other]) await client.deleteSecurityGroup({ GroupId });
    const restart = (call: string) => ["StopInstances", call, "StartInstances"];
    assert.deepEqual(
      calls.filter((name) => !name.startsWith("Describe")),
      [
        "RunInstances",
        "ModifyInstanceAttribute",
        "MonitorInstances",
        "DeleteTags",
        "CreateTags",
        "ModifyInstanceAttribute",
        "ModifyNetworkInterfaceAttribute",
        ...restart("ModifyInstanceAttribute"),
        ...restart("ModifyInstanceAttribute"),
        "ModifyInstanceAttribute",
        "ModifyInstanceAttribute",
        "ModifyInstanceMaintenanceOptions",
        "UnmonitorInstances",
        "ModifyInstanceCreditSpecification",
        "ModifyInstanceMetadataOptions",
        "ModifyInstanceAttribute",
        "DeleteTags",
        "CreateTags",
        "ModifyInstanceAttribute",
        ...restart("ModifyInstanceAttribute"),
        "ModifyInstanceAttribute",
        "ModifyInstanceAttribute",
        "TerminateInstances",
        "DeleteSecurityGroup",
        "DeleteSecurityGroup",
      ],
    );
  },
);

test("aws_instance of an image and a type alone: what it does not say is as in EC2", limit, async (t) => {
  const { client } = await recorded(t);
  const id = await create(client, {
    CreditSpecification: { CpuCredits: "unlimited" },
    InstanceType: "t3.micro",
  });
  const state = await read(client, id);
  assert.deepEqual(state, {
    ...bare,
    ...addresses(state),
    availability_zone: state.availability_zone,
    root_block_device: { ...imageVolume, volume_id: state.root_block_device?.volume_id },
    subnet_id: state.subnet_id,
    vpc_security_group_ids: state.vpc_security_group_ids,
  });
  assert.deepEqual(await read(client, id), state, "the second plan");
  await destroy(client, id, false);
  assert.deepEqual((await client.describeVolumes()).Volumes, []);
});

test(
  "aws_instance at an address of its own, without a public one, of a type without credits",
  limit,
  async (t) => {
    const { client, calls } = await recorded(t);
    const { subnet, group } = await surroundings(client);
    const wanted = subnet.network.replace(/\.0\/\d+$/, ".77");
    const id = await create(client, {
      InstanceType: "m5.large",
      NetworkInterfaces: [
        {
          AssociatePublicIpAddress: false,
          DeviceIndex: 0,
          Groups: [group],
          PrivateIpAddress: wanted,
          SubnetId: subnet.id,
        },
      ],
    });
    const state = await read(client, id);
    assert.deepEqual(
      [state.associate_public_ip_address, state.public_ip, state.public_dns, state.private_ip],
      [false, undefined, "", wanted],
    );
    assert.deepEqual(
      [state.subnet_id, state.vpc_security_group_ids, state.credit_specification],
      [subnet.id, [group], undefined],
    );
    assert.deepEqual(await read(client, id), state, "the second plan");
    assert.ok(!calls.includes("DescribeInstanceCreditSpecifications"));
    await destroy(client, id, false);
  },
);

test("aws_instance of a launch template: it is read back from the tags that EC2 writes", limit, async (t) => {
  const { client } = await recorded(t);
  const { LaunchTemplate: template } = await client.createLaunchTemplate({
    LaunchTemplateName: "web",
    LaunchTemplateData: { ImageId: testImage.id, InstanceType: "t3.small", UserData: "" },
  });
  const LaunchTemplateId = template?.LaunchTemplateId ?? "";
  const id = await create(client, {
    ImageId: undefined,
    LaunchTemplate: { LaunchTemplateId, Version: "$Latest" },
    TagSpecifications: [{ ResourceType: "instance", Tags: tagList(tags) }],
  });
  const state = await read(client, id);
  assert.deepEqual(state.launch_template, { id: LaunchTemplateId, version: "1", name: "web", latest: 1 });
  assert.deepEqual([state.ami, state.instance_type, state.tags], [testImage.id, "t3.small", tags]);
  assert.deepEqual(await read(client, id), state, "the second plan");
  await client.deleteLaunchTemplate({ LaunchTemplateId });
  await assert.rejects(read(client, id), { name: "InvalidLaunchTemplateId.NotFound" });
  await destroy(client, id, false);
});

/** What the provider asks of every instance, and what the configuration says. */
async function create(client: EC2, configured: Partial<RunInstancesCommandInput>): Promise<string> {
  const { Instances: [made, ...more] = [] } = await client.runInstances({
    ClientToken: "terraform-1",
    DisableApiTermination: false,
    EbsOptimized: false,
    HibernationOptions: { Configured: false },
    ImageId: testImage.id,
    MaxCount: 1,
    MinCount: 1,
    Monitoring: { Enabled: false },
    Placement: { AvailabilityZone: "" },
    ...configured,
  });
  assert.deepEqual(more, []);
  await reached(client, made?.InstanceId ?? "", "running");
  return made?.InstanceId ?? "";
}

const modify = (client: EC2, change: ModifyInstanceAttributeCommandInput) =>
  client.modifyInstanceAttribute(change);
const withoutStopProtection = (client: EC2, id: string) =>
  modify(client, { InstanceId: id, DisableApiStop: { Value: false } });

async function withStopAndStart(client: EC2, change: ModifyInstanceAttributeCommandInput) {
  const id = change.InstanceId ?? "";
  await client.stopInstances({ InstanceIds: [id], Force: false });
  await reached(client, id, "stopped");
  await modify(client, change);
  await client.startInstances({ InstanceIds: [id] });
  await reached(client, id, "running");
}

/** The provider writes stop protection once more as it is, which stands in no termination's way. */
async function destroy(client: EC2, id: string, stopProtected: boolean) {
  await modify(client, { InstanceId: id, DisableApiTermination: { Value: false } });
  if (stopProtected) await modify(client, { InstanceId: id, DisableApiStop: { Value: true } });
  await client.terminateInstances({ InstanceIds: [id] });
  await reached(client, id, "terminated");
}

async function reached(client: EC2, id: string, wanted: InstanceStateName) {
  while ((await find(client, id)).State?.Name !== wanted) await pause(10);
}

async function find(client: EC2, id: string) {
  const { Reservations: [reservation, ...more] = [] } = await client.describeInstances({ InstanceIds: [id] });
  assert.deepEqual(more, []);
  const [instance] = reservation?.Instances ?? [];
  assert.ok(instance);
  return instance;
}

/** As the provider writes what it reads into its state. */
async function read(client: EC2, id: string) {
  const it = await find(client, id);
  const { InstanceTypes: [type] = [] } = await client.describeInstanceTypes({
    InstanceTypes: it.InstanceType === undefined ? [] : [it.InstanceType],
  });
  const launchTemplate = await launchTemplateOf(client, id);
  const { Vpcs: [vpc] = [] } = await client.describeVpcs({ VpcIds: [it.VpcId ?? ""] });
  const attribute = (Attribute: InstanceAttributeName) =>
    client.describeInstanceAttribute({ InstanceId: id, Attribute });
  const { InstanceInitiatedShutdownBehavior: shutdown } = await attribute(
    "instanceInitiatedShutdownBehavior",
  );
  const volumes = await volumesOf(client, it.BlockDeviceMappings ?? []);
  const { DisableApiStop: stop } = await attribute("disableApiStop");
  const { DisableApiTermination: termination } = await attribute("disableApiTermination");
  const { UserData: userData } = await attribute("userData");
  const { InstanceCreditSpecifications: [credits] = [] } = type?.BurstablePerformanceSupported
    ? await client.describeInstanceCreditSpecifications({ InstanceIds: [id] })
    : {};
  const [primary] = (it.NetworkInterfaces ?? []).filter((nic) => nic.Attachment?.DeviceIndex === 0);
  const [metadata, dns] = [it.MetadataOptions, it.PrivateDnsNameOptions];
  return {
    ami: it.ImageId,
    associate_public_ip_address: primary?.Association !== undefined,
    availability_zone: it.Placement?.AvailabilityZone,
    capacity_reservation_preference: it.CapacityReservationSpecification?.CapacityReservationPreference,
    cpu_core_count: it.CpuOptions?.CoreCount,
    cpu_threads_per_core: it.CpuOptions?.ThreadsPerCore,
    credit_specification: credits?.CpuCredits,
    disable_api_stop: stop?.Value,
    disable_api_termination: termination?.Value,
    ebs_block_device: volumes.filter((volume) => volume.device_name !== it.RootDeviceName),
    ebs_optimized: it.EbsOptimized,
    enclave_options: it.EnclaveOptions?.Enabled,
    hibernation: it.HibernationOptions?.Configured,
    host_id: it.Placement?.HostId,
    iam_instance_profile: it.IamInstanceProfile?.Arn,
    instance_initiated_shutdown_behavior: shutdown?.Value,
    instance_lifecycle: it.InstanceLifecycle,
    instance_state: it.State?.Name,
    instance_type: it.InstanceType,
    ipv6_addresses: primary?.Ipv6Addresses,
    key_name: it.KeyName,
    launch_template: launchTemplate,
    maintenance_options: it.MaintenanceOptions?.AutoRecovery,
    metadata_options: {
      http_endpoint: metadata?.HttpEndpoint,
      http_protocol_ipv6: metadata?.HttpProtocolIpv6,
      http_put_response_hop_limit: metadata?.HttpPutResponseHopLimit,
      http_tokens: metadata?.HttpTokens,
      instance_metadata_tags: metadata?.InstanceMetadataTags,
    },
    monitoring: it.Monitoring?.State === "enabled" || it.Monitoring?.State === "pending",
    outpost_arn: it.OutpostArn,
    placement_group: it.Placement?.GroupName,
    placement_partition_number: it.Placement?.PartitionNumber,
    primary_network_interface_id: primary?.NetworkInterfaceId,
    private_dns: it.PrivateDnsName,
    private_dns_name_options: [
      dns?.HostnameType,
      dns?.EnableResourceNameDnsARecord,
      dns?.EnableResourceNameDnsAAAARecord,
    ],
    private_ip: it.PrivateIpAddress,
    public_dns: it.PublicDnsName,
    public_ip: it.PublicIpAddress,
    root_block_device: volumes.find((volume) => volume.device_name === it.RootDeviceName),
    secondary_private_ips: (primary?.PrivateIpAddresses ?? []).filter((address) => !address.Primary),
    security_groups: vpc?.IsDefault ? it.SecurityGroups?.map(({ GroupName }) => GroupName) : [],
    source_dest_check: it.SourceDestCheck,
    spot_instance_request_id: it.SpotInstanceRequestId,
    subnet_id: primary?.SubnetId,
    tags: Object.fromEntries(Object.entries(tagMap(it.Tags)).filter(([key]) => !key.startsWith("aws:"))),
    tenancy: it.Placement?.Tenancy,
    user_data: userData?.Value && Buffer.from(userData.Value, "base64").toString(),
    vpc_security_group_ids: it.SecurityGroups?.map(({ GroupId }) => GroupId),
  };
}
type State = Awaited<ReturnType<typeof read>>;

/** What a read gives where the configuration says nothing, of a t3.micro. */
const bare = {
  ami: testImage.id,
  associate_public_ip_address: true,
  capacity_reservation_preference: "open",
  cpu_core_count: 1,
  cpu_threads_per_core: 2,
  credit_specification: "unlimited",
  disable_api_stop: false,
  disable_api_termination: false,
  ebs_block_device: [],
  ebs_optimized: false,
  enclave_options: false,
  hibernation: false,
  host_id: undefined,
  iam_instance_profile: undefined,
  instance_initiated_shutdown_behavior: "stop",
  instance_lifecycle: undefined,
  instance_state: "running",
  instance_type: "t3.micro",
  ipv6_addresses: [],
  key_name: undefined,
  launch_template: undefined,
  maintenance_options: "default",
  metadata_options: {
    http_endpoint: "enabled",
    http_protocol_ipv6: "disabled",
    http_put_response_hop_limit: 1,
    http_tokens: "optional",
    instance_metadata_tags: "disabled",
  },
  monitoring: false,
  outpost_arn: undefined,
  placement_group: "",
  placement_partition_number: undefined,
  private_dns_name_options: ["ip-name", false, false],
  secondary_private_ips: [],
  security_groups: ["default"],
  source_dest_check: true,
  spot_instance_request_id: undefined,
  tags: {},
  tenancy: "default",
  user_data: undefined,
};
const blankVolume = { encrypted: false, kms_key_id: undefined, throughput: undefined, tags: {} };
const imageVolume = {
  ...blankVolume,
  device_name: testImage.rootDevice,
  delete_on_termination: true,
  volume_size: testImage.sizeGiB,
  volume_type: "gp3",
  iops: 3000,
  throughput: 125,
};

/** What the region chooses, which is not in a configuration, and is there. */
function addresses(state: State) {
  assert.match(state.primary_network_interface_id ?? "", /^eni-/);
  assert.match(state.private_ip ?? "", /^172\.31\./);
  assert.equal(
    state.private_dns,
    `ip-${state.private_ip?.replaceAll(".", "-")}.eu-central-1.compute.internal`,
  );
  const { primary_network_interface_id, private_ip, private_dns } = state;
  return { primary_network_interface_id, private_ip, private_dns, ...publicAddress(state) };
}

/** It may be another after a stop. */
function publicAddress({ public_ip, public_dns }: State) {
  assert.match(public_ip ?? "", /^198\.18\./);
  assert.equal(public_dns, `ec2-${public_ip?.replaceAll(".", "-")}.eu-central-1.compute.amazonaws.com`);
  return { public_ip, public_dns };
}

async function volumesOf(
  client: EC2,
  devices: NonNullable<Awaited<ReturnType<typeof find>>["BlockDeviceMappings"]>,
) {
  const { Volumes: volumes = [] } = await client.describeVolumes({
    VolumeIds: devices.map(({ Ebs }) => Ebs?.VolumeId ?? ""),
  });
  return volumes.map((volume) => {
    const device = devices.find(({ Ebs }) => Ebs?.VolumeId === volume.VolumeId);
    return {
      volume_id: volume.VolumeId,
      device_name: device?.DeviceName,
      delete_on_termination: device?.Ebs?.DeleteOnTermination,
      encrypted: volume.Encrypted,
      iops: volume.Iops,
      kms_key_id: volume.KmsKeyId,
      tags: tagMap(volume.Tags),
      throughput: volume.Throughput,
      volume_size: volume.Size,
      volume_type: volume.VolumeType,
    };
  });
}

/** Which template an instance is of says a tag of it. */
async function launchTemplateOf(client: EC2, instanceId: string) {
  const tagOf = async (key: string) => {
    const { Tags: [tag] = [] } = await client.describeTags({
      Filters: [
        { Name: "resource-id", Values: [instanceId] },
        { Name: "key", Values: [key] },
      ],
    });
    return tag?.Value;
  };
  const id = await tagOf("aws:ec2launchtemplate:id");
  if (id === undefined) return undefined;
  const { LaunchTemplates: [template] = [] } = await client.describeLaunchTemplates({
    LaunchTemplateIds: [id],
  });
  const version = await tagOf("aws:ec2launchtemplate:version");
  await client.describeLaunchTemplateVersions({ LaunchTemplateId: id, Versions: [version ?? ""] });
  return { id, version, name: template?.LaunchTemplateName, latest: template?.LatestVersionNumber };
}

async function surroundings(client: EC2) {
  const { Subnets: [subnet] = [] } = await client.describeSubnets();
  const make = async (GroupName: string) =>
    (await client.createSecurityGroup({ GroupName, Description: GroupName })).GroupId ?? "";
  return {
    subnet: {
      id: subnet?.SubnetId,
      zone: subnet?.AvailabilityZone,
      network: subnet?.CidrBlock ?? "",
    },
    group: await make("web"),
    other: await make("other"),
  };
}

/** The provider takes it from the image, of whose block devices it must be one. */
async function rootDeviceName(client: EC2) {
  const { Images: [image] = [] } = await client.describeImages({ ImageIds: [testImage.id] });
  const mapped = image?.BlockDeviceMappings?.map(({ DeviceName }) => DeviceName);
  assert.ok(mapped?.includes(image?.RootDeviceName));
  return image?.RootDeviceName;
}
