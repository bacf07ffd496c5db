import type {
  FilterElement,
  FilterRule,
  InterfaceAddress,
  InterfaceElement,
  MemberElement,
  NetworkElement,
  PeeringElement,
  RouteElement,
  SubnetElement,
  TrafficRule,
} from "#drivers/network/network-driver.ts";
import { isGone } from "../instance/instance.ts";
import { covers, prefixLength } from "../ipv4.ts";
import { interfaceOfGateway, isLive } from "../nat-gateway/nat-gateway.ts";
import type { NetworkAclEntry, NetworkAclRecord } from "../network-acl/network-acl.ts";
import { reachedAt, type NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import { entriesOf } from "../prefix-list/prefix-list.ts";
import type { Ec2Records } from "../records.ts";
import {
  allRoutes,
  isPrefixList,
  type RouteTableRecord,
  type RouteTarget,
} from "../route-table/route-table.ts";
import { peeringOfRule } from "../security-group/peer-group.ts";
import type { GroupRule } from "../security-group/security-group-rule.ts";
import type { SecurityGroupRecord } from "../security-group/security-group.ts";
import type { SubnetRecord } from "../subnet/subnet.ts";
import { peerOf } from "../vpc-peering/vpc-peering.ts";
import { rangesOf } from "./vpc.ts";

/**
 * What a host's kernel should hold of a VPC: its ranges, subnets, route tables and network ACLs, the interfaces carried here, every group with its rules,
 * and the groups' members on all hosts. Empty while no interface is carried here.
 */
export function vpcNetwork(vpcId: string, hostId: string, records: Ec2Records): Map<string, NetworkElement> {
  const vpc = records.get("vpc", vpcId);
  const present = records.interfacesIn(vpcId).filter((it) => isCarried(it, records));
  const here = present.filter((it) => it.hostId === hostId);
  const elements = new Map<string, NetworkElement>();
  if (!vpc || here.length === 0) return elements;
  for (const { cidr } of rangesOf(vpc)) elements.set(`range/${cidr}`, { kind: "range", cidr });
  for (const subnet of records.subnetsIn(vpcId))
    elements.set(`subnet/${subnet.id}`, subnetElement(subnet, records));
  for (const table of records.routeTablesIn(vpcId)) {
    elements.set(`table/${table.id}`, { kind: "table", id: table.id });
    for (const route of routeElements(table, records)) elements.set(`route/${table.id}/${route.to}`, route);
  }
  const gatewayTable = gatewayTableOf(vpcId, records);
  if (gatewayTable) elements.set("gateway", { kind: "gateway", table: gatewayTable.id });
  for (const { id } of records.peeringsOf(vpcId)) {
    const peering = peeringElement(id, vpcId, records);
    if (peering) elements.set(`peering/${id}`, peering);
  }
  for (const acl of records.aclsIn(vpcId)) elements.set(`filter/${acl.id}`, filterElement(acl));
  for (const group of records.groupsUsableIn(vpcId))
    elements.set(`group/${group.id}`, groupElement(group, vpcId, records));
  for (const it of present)
    for (const group of it.groupIds)
      for (const address of reachedAt(it)) elements.set(`member/${group}/${address}`, member(group, address));
  for (const { group, address } of peerMembers(vpcId, records))
    elements.set(`member/${group}/${address}`, member(group, address));
  for (const it of here) elements.set(`interface/${it.id}`, interfaceElement(it, records));
  return elements;
}

/** It is attached, its machine has not let go of it, and its instance is not gone for good; or its NAT gateway is not deleted. */
export const isCarried = (
  { attachment, natGatewayId }: NetworkInterfaceRecord,
  records: Ec2Records,
): boolean =>
  natGatewayId === undefined
    ? attachment !== undefined && !attachment.out && !isGone(records.get("instance", attachment.instanceId))
    : isLive(records.get("nat-gateway", natGatewayId));

const subnetElement = (subnet: SubnetRecord, records: Ec2Records): SubnetElement => {
  const [table, filter] = [records.routeTableOf(subnet)?.id, records.aclOf(subnet.id)?.id];
  return {
    kind: "subnet",
    id: subnet.id,
    cidr: subnet.cidr,
    ...(table !== undefined && { table }),
    ...(filter !== undefined && { filter }),
  };
};

/** Those of prefix lists come first: of one CIDR block, the route that names the block itself stays. */
const routeElements = (table: RouteTableRecord, records: Ec2Records): RouteElement[] =>
  allRoutes(table, records)
    .toSorted((a, b) => Number(isPrefixList(b.destination)) - Number(isPrefixList(a.destination)))
    .flatMap(({ destination, target }) => {
      if (isAws(destination, records)) return [];
      const via = routeTarget(target, table.vpcId, records);
      return destinations(destination, table, via, records).map((to): RouteElement => ({
        kind: "route",
        table: table.id,
        to,
        via,
      }));
    });

/** AWS's services have an address inside every network, to which nothing is routed. */
const isAws = (destination: string, records: Ec2Records): boolean =>
  records.get("prefix-list", destination)?.owner !== undefined;

/** What is of the VPC stays in it: of a list, its ranges' own parts lead to an interface or nowhere else. */
function destinations(
  destination: string,
  { vpcId }: RouteTableRecord,
  via: RouteElement["via"],
  records: Ec2Records,
): string[] {
  if (!isPrefixList(destination)) return [destination];
  const [list, vpc] = [records.get("prefix-list", destination), records.get("vpc", vpcId)];
  const leaves = via === "outside" || (typeof via === "object" && "peering" in via);
  const ranges = vpc && leaves ? rangesOf(vpc) : [];
  const entries = (list && entriesOf(list, records)) ?? [];
  return entries.map(({ cidr }) => cidr).filter((it) => !ranges.some(({ cidr }) => covers(cidr, it)));
}

/** A route whose target is gone, or cannot take it, leads nowhere. */
export const routeTarget = (target: RouteTarget, vpcId: string, records: Ec2Records): RouteElement["via"] => {
  if ("local" in target || "vpcEndpointId" in target) return "network";
  if ("internetGatewayId" in target)
    return records.internetGatewayOf(vpcId)?.id === target.internetGatewayId ? "outside" : "nowhere";
  if ("vpcPeeringConnectionId" in target) {
    const { vpcPeeringConnectionId: id } = target;
    return peeringElement(id, vpcId, records) ? { peering: id } : "nowhere";
  }
  const nic = interfaceOfTarget(target, records);
  const carried = nic?.vpcId === vpcId && isCarried(nic, records);
  return carried ? { interface: nic.id, address: nic.address } : "nowhere";
};

function interfaceOfTarget(
  target: Extract<RouteTarget, { networkInterfaceId: string } | { natGatewayId: string }>,
  records: Ec2Records,
): NetworkInterfaceRecord | undefined {
  if ("networkInterfaceId" in target) return records.get("network-interface", target.networkInterfaceId);
  const gateway = records.get("nat-gateway", target.natGatewayId);
  return gateway && interfaceOfGateway(gateway, records);
}

/** While the peering is active. */
const peeringElement = (id: string, vpcId: string, records: Ec2Records): PeeringElement | undefined => {
  const peer = peerOf(records.get("vpc-peering-connection", id), vpcId, records);
  return peer && { kind: "peering", id, network: peer.id, ranges: rangesOf(peer).map(({ cidr }) => cidr) };
};

const filterElement = ({ id, entries }: NetworkAclRecord): FilterElement => ({
  kind: "filter",
  id,
  ingress: entries.filter((entry) => !entry.egress).flatMap(filterRule),
  egress: entries.filter((entry) => entry.egress).flatMap(filterRule),
});

const filterRule = ({ protocol, ports, peer, allows }: NetworkAclEntry): FilterRule[] =>
  "cidrIpv6" in peer
    ? []
    : [{ protocol: protocol === -1 ? "any" : protocol, ...(ports && { ports }), peer, passes: allows }];

/** Public addresses are reached through the VPC's internet gateway, if it has one. */
const interfaceElement = (it: NetworkInterfaceRecord, records: Ec2Records): InterfaceElement => {
  const reached = records.internetGatewayOf(it.vpcId) !== undefined;
  const gateway = it.natGatewayId && records.get("nat-gateway", it.natGatewayId);
  const mapped = (address: string, secondary?: string): InterfaceAddress => {
    const publicAddress = reached ? records.publicAddressOf(it.id, secondary)?.id : undefined;
    const draining = gateway && gateway.draining?.addresses.includes(address);
    return {
      address,
      ...(publicAddress !== undefined && { publicAddress }),
      ...(publicAddress !== undefined && isInspected(address, it, records) && { inspected: true }),
      ...(draining && { draining }),
    };
  };
  const further = reachedAt(it).slice(1);
  return {
    kind: "interface",
    id: it.id,
    subnet: it.subnetId,
    mac: it.mac,
    ...mapped(it.address),
    ...(further.length > 0 && { secondary: further.map((address) => mapped(address, address)) }),
    groups: it.groupIds,
    sourceCheck: it.sourceDestCheck,
    ...(it.idleTimeouts && { idle: it.idleTimeouts }),
    ...(it.natGatewayId !== undefined && { nat: true }),
  };
};

/** The route table of the VPC's internet gateway, if it has one. */
const gatewayTableOf = (vpcId: string, records: Ec2Records): RouteTableRecord | undefined => {
  const gateway = records.internetGatewayOf(vpcId);
  return gateway && records.ownRouteTableOf(gateway.id);
};

/** Whether the gateway's table leads what is for an interface's address to another interface first. */
function isInspected(address: string, { id, vpcId }: NetworkInterfaceRecord, records: Ec2Records): boolean {
  const table = gatewayTableOf(vpcId, records);
  const [longest] = (table ? allRoutes(table, records) : [])
    .filter(({ destination }) => covers(destination, `${address}/32`))
    .toSorted((a, b) => prefixLength(b.destination) - prefixLength(a.destination));
  return (
    longest !== undefined &&
    "networkInterfaceId" in longest.target &&
    longest.target.networkInterfaceId !== id
  );
}

const member = (group: string, address: string): MemberElement => ({ kind: "member", group, address });

/** As it is in a VPC: groups that its rules name mean their members there. */
const groupElement = ({ id, rules }: SecurityGroupRecord, vpcId: string, records: Ec2Records) => ({
  kind: "group" as const,
  id,
  ingress: rules.filter((rule) => !rule.egress).flatMap((rule) => trafficRules(rule, vpcId, records)),
  egress: rules.filter((rule) => rule.egress).flatMap((rule) => trafficRules(rule, vpcId, records)),
});

const protocolNumbers: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 };

