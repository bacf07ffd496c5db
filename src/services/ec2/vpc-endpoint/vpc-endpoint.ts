import { createHash } from "node:crypto";
import type { ServiceDetail, State, VpcEndpoint } from "@aws-sdk/client-ec2";
import { zonesOf } from "../availability-zone/availability-zone.ts";
import type { FilterTable } from "../filters.ts";
import { gatewayServices, serviceName } from "../prefix-list/aws-prefix-lists.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import type { RouteTableRecord } from "../route-table/route-table.ts";
import { describeTags } from "../tag/tag.ts";

/** A gateway endpoint: available from the start. Its routes are its tables'. */
export interface VpcEndpointRecord extends ResourceRecord {
  readonly id: `vpce-${string}`;
  readonly vpcId: `vpc-${string}`;
  readonly serviceName: string;
  /** AWS's list of the service's addresses, the destination of its routes. */
  readonly prefixListId: `pl-${string}`;
  /** JSON, kept as it was given: there is no service behind the endpoint that would ask it. Absent: `fullAccess`. */
  readonly policy?: string;
  readonly clientToken?: string;
}

/** AWS's default policy. */
const fullAccess = JSON.stringify({
  Version: "2008-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "*", Resource: "*" }],
});

export const vpcEndpointArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:vpc-endpoint/${id}`;

/** AWS's own word, which its enumeration spells otherwise. */
const available = "available" as State;

/** Every gateway endpoint's. */
export const addressType = "ipv4";
export const dnsRecords = "service-defined";

/** Whether a route of the table is the endpoint's. */
export const leadsTo = (id: string, { routes }: RouteTableRecord): boolean =>
  routes.some(({ target }) => "vpcEndpointId" in target && target.vpcEndpointId === id);

export const describeVpcEndpoint = (
  it: VpcEndpointRecord,
  records: Ec2Records,
  scope: Scope,
): VpcEndpoint => ({
  VpcEndpointId: it.id,
  VpcEndpointType: "Gateway",
  VpcId: it.vpcId,
  ServiceName: it.serviceName,
  ServiceRegion: scope.region,
  State: available,
  PolicyDocument: it.policy ?? fullAccess,
  RouteTableIds: records
    .routeTablesIn(it.vpcId)
    .filter((table) => leadsTo(it.id, table))
    .map(({ id }) => id),
  SubnetIds: [],
  Groups: [],
  NetworkInterfaceIds: [],
  IpAddressType: addressType,
  DnsOptions: { DnsRecordIpType: dnsRecords },
  DnsEntries: [],
  PrivateDnsEnabled: false,
  RequesterManaged: false,
  CreationTimestamp: new Date(it.createdAt),
  OwnerId: scope.accountId,
  Tags: describeTags(it.tags),
});

export const vpcEndpointFilters = ({ region }: Scope): FilterTable<VpcEndpointRecord> => ({
  "ip-address-type": () => addressType,
  "service-name": (it) => it.serviceName,
  "service-region": () => region,
  "vpc-endpoint-id": (it) => it.id,
  "vpc-endpoint-state": () => available,
  "vpc-endpoint-type": () => "Gateway",
  "vpc-id": (it) => it.vpcId,
});

/** What a VPC may have endpoints to. */
export interface EndpointService {
  /** Its name. */
  readonly id: string;
  readonly service: (typeof gatewayServices)[number];
}

export const endpointServices = ({ region }: Scope): EndpointService[] =>
  gatewayServices
    .map((service) => ({ id: serviceName(service, region), service }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));

export const describeEndpointService = (
  { id, service }: EndpointService,
  { region }: Scope,
): ServiceDetail => ({
  ServiceName: id,
  ServiceId: `vpce-svc-${createHash("sha256").update(id).digest("hex").slice(0, 17)}`,
  ServiceType: [{ ServiceType: "Gateway" }],
  ServiceRegion: region,
  AvailabilityZones: zonesOf(region).map(({ name }) => name),
  Owner: "amazon",
  BaseEndpointDnsNames: [`${service}.${region}.amazonaws.com`],
  VpcEndpointPolicySupported: true,
  AcceptanceRequired: false,
  ManagesVpcEndpoints: false,
  SupportedIpAddressTypes: ["ipv4"],
  Tags: [],
});

export const endpointServiceFilters = ({ region }: Scope): FilterTable<EndpointService> => ({
  owner: () => "amazon",
  "service-name": (it) => it.id,
  "service-region": () => region,
  "service-type": () => "Gateway",
  "supported-ip-address-types": () => "ipv4",
});
