import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  type EC2,
  waitUntilInstanceRunning,
  waitUntilNatGatewayAvailable,
  waitUntilNatGatewayDeleted,
} from "@aws-sdk/client-ec2";
import { testImage } from "#testing/region.ts";
import { recorded, retag, tagList, tagMap } from "./terraform.ts";

const limit = { timeout: 20_000 };
const tags = { Name: "web", team: "a" };

const patience = { maxWaitTime: 60, minDelay: 1, maxDelay: 1 };

/** Filters, as the provider writes them. */
const where = (filters: Record<string, string>) => ({
  Filters: Object.entries(filters).map(([Name, value]) => ({ Name, Values: [value] })),
});

test(
  "aws_vpc: a second plan is empty, names are turned on in place, and destroy leaves nothing",
  limit,
  async (t) => {
    const { client } = await recorded(t);
    const { Vpc } = await client.createVpc({
      CidrBlock: "10.0.0.0/16",
      AmazonProvidedIpv6CidrBlock: false,
      InstanceTenancy: "default",
      TagSpecifications: [{ ResourceType: "vpc", Tags: tagList(tags) }],
    });
    const VpcId = Vpc?.VpcId ?? "";
    const state = await readVpc(client, VpcId);
    assert.deepEqual(
      { ...state, main_route_table_id: "", default_network_acl_id: "", default_security_group_id: "" },
      {
        cidr_block: "10.0.0.0/16",
        instance_tenancy: "default",
        enable_dns_hostnames: false,
        enable_dns_support: true,
        enable_network_address_usage_metrics: false,
        default_network_acl_id: "",
        main_route_table_id: "",
        default_security_group_id: "",
        tags,
      },
    );
    assert.match(state.main_route_table_id ?? "", /^rtb-/);
    assert.match(state.default_network_acl_id ?? "", /^acl-/);
    assert.match(state.default_security_group_id ?? "", /^sg-/);
    assert.deepEqual(await readVpc(client, VpcId), state, "the second plan");

    await client.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: true } });
    await retag(client, VpcId, { team: "a" }, { Name: "shop" });
    const changed = await readVpc(client, VpcId);
    assert.deepEqual(changed, { ...state, enable_dns_hostnames: true, tags: { Name: "shop" } });

    await client.deleteVpc({ VpcId });
    await assert.rejects(readVpc(client, VpcId), { name: "InvalidVpcID.NotFound" });
  },
);

