import { invalidParameter } from "../errors.ts";
import type { Ec2Records } from "../records.ts";
import { rangesOf } from "../vpc/vpc.ts";
import type { Route, RouteTableRecord } from "./route-table.ts";

/**
 * Throws unless a gateway's table may have these routes: from a range of the VPC, or a subnet's whole one, to an interface. Follows the
 * VPC guide, "Gateway route tables".
 */
export function checkGatewayRoutes(
  { id, vpcId }: RouteTableRecord,
  routes: readonly Route[],
  records: Ec2Records,
): void {
  const vpc = records.get("vpc", vpcId);
  const inside = [...(vpc ? rangesOf(vpc) : []), ...records.subnetsIn(vpcId)].map(({ cidr }) => cidr);
  for (const { destination, target } of routes) {
    if (!("networkInterfaceId" in target || "local" in target))
      throw invalidParameter(
        `Route table ${id} is associated with a gateway: the route ${destination} can target only local or a network interface.`,
      );
    if (!inside.includes(destination))
      throw invalidParameter(
        `Route table ${id} is associated with a gateway: the destination ${destination} must be a CIDR block of the VPC or of one of its subnets.`,
      );
  }
}
