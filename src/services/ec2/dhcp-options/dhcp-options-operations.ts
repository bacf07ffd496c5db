import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { dhcpOptionsGone, dhcpOptionsNotFound, hasDependencies } from "../errors.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { dhcpConfiguration } from "./dhcp-configuration.ts";
import {
  defaultDhcpOptionsClaim,
  describeDhcpOptions,
  dhcpOptionsArn,
  dhcpOptionsFilters,
  noDhcpOptions,
  type DhcpOptionsRecord,
} from "./dhcp-options.ts";

export const dhcpOptionsOperations = {
  CreateDhcpOptions: {
    resolve(input, context) {
      onlyTags(["dhcp-options"], input.TagSpecifications);
      const options: DhcpOptionsRecord = {
        id: context.newId("dopt"),
        configuration: dhcpConfiguration(input.DhcpConfigurations),
        tags: tagsFor("dhcp-options", input.TagSpecifications),
        createdAt: context.now().toISOString(),
      };
      return {
        touches: [{ arn: dhcpOptionsArn("*", context), tags: options.tags }],
        transaction: { put: [{ key: context.records.key("dhcp-options", options.id), value: options }] },
        options,
      };
    },
    answer: ({ options }: { options: DhcpOptionsRecord }, context) => ({
      DhcpOptions: describeDhcpOptions(options, context),
    }),
  },

  DeleteDhcpOptions: {
    resolve({ DhcpOptionsId: id }, context): OperationPlan {
      const { records } = context;
      const options = records.get("dhcp-options", id);
      if (!options) throw dhcpOptionsGone([id]);
      if (records.all("vpc").some((vpc) => vpc.dhcpOptionsId === id))
        throw hasDependencies("dhcpOptions", id);
      const isDefault = records.claimed(defaultDhcpOptionsClaim) === id;
      return {
        touches: [{ arn: dhcpOptionsArn(id, context), tags: options.tags }],
        transaction: {
          expect: records.rewrite("dhcp-options", options).expect,
          delete: [
            records.key("dhcp-options", id),
            ...(isDefault ? [records.key("claim", defaultDhcpOptionsClaim)] : []),
          ],
        },
      };
    },
    answer: () => ({}),
  },

  DescribeDhcpOptions: {
    resolve: (input, context) =>
      describe(context.records.all("dhcp-options"), input, {
        ids: input.DhcpOptionsIds,
        parameter: "dhcpOptionsIds",
        missing: dhcpOptionsNotFound,
        filters: dhcpOptionsFilters(context),
      }),
    answer: ({ items, nextToken }: { items: readonly DhcpOptionsRecord[]; nextToken?: string }, context) => ({
      DhcpOptions: items.map((options) => describeDhcpOptions(options, context)),
      NextToken: nextToken,
    }),
  },

  /** Guests have the new options when they renew their leases. */
  AssociateDhcpOptions: {
    resolve({ DhcpOptionsId: id, VpcId }, context): OperationPlan {
      const { records } = context;
      const vpc = vpcOf(VpcId, context);
      const options = id === noDhcpOptions ? undefined : optionsOf(id, context);
      const changes = [
        records.rewrite("vpc", { ...vpc, dhcpOptionsId: id }),
        // So that nobody deletes it at the same moment.
        ...(options ? [records.rewrite("dhcp-options", options)] : []),
      ];
      return {
        touches: [
          { arn: vpcArn(vpc.id, context), tags: vpc.tags },
          { arn: dhcpOptionsArn(id, context), ...(options && { tags: options.tags }) },
        ],
        transaction: {
          expect: changes.flatMap(({ expect }) => expect),
          put: changes.flatMap(({ put }) => put),
        },
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function optionsOf(id: string, { records }: Pick<Ec2Context, "records">): DhcpOptionsRecord {
  const options = records.get("dhcp-options", id);
  if (!options) throw dhcpOptionsNotFound([id]);
  return options;
}