test(
  "a public subnet with its gateway and its route: a second plan is empty, and destroy leaves nothing",
  limit,
  async (t) => {
    const { client } = await recorded(t);
    const VpcId = (await client.createVpc({ CidrBlock: "10.0.0.0/16" })).Vpc?.VpcId ?? "";

    const { Subnet } = await client.createSubnet({
      VpcId,
      CidrBlock: "10.0.1.0/24",
      AvailabilityZone: "eu-central-1a",
      TagSpecifications: [{ ResourceType: "subnet", Tags: tagList(tags) }],
    });
    const SubnetId = Subnet?.SubnetId ?? "";
    await client.modifySubnetAttribute({ SubnetId, MapPublicIpOnLaunch: { Value: true } });
    const subnet = async () => {
      const { Subnets: [it] = [] } = await client.describeSubnets({ SubnetIds: [SubnetId] });
      return {
        arn: it?.SubnetArn,
        availability_zone: it?.AvailabilityZone,
        cidr_block: it?.CidrBlock,
        map_public_ip_on_launch: it?.MapPublicIpOnLaunch,
        private_dns_hostname_type_on_launch: it?.PrivateDnsNameOptionsOnLaunch?.HostnameType,
        vpc_id: it?.VpcId,
        tags: tagMap(it?.Tags),
      };
    };
    assert.deepEqual(await subnet(), {
      arn: `arn:aws:ec2:eu-central-1:111122223333:subnet/${SubnetId}`,
      availability_zone: "eu-central-1a",
      cidr_block: "10.0.1.0/24",
      map_public_ip_on_launch: true,
      private_dns_hostname_type_on_launch: "ip-name",
      vpc_id: VpcId,
      tags,
    });

    const { InternetGateway } = await client.createInternetGateway({
      TagSpecifications: [{ ResourceType: "internet-gateway", Tags: tagList(tags) }],
    });
    const InternetGatewayId = InternetGateway?.InternetGatewayId ?? "";
    await client.attachInternetGateway({ InternetGatewayId, VpcId });
    // The provider waits for this very word.
    const { InternetGateways: [attached] = [] } = await client.describeInternetGateways({
      InternetGatewayIds: [InternetGatewayId],
    });
    assert.deepEqual(attached?.Attachments, [{ State: "available", VpcId }]);

    const { RouteTable } = await client.createRouteTable({
      VpcId,
      ClientToken: "terraform-1",
      TagSpecifications: [{ ResourceType: "route-table", Tags: tagList(tags) }],
    });
    const RouteTableId = RouteTable?.RouteTableId ?? "";
    await client.createRoute({
      RouteTableId,
      DestinationCidrBlock: "0.0.0.0/0",
      GatewayId: InternetGatewayId,
    });
    const { AssociationId = "" } = await client.associateRouteTable({ RouteTableId, SubnetId });
    const table = async () => {
      const { RouteTables: [it] = [] } = await client.describeRouteTables({ RouteTableIds: [RouteTableId] });
      return {
        owner_id: it?.OwnerId,
        propagating_vgws: it?.PropagatingVgws,
        // The provider leaves out the local route.
        route: it?.Routes?.filter(({ GatewayId }) => GatewayId !== "local").map((route) => [
          route.DestinationCidrBlock,
          route.GatewayId,
          route.Origin,
          route.State,
        ]),
        tags: tagMap(it?.Tags),
      };
    };
    const state = await table();
    assert.deepEqual(state, {
      owner_id: "111122223333",
      propagating_vgws: [],
      route: [["0.0.0.0/0", InternetGatewayId, "CreateRoute", "active"]],
      tags,
    });
    assert.deepEqual(await table(), state, "the second plan");
    const association = async () => {
      const { RouteTables = [] } = await client.describeRouteTables(
        where({ "association.route-table-association-id": AssociationId }),
      );
      return RouteTables.flatMap(({ Associations = [] }) => Associations).find(
        (it) => it.RouteTableAssociationId === AssociationId,
      );
    };
    assert.deepEqual(await association(), {
      RouteTableAssociationId: AssociationId,
      RouteTableId,
      Main: false,
      SubnetId,
      AssociationState: { State: "associated" },
    });

    await client.disassociateRouteTable({ AssociationId });
    assert.equal(await association(), undefined);
    await client.deleteRouteTable({ RouteTableId });
    await assert.rejects(table(), { name: "InvalidRouteTableID.NotFound" });
    await client.detachInternetGateway({ InternetGatewayId, VpcId });
    await client.deleteInternetGateway({ InternetGatewayId });
    await assert.rejects(client.describeInternetGateways({ InternetGatewayIds: [InternetGatewayId] }), {
      name: "InvalidInternetGatewayID.NotFound",
    });
    await client.deleteSubnet({ SubnetId });
    await assert.rejects(subnet(), { name: "InvalidSubnetID.NotFound" });
    await client.deleteVpc({ VpcId });
  },
);

test("aws_eip: a second plan is empty, and destroy leaves nothing", limit, async (t) => {
  const { client } = await recorded(t);
  const { AllocationId = "", PublicIp } = await client.allocateAddress({
    Domain: "vpc",
    TagSpecifications: [{ ResourceType: "elastic-ip", Tags: tagList(tags) }],
  });
  const read = async () => {
    const { Addresses: [it] = [] } = await client.describeAddresses({ AllocationIds: [AllocationId] });
    const { Addresses: [names] = [] } = await client.describeAddressesAttribute({
      AllocationIds: [AllocationId],
      Attribute: "domain-name",
    });
    return {
      domain: it?.Domain,
      public_ip: it?.PublicIp,
      association_id: it?.AssociationId,
      ptr_record: names?.PtrRecord,
      tags: tagMap(it?.Tags),
    };
  };
  const state = await read();
  assert.deepEqual(state, {
    domain: "vpc",
    public_ip: PublicIp,
    association_id: undefined,
    ptr_record: undefined,
    tags,
  });
  assert.deepEqual(await read(), state, "the second plan");
  await client.releaseAddress({ AllocationId });
  await assert.rejects(read(), { name: "InvalidAllocationID.NotFound" });
});

