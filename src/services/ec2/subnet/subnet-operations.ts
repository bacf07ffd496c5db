import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { subnetNotFound } from "../errors.ts";
import { addressesOf } from "../network-interface/network-interface.ts";
import { describeSubnet, subnetFilters, type SubnetRecord } from "./subnet.ts";

export const subnetOperations = {
  DescribeSubnets: {
    resolve: (input, context) =>
      describe(context.records.all("subnet"), input, {
        ids: input.SubnetIds,
        parameter: "subnetIds",
        missing: subnetNotFound,
        filters: subnetFilters(context, usedAddresses(context)),
      }),
    answer({ items, nextToken }: { items: readonly SubnetRecord[]; nextToken?: string }, context) {
      const used = usedAddresses(context);
      return { Subnets: items.map((it) => describeSubnet(it, used(it), context)), NextToken: nextToken };
    },
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const usedAddresses =
  ({ records }: Ec2Context) =>
  (subnet: SubnetRecord) =>
    records
      .interfacesIn(subnet.vpcId)
      .filter((it) => it.subnetId === subnet.id)
      .reduce((sum, it) => sum + addressesOf(it).length, 0);
