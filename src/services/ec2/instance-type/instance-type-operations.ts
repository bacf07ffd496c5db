import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { instanceTypesNotFound } from "../errors.ts";
import {
  describeInstanceType,
  instanceTypeFilters,
  instanceTypes,
  type InstanceType,
} from "./instance-type.ts";

export const instanceTypeOperations = {
  DescribeInstanceTypes: {
    resolve: (input) =>
      describe([...instanceTypes.values()], input, {
        ids: input.InstanceTypes,
        parameter: "InstanceTypes",
        missing: instanceTypesNotFound,
        filters: instanceTypeFilters,
        bounds: { min: 5, max: 100 },
      }),
    answer: ({ items, nextToken }: { items: readonly InstanceType[]; nextToken?: string }) => ({
      InstanceTypes: items.map(describeInstanceType),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;