test(
  "aws_network_interface_attachment: it comes to be attached, a second plan is empty, and destroy leaves the interface",
  limit,
  async (t) => {
    const { client } = await recorded(t);
    const { Instances: [instance] = [] } = await client.runInstances({
      ImageId: testImage.id,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    });
    const InstanceId = instance?.InstanceId ?? "";
    const waiting = { client, maxWaitTime: 10, minDelay: 0.05, maxDelay: 0.1 };
    await waitUntilInstanceRunning(waiting, { InstanceIds: [InstanceId] });
    const made = await client.createNetworkInterface({ SubnetId: instance?.SubnetId });
    const id = made.NetworkInterface?.NetworkInterfaceId ?? "";
    const { AttachmentId = "" } = await client.attachNetworkInterface({
      DeviceIndex: 1,
      InstanceId,
      NetworkCardIndex: 0,
      NetworkInterfaceId: id,
    });
    const found = async () => {
      const { NetworkInterfaces: [it] = [] } = await client.describeNetworkInterfaces(
        where({ "attachment.attachment-id": AttachmentId }),
      );
      return it;
    };
    while ((await found())?.Attachment?.Status === "attaching") await pause(20);
    const read = async () => {
      const { Attachment: it, NetworkInterfaceId: network_interface_id } = (await found()) ?? {};
      return {
        id: it?.AttachmentId,
        device_index: it?.DeviceIndex,
        instance_id: it?.InstanceId,
        network_card_index: it?.NetworkCardIndex,
        network_interface_id,
        status: it?.Status,
      };
    };
    const state = await read();
    assert.deepEqual(state, {
      id: AttachmentId,
      device_index: 1,
      instance_id: InstanceId,
      network_card_index: 0,
      network_interface_id: id,
      status: "attached",
    });
    assert.deepEqual(await read(), state, "the second plan");
    await client.detachNetworkInterface({ AttachmentId, Force: true });
    while (await found()) await pause(20);
    await client.deleteNetworkInterface({ NetworkInterfaceId: id });
  },
);

test(
  "aws_nat_gateway: a second plan is empty, and destroy leaves nothing",
  { timeout: 120_000 },
  async (t) => {
    const { client } = await recorded(t);
    const { Subnets: [subnet] = [] } = await client.describeSubnets(where({ "default-for-az": "true" }));
    const { AllocationId = "", PublicIp } = await client.allocateAddress({ Domain: "vpc" });
    const { NatGateway } = await client.createNatGateway({
      AllocationId,
      ClientToken: "terraform-1",
      ConnectivityType: "public",
      SubnetId: subnet?.SubnetId,
      TagSpecifications: [{ ResourceType: "natgateway", Tags: tagList(tags) }],
    });
    const NatGatewayIds = [NatGateway?.NatGatewayId ?? ""];
    await waitUntilNatGatewayAvailable({ client, ...patience }, { NatGatewayIds });
    const read = async () => {
      const { NatGateways: [it] = [] } = await client.describeNatGateways({ NatGatewayIds });
      const [primary] = it?.NatGatewayAddresses ?? [];
      return {
        state: it?.State,
        allocation_id: primary?.AllocationId,
        public_ip: primary?.PublicIp,
        connectivity_type: it?.ConnectivityType,
        subnet_id: it?.SubnetId,
        addresses: it?.NatGatewayAddresses?.length,
        tags: tagMap(it?.Tags),
      };
    };
    const state = await read();
    assert.deepEqual(state, {
      state: "available",
      allocation_id: AllocationId,
      public_ip: PublicIp,
      connectivity_type: "public",
      subnet_id: subnet?.SubnetId,
      addresses: 1,
      tags,
    });
    assert.deepEqual(await read(), state, "the second plan");
    await client.deleteNatGateway({ NatGatewayId: NatGatewayIds[0] });
    // The provider waits for this state before it releases the address.
    await waitUntilNatGatewayDeleted({ client, ...patience }, { NatGatewayIds });
    await client.releaseAddress({ AllocationId });
  },
);

/** What the provider reads of a VPC: itself, its attributes, and what it was made with. */
async function readVpc(client: EC2, VpcId: string) {
  const { Vpcs: [vpc] = [] } = await client.describeVpcs({ VpcIds: [VpcId] });
  const [names, support, metrics] = await Promise.all(
    (["enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics"] as const).map(
      (Attribute) => client.describeVpcAttribute({ VpcId, Attribute }),
    ),
  );
  const { NetworkAcls: [acl] = [] } = await client.describeNetworkAcls(
    where({ default: "true", "vpc-id": VpcId }),
  );
  const { RouteTables: [table] = [] } = await client.describeRouteTables(
    where({ "association.main": "true", "vpc-id": VpcId }),
  );
  const { SecurityGroups: [group] = [] } = await client.describeSecurityGroups(
    where({ "group-name": "default", "vpc-id": VpcId }),
  );
  return {
    cidr_block: vpc?.CidrBlock,
    instance_tenancy: vpc?.InstanceTenancy,
    enable_dns_hostnames: names?.EnableDnsHostnames?.Value,
    enable_dns_support: support?.EnableDnsSupport?.Value,
    enable_network_address_usage_metrics: metrics?.EnableNetworkAddressUsageMetrics?.Value,
    default_network_acl_id: acl?.NetworkAclId,
    main_route_table_id: table?.RouteTableId,
    default_security_group_id: group?.GroupId,
    tags: tagMap(vpc?.Tags),
  };
}
