import type * as ec2 from "@aws-sdk/client-ec2";
import type { CreateRouteRequest, DeleteRouteRequest, ReplaceRouteRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  instanceNotFound,
  internetGatewayNotFound,
  invalidCombination,
  invalidParameter,
  malformedCidr,
  manyInterfaces,
  missingParameter,
  networkInterfaceNotFound,
  routeExists,
  routeNotFound,
  tooManyRoutes,
  unsupportedParameter,
} from "../errors.ts";
import { canonicalCidr, covers } from "../ipv4.ts";
import { quotas } from "../quotas.ts";
import { rangesOf } from "../vpc/vpc.ts";
import { otherNetworks, routeTableOf, touches } from "./route-table-operations.ts";
import type { Route, RouteTableRecord, RouteTarget } from "./route-table.ts";

/** Routes, each known in its table by its destination. Follows the VPC guide, "Configure route tables". */
export const routeOperations = {
  CreateRoute: {
    resolve(input, context): OperationPlan {
      const table = routeTableOf(input.RouteTableId, context);
      const cidr = destinationOf(input);
      if (rangesIn(table, context).includes(cidr) || table.routes.some((it) => it.cidr === cidr))
        throw routeExists(cidr);
      if (table.routes.length >= quotas.routesPerTable.value) throw tooManyRoutes(table.id);
      return plan(table, [...table.routes, { cidr, target: targetOf(input, cidr, table, context) }], context);
    },
    answer: () => ({ Return: true }),
  },

  /** A local route too: to an interface, and back to local. */
  ReplaceRoute: {
    resolve(input, context): OperationPlan {
      const table = routeTableOf(input.RouteTableId, context);
      const cidr = destinationOf(input);
      const others = table.routes.filter((it) => it.cidr !== cidr);
      const isLocal = rangesIn(table, context).includes(cidr);
      if (others.length === table.routes.length && !isLocal) throw routeNotFound(cidr, table.id);
      if (input.LocalTarget) {
        if (!isLocal)
          throw invalidParameter(
            `The destination ${cidr} is no CIDR block of the VPC, so it has no local target.`,
          );
        return plan(table, others, context);
      }
      return plan(table, [...others, { cidr, target: targetOf(input, cidr, table, context) }], context);
    },
    answer: () => ({}),
  },

  DeleteRoute: {
    resolve(input, context): OperationPlan {
      const table = routeTableOf(input.RouteTableId, context);
      const cidr = destinationOf(input);
      const others = table.routes.filter((it) => it.cidr !== cidr);
      if (others.length === table.routes.length) {
        if (rangesIn(table, context).includes(cidr))
          throw invalidParameter(`cannot remove local route ${cidr} in route table ${table.id}`);
        throw routeNotFound(cidr, table.id);
      }
      return plan(table, others, context);
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const plan = (table: RouteTableRecord, routes: readonly Route[], context: Ec2Context): OperationPlan => ({
  touches: touches(table, context),
  transaction: context.records.rewrite("route-table", { ...table, routes }),
});

const rangesIn = ({ vpcId }: RouteTableRecord, { records }: Ec2Context): string[] => {
  const vpc = records.get("vpc", vpcId);
  return vpc ? rangesOf(vpc).map(({ cidr }) => cidr) : [];
};

/** Canonical: AWS clears the bits of the host. */
function destinationOf(input: CreateRouteRequest | ReplaceRouteRequest | DeleteRouteRequest): string {
  for (const name of ["DestinationIpv6CidrBlock", "DestinationPrefixListId"] as const)
    if (input[name] !== undefined) throw unsupportedParameter(name);
  const text = input.DestinationCidrBlock;
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
  "NatGatewayId",
  "OdbNetworkArn",
  "TransitGatewayId",
  "VpcEndpointId",
  "VpcPeeringConnectionId",
] as const satisfies readonly (keyof Targets)[];

function targetOf(input: Targets, cidr: string, table: RouteTableRecord, context: Ec2Context): RouteTarget {
  const { records } = context;
  const { GatewayId: gateway, InstanceId: instance, NetworkInterfaceId: nic } = input;
  const unserved = unservedTargets.find((name) => input[name] !== undefined);
  if (unserved) throw unsupportedParameter(unserved);
  const given = [gateway, instance, nic].filter((it) => it !== undefined);
  if (given.length === 0)
    throw missingParameter(
      "gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId or instanceId",
    );
  if (given.length > 1) throw invalidCombination("Only one target of a route may be specified.");
  if (gateway !== undefined) {
    const igw = records.get("internet-gateway", gateway);
    if (!igw) throw internetGatewayNotFound([gateway]);
    if (igw.vpcId !== table.vpcId) throw otherNetworks(table.id, "network gateway", igw.id);
    if (rangesIn(table, context).some((range) => covers(range, cidr)))
      throw invalidParameter(
        `The destination CIDR block ${cidr} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.`,
      );
    return { internetGatewayId: igw.id };
  }
  const interfaceId = nic ?? primaryOf(instance ?? "", context);
  const target = records.get("network-interface", interfaceId);
  if (!target) throw networkInterfaceNotFound([interfaceId]);
  if (target.vpcId !== table.vpcId) throw otherNetworks(table.id, "interface", target.id);
  return { networkInterfaceId: target.id };
}

/** An instance stands for its interface while it has one only. */
function primaryOf(instanceId: string, { records }: Ec2Context): string {
  if (!records.get("instance", instanceId)) throw instanceNotFound([instanceId]);
  const [first, ...more] = records.interfacesOf(instanceId);
  if (more.length > 0) throw manyInterfaces(instanceId);
  if (!first) throw invalidParameter(`Instance ${instanceId} has no network interface.`);
  return first.id;
}
