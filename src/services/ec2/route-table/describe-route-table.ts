import type {
  Route as DescribedRoute,
  RouteTable,
  RouteTableAssociation as DescribedAssociation,
} from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { routeTarget } from "../vpc/vpc-network.ts";
import {
  allRoutes,
  isPrefixList,
  type Route,
  type RouteTableAssociation,
  type RouteTableRecord,
  type RouteTarget,
} from "./route-table.ts";

export const describeRouteTable = (
  table: RouteTableRecord,
  records: Ec2Records,
  { accountId }: Scope,
): RouteTable => ({
  RouteTableId: table.id,
  VpcId: table.vpcId,
  OwnerId: accountId,
  Routes: allRoutes(table, records).map((route) => describeRoute(route, table, records, accountId)),
  Associations: table.associations.map((association) => describeAssociation(association, table)),
  PropagatingVgws: [],
  Tags: describeTags(table.tags),
});

const describeRoute = (
  { destination, target }: Route,
  table: RouteTableRecord,
  records: Ec2Records,
  ownerId: string,
): DescribedRoute => ({
  ...(isPrefixList(destination)
    ? { DestinationPrefixListId: destination }
    : { DestinationCidrBlock: destination }),
  ...describeTarget(target, records, ownerId),
  Origin:
    "local" in target && !table.routes.some((it) => it.destination === destination)
      ? "CreateRouteTable"
      : "CreateRoute",
  State: routeTarget(target, table.vpcId, records) === "nowhere" ? "blackhole" : "active",
});

function describeTarget(target: RouteTarget, records: Ec2Records, ownerId: string): DescribedRoute {
  if ("local" in target) return { GatewayId: "local" };
  if ("internetGatewayId" in target) return { GatewayId: target.internetGatewayId };
  if ("vpcEndpointId" in target) return { GatewayId: target.vpcEndpointId };
  if ("natGatewayId" in target) return { NatGatewayId: target.natGatewayId };
  if ("vpcPeeringConnectionId" in target) return { VpcPeeringConnectionId: target.vpcPeeringConnectionId };
  const instanceId = records.get("network-interface", target.networkInterfaceId)?.attachment?.instanceId;
  return {
    NetworkInterfaceId: target.networkInterfaceId,
    ...(instanceId && { InstanceId: instanceId, InstanceOwnerId: ownerId }),
  };
}

const describeAssociation = (
  association: RouteTableAssociation,
  table: RouteTableRecord,
): DescribedAssociation => ({
  RouteTableAssociationId: association.id,
  RouteTableId: table.id,
  Main: "main" in association,
  ...("subnetId" in association && { SubnetId: association.subnetId }),
  ...("gatewayId" in association && { GatewayId: association.gatewayId }),
  AssociationState: { State: "associated" },
});

export const routeTableFilters = (records: Ec2Records, scope: Scope): FilterTable<RouteTableRecord> => {
  const ofRoutes = (value: (route: DescribedRoute) => string | undefined) => (table: RouteTableRecord) =>
    describeRouteTable(table, records, scope).Routes?.map(value) ?? [];
  return {
    "association.gateway-id": (it) =>
      it.associations.map((association) => ("gatewayId" in association ? association.gatewayId : undefined)),
    "association.main": (it) => it.associations.map((association) => String("main" in association)),
    "association.route-table-association-id": (it) => it.associations.map(({ id }) => id),
    "association.route-table-id": (it) => (it.associations.length > 0 ? it.id : undefined),
    "association.subnet-id": (it) =>
      it.associations.map((association) => ("subnetId" in association ? association.subnetId : undefined)),
    "owner-id": () => scope.accountId,
    "route-table-id": (it) => it.id,
    "route.destination-cidr-block": ofRoutes((route) => route.DestinationCidrBlock),
    "route.destination-ipv6-cidr-block": () => undefined,
    "route.destination-prefix-list-id": ofRoutes((route) => route.DestinationPrefixListId),
    "route.egress-only-internet-gateway-id": () => undefined,
    "route.gateway-id": ofRoutes((route) => route.GatewayId),
    "route.instance-id": ofRoutes((route) => route.InstanceId),
    "route.nat-gateway-id": ofRoutes((route) => route.NatGatewayId),
    "route.origin": ofRoutes((route) => route.Origin),
    "route.state": ofRoutes((route) => route.State),
    "route.transit-gateway-id": () => undefined,
    "route.vpc-peering-connection-id": ofRoutes((route) => route.VpcPeeringConnectionId),
    "transit-gateway-id": () => undefined,
    "vpc-id": (it) => it.vpcId,
  };
};
