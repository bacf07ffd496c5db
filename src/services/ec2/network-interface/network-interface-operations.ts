import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { networkInterfaceNotFound } from "../errors.ts";
import { interfaceChange } from "./network-interface-change.ts";
import {
  describeNetworkInterface,
  networkInterfaceArn,
  networkInterfaceFilters,
  type NetworkInterfaceRecord,
} from "./network-interface.ts";

export const networkInterfaceOperations = {
  DescribeNetworkInterfaces: {
    resolve: (input, context) =>
      describe(context.records.named("network-interface", input.NetworkInterfaceIds), input, {
        ids: input.NetworkInterfaceIds,
        parameter: "networkInterfaceIds",
        missing: networkInterfaceNotFound,
        filters: networkInterfaceFilters(context.records, context),
      }),
    answer: (
      { items, nextToken }: { items: readonly NetworkInterfaceRecord[]; nextToken?: string },
      context,
    ) => ({
      NetworkInterfaces: items.map((it) => describeNetworkInterface(it, context.records, context)),
      NextToken: nextToken,
    }),
  },

  ModifyNetworkInterfaceAttribute: {
    resolve(input, context): OperationPlan {
      const { NetworkInterfaceId: id } = input;
      const nic = context.records.get("network-interface", id);
      if (!nic) throw networkInterfaceNotFound([id]);
      return {
        touches: [{ arn: networkInterfaceArn(id, context), tags: nic.tags }],
        transaction: interfaceChange(nic, input, context),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;
