import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { vpcArn } from "../vpc/vpc.ts";
import { describe } from "../describe.ts";
import {
  cannotDeleteDefaultGroup,
  dependencyViolation,
  duplicateGroup,
  invalidParameter,
  noDefaultVpc,
  securityGroupNotFound,
  tooManySecurityGroups,
  vpcNotFound,
} from "../errors.ts";
import { quotas } from "../quotas.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { groupOf, referencesOf, revisionOf } from "./rule-changes.ts";
import {
  describeSecurityGroup,
  groupNameClaim,
  newSecurityGroup,
  securityGroupArn,
  securityGroupFilters,
  type SecurityGroupRecord,
} from "./security-group.ts";

export const securityGroupOperations = {
  CreateSecurityGroup: {
    resolve(input, context) {
      const { records } = context;
      const vpcId = input.VpcId || records.claimed("default-vpc");
      if (vpcId === undefined) throw noDefaultVpc();
      const vpc = records.get("vpc", vpcId);
      if (!vpc) throw vpcNotFound([vpcId]);
      const name = checkedName(input.GroupName);
      checkText("GroupDescription", input.Description);
      onlyTags(["security-group"], input.TagSpecifications);
      if (records.claimed(groupNameClaim(vpc.id, name)) !== undefined) throw duplicateGroup(name, vpc.id);
      const { value: most } = quotas.securityGroupsPerRegion;
      const room = records.roomFor("security-group", most, () => tooManySecurityGroups(vpc.id));
      const { record, expect, put } = newSecurityGroup(
        {
          name,
          description: input.Description,
          vpcId: vpc.id,
          tags: tagsFor("security-group", input.TagSpecifications),
        },
        context,
      );
      return {
        touches: [
          { arn: securityGroupArn("*", context), keys: { "ec2:Vpc": vpcArn(vpc.id, context) } },
          { arn: vpcArn(vpc.id, context), tags: vpc.tags },
        ],
        transaction: { expect: [...expect, { exists: records.key("vpc", vpc.id) }, room], put },
        group: record,
      };
    },
    answer: ({ group }: { group: SecurityGroupRecord }, context) => {
      const { GroupId, Tags, SecurityGroupArn } = describeSecurityGroup(group, context);
      return { GroupId, Tags, SecurityGroupArn };
    },
  },

  DeleteSecurityGroup: {
    resolve(input, context) {
      const { records } = context;
      const group = groupOf(input, context);
      if (group.name === "default") throw cannotDeleteDefaultGroup(group.id);
      if (records.dependentsOf(group.id).length > 0)
        throw dependencyViolation(`resource ${group.id} has a dependent object`);
      const key = records.key("security-group", group.id);
      const transaction: Transaction = {
        expect: [{ at: [key, revisionOf(group, context)] }, { empty: records.key("member", `${group.id}/`) }],
        delete: [
          key,
          records.key("claim", groupNameClaim(group.vpcId, group.name)),
          records.key("member", `${group.vpcId}/${group.id}`),
          ...referencesOf(group.rules, group.id).map((id) => records.key("member", `${id}/${group.id}`)),
        ],
      };
      const touches = [{ arn: securityGroupArn(group.id, context), tags: group.tags }];
      return { touches, transaction, group };
    },
    answer: ({ group }: { group: SecurityGroupRecord }) => ({ Return: true, GroupId: group.id }),
  },

  DescribeSecurityGroups: {
    resolve(input, context) {
      const named = input.GroupNames?.map((GroupName) => groupOf({ GroupName }, context).id) ?? [];
      const ids = [...(input.GroupIds ?? []), ...named];
      return describe(context.records.all("security-group"), input, {
        ids,
        parameter: "groupIds",
        missing: securityGroupNotFound,
        filters: securityGroupFilters(context),
      });
    },
    answer: (
      { items, nextToken }: { items: readonly SecurityGroupRecord[]; nextToken?: string },
      context,
    ) => ({
      SecurityGroups: items.map((group) => describeSecurityGroup(group, context)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** Names end without spaces, as AWS trims them. */
function checkedName(name: string): string {
  if (/^sg-/i.test(name)) throw invalidText("GroupName", name, "Group names may not be in the format sg-*.");
  checkText("GroupName", name);
  const trimmed = name.trimEnd();
  if (trimmed.toLowerCase() === "default")
    throw invalidParameter(`Cannot use reserved security group name: ${name}`);
  return trimmed;
}

function checkText(parameter: string, text: string): void {
  if (/[^ -~]/.test(text))
    throw invalidText(parameter, text, "Character sets beyond ASCII are not supported.");
  if (!/^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{1,255}$/.test(text) || text.trim() === "")
    throw invalidText(
      parameter,
      text,
      "Up to 255 of these characters are allowed: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    );
}

const invalidText = (parameter: string, text: string, why: string) =>
  invalidParameter(`Value (${text}) for parameter ${parameter} is invalid. ${why}`);
