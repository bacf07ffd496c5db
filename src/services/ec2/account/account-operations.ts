import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { quotas } from "../quotas.ts";

export const accountOperations = {
  DescribeAccountAttributes: {
    resolve({ AttributeNames: names }, context) {
      const all = Object.entries(attributes(context));
      return {
        touches: [],
        attributes: all.filter(([name]) => !names?.length || names.some((wanted) => wanted === name)),
      };
    },
    answer: (plan: { attributes: [name: string, value: string][] }) => ({
      AccountAttributes: plan.attributes.map(([name, value]) => ({
        AttributeName: name,
        AttributeValues: [{ AttributeValue: value }],
      })),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const attributes = ({ records }: Ec2Context): Record<string, string> => ({
  "supported-platforms": "VPC",
  "vpc-max-security-groups-per-interface": String(quotas.securityGroupsPerInterface.value),
  "max-elastic-ips": String(quotas.elasticAddressesPerRegion.value),
  // AWS still answers its number of old, though it has long limited processors instead.
  "max-instances": "20",
  "vpc-max-elastic-ips": String(quotas.elasticAddressesPerRegion.value),
  "default-vpc": records.claimed("default-vpc") ?? "none",
});
