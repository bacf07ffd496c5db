import type * as ec2 from "@aws-sdk/client-ec2";
import type { StaleIpPermission, StaleSecurityGroup } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { securityGroupNotFound } from "../errors.ts";
import { vpcOf } from "../vpc/vpc-operations.ts";
import { isStale, peeringOfRule } from "./peer-group.ts";
import { groupOf } from "./rule-changes.ts";
import { describePermissions, securityGroupArn, type SecurityGroupRecord } from "./security-group.ts";

/** Of groups that rules of another VPC name, through a peering. */
export const groupReferenceOperations = {
  /** Which VPCs name these, each once. */
  DescribeSecurityGroupReferences: {
    resolve(input, context) {
      const groups = input.GroupId.map((GroupId) => groupOf({ GroupId }, context));
      const touches = groups.map(({ id, tags }) => ({ arn: securityGroupArn(id, context), tags }));
      return { touches, groups };
    },
    answer: ({ groups }: { groups: readonly SecurityGroupRecord[] }, { records }) => ({
      SecurityGroupReferenceSet: groups.flatMap(({ id }) => {
        const peerings = records.groupsNaming(id).flatMap(({ vpcId, rules }) => {
          const rule = rules.find(({ peer }) => "vpcId" in peer && peer.groupId === id);
          const peering = rule && peeringOfRule(rule.peer, vpcId, records);
          return peering ? [[vpcId, peering.id] as const] : [];
        });
        return [...new Map(peerings)].map(([ReferencingVpcId, VpcPeeringConnectionId]) => ({
          GroupId: id,
          ReferencingVpcId,
          VpcPeeringConnectionId,
        }));
      }),
    }),
  },

  DescribeStaleSecurityGroups: {
    resolve(input, context) {
      const { records } = context;
      const vpc = vpcOf(input.VpcId ?? "", context);
      const groups = records
        .groupsIn(vpc.id)
        .filter(({ rules }) => rules.some(({ peer }) => isStale(peer, vpc.id, records)))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1));
      return describe(groups, input, {
        ids: undefined,
        parameter: "groupIds",
        missing: securityGroupNotFound,
        filters: {},
        bounds: { min: 5, max: 255 },
      });
    },
    answer: (
      { items, nextToken }: { items: readonly SecurityGroupRecord[]; nextToken?: string },
      context,
    ) => ({
      StaleSecurityGroupSet: items.map((group) => describeStale(group, context)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function describeStale(group: SecurityGroupRecord, context: Ec2Context): StaleSecurityGroup {
  const stale = group.rules.filter(({ peer }) => isStale(peer, group.vpcId, context.records));
  const permissions = (egress: boolean): StaleIpPermission[] =>
    describePermissions(
      stale.filter((rule) => rule.egress === egress),
      group,
      context,
    ).map(({ IpProtocol, FromPort, ToPort, UserIdGroupPairs }) => ({
      IpProtocol,
      FromPort,
      ToPort,
      UserIdGroupPairs,
      IpRanges: [],
      PrefixListIds: [],
    }));
  return {
    GroupId: group.id,
    GroupName: group.name,
    Description: group.description,
    VpcId: group.vpcId,
    StaleIpPermissions: permissions(false),
    StaleIpPermissionsEgress: permissions(true),
  };
}
