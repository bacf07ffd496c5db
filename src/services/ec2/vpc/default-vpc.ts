import type { Transaction } from "#store/store.ts";
import { zonesOf } from "../availability-zone/availability-zone.ts";
import type { Ec2Context } from "../context.ts";
import { defaultOptions } from "../dhcp-options/dhcp-options.ts";
import { attachedGatewayClaim, type InternetGatewayRecord } from "../internet-gateway/internet-gateway.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { newVpc } from "./new-vpc.ts";
import type { VpcRecord } from "./vpc.ts";

/**
 * The default VPC that every account has in a region: 172.31.0.0/16, a /20 subnet in each zone that gives public addresses, and
 * an internet gateway that its main route table leads to. Undefined when it is there already. Follows the VPC guide, "Default VPC components".
 */
export function defaultVpc(context: Ec2Context): Transaction | undefined {
  const { records, newId } = context;
  const claim = records.key("claim", "default-vpc");
  if (records.claimed("default-vpc") !== undefined) return undefined;
  const createdAt = context.now().toISOString();
  const common = { tags: {}, createdAt };
  const options = defaultOptions(context);
  const vpc: VpcRecord = {
    id: newId("vpc"),
    cidr: "172.31.0.0/16",
    cidrAssociationId: newId("vpc-cidr-assoc"),
    dhcpOptionsId: options.id,
    isDefault: true,
    ...common,
  };
  const gateway: InternetGatewayRecord = { id: newId("igw"), vpcId: vpc.id, ...common };
  const subnets = zonesOf(context.region).map((zone, n): SubnetRecord => ({
    id: newId("subnet"),
    vpcId: vpc.id,
    cidr: `172.31.${n * 16}.0/20`,
    zone: zone.name,
    defaultForZone: true,
    publicAddressOnLaunch: true,
    ...common,
  }));
  const routes = [{ destination: "0.0.0.0/0", target: { internetGatewayId: gateway.id } }];
  return {
    expect: [{ absent: claim }, ...options.expect],
    put: [
      { key: claim, value: vpc.id },
      ...options.put,
      { key: records.key("internet-gateway", gateway.id), value: gateway },
      { key: records.key("claim", attachedGatewayClaim(vpc.id)), value: gateway.id },
      { key: records.key("member", `${vpc.id}/${gateway.id}`), value: null },
      ...newVpc(vpc, context, { subnets, routes }).put,
    ],
  };
}
