import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { subnetArn } from "./subnet.ts";
import { describe } from "../describe.ts";
import {
  cidrReservationNotFound,
  invalidParameter,
  reservationOutsideSubnet,
  reservationOverlaps,
  unsupportedParameter,
} from "../errors.ts";
import { canonicalCidr, covers, overlap } from "../ipv4.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import {
  cidrReservationArn,
  cidrReservationFilters,
  describeReservation,
  type CidrReservationRecord,
} from "./cidr-reservation.ts";
import { subnetOf } from "./subnet-operations.ts";
import type { SubnetRecord } from "./subnet.ts";

export const cidrReservationOperations = {
  /** The subnet is written too: of two reservations at once, one sees the other. */
  CreateSubnetCidrReservation: {
    resolve(input, context): OperationPlan & { made: CidrReservationRecord } {
      const { records } = context;
      const subnet = subnetOf(input.SubnetId, context);
      onlyTags(["subnet-cidr-reservation"], input.TagSpecifications);
      const made: CidrReservationRecord = {
        id: context.newId("scr"),
        subnetId: subnet.id,
        cidr: checkedRange(input.Cidr, subnet, context),
        type: input.ReservationType,
        description: input.Description ?? "",
        tags: tagsFor("subnet-cidr-reservation", input.TagSpecifications),
        createdAt: context.now().toISOString(),
      };
      const { expect, put } = records.rewrite("subnet", subnet);
      return {
        touches: [
          { arn: cidrReservationArn("*", context) },
          { arn: subnetArn(subnet, context), tags: subnet.tags },
        ],
        transaction: {
          expect,
          put: [...put, { key: records.key("subnet-cidr-reservation", made.id), value: made }],
        },
        made,
      };
    },
    answer: ({ made }: { made: CidrReservationRecord }, context) => ({
      SubnetCidrReservation: describeReservation(made, context),
    }),
  },

  GetSubnetCidrReservations: {
    resolve(input, context) {
      const { id } = subnetOf(input.SubnetId, context);
      return describe(context.records.cidrReservationsOf(id), input, {
        ids: undefined,
        parameter: "",
        missing: ([it = ""]) => cidrReservationNotFound(it),
        filters: cidrReservationFilters,
      });
    },
    answer: (
      { items, nextToken }: { items: readonly CidrReservationRecord[]; nextToken?: string },
      context,
    ) => ({
      SubnetIpv4CidrReservations: items.map((it) => describeReservation(it, context)),
      SubnetIpv6CidrReservations: [],
      NextToken: nextToken,
    }),
  },

  DeleteSubnetCidrReservation: {
    resolve({ SubnetCidrReservationId: id }, context): OperationPlan & { gone: CidrReservationRecord } {
      const entry = context.records.entry("subnet-cidr-reservation", id);
      if (!entry) throw cidrReservationNotFound(id);
      const { key, revision, value: gone } = entry;
      return {
        touches: [{ arn: cidrReservationArn(id, context), tags: gone.tags }],
        transaction: { expect: [{ at: [key, revision] }], delete: [key] },
        gone,
      };
    },
    answer: ({ gone }: { gone: CidrReservationRecord }, context) => ({
      DeletedSubnetCidrReservation: describeReservation(gone, context),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function checkedRange(text: string, { id, cidr: outer }: SubnetRecord, { records }: Ec2Context): string {
  if (text.includes(":")) throw unsupportedParameter("Cidr (IPv6)");
  const cidr = canonicalCidr(text);
  if (cidr === undefined)
    throw invalidParameter(`Value (${text}) for parameter cidr is invalid. This is not a valid CIDR block.`);
  if (!covers(outer, cidr)) throw reservationOutsideSubnet(text);
  if (records.cidrReservationsOf(id).some((it) => overlap(it.cidr, cidr))) throw reservationOverlaps(text);
  return cidr;
}
