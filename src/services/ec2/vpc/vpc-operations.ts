import type * as ec2 from "@aws-sdk/client-ec2";
import type { DescribeVpcAttributeResult, VpcAttributeName } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { vpcNotFound } from "../errors.ts";
import { describeVpc, vpcArn, vpcFilters, type VpcRecord } from "./vpc.ts";

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

  DescribeVpcAttribute: {
    resolve({ VpcId: id, Attribute: attribute }, context) {
      const vpc = context.records.get("vpc", id);
      if (!vpc) throw vpcNotFound([id]);
      return { touches: [{ arn: vpcArn(id, context), tags: vpc.tags }], vpc, attribute };
    },
    answer: ({ vpc, attribute }: { vpc: VpcRecord; attribute: VpcAttributeName }) => ({
      VpcId: vpc.id,
      ...vpcAttributes[attribute](vpc),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** As AWS makes a VPC: all have DNS, the default one gives names too. */
const vpcAttributes = {
  enableDnsSupport: () => ({ EnableDnsSupport: { Value: true } }),
  enableDnsHostnames: ({ isDefault }) => ({ EnableDnsHostnames: { Value: isDefault } }),
  enableNetworkAddressUsageMetrics: () => ({ EnableNetworkAddressUsageMetrics: { Value: false } }),
} satisfies Record<VpcAttributeName, (vpc: VpcRecord) => DescribeVpcAttributeResult>;
