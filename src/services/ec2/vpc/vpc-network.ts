import type {
  InterfaceElement,
  MemberElement,
  NetworkElement,
  TrafficRule,
} from "#drivers/network/network-driver.ts";
import type { NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { Ec2Records } from "../records.ts";
import type { GroupRule } from "../security-group/security-group-rule.ts";
import type { SecurityGroupRecord } from "../security-group/security-group.ts";

/**
 * What a host's kernel should hold of a VPC: its ranges and subnets, the interfaces carried here, every group with its rules,
 * and the groups' members on all hosts. Empty while no interface is carried here.
 */
export function vpcNetwork(vpcId: string, hostId: string, records: Ec2Records): Map<string, NetworkElement> {
  const vpc = records.get("vpc", vpcId);
  const present = records.interfacesIn(vpcId).filter((it) => isCarried(it, records));
  const here = present.filter((it) => it.hostId === hostId);
  const elements = new Map<string, NetworkElement>();
  if (!vpc || here.length === 0) return elements;
  elements.set(`range/${vpc.cidr}`, { kind: "range", cidr: vpc.cidr });
  for (const { id, cidr } of records.subnetsIn(vpcId)) elements.set(`subnet/${id}`, { kind: "subnet", cidr });
  for (const group of records.groupsIn(vpcId)) elements.set(`group/${group.id}`, groupElement(group));
  for (const it of present)
    for (const group of it.groupIds) elements.set(`member/${group}/${it.address}`, member(group, it.address));
  for (const it of here) elements.set(`interface/${it.id}`, interfaceElement(it, records));
  return elements;
}

/** It is attached, and its instance is not gone for good. */
export const isCarried = ({ attachment }: NetworkInterfaceRecord, records: Ec2Records): boolean => {
  const instance = attachment && records.get("instance", attachment.instanceId);
  return instance !== undefined && instance.so.released !== true;
};

const interfaceElement = (it: NetworkInterfaceRecord, records: Ec2Records): InterfaceElement => {
  const publicAddress = records.publicAddressOf(it.id)?.id;
  return {
    kind: "interface",
    id: it.id,
    mac: it.mac,
    address: it.address,
    groups: it.groupIds,
    sourceCheck: it.sourceDestCheck,
    ...(publicAddress !== undefined && { publicAddress }),
  };
};

const member = (group: string, address: string): MemberElement => ({ kind: "member", group, address });

const groupElement = (group: SecurityGroupRecord) => ({
  kind: "group" as const,
  id: group.id,
  ingress: group.rules.filter((rule) => !rule.egress).flatMap(trafficRule),
  egress: group.rules.filter((rule) => rule.egress).flatMap(trafficRule),
});

const protocolNumbers: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 };

/** IPv6 does not pass at all yet, so its rules have nothing to say to the kernel. */
function trafficRule({ protocol, fromPort, toPort, peer }: GroupRule): TrafficRule[] {
  if ("cidrIpv6" in peer) return [];
  const all = fromPort === -1 && toPort === -1;
  return [
    {
      protocol: protocol === "-1" ? "any" : (protocolNumbers[protocol] ?? Number(protocol)),
      ...(!all && { ports: { from: fromPort, to: toPort } }),
      peer: "cidr" in peer ? { cidr: peer.cidr } : { group: peer.groupId },
    },
  ];
}
