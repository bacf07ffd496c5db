import type * as iam from "@aws-sdk/client-iam";
import type { Group } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { deleteConflict, noSuchEntity, quotaExceeded } from "./errors.ts";
import {
  arnOf,
  findGroup,
  findUser,
  refuseHolding,
  refuseTaken,
  renamed,
  touching,
  untagged,
} from "./holder.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { quotas } from "./quotas.ts";
import type { GroupRecord, UseOf, UserRecord } from "./records.ts";
import { describeUser } from "./user-operations.ts";

export const groupOperations = {
  CreateGroup: {
    resolve(input, context) {
      const { records, now, random } = context;
      checkName("groupName", input.GroupName);
      const group: GroupRecord = {
        id: newUniqueId("AGPA", random),
        name: input.GroupName,
        path: checkPath(input.Path ?? "/"),
        createdAt: now().toISOString(),
        attached: [],
        inline: {},
      };
      refuseTaken("iam-group", group.name, context);
      if (records.all("iam-group").length >= quotas.GroupsQuota)
        throw quotaExceeded("GroupsPerAccount", quotas.GroupsQuota);
      return {
        touches: touching("iam-group", untagged(group), context),
        transaction: records.create("iam-group", group),
        group,
      };
    },
    answer: ({ group }: { group: GroupRecord }, context) => ({ Group: describeGroup(group, context) }),
  },

  /** With its users, page by page. */
  GetGroup: {
    resolve(input, context) {
      const group = findGroup(input.GroupName, context);
      const users = context.records
        .usersOf(group.id, "member")
        .flatMap((id) => context.records.get("iam-user", id) ?? []);
      return {
        touches: touching("iam-group", group, context),
        group,
        ...page(users, ({ name }) => name, input),
      };
    },
    answer: (
      {
        group,
        items,
        truncation,
      }: { group: GroupRecord; items: readonly UserRecord[]; truncation: Truncation },
      context,
    ) => ({
      Group: describeGroup(group, context),
      Users: items.map((it) => describeUser(it, context)),
      ...truncation,
    }),
  },

  ListGroups: {
    resolve(input, { records }) {
      const prefix = input.PathPrefix ?? "/";
      const groups = records.all("iam-group").filter(({ path }) => path.startsWith(prefix));
      return { touches: [], ...page(groups, ({ name }) => name, input) };
    },
    answer: (plan: { items: readonly GroupRecord[]; truncation: Truncation }, context) =>
      listed(plan, context),
  },

  ListGroupsForUser: {
    resolve(input, context) {
      const user = findUser(input.UserName, context);
      const groups = user.groups.flatMap((id) => context.records.get("iam-group", id) ?? []);
      return {
        touches: touching("iam-user", user, context),
        ...page(groups, ({ name }) => name, input),
      };
    },
    answer: (plan: { items: readonly GroupRecord[]; truncation: Truncation }, context) =>
      listed(plan, context),
  },

  UpdateGroup: {
    resolve: ({ GroupName: name, NewGroupName: newName, NewPath: path }, context) =>
      renamed("iam-group", findGroup(name, context), { name: newName, path }, context),
    answer: () => ({}),
  },

  DeleteGroup: {
    resolve({ GroupName: name }, context) {
      const group = findGroup(name, context);
      if (context.records.usersOf(group.id, "member").length > 0)
        throw deleteConflict("Cannot delete entity, must remove users from group first.");
      refuseHolding(group);
      return {
        touches: touching("iam-group", group, context),
        transaction: context.records.remove("iam-group", group),
      };
    },
    answer: () => ({}),
  },

  /** Again for one who is in it succeeds. */
  AddUserToGroup: {
    resolve({ GroupName: groupName, UserName: userName }, context) {
      const group = findGroup(groupName, context);
      const user = findUser(userName, context);
      const touches = touching("iam-group", group, context);
      if (user.groups.includes(group.id)) return { touches };
      if (user.groups.length >= quotas.GroupsPerUserQuota)
        throw quotaExceeded("GroupsPerUser", quotas.GroupsPerUserQuota);
      const changed = { ...user, groups: [...user.groups, group.id] };
      return {
        touches,
        transaction: context.records.rewrite("iam-user", changed, { using: [membership(group)] }),
      };
    },
    answer: () => ({}),
  },

  RemoveUserFromGroup: {
    resolve({ GroupName: groupName, UserName: userName }, context) {
      const group = findGroup(groupName, context);
      const user = findUser(userName, context);
      if (!user.groups.includes(group.id))
        throw noSuchEntity(`User ${user.name} is not in the group ${group.name}.`);
      const changed = { ...user, groups: user.groups.filter((id) => id !== group.id) };
      return {
        touches: touching("iam-group", group, context),
        transaction: context.records.rewrite("iam-user", changed, { leaving: [membership(group)] }),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

const membership = ({ id }: GroupRecord): UseOf => ({ id, use: "member", kind: "iam-group" });

export const describeGroup = (group: GroupRecord, context: IamContext): Group => ({
  Path: group.path,
  GroupName: group.name,
  GroupId: group.id,
  Arn: arnOf("iam-group", group, context),
  CreateDate: new Date(group.createdAt),
});

const listed = (
  { items, truncation }: { items: readonly GroupRecord[]; truncation: Truncation },
  context: IamContext,
) => ({ Groups: items.map((it) => describeGroup(it, context)), ...truncation });
