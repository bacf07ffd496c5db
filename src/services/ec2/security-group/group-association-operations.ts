import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  dependencyViolation,
  groupAssociated,
  groupNotAssociated,
  invalidParameter,
  securityGroupNotFound,
} from "../errors.ts";
import type { FilterTable } from "../filters.ts";
import { describeTags } from "../tag/tag.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { associationKeys } from "./group-member.ts";
import { groupOf } from "./rule-changes.ts";
import { isUsableIn, securityGroupArn, type SecurityGroupRecord } from "./security-group.ts";

/**
 * Groups in further VPCs than their own; none of them by default. They come and go at once. Follows the VPC guide, "Associate security
 * groups with multiple VPCs".
 */
export const groupAssociationOperations = {
  AssociateSecurityGroupVpc: {
    resolve(input, context): OperationPlan {
      const { records } = context;
      const [group, vpc] = [groupOf(input, context), vpcOf(input.VpcId, context)];
      if (group.name === "default")
        throw invalidParameter(`Default security group ${group.id} cannot be associated with another VPC.`);
      if (vpc.isDefault)
        throw invalidParameter(`A security group cannot be associated with default VPC ${vpc.id}.`);
      if (isUsableIn(group, vpc.id)) throw groupAssociated(group.id, vpc.id);
      const associatedVpcs = [...(group.associatedVpcs ?? []), vpc.id];
      const { expect, put } = records.rewrite("security-group", { ...group, associatedVpcs });
      return {
        touches: touches(group, vpc, context),
        transaction: {
          expect: [...expect, { exists: records.key("vpc", vpc.id) }],
          put: [...put, ...associationKeys(group.id, vpc.id, records).map((key) => ({ key, value: null }))],
        },
      };
    },
    answer: () => ({ State: "associating" as const }),
  },

  /** Not while an interface of that VPC is in the group. */
  DisassociateSecurityGroupVpc: {
    resolve(input, context): OperationPlan {
      const { records } = context;
      const [group, vpc] = [groupOf(input, context), vpcOf(input.VpcId, context)];
      const { associatedVpcs = [], ...rest } = group;
      if (!associatedVpcs.includes(vpc.id)) throw groupNotAssociated(group.id, vpc.id);
      const members = `${group.id}/${vpc.id}`;
      if (records.dependentsOf(members).length > 0)
        throw dependencyViolation(
          `The security group ${group.id} is in use by network interfaces of VPC ${vpc.id}.`,
        );
      const left = associatedVpcs.filter((id) => id !== vpc.id);
      const { expect, put } = records.rewrite("security-group", {
        ...rest,
        ...(left.length > 0 && { associatedVpcs: left }),
      });
      return {
        touches: touches(group, vpc, context),
        transaction: {
          expect: [...expect, { empty: records.key("member", `${members}/`) }],
          put,
          delete: associationKeys(group.id, vpc.id, records),
        },
      };
    },
    answer: () => ({ State: "disassociating" as const }),
  },

  DescribeSecurityGroupVpcAssociations: {
    resolve: (input, { records, accountId }) =>
      describe(records.all("security-group").flatMap(associationsOf), input, {
        ids: undefined,
        parameter: "groupIds",
        missing: securityGroupNotFound,
        filters: associationFilters(accountId),
        bounds: { min: 5, max: 1000 },
      }),
    answer: ({ items, nextToken }: { items: readonly Association[]; nextToken?: string }, { accountId }) => ({
      SecurityGroupVpcAssociations: items.map(({ group, vpcId }) => ({
        GroupId: group.id,
        GroupOwnerId: accountId,
        VpcId: vpcId,
        VpcOwnerId: accountId,
        State: "associated" as const,
      })),
      NextToken: nextToken,
    }),
  },

  /** Those that interfaces of a VPC may be in. */
  GetSecurityGroupsForVpc: {
    resolve(input, context) {
      const vpc = vpcOf(input.VpcId, context);
      return describe(context.records.groupsUsableIn(vpc.id).toSorted(byId), input, {
        ids: undefined,
        parameter: "groupIds",
        missing: securityGroupNotFound,
        filters: usableFilters(context.accountId),
        bounds: { min: 5, max: 1000 },
      });
    },
    answer: (
      { items, nextToken }: { items: readonly SecurityGroupRecord[]; nextToken?: string },
      { accountId },
    ) => ({
      SecurityGroupForVpcs: items.map((group) => ({
        GroupId: group.id,
        GroupName: group.name,
        Description: group.description,
        OwnerId: accountId,
        PrimaryVpcId: group.vpcId,
        Tags: describeTags(group.tags),
      })),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface Association {
  readonly id: string;
  readonly group: SecurityGroupRecord;
  readonly vpcId: string;
}

const associationsOf = (group: SecurityGroupRecord): Association[] =>
  (group.associatedVpcs ?? []).map((vpcId) => ({ id: `${group.id}/${vpcId}`, group, vpcId })).toSorted(byId);

const associationFilters = (accountId: string): FilterTable<Association> => ({
  "group-id": ({ group }) => group.id,
  "group-owner-id": () => accountId,
  state: () => "associated",
  "vpc-id": ({ vpcId }) => vpcId,
  "vpc-owner-id": () => accountId,
});

const usableFilters = (accountId: string): FilterTable<SecurityGroupRecord> => ({
  description: (it) => it.description,
  "group-id": (it) => it.id,
  "group-name": (it) => it.name,
  "owner-id": () => accountId,
  "primary-vpc-id": (it) => it.vpcId,
});

const touches = (
  group: SecurityGroupRecord,
  vpc: { readonly id: string; readonly tags: Readonly<Record<string, string>> },
  context: Ec2Context,
) => [
  { arn: securityGroupArn(group.id, context), tags: group.tags },
  { arn: vpcArn(vpc.id, context), tags: vpc.tags },
];

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);
