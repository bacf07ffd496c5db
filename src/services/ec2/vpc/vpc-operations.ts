import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  DescribeVpcAttributeResult,
  ModifyVpcAttributeRequest,
  VpcAttributeName,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Expectation } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  defaultVpcExists,
  hasDependencies,
  invalidCombination,
  invalidParameter,
  invalidVpcRange,
  severalAttributes,
  tooManyVpcs,
  unsupportedParameter,
  vpcNotFound,
} from "../errors.ts";
import { canonicalCidr, overlap, prefixLength } from "../ipv4.ts";
import { defaultOptions } from "../dhcp-options/dhcp-options.ts";
import { defaultAclClaim } from "../network-acl/network-acl.ts";
import { quotas } from "../quotas.ts";
import { listsOf, mainTableClaim } from "../route-table/route-table.ts";
import { referencesOf } from "../security-group/rule-changes.ts";
import { groupNameClaim } from "../security-group/security-group.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { defaultVpc } from "./default-vpc.ts";
import { newVpc } from "./new-vpc.ts";
import { describeVpc, givesNames, vpcArn, vpcFilters, type VpcRecord } from "./vpc.ts";

export const vpcOperations = {
  CreateVpc: {
    resolve(input, context) {
      const { newId } = context;
      for (const name of [...unservedRanges, "VpcEncryptionControl"] as const)
        if (input[name]) throw unsupportedParameter(name);
      if (input.CidrBlock === undefined)
        throw invalidCombination("Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.");
      // The model knows it for instances; of VPCs the reference says that it is not for them.
      if (input.InstanceTenancy === "host")
        throw invalidParameter("Invalid value 'host' for InstanceTenancy.");
      onlyTags(["vpc"], input.TagSpecifications);
      const options = defaultOptions(context);
      const vpc: VpcRecord = {
        id: newId("vpc"),
        cidr: checkedRange(input.CidrBlock),
        cidrAssociationId: newId("vpc-cidr-assoc"),
        dhcpOptionsId: options.id,
        isDefault: false,
        ...(input.InstanceTenancy === "dedicated" && { tenancy: "dedicated" }),
        tags: tagsFor("vpc", input.TagSpecifications),
        createdAt: context.now().toISOString(),
      };
      const room = roomForAnother(context);
      return {
        touches: [{ arn: vpcArn("*", context), tags: vpc.tags }],
        transaction: {
          expect: [...options.expect, room],
          put: [...options.put, ...newVpc(vpc, context).put],
        },
        vpc,
      };
    },
    answer: ({ vpc }: { vpc: VpcRecord }, context) => ({
      Vpc: { ...describeVpc(vpc, context.accountId), State: "pending" as const },
    }),
  },

  CreateDefaultVpc: {
    resolve(_input, context) {
      const transaction = defaultVpc(context);
      if (!transaction) throw defaultVpcExists();
      const room = roomForAnother(context);
      return {
        touches: [{ arn: vpcArn("*", context) }],
        transaction: { ...transaction, expect: [...(transaction.expect ?? []), room] },
      };
    },
    answer(_plan, { records, accountId }) {
      const vpc = records.get("vpc", records.claimed("default-vpc") ?? "");
      return { Vpc: vpc && { ...describeVpc(vpc, accountId), State: "pending" as const } };
    },
  },

  /** With what was made along with it: the main route table, the default ACL and the default group. */
  DeleteVpc: {
    resolve({ VpcId: id }, context): OperationPlan {
      const { records } = context;
      const vpc = vpcOf(id, context);
      if (records.dependentsOf(id).length > 0) throw hasDependencies("vpc", id);
      const claims = [mainTableClaim(id), defaultAclClaim(id), groupNameClaim(id, "default")];
      const { expect } = records.rewrite("vpc", vpc);
      return {
        touches: [{ arn: vpcArn(id, context), tags: vpc.tags }],
        transaction: {
          expect: [...expect, { empty: records.key("member", `${id}/`) }],
          delete: [
            records.key("vpc", id),
            ...claims.map((claim) => records.key("claim", claim)),
            ...records.routeTablesIn(id).map((table) => records.key("route-table", table.id)),
            ...records.aclsIn(id).map((acl) => records.key("network-acl", acl.id)),
            ...records.groupsIn(id).map((group) => records.key("security-group", group.id)),
            ...records
              .groupsIn(id)
              .flatMap((group) =>
                referencesOf(group.rules, group.id).map((it) => records.key("member", `${it}/${group.id}`)),
              ),
            ...records
              .routeTablesIn(id)
              .flatMap((table) =>
                listsOf(table.routes).map((it) => records.key("member", `${it}/${table.id}`)),
              ),
            // A group that lets its own members in is a dependent of itself.
            ...records
              .groupsIn(id)
              .flatMap((group) =>
                records.dependentsOf(group.id).map((it) => records.key("member", `${group.id}/${it}`)),
              ),
            ...(vpc.isDefault ? [records.key("claim", "default-vpc")] : []),
          ],
        },
      };
    },
    answer: () => ({}),
  },

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
      const vpc = vpcOf(id, context);
      return { touches: [{ arn: vpcArn(id, context), tags: vpc.tags }], vpc, attribute };
    },
    answer: ({ vpc, attribute }: { vpc: VpcRecord; attribute: VpcAttributeName }) => ({
      VpcId: vpc.id,
      ...vpcAttributes[attribute](vpc),
    }),
  },

  ModifyVpcAttribute: {
    resolve(input, context): OperationPlan {
      const vpc = vpcOf(input.VpcId, context);
      return {
        touches: [{ arn: vpcArn(vpc.id, context), tags: vpc.tags }],
        transaction: context.records.rewrite("vpc", { ...vpc, ...changedAttribute(input, vpc) }),
      };
    },
    answer: () => ({}),
  },

  /** From dedicated to default, the one way there is. */
  ModifyVpcTenancy: {
    resolve(input, context): OperationPlan {
      const { tenancy: _, ...vpc } = vpcOf(input.VpcId, context);
      return {
        touches: [{ arn: vpcArn(vpc.id, context), tags: vpc.tags }],
        transaction: context.records.rewrite("vpc", vpc),
      };
    },
    answer: () => ({ ReturnValue: true }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

export function vpcOf(id: string, { records }: Pick<Ec2Context, "records">): VpcRecord {
  const vpc = records.get("vpc", id);
  if (!vpc) throw vpcNotFound([id]);
  return vpc;
}

/** There is no IPv6 yet, and no IPAM. */
export const unservedRanges = [
  "AmazonProvidedIpv6CidrBlock",
  "Ipv4IpamPoolId",
  "Ipv4NetmaskLength",
  "Ipv6CidrBlock",
  "Ipv6CidrBlockNetworkBorderGroup",
  "Ipv6IpamPoolId",
  "Ipv6NetmaskLength",
  "Ipv6Pool",
] as const;

/** Canonical: AWS clears the bits of the host. */
export function checkedRange(text: string): string {
  const cidr = canonicalCidr(text);
  if (cidr === undefined)
    throw invalidParameter(
      `Value (${text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.`,
    );
  const reserved = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
  if (prefixLength(cidr) < 16 || prefixLength(cidr) > 28 || reserved.some((range) => overlap(range, cidr)))
    throw invalidVpcRange(text);
  return cidr;
}

const roomForAnother = ({ records }: Ec2Context): Expectation =>
  records.roomFor("vpc", quotas.vpcsPerRegion.value, tooManyVpcs);

const vpcAttributes = {
  enableDnsSupport: ({ dnsSupport = true }) => ({ EnableDnsSupport: { Value: dnsSupport } }),
  enableDnsHostnames: (vpc) => ({ EnableDnsHostnames: { Value: givesNames(vpc) } }),
  enableNetworkAddressUsageMetrics: ({ usageMetrics = false }) => ({
    EnableNetworkAddressUsageMetrics: { Value: usageMetrics },
  }),
} satisfies Record<VpcAttributeName, (vpc: VpcRecord) => DescribeVpcAttributeResult>;

/** One at a time; names need a resolver. */
function changedAttribute(
  {
    EnableDnsHostnames: names,
    EnableDnsSupport: support,
    EnableNetworkAddressUsageMetrics: metrics,
  }: ModifyVpcAttributeRequest,
  vpc: VpcRecord,
): Partial<VpcRecord> {
  const attributes = {
    EnableDnsHostnames: names,
    EnableDnsSupport: support,
    EnableNetworkAddressUsageMetrics: metrics,
  };
  const given = Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length === 0) throw invalidCombination("No attributes specified.");
  if (given.length > 1) throw severalAttributes(given);
  if (names) {
    if (names.Value && vpc.dnsSupport === false)
      throw invalidParameter("To enable DNS hostnames, you must also enable DNS resolution.");
    return { dnsHostnames: names.Value ?? false };
  }
  if (support) return { dnsSupport: support.Value ?? false };
  return { usageMetrics: metrics?.Value ?? false };
}
