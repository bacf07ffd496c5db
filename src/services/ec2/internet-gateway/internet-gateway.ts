import type { ResourceRecord } from "../records.ts";

export interface InternetGatewayRecord extends ResourceRecord {
  readonly id: `igw-${string}`;
  /** Absent: detached. */
  readonly vpcId?: `vpc-${string}`;
}

/** A claim: one gateway is attached to a VPC at most. */
export const attachedGatewayClaim = (vpcId: string) => `internet-gateway-of/${vpcId}`;
