import type { InternetGateway } from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

export interface InternetGatewayRecord extends ResourceRecord {
  readonly id: `igw-${string}`;
  /** Absent: detached. */
  readonly vpcId?: `vpc-${string}`;
}

export const internetGatewayArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:internet-gateway/${id}`;

/** A claim: one gateway is attached to a VPC at most. */
export const attachedGatewayClaim = (vpcId: string) => `internet-gateway-of/${vpcId}`;

export const describeInternetGateway = (it: InternetGatewayRecord, ownerId: string): InternetGateway => ({
  InternetGatewayId: it.id,
  OwnerId: ownerId,
  // AWS's own word for an attachment in its lasting state, which no enumeration of its lists.
  Attachments: it.vpcId === undefined ? [] : [{ VpcId: it.vpcId, State: "available" as "attached" }],
  Tags: describeTags(it.tags),
});

export const internetGatewayFilters = (ownerId: string): FilterTable<InternetGatewayRecord> => ({
  "attachment.state": (it) => it.vpcId && "available",
  "attachment.vpc-id": (it) => it.vpcId,
  "internet-gateway-id": (it) => it.id,
  "owner-id": () => ownerId,
});
