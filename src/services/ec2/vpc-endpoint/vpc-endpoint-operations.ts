import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  CreateVpcEndpointRequest,
  ModifyVpcEndpointRequest,
  UnsuccessfulItem,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import { clientTokenClaim, once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  endpointServiceNotFound,
  exclusiveParameters,
  invalidParameter,
  invalidPolicy,
  missingParameter,
  routeTableOfEndpointNotFound,
  tooManyRoutes,
  tooManyVpcEndpoints,
  unsupportedParameter,
  vpcEndpointGone,
  vpcEndpointNotFound,
  vpcEndpointRouteExists,
} from "../errors.ts";
import { awsListId } from "../prefix-list/aws-prefix-lists.ts";
import { quotas } from "../quotas.ts";
import { otherNetworks } from "../route-table/route-table-operations.ts";
import { listsOf, routeCount, type Route, type RouteTableRecord } from "../route-table/route-table.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { together } from "../together.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { vpcArn } from "../vpc/vpc.ts";
import {
  addressType,
  describeEndpointService,
  describeVpcEndpoint,
  dnsRecords,
  endpointServiceFilters,
  endpointServices,
  leadsTo,
  vpcEndpointArn,
  vpcEndpointFilters,
  type EndpointService,
  type VpcEndpointRecord,
} from "./vpc-endpoint.ts";

