import type { ResourceRecord } from "../records.ts";

export interface RouteTableRecord extends ResourceRecord {
  readonly id: `rtb-${string}`;
  readonly vpcId: `vpc-${string}`;
  /** Beside the local ones, which each range of the VPC has in every table. */
  readonly routes: readonly Route[];
  readonly associations: readonly RouteTableAssociation[];
}

/** One destination. */
export interface Route {
  readonly cidr: string;
  readonly target: RouteTarget;
}

/** `local` stands in a table only where it was given anew for a range of the VPC. */
export type RouteTarget =
  | { readonly internetGatewayId: `igw-${string}` }
  | { readonly networkInterfaceId: `eni-${string}` }
  | { readonly local: true };

/** The main one stands for every subnet of the VPC that is in no other. */
export type RouteTableAssociation = { readonly id: `rtbassoc-${string}` } & (
  | { readonly main: true }
  | { readonly subnetId: `subnet-${string}` }
);

/** A claim: one table is a VPC's main one. */
export const mainTableClaim = (vpcId: string) => `main-route-table/${vpcId}`;
