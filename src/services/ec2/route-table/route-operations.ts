import { isDeepStrictEqual } from "node:util";
import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreateRouteRequest, DeleteRouteRequest, ReplaceRouteRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  exclusiveParameters,
  gatewayNotFound,
  instanceNotFound,
  invalidCombination,
  invalidParameter,
  malformedCidr,
  manyInterfaces,
  missingParameter,
  natGatewayTargetNotFound,
  networkInterfaceNotFound,
  noRouteToReplace,
  peeringNotFound,
  prefixListNotFound,
  routeExists,
  routeNotFound,
  tooManyRoutes,
  unsupportedParameter,
  wrongPeeringState,
} from "../errors.ts";
import { canonicalCidr, covers } from "../ipv4.ts";
import type { InternetGatewayRecord } from "../internet-gateway/internet-gateway.ts";
import { isLive as isLiveGateway, type NatGatewayRecord } from "../nat-gateway/nat-gateway.ts";
import { quotas } from "../quotas.ts";
import { isLive, vpcsOfPeering } from "../vpc-peering/vpc-peering.ts";
import { rangesOf } from "../vpc/vpc.ts";
import { otherNetworks, routeTableOf, touches } from "./route-table-operations.ts";
import { checkGatewayRoutes } from "./gateway-routes.ts";
import {
  isOfGateway,
  isPrefixList,
  listsOf,
  routeCount,
  type Route,
  type RouteTableRecord,
  type RouteTarget,
} from "./route-table.ts";

