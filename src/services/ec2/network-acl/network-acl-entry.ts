import type { CreateNetworkAclEntryRequest } from "@aws-sdk/client-ec2";
import { invalidCombination, invalidParameter, malformedCidr, missingParameter } from "../errors.ts";
import { canonicalCidr } from "../ipv4.ts";
import { canonicalIpv6Cidr } from "../ipv6.ts";
import { trafficOf } from "../security-group/permissions.ts";
import type { NetworkAclEntry } from "./network-acl.ts";

type EntryRequest = Pick<
  CreateNetworkAclEntryRequest,
  | "CidrBlock"
  | "Egress"
  | "IcmpTypeCode"
  | "Ipv6CidrBlock"
  | "PortRange"
  | "Protocol"
  | "RuleAction"
  | "RuleNumber"
>;

/** An entry as a request writes it, checked and in canonical form. */
export function networkAclEntry(input: EntryRequest): NetworkAclEntry {
  const peer = peerOf(input);
  return {
    number: checkedNumber(input.RuleNumber),
    egress: input.Egress ?? false,
    allows: input.RuleAction === "allow",
    peer,
    ...trafficIn(input, "cidrIpv6" in peer),
  };
}

/** Those from 32767 on are AWS's own. */
export function checkedNumber(number: number | undefined): number {
  if (number === undefined) throw missingParameter("ruleNumber");
  if (number < 1 || number > 32_766)
    throw invalidParameter(`Value (${number}) for parameter ruleNumber is invalid. Expecting 1 to 32766.`);
  return number;
}

/** Protocols have numbers here, no names. Of others than TCP, UDP and ICMP everything is meant, whatever ports are given. */
function trafficIn(
  { Protocol: protocol = "", PortRange: ports, IcmpTypeCode: icmp }: EntryRequest,
  isIpv6: boolean,
): Pick<NetworkAclEntry, "protocol" | "ports"> {
  if (!/^(-1|\d{1,3})$/.test(protocol) || Number(protocol) > 255)
    throw invalidParameter(`Invalid value '${protocol}' for IP protocol. Unknown protocol.`);
  const number = Number(protocol);
  const [from, to] = number === 1 || number === 58 ? [icmp?.Type, icmp?.Code] : [ports?.From, ports?.To];
  if (![1, 6, 17].includes(number) && !(number === 58 && isIpv6)) return { protocol: number };
  const traffic = trafficOf({ IpProtocol: number === 58 ? "icmp" : protocol, FromPort: from, ToPort: to });
  return { protocol: number, ports: { from: traffic.fromPort, to: traffic.toPort } };
}

function peerOf({ CidrBlock: text, Ipv6CidrBlock: ipv6Text }: EntryRequest): NetworkAclEntry["peer"] {
  if (text !== undefined && ipv6Text !== undefined)
    throw invalidCombination("The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock");
  if (ipv6Text !== undefined) {
    const cidrIpv6 = canonicalIpv6Cidr(ipv6Text);
    if (cidrIpv6 === undefined) throw malformedCidr(ipv6Text);
    return { cidrIpv6 };
  }
  if (text === undefined) throw missingParameter("cidrBlock or ipv6CidrBlock");
  const cidr = canonicalCidr(text);
  if (cidr === undefined) throw malformedCidr(text);
  return { cidr };
}
