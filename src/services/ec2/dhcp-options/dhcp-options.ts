import { internalDomain } from "../network-interface/network-interface.ts";
import type { ResourceRecord } from "../records.ts";

export interface DhcpOptionsRecord extends ResourceRecord {
  readonly id: `dopt-${string}`;
  /** By AWS's names: `domain-name`, `domain-name-servers`, `ntp-servers`, `netbios-name-servers`, `netbios-node-type`. */
  readonly configuration: Readonly<Record<string, readonly string[]>>;
}

/** A claim that holds the id of the set that new VPCs get. */
export const defaultDhcpOptionsClaim = "default-dhcp-options";

export const defaultConfiguration = (region: string): DhcpOptionsRecord["configuration"] => ({
  "domain-name": [internalDomain(region)],
  "domain-name-servers": ["AmazonProvidedDNS"],
});
