import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { once, type MakingPlan } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { natGatewayNotFound } from "../errors.ts";
import {
  describeAddresses,
  describeNatGateway,
  natGatewayArn,
  natGatewayFilters,
  natGatewayState,
  type NatGatewayRecord,
} from "./nat-gateway.ts";
import { newNatGateway } from "./new-nat-gateway.ts";

/** Follows the VPC guide, "Work with NAT gateways". */
export const natGatewayOperations = {
  CreateNatGateway: {
    resolve: (input, context) =>
      once("CreateNatGateway", input, context, () => newNatGateway(input, context)),
    answer({ made }: MakingPlan, context) {
      const gateway = gatewayOf(made, context);
      return { NatGateway: describeNatGateway(gateway, context.records), ClientToken: gateway.clientToken };
    },
  },

  /** Its interface goes once the kernel has let go of it; routes to it lead nowhere from now on. */
  DeleteNatGateway: {
    resolve({ NatGatewayId: id }, context): OperationPlan & { id: string } {
      const { records, now } = context;
      const gateway = gatewayOf(id, context);
      const touches = [{ arn: natGatewayArn(id, context), tags: gateway.tags }];
      if (natGatewayState(gateway, records) === "deleted") throw natGatewayNotFound([id]);
      if (gateway.deletedAt !== undefined) return { touches, id };
      const deleted: NatGatewayRecord = {
        ...gateway,
        deletedAt: now().toISOString(),
        lastAddresses: describeAddresses(gateway, records),
      };
      return { touches, transaction: records.rewrite("nat-gateway", deleted), id };
    },
    answer: ({ id }: { id: string }) => ({ NatGatewayId: id }),
  },

  DescribeNatGateways: {
    resolve: ({ Filter: Filters, ...input }, { records }) =>
      describe(
        records.all("nat-gateway"),
        { ...input, Filters },
        {
          ids: input.NatGatewayIds,
          parameter: "natGatewayIds",
          missing: natGatewayNotFound,
          filters: natGatewayFilters(records),
        },
      ),
    answer: (
      { items, nextToken }: { items: readonly NatGatewayRecord[]; nextToken?: string },
      { records },
    ) => ({
      NatGateways: items.map((it) => describeNatGateway(it, records)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** Throws NatGatewayNotFound. */
export function gatewayOf(id: string, { records }: Pick<Ec2Context, "records">): NatGatewayRecord {
  const gateway = records.get("nat-gateway", id);
  if (!gateway) throw natGatewayNotFound([id]);
  return gateway;
}
