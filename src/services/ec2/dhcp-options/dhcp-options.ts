import type { DhcpOptions } from "@aws-sdk/client-ec2";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import type { FilterTable } from "../filters.ts";
import { internalDomain } from "../network-interface/network-interface.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import type { VpcRecord } from "../vpc/vpc.ts";

/** A set of options never changes; VPCs change sets. */
export interface DhcpOptionsRecord extends ResourceRecord {
  readonly id: `dopt-${string}`;
  readonly configuration: DhcpConfiguration;
}
/** By AWS's names: `domain-name`, `domain-name-servers`, `ntp-servers`, `netbios-name-servers`, `netbios-node-type`. */
export type DhcpConfiguration = Readonly<Record<string, readonly string[]>>;

/** A claim that holds the id of the set that new VPCs get. */
export const defaultDhcpOptionsClaim = "default-dhcp-options";
/** What a VPC has in place of a set's id when it has no options at all. */
export const noDhcpOptions = "default";
/** The value of `domain-name-servers` that is the VPC's own resolver. */
export const amazonProvidedDns = "AmazonProvidedDNS";

const defaultConfiguration = (region: string): DhcpConfiguration => ({
  "domain-name": [internalDomain(region)],
  "domain-name-servers": [amazonProvidedDns],
});

/** What a VPC's leases say. One made before sets were kept has what it would be made with now. */
export const configurationOf = (
  { dhcpOptionsId: id }: VpcRecord,
  records: Ec2Records,
  { region }: Scope,
): DhcpConfiguration =>
  id === noDhcpOptions
    ? {}
    : (records.get("dhcp-options", id)?.configuration ?? defaultConfiguration(region));

/** The set that new VPCs get, for a transaction that makes one: made when there is none, else written anew so that nobody deletes it. */
export function defaultOptions({
  records,
  region,
  newId,
  now,
}: Ec2Context): Required<Pick<Transaction, "expect" | "put">> & { id: string } {
  const known = records.get("dhcp-options", records.claimed(defaultDhcpOptionsClaim) ?? "");
  if (known) return { id: known.id, ...records.rewrite("dhcp-options", known) };
  const options: DhcpOptionsRecord = {
    id: newId("dopt"),
    configuration: defaultConfiguration(region),
    tags: {},
    createdAt: now().toISOString(),
  };
  const claim = records.key("claim", defaultDhcpOptionsClaim);
  return {
    id: options.id,
    expect: [{ absent: claim }],
    put: [
      { key: claim, value: options.id },
      { key: records.key("dhcp-options", options.id), value: options },
    ],
  };
}

export const dhcpOptionsArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:dhcp-options/${id}`;

export const describeDhcpOptions = (options: DhcpOptionsRecord, { accountId }: Scope): DhcpOptions => ({
  DhcpOptionsId: options.id,
  OwnerId: accountId,
  DhcpConfigurations: Object.entries(options.configuration).map(([Key, values]) => ({
    Key,
    Values: values.map((Value) => ({ Value })),
  })),
  Tags: describeTags(options.tags),
});

export const dhcpOptionsFilters = ({ accountId }: Scope): FilterTable<DhcpOptionsRecord> => ({
  "dhcp-options-id": (it) => it.id,
  key: (it) => Object.keys(it.configuration),
  "owner-id": () => accountId,
  value: (it) => Object.values(it.configuration).flat(),
});
