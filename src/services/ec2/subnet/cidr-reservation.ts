import type {
  SubnetCidrReservation as DescribedReservation,
  SubnetCidrReservationType,
} from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** A range of a subnet of which interfaces are given addresses only by name. */
export interface CidrReservationRecord extends ResourceRecord {
  readonly id: `scr-${string}`;
  readonly subnetId: `subnet-${string}`;
  readonly cidr: string;
  readonly type: SubnetCidrReservationType;
  readonly description: string;
}

export const cidrReservationArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:subnet-cidr-reservation/${id}`;

export const describeReservation = (
  it: CidrReservationRecord,
  { accountId }: Scope,
): DescribedReservation => ({
  SubnetCidrReservationId: it.id,
  SubnetId: it.subnetId,
  Cidr: it.cidr,
  ReservationType: it.type,
  OwnerId: accountId,
  Description: it.description,
  Tags: describeTags(it.tags),
});

export const cidrReservationFilters: FilterTable<CidrReservationRecord> = {
  reservationType: (it) => it.type,
  "subnet-id": (it) => it.subnetId,
};