/** Gateway endpoints: records, and routes in the tables that are chosen for them. Follows the VPC guide, "Gateway endpoints". */
export const vpcEndpointOperations = {
  CreateVpcEndpoint: {
    resolve: (input, context) => once("CreateVpcEndpoint", input, context, () => newEndpoint(input, context)),
    answer({ made }: MakingPlan, context) {
      const endpoint = endpointOf(made, context);
      return {
        VpcEndpoint: describeVpcEndpoint(endpoint, context.records, context),
        ClientToken: endpoint.clientToken,
      };
    },
  },

  ModifyVpcEndpoint: {
    resolve(input, context): OperationPlan {
      const endpoint = endpointOf(input.VpcEndpointId ?? "", context);
      for (const name of unserved.ofModify) if (present(input[name])) throw unsupportedParameter(name);
      refuseOtherAddresses(input);
      if (input.ResetPolicy && input.PolicyDocument !== undefined)
        throw exclusiveParameters("resetPolicy", "policyDocument");
      const { policy: before, ...rest } = endpoint;
      const policy = input.ResetPolicy ? undefined : (checkedPolicy(input.PolicyDocument) ?? before);
      const changed: VpcEndpointRecord = { ...rest, ...(policy !== undefined && { policy }) };
      const removed = tablesOf(input.RemoveRouteTableIds, endpoint, context).filter((it) =>
        leadsTo(endpoint.id, it),
      );
      const added = tablesOf(input.AddRouteTableIds, endpoint, context).filter(
        (it) => !leadsTo(endpoint.id, it),
      );
      return {
        touches: touches(endpoint, context),
        transaction: together(
          context.records.rewrite("vpc-endpoint", changed),
          withRoutes(added, endpoint, context),
          ...removed.map((table) => withoutRoutes(table, [endpoint], context)),
        ),
      };
    },
    answer: () => ({ Return: true }),
  },

  /** Those that are there go, with their routes; each of the others is told. */
  DeleteVpcEndpoints: {
    resolve({ VpcEndpointIds: ids }, context) {
      const { records } = context;
      if (ids.length === 0) throw missingParameter("vpcEndpointIds");
      const named = [...new Set(ids)];
      const endpoints = named.flatMap((id) => records.get("vpc-endpoint", id) ?? []);
      const missing = named.filter((id) => !records.get("vpc-endpoint", id));
      const tables = [...new Set(endpoints.map(({ vpcId }) => vpcId))]
        .flatMap((vpcId) => records.routeTablesIn(vpcId))
        .filter((table) => endpoints.some(({ id }) => leadsTo(id, table)));
      return {
        touches: endpoints.flatMap((it) => touches(it, context)),
        ...(endpoints.length > 0 && {
          transaction: together(
            ...endpoints.map((it) => ({
              expect: records.rewrite("vpc-endpoint", it).expect,
              delete: [
                records.key("vpc-endpoint", it.id),
                records.key("member", `${it.vpcId}/${it.id}`),
                ...(it.clientToken === undefined
                  ? []
                  : [records.key("claim", clientTokenClaim("CreateVpcEndpoint", it.clientToken))]),
              ],
            })),
            ...tables.map((table) => withoutRoutes(table, endpoints, context)),
          ),
        }),
        missing,
      };
    },
    answer: ({ missing }: { missing: readonly string[] }) => ({
      Unsuccessful: missing.map((id): UnsuccessfulItem => {
        const { code, message } = vpcEndpointGone(id);
        return { ResourceId: id, Error: { Code: code, Message: message } };
      }),
    }),
  },

  DescribeVpcEndpoints: {
    resolve: (input, context) =>
      describe(context.records.all("vpc-endpoint"), input, {
        ids: input.VpcEndpointIds,
        parameter: "vpcEndpointIds",
        missing: vpcEndpointNotFound,
        filters: vpcEndpointFilters(context),
        bounds: { min: 1, max: 1000 },
      }),
    answer: ({ items, nextToken }: { items: readonly VpcEndpointRecord[]; nextToken?: string }, context) => ({
      VpcEndpoints: items.map((it) => describeVpcEndpoint(it, context.records, context)),
      NextToken: nextToken,
    }),
  },

  DescribeVpcEndpointServices: {
    resolve(input, context) {
      if (input.ServiceRegions?.some((region) => region !== context.region))
        throw unsupportedParameter("ServiceRegions");
      const { ServiceNames: ids, ...rest } = input;
      return describe(endpointServices(context), rest, {
        ids,
        parameter: "serviceNames",
        missing: ([name]) => endpointServiceNotFound(name ?? ""),
        filters: endpointServiceFilters(context),
        bounds: { min: 1, max: 1000 },
      });
    },
    answer: ({ items, nextToken }: { items: readonly EndpointService[]; nextToken?: string }, context) => ({
      ServiceNames: items.map(({ id }) => id),
      ServiceDetails: items.map((it) => describeEndpointService(it, context)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const unserved = {
  ofCreate: ["ResourceConfigurationArn", "ServiceNetworkArn"],
  ofModify: [
    "AddSecurityGroupIds",
    "AddSubnetIds",
    "PrivateDnsEnabled",
    "RemoveSecurityGroupIds",
    "RemoveSubnetIds",
    "SubnetConfigurations",
  ],
} as const satisfies {
  ofCreate: readonly (keyof CreateVpcEndpointRequest)[];
  ofModify: readonly (keyof ModifyVpcEndpointRequest)[];
};

/** Clients send empty lists, and false, for what they leave out. */
const present = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;

/** What a gateway endpoint has anyway may be asked for. */
function refuseOtherAddresses({
  IpAddressType: type,
  DnsOptions: { DnsRecordIpType: records, ...names } = {},
}: Pick<CreateVpcEndpointRequest, "IpAddressType" | "DnsOptions">): void {
  if ((type ?? addressType) !== addressType) throw unsupportedParameter("IpAddressType");
  if ((records ?? dnsRecords) !== dnsRecords || Object.values(names).some(present))
    throw unsupportedParameter("DnsOptions");
}

function newEndpoint(input: CreateVpcEndpointRequest, context: Ec2Context): MakingPlan {
  const { records, newId, now, region } = context;
  const vpc = vpcOf(input.VpcId ?? "", context);
  if ((input.VpcEndpointType ?? "Gateway") !== "Gateway")
    throw unsupportedParameter(`VpcEndpointType (${input.VpcEndpointType})`);
  for (const [name, what] of [
    ["SubnetIds", "Subnet IDs"],
    ["SecurityGroupIds", "Security groups"],
    ["SubnetConfigurations", "Subnet configurations"],
    ["PrivateDnsEnabled", "Private DNS"],
  ] as const)
    if (present(input[name]))
      throw invalidParameter(`${what} are not supported for Gateway type VPC Endpoint.`);
  for (const name of unserved.ofCreate) if (present(input[name])) throw unsupportedParameter(name);
  if ((input.ServiceRegion || region) !== region) throw unsupportedParameter("ServiceRegion");
  refuseOtherAddresses(input);
  onlyTags(["vpc-endpoint"], input.TagSpecifications);
  const service = endpointServices(context).find(({ id }) => id === input.ServiceName);
  if (input.ServiceName === undefined) throw missingParameter("serviceName");
  if (!service) throw endpointServiceNotFound(input.ServiceName);
  const policy = checkedPolicy(input.PolicyDocument);
  const endpoint: VpcEndpointRecord = {
    id: newId("vpce"),
    vpcId: vpc.id,
    serviceName: service.id,
    prefixListId: awsListId(service.id),
    ...(policy !== undefined && { policy }),
    ...(input.ClientToken && { clientToken: input.ClientToken }),
    tags: tagsFor("vpc-endpoint", input.TagSpecifications),
    createdAt: now().toISOString(),
  };
  const tables = tablesOf(input.RouteTableIds, endpoint, context);
  const { value: most } = quotas.gatewayEndpointsPerRegion;
  const room = records.roomFor("vpc-endpoint", most, tooManyVpcEndpoints);
  return {
    touches: [
      { arn: vpcEndpointArn("*", context), tags: endpoint.tags },
      { arn: vpcArn(vpc.id, context), tags: vpc.tags },
    ],
    transaction: together(
      {
        expect: [{ exists: records.key("vpc", vpc.id) }, room],
        put: [
          { key: records.key("vpc-endpoint", endpoint.id), value: endpoint },
          { key: records.key("member", `${vpc.id}/${endpoint.id}`), value: null },
        ],
      },
      withRoutes(tables, endpoint, context),
    ),
    made: endpoint.id,
  };
}

/** Of the endpoint's VPC, each once; a transaction has room for so many. */
function tablesOf(
  ids: readonly string[] | undefined = [],
  { vpcId, id }: VpcEndpointRecord,
  context: Ec2Context,
): RouteTableRecord[] {
  const named = [...new Set(ids)];
  if (named.length > mostTables)
    throw invalidParameter(`One request changes the routes of up to ${mostTables} route tables.`);
  return named.map((tableId) => {
    const table = context.records.get("route-table", tableId);
    if (!table) throw routeTableOfEndpointNotFound([tableId]);
    if (table.vpcId !== vpcId) throw otherNetworks(table.id, "VPC endpoint", id);
    return table;
  });
}
const mostTables = 20;

/** Prefix lists count in each table, and are looked at once. */
const withRoutes = (
  tables: readonly RouteTableRecord[],
  endpoint: VpcEndpointRecord,
  context: Ec2Context,
): Transaction =>
  together(...tables.map((table) => withRoute(table, endpoint, context)), {
    expect: context.records.sameLists(tables.flatMap(({ routes }) => listsOf(routes))),
  });

function withRoute(
  table: RouteTableRecord,
  endpoint: VpcEndpointRecord,
  { records }: Ec2Context,
): Transaction {
  const { prefixListId: destination } = endpoint;
  if (table.routes.some((route) => route.destination === destination))
    throw vpcEndpointRouteExists(destination, table.id);
  const route: Route = { destination, target: { vpcEndpointId: endpoint.id } };
  const routes = [...table.routes, route];
  if (routeCount(routes, (id) => records.get("prefix-list", id)) > quotas.routesPerTable.value)
    throw tooManyRoutes(table.id);
  const { expect, put } = records.rewrite("route-table", { ...table, routes });
  const member = records.key("member", `${destination}/${table.id}`);
  return { expect, put: [...put, { key: member, value: null }] };
}

function withoutRoutes(
  table: RouteTableRecord,
  endpoints: readonly VpcEndpointRecord[],
  { records }: Ec2Context,
): Transaction {
  const gone = endpoints.filter(({ id }) => leadsTo(id, table));
  const routes = table.routes.filter(
    ({ target }) => !("vpcEndpointId" in target && gone.some(({ id }) => id === target.vpcEndpointId)),
  );
  return {
    ...records.rewrite("route-table", { ...table, routes }),
    delete: gone.map(({ prefixListId }) => records.key("member", `${prefixListId}/${table.id}`)),
  };
}

/** Undefined: none was given. */
function checkedPolicy(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    const policy: unknown = JSON.parse(text);
    if (typeof policy === "object" && policy !== null && "Statement" in policy) return text;
  } catch {
    // Told like any other that is none.
  }
  throw invalidPolicy();
}

function endpointOf(id: string, { records }: Ec2Context): VpcEndpointRecord {
  const endpoint = records.get("vpc-endpoint", id);
  if (!endpoint) throw vpcEndpointNotFound([id]);
  return endpoint;
}

const touches = (endpoint: VpcEndpointRecord, context: Ec2Context) => [
  { arn: vpcEndpointArn(endpoint.id, context), tags: endpoint.tags },
];