/** Routes, each known in its table by its destination. Follows the VPC guide, "Configure route tables". */
export const routeOperations = {
  /** The same again changes nothing. */
  CreateRoute: {
    resolve(input, context): OperationPlan {
      const table = routeTableOf(input.RouteTableId, context);
      const destination = destinationOf(input, context);
      // First: a route to "local" has no such gateway, rather than being there already.
      if (input.GatewayId !== undefined) gatewayOf(input.GatewayId, context);
      if (rangesIn(table, context).includes(destination)) throw routeExists(destination);
      if (!isPrefixList(destination) && covers(servicesRange, destination))
        throw invalidParameter(
          `The destination CIDR block ${destination} is in ${servicesRange}, which is reserved for AWS services.`,
        );
      const route = { destination, target: targetOf(input, destination, table, context) };
      const present = table.routes.find((it) => it.destination === destination);
      if (present && !isDeepStrictEqual(present, route)) throw routeExists(destination);
      const routes = present ? table.routes : [...table.routes, route];
      const listOf = (id: string) => context.records.get("prefix-list", id);
      if (routeCount(routes, listOf) > quotas.routesPerTable.value) throw tooManyRoutes(table.id);
      return plan(table, routes, context);
    },
    answer: () => ({ Return: true }),
  },

  /** A local route too: to an interface, and back to local. */
  ReplaceRoute: {
    resolve(input, context): OperationPlan {
      const table = routeTableOf(input.RouteTableId, context);
      const destination = destinationOf(input, context);
      keepEndpoints(table, destination);
      const others = table.routes.filter((it) => it.destination !== destination);
      const isLocal = rangesIn(table, context).includes(destination);
      if (others.length === table.routes.length && !isLocal) throw noRouteToReplace(destination);
      if (input.LocalTarget) {
        if (!isLocal)
          throw invalidParameter(
            `The destination ${destination} is no CIDR block of the VPC, so it has no local target.`,
          );
        return plan(table, others, context);
      }
      return plan(
        table,
        [...others, { destination, target: targetOf(input, destination, table, context) }],
        context,
      );
    },
    answer: () => ({}),
  },

  DeleteRoute: {
    resolve(input, context): OperationPlan {
      const table = routeTableOf(input.RouteTableId, context);
      const destination = destinationOf(input, context);
      keepEndpoints(table, destination);
      const others = table.routes.filter((it) => it.destination !== destination);
      if (others.length === table.routes.length) {
        if (rangesIn(table, context).includes(destination))
          throw invalidParameter(`cannot remove local route ${destination} in route table ${table.id}`);
        throw routeNotFound(destination, table.id);
      }
      return plan(table, others, context);
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** An endpoint's route goes with the endpoint, or by ModifyVpcEndpoint. */
function keepEndpoints(table: RouteTableRecord, destination: string): void {
  if (table.routes.some((it) => it.destination === destination && "vpcEndpointId" in it.target))
    throw invalidParameter(`cannot remove VPC endpoint route ${destination} in route table ${table.id}`);
}

/** Writes the table's new routes, and beside them which prefix lists they name, so that those cannot be deleted. */
function plan(table: RouteTableRecord, routes: readonly Route[], context: Ec2Context): OperationPlan {
  const { records } = context;
  if (isOfGateway(table)) checkGatewayRoutes(table, routes, records);
  const [before, after] = [listsOf(table.routes), listsOf(routes)];
  const added = after.filter((id) => !before.includes(id));
  const member = (id: string) => records.key("member", `${id}/${table.id}`);
  const { expect, put } = records.rewrite("route-table", { ...table, routes });
  return {
    touches: touches(table, context),
    transaction: {
      expect: [...expect, ...records.sameLists([...added, ...after])],
      put: [...put, ...added.map((id) => ({ key: member(id), value: null }))],
      delete: before.filter((id) => !after.includes(id)).map(member),
    },
  };
}

/** Where instances reach the metadata, DNS and time: no route may lead it, or a part of it, elsewhere. */
const servicesRange = "169.254.168.0/22";

const rangesIn = ({ vpcId }: RouteTableRecord, { records }: Ec2Context): string[] => {
  const vpc = records.get("vpc", vpcId);
  return vpc ? rangesOf(vpc).map(({ cidr }) => cidr) : [];
};

/** Canonical: AWS clears the bits of the host. */
function destinationOf(
  input: CreateRouteRequest | ReplaceRouteRequest | DeleteRouteRequest,
  { records }: Ec2Context,
): string {
  const { DestinationCidrBlock: text, DestinationPrefixListId: listId } = input;
  if (input.DestinationIpv6CidrBlock !== undefined) throw unsupportedParameter("DestinationIpv6CidrBlock");
  if (text !== undefined && listId !== undefined)
    throw exclusiveParameters("destinationCidrBlock", "destinationPrefixListId");
  if (listId !== undefined) {
    const list = records.get("prefix-list", listId);
    if (!list) throw prefixListNotFound([listId]);
    if (list.family === "IPv6") throw unsupportedParameter("DestinationPrefixListId (of IPv6)");
    return list.id;
  }
  if (text === undefined) throw missingParameter("destinationCidrBlock");
  const cidr = canonicalCidr(text);
  if (cidr === undefined) throw malformedCidr(text);
  return cidr;
}

type Targets = Omit<CreateRouteRequest, "RouteTableId" | "DryRun">;
const unservedTargets = [
  "CarrierGatewayId",
  "CoreNetworkArn",
  "EgressOnlyInternetGatewayId",
  "LocalGatewayId",
  "OdbNetworkArn",
  "TransitGatewayId",
  "VpcEndpointId",
] as const satisfies readonly (keyof Targets)[];

function targetOf(
  input: Targets,
  destination: string,
  table: RouteTableRecord,
  context: Ec2Context,
): RouteTarget {
  const { records } = context;
  const { InstanceId: instance, NatGatewayId: nat, NetworkInterfaceId: nic } = input;
  const { VpcPeeringConnectionId: peeringId } = input;
  const unserved = unservedTargets.find((name) => input[name] !== undefined);
  if (unserved) throw unsupportedParameter(unserved);
  const given = [input.GatewayId, instance, nat, nic, peeringId].filter((it) => it !== undefined);
  if (given.length === 0)
    throw missingParameter(
      "gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId or instanceId",
    );
  if (given.length > 1) throw invalidCombination("Only one target of a route may be specified.");
  const gateway = input.GatewayId === undefined ? undefined : gatewayOf(input.GatewayId, context);
  const isInside =
    !isPrefixList(destination) && rangesIn(table, context).some((range) => covers(range, destination));
  if (isInside && ((gateway && !isNat(gateway)) || peeringId !== undefined))
    throw invalidParameter(
      `The destination CIDR block ${destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.`,
    );
  if (peeringId !== undefined) {
    const peering = records.get("vpc-peering-connection", peeringId);
    if (!peering) throw peeringNotFound([peeringId]);
    if (!vpcsOfPeering(peering).includes(table.vpcId))
      throw otherNetworks(table.id, "VPC peering connection", peering.id);
    if (!isLive(peering)) throw wrongPeeringState(peering.id);
    return { vpcPeeringConnectionId: peering.id };
  }
  if (gateway) {
    if (gateway.vpcId !== table.vpcId) throw otherNetworks(table.id, "network gateway", gateway.id);
    return isNat(gateway) ? { natGatewayId: gateway.id } : { internetGatewayId: gateway.id };
  }
  if (nat !== undefined) {
    const found = records.get("nat-gateway", nat);
    if (!isLiveGateway(found)) throw natGatewayTargetNotFound(nat);
    if (found.vpcId !== table.vpcId) throw otherNetworks(table.id, "NAT gateway", found.id);
    return { natGatewayId: found.id };
  }
  const interfaceId = nic ?? primaryOf(instance ?? "", context);
  const target = records.get("network-interface", interfaceId);
  if (!target) throw networkInterfaceNotFound([interfaceId]);
  if (target.vpcId !== table.vpcId) throw otherNetworks(table.id, "interface", target.id);
  return { networkInterfaceId: target.id };
}

type GatewayRecord = InternetGatewayRecord | NatGatewayRecord;
const isNat = (gateway: GatewayRecord): gateway is NatGatewayRecord => "connectivity" in gateway;

/** A NAT gateway may be named so too, and is then described as what it is. */
function gatewayOf(id: string, { records }: Ec2Context): GatewayRecord {
  const nat = records.get("nat-gateway", id);
  const gateway = isLiveGateway(nat) ? nat : records.get("internet-gateway", id);
  if (!gateway) throw gatewayNotFound(id);
  return gateway;
}

/** An instance stands for its interface while it has one only. */
function primaryOf(instanceId: string, { records }: Ec2Context): string {
  if (!records.get("instance", instanceId)) throw instanceNotFound([instanceId]);
  const [first, ...more] = records.interfacesOf(instanceId);
  if (more.length > 0) throw manyInterfaces(instanceId);
  if (!first) throw invalidParameter(`Instance ${instanceId} has no network interface.`);
  return first.id;
}
