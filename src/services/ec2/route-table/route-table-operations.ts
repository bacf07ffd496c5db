import type * as ec2 from "@aws-sdk/client-ec2";
import type { AssociateRouteTableRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { clientTokenClaim, once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  associationNotFound,
  hasDependencies,
  internetGatewayNotFound,
  invalidCombination,
  invalidParameter,
  missingParameter,
  routeTableAssociated,
  routeTableNotFound,
  tooManyRouteTables,
  unsupportedParameter,
} from "../errors.ts";
import { quotas } from "../quotas.ts";
import { subnetOf } from "../subnet/subnet-operations.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { describeRouteTable, routeTableFilters } from "./describe-route-table.ts";
import { checkGatewayRoutes } from "./gateway-routes.ts";
import {
  isMain,
  listsOf,
  mainTableClaim,
  ownTableClaim,
  placeOf,
  routeTableArn,
  type RouteTableAssociation,
  type RouteTableRecord,
} from "./route-table.ts";

const associated = { State: "associated" } as const;

export const routeTableOperations = {
  CreateRouteTable: {
    resolve(input, context) {
      const { records, newId, now } = context;
      return once("CreateRouteTable", input, context, () => {
        const vpc = vpcOf(input.VpcId, context);
        onlyTags(["route-table"], input.TagSpecifications);
        const most = quotas.routeTablesPerVpc.value;
        if (records.routeTablesIn(vpc.id).length >= most) throw tooManyRouteTables();
        const table: RouteTableRecord = {
          id: newId("rtb"),
          vpcId: vpc.id,
          routes: [],
          associations: [],
          tags: tagsFor("route-table", input.TagSpecifications),
          createdAt: now().toISOString(),
          ...(input.ClientToken && { clientToken: input.ClientToken }),
        };
        return {
          touches: [
            { arn: routeTableArn("*", context), keys: { "ec2:Vpc": vpcArn(vpc.id, context) } },
            { arn: vpcArn(vpc.id, context), tags: vpc.tags },
          ],
          transaction: {
            // The main one is no member.
            expect: [{ exists: records.key("vpc", vpc.id) }, records.fewerOf(vpc.id, "rtb-", most - 1)],
            put: [
              { key: records.key("route-table", table.id), value: table },
              { key: records.key("member", `${vpc.id}/${table.id}`), value: null },
            ],
          },
          made: table.id,
        };
      });
    },
    answer({ made }: MakingPlan, context) {
      const table = context.records.get("route-table", made);
      return { RouteTable: table && describeRouteTable(table, context.records, context) };
    },
  },

  DeleteRouteTable: {
    resolve({ RouteTableId: id }, context): OperationPlan {
      const { records } = context;
      const table = routeTableOf(id, context);
      if (table.associations.length > 0) throw hasDependencies("routeTable", id);
      return {
        touches: touches(table, context),
        transaction: {
          expect: records.rewrite("route-table", table).expect,
          delete: [
            records.key("route-table", id),
            records.key("member", `${table.vpcId}/${id}`),
            ...listsOf(table.routes).map((list) => records.key("member", `${list}/${id}`)),
            ...(table.clientToken
              ? [records.key("claim", clientTokenClaim("CreateRouteTable", table.clientToken))]
              : []),
          ],
        },
      };
    },
    answer: () => ({}),
  },

  DescribeRouteTables: {
    resolve: (input, context) =>
      describe(context.records.all("route-table"), input, {
        ids: input.RouteTableIds,
        parameter: "routeTableIds",
        missing: routeTableNotFound,
        filters: routeTableFilters(context.records, context),
        bounds: { min: 5, max: 100 },
      }),
    answer: ({ items, nextToken }: { items: readonly RouteTableRecord[]; nextToken?: string }, context) => ({
      RouteTables: items.map((it) => describeRouteTable(it, context.records, context)),
      NextToken: nextToken,
    }),
  },

  AssociateRouteTable: {
    resolve(input, context) {
      const { records } = context;
      if (input.PublicIpv4Pool !== undefined) throw unsupportedParameter("PublicIpv4Pool");
      const table = routeTableOf(input.RouteTableId, context);
      const place = placeIn(table, input, context);
      const present = records.ownRouteTableOf(place.id);
      const same = present?.associations.find((it) => placeOf(it) === place.id);
      if (present && present.id !== table.id) throw routeTableAssociated(table.id);
      // The same again is the same association.
      if (same) return { touches: touches(table, context), associationId: same.id };
      const association = { id: context.newId("rtbassoc"), ...place.association };
      const claim = records.key("claim", ownTableClaim(place.id));
      const { expect, put } = records.rewrite("route-table", {
        ...table,
        associations: [...table.associations, association],
      });
      return {
        touches: touches(table, context),
        transaction: {
          expect: [...expect, { absent: claim }, ...place.expect],
          put: [...put, { key: claim, value: table.id }],
        },
        associationId: association.id,
      };
    },
    answer: ({ associationId }: { associationId: string }) => ({
      AssociationId: associationId,
      AssociationState: associated,
    }),
  },

  DisassociateRouteTable: {
    resolve({ AssociationId: id }, context): OperationPlan {
      const { records } = context;
      const [table, association] = associationOf(id, context);
      const placeId = placeOf(association);
      if (placeId === undefined)
        throw invalidParameter(`cannot disassociate the main route table association ${id}`);
      return {
        touches: touches(table, context),
        transaction: {
          ...records.rewrite("route-table", without(table, id)),
          delete: [records.key("claim", ownTableClaim(placeId))],
        },
      };
    },
    answer: () => ({}),
  },

  /** Puts a subnet, or the main place, into another table, under a new association id. */
  ReplaceRouteTableAssociation: {
    resolve({ AssociationId: id, RouteTableId: tableId }, context) {
      const [from, association] = associationOf(id, context);
      const to = routeTableOf(tableId, context);
      if (to.vpcId !== from.vpcId) throw otherNetworks(to.id, "route table", from.id);
      if ("gatewayId" in association) checkGatewayRoutes(to, to.routes, context.records);
      const moved = { ...association, id: context.newId("rtbassoc") };
      return {
        touches: [...touches(from, context), ...touches(to, context)],
        transaction: move(from, to, association, moved, context),
        associationId: moved.id,
      };
    },
    answer: ({ associationId }: { associationId: string }) => ({
      NewAssociationId: associationId,
      AssociationState: associated,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

export function routeTableOf(id: string, { records }: Ec2Context): RouteTableRecord {
  const table = records.get("route-table", id);
  if (!table) throw routeTableNotFound([id]);
  return table;
}

export const touches = (table: RouteTableRecord, context: Ec2Context) => [
  { arn: routeTableArn(table.id, context), tags: table.tags },
];

export const otherNetworks = (tableId: string, what: string, id: string) =>
  invalidParameter(`route table ${tableId} and ${what} ${id} belong to different networks`);

function associationOf(id: string, { records }: Ec2Context): [RouteTableRecord, RouteTableAssociation] {
  for (const table of records.all("route-table")) {
    const association = table.associations.find((it) => it.id === id);
    if (association) return [table, association];
  }
  throw associationNotFound(id);
}

/** What is to be in the table: a subnet of its VPC, or the VPC's internet gateway, which stays attached. */
function placeIn(
  table: RouteTableRecord,
  { SubnetId: subnetId, GatewayId: gatewayId }: AssociateRouteTableRequest,
  context: Ec2Context,
) {
  const { records } = context;
  if (subnetId !== undefined && gatewayId !== undefined)
    throw invalidCombination("Either 'subnetId' or 'gatewayId' should be provided.");
  if (gatewayId === undefined) {
    if (subnetId === undefined) throw missingParameter("subnetId");
    const { id, vpcId } = subnetOf(subnetId, context);
    if (vpcId !== table.vpcId) throw otherNetworks(table.id, "subnet", id);
    return { id, association: { subnetId: id }, expect: [{ exists: records.key("subnet", id) }] };
  }
  const gateway = records.get("internet-gateway", gatewayId);
  if (!gateway) throw internetGatewayNotFound([gatewayId]);
  if (gateway.vpcId !== table.vpcId) throw otherNetworks(table.id, "network gateway", gateway.id);
  checkGatewayRoutes(table, table.routes, records);
  const { expect } = records.rewrite("internet-gateway", gateway);
  return { id: gateway.id, association: { gatewayId: gateway.id }, expect };
}

const without = (table: RouteTableRecord, associationId: string): RouteTableRecord => ({
  ...table,
  associations: table.associations.filter(({ id }) => id !== associationId),
});

/** What was a main table stays in its VPC as one like any other, and what becomes one leaves only with the VPC. */
function move(
  from: RouteTableRecord,
  to: RouteTableRecord,
  before: RouteTableAssociation,
  after: RouteTableAssociation,
  { records }: Ec2Context,
): Transaction {
  const left = without(from, before.id);
  const target = from.id === to.id ? left : to;
  const changes = [
    ...(from.id === to.id ? [] : [records.rewrite("route-table", left)]),
    records.rewrite("route-table", { ...target, associations: [...target.associations, after] }),
  ];
  const main = "main" in after && !isMain(to);
  const placeId = placeOf(after);
  const claim = placeId === undefined ? mainTableClaim(to.vpcId) : ownTableClaim(placeId);
  const member = (id: string) => records.key("member", `${to.vpcId}/${id}`);
  return {
    expect: changes.flatMap(({ expect }) => expect),
    put: [
      ...changes.flatMap(({ put }) => put),
      { key: records.key("claim", claim), value: to.id },
      ...(main ? [{ key: member(from.id), value: null }] : []),
    ],
    delete: main ? [member(to.id)] : [],
  };
}
