import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { vpcNotFound } from "../errors.ts";
import { describeVpc, vpcFilters, type VpcRecord } from "./vpc.ts";

export const vpcOperations = {
  DescribeVpcs: {
    resolve: (input, context) =>
      describe(context.records.all("vpc"), input, {
        ids: input.VpcIds,
        parameter: "vpcIds",
        missing: vpcNotFound,
        filters: vpcFilters(context.accountId),
      }),
    answer: ({ items, nextToken }: { items: readonly VpcRecord[]; nextToken?: string }, context) => ({
      Vpcs: items.map((vpc) => describeVpc(vpc, context.accountId)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;
