import type * as ec2 from "@aws-sdk/client-ec2";
import type { DescribeNetworkInterfaceAttributeResult, NetworkInterfaceAttribute } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { invalidCombination, networkInterfaceNotFound } from "../errors.ts";
import { interfaceOf, ownInterfaceOf } from "./find-interface.ts";
import { interfaceChange } from "./network-interface-change.ts";
import {
  describeGroups,
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
      const nic = ownInterfaceOf(id, context);
      return {
        touches: [{ arn: networkInterfaceArn(id, context), tags: nic.tags }],
        transaction: interfaceChange(nic, input, context),
      };
    },
    answer: () => ({}),
  },

  DescribeNetworkInterfaceAttribute: {
    resolve({ NetworkInterfaceId: id, Attribute: attribute }, context) {
      const nic = interfaceOf(id, context);
      if (attribute === undefined) throw invalidCombination("No attributes specified.");
      return {
        touches: [{ arn: networkInterfaceArn(id, context), tags: nic.tags }],
        nic,
        attribute,
      };
    },
    answer: (
      { nic, attribute }: { nic: NetworkInterfaceRecord; attribute: NetworkInterfaceAttribute },
      context,
    ) => ({ NetworkInterfaceId: nic.id, ...describeAttribute[attribute](nic, context) }),
  },

  /** The source/destination check is on again. */
  ResetNetworkInterfaceAttribute: {
    resolve({ NetworkInterfaceId: id, SourceDestCheck: check }, context): OperationPlan {
      const nic = ownInterfaceOf(id, context);
      if (check === undefined) throw invalidCombination("No attributes specified.");
      return {
        touches: [{ arn: networkInterfaceArn(id, context), tags: nic.tags }],
        transaction: context.records.rewrite("network-interface", { ...nic, sourceDestCheck: true }),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const describeAttribute: Readonly<
  Record<
    NetworkInterfaceAttribute,
    (it: NetworkInterfaceRecord, context: Ec2Context) => DescribeNetworkInterfaceAttributeResult
  >
> = {
  associatePublicIpAddress: (it) => ({ AssociatePublicIpAddress: it.publicAddressOnStart }),
  attachment: (it, context) => {
    const { Attachment } = describeNetworkInterface(it, context.records, context);
    return { Attachment };
  },
  description: (it) => ({ Description: { Value: it.description } }),
  groupSet: (it, { records }) => ({ Groups: describeGroups(it, records) }),
  sourceDestCheck: (it) => ({ SourceDestCheck: { Value: it.sourceDestCheck } }),
};
