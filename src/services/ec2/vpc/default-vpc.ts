import type { Transaction } from "#store/store.ts";
import { zonesOf } from "../availability-zone/availability-zone.ts";
import type { Ec2Context } from "../context.ts";
import { newSecurityGroup } from "../security-group/security-group.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import type { VpcRecord } from "./vpc.ts";

/**
 * The default VPC that every account has in a region: 172.31.0.0/16, a /20 subnet in each zone that gives public addresses,
 * and the default security group. Undefined when it is there already. Follows the VPC guide, "Default VPC components".
 */
export function defaultVpc(context: Ec2Context): Transaction | undefined {
  const { records, newId } = context;
  const claim = records.key("claim", "default-vpc");
  if (records.claimed("default-vpc") !== undefined) return undefined;
  const vpc: VpcRecord = {
    id: newId("vpc"),
    cidr: "172.31.0.0/16",
    cidrAssociationId: newId("vpc-cidr-assoc"),
    dhcpOptionsId: newId("dopt"),
    isDefault: true,
    tags: {},
    createdAt: context.now().toISOString(),
  };
  const subnets = zonesOf(context.region).map((zone, n): SubnetRecord => ({
    id: newId("subnet"),
    vpcId: vpc.id,
    cidr: `172.31.${n * 16}.0/20`,
    zone: zone.name,
    defaultForZone: true,
    publicAddressOnLaunch: true,
    tags: {},
    createdAt: vpc.createdAt,
  }));
  const group = newSecurityGroup(
    { name: "default", description: "default VPC security group", vpcId: vpc.id, tags: {} },
    context,
  );
  return {
    expect: [{ absent: claim }],
    put: [
      { key: claim, value: vpc.id },
      { key: records.key("vpc", vpc.id), value: vpc },
      ...subnets.map((subnet) => ({ key: records.key("subnet", subnet.id), value: subnet })),
      ...group.put,
    ],
  };
}