/** What the groups of peers hold that rules of this VPC name. */
function peerMembers(vpcId: string, records: Ec2Records): { group: string; address: string }[] {
  const named = records
    .groupsUsableIn(vpcId)
    .flatMap(({ rules }) => rules)
    .flatMap(({ peer }) => ("vpcId" in peer && peeringOfRule(peer, vpcId, records) ? [peer] : []));
  const groups = new Set(named.map(({ groupId }) => groupId));
  return [...new Set(named.map((peer) => peer.vpcId))]
    .flatMap((peer) => records.interfacesIn(peer).filter((it) => isCarried(it, records)))
    .flatMap((it) =>
      it.groupIds
        .filter((group) => groups.has(group))
        .flatMap((group) => reachedAt(it).map((address) => ({ group, address }))),
    );
}

function trafficRules(
  { protocol, fromPort, toPort, peer }: GroupRule,
  vpcId: string,
  records: Ec2Records,
): TrafficRule[] {
  const all = fromPort === -1 && toPort === -1;
  const traffic = {
    protocol: protocol === "-1" ? "any" : (protocolNumbers[protocol] ?? Number(protocol)),
    ...(!all && { ports: { from: fromPort, to: toPort } }),
  } as const;
  return trafficPeers(peer, vpcId, records).map((it) => ({ ...traffic, peer: it }));
}

/** IPv6 does not pass at all yet, so its ranges have nothing to say to the kernel; nor has a stale rule. */
function trafficPeers(peer: GroupRule["peer"], vpcId: string, records: Ec2Records): TrafficRule["peer"][] {
  if ("cidrIpv6" in peer) return [];
  if ("cidr" in peer) return [peer];
  if ("vpcId" in peer) {
    const peering = peeringOfRule(peer, vpcId, records);
    return peering ? [{ group: peer.groupId, peering: peering.id }] : [];
  }
  if ("groupId" in peer) return [{ group: peer.groupId }];
  const list = records.get("prefix-list", peer.prefixListId);
  return list?.family === "IPv4" ? (entriesOf(list, records) ?? []).map(({ cidr }) => ({ cidr })) : [];
}
