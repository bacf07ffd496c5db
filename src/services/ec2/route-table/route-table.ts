import type { PrefixListRecord } from "../prefix-list/prefix-list.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { rangesOf } from "../vpc/vpc.ts";

export interface RouteTableRecord extends ResourceRecord {
  readonly id: `rtb-${string}`;
  readonly vpcId: `vpc-${string}`;
  /** Beside the local ones, which each range of the VPC has in every table. */
  readonly routes: readonly Route[];
  readonly associations: readonly RouteTableAssociation[];
  /** The one it was made by, if any. */
  readonly clientToken?: string;
}

export interface Route {
  /** A CIDR block, or the id of a prefix list, each of whose entries is one. */
  readonly destination: string;
  readonly target: RouteTarget;
}

/** `local` stands in a table only where it was given anew for a range of the VPC. */
export type RouteTarget =
  | { readonly internetGatewayId: `igw-${string}` }
  | { readonly natGatewayId: `nat-${string}` }
  | { readonly networkInterfaceId: `eni-${string}` }
  | { readonly vpcPeeringConnectionId: `pcx-${string}` }
  /** A gateway endpoint's, which comes and goes with it. */
  | { readonly vpcEndpointId: `vpce-${string}` }
  | { readonly local: true };

/** The main one stands for every subnet of the VPC that is in no other. */
export type RouteTableAssociation = { readonly id: `rtbassoc-${string}` } & (
  | { readonly main: true }
  | { readonly subnetId: `subnet-${string}` }
  /** What comes in by the internet gateway is routed by it. */
  | { readonly gatewayId: `igw-${string}` }
);

export const routeTableArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:route-table/${id}`;

/** A claim: one table is a VPC's main one. */
export const mainTableClaim = (vpcId: string) => `main-route-table/${vpcId}`;
/** A claim, of a subnet or gateway that is in a table of its own. */
export const ownTableClaim = (placeId: string) => `route-table-of/${placeId}`;

/** The subnet or gateway that an association is of; none: it is the main one. */
export const placeOf = (it: RouteTableAssociation): string | undefined =>
  "subnetId" in it ? it.subnetId : "gatewayId" in it ? it.gatewayId : undefined;
export const isOfGateway = ({ associations }: RouteTableRecord): boolean =>
  associations.some((it) => "gatewayId" in it);

export const isPrefixList = (destination: string): boolean => destination.startsWith("pl-");
/** The prefix lists that a table's routes name. */
export const listsOf = (routes: readonly Route[]): string[] =>
  routes.map((route) => route.destination).filter(isPrefixList);
/** What routes count for: a prefix list for as many as it may have entries. */
export const routeCount = (
  routes: readonly Route[],
  listOf: (id: string) => PrefixListRecord | undefined,
): number => routes.reduce((sum, { destination }) => sum + (listOf(destination)?.maxEntries ?? 1), 0);

export const isMain = ({ associations }: RouteTableRecord): boolean =>
  associations.some((association) => "main" in association);

/** Local ones first: those of the VPC's ranges that no route of the table stands for. */
export const allRoutes = ({ vpcId, routes }: RouteTableRecord, records: Ec2Records): Route[] => {
  const vpc = records.get("vpc", vpcId);
  const ranges = vpc ? rangesOf(vpc) : [];
  const local = ranges.filter(({ cidr }) => !routes.some((route) => route.destination === cidr));
  return [...local.map(({ cidr }): Route => ({ destination: cidr, target: { local: true } })), ...routes];
};
