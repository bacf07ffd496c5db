import type * as iam from "@aws-sdk/client-iam";
import type { User } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { deleteConflict, quotaExceeded, validationError } from "./errors.ts";
import {
  arnOf,
  boundaryMember,
  findUser,
  refuseHolding,
  refuseTaken,
  renamed,
  touching,
  untagged,
} from "./holder.ts";
import { useOfPolicy } from "./managed-policy.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { quotas } from "./quotas.ts";
import type { UserRecord } from "./records.ts";
import { tagsMember, withTags } from "./tags.ts";

export const userOperations = {
  CreateUser: {
    resolve(input, context) {
      const { records, now, random } = context;
      checkName("userName", input.UserName);
      const user: UserRecord = {
        id: newUniqueId("AIDA", random),
        name: input.UserName,
        path: checkPath(input.Path ?? "/"),
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
        attached: [],
        inline: {},
        groups: [],
        boundary: input.PermissionsBoundary,
      };
      const uses = user.boundary === undefined ? [] : [useOfPolicy(user.boundary, "boundary", context)];
      refuseTaken("iam-user", user.name, context);
      if (records.all("iam-user").length >= quotas.UsersQuota)
        throw quotaExceeded("UsersPerAccount", quotas.UsersQuota);
      return {
        touches: touching("iam-user", untagged(user), context),
        transaction: records.create("iam-user", user, uses),
        user,
      };
    },
    answer: ({ user }: { user: UserRecord }, context) => ({ User: describeWholeUser(user, context) }),
  },

  /** Without a name: who asks. The account's root has no name. */
  GetUser: {
    resolve({ UserName: name }, context) {
      const { caller, records } = context;
      if (name === undefined && caller.type === "Account") return { touches: [], user: undefined };
      const own = name === undefined ? records.get("iam-user", caller.principalId ?? "") : undefined;
      if (name === undefined && !own)
        throw validationError("Must specify userName when calling with non-User credentials");
      const user = own ?? findUser(name ?? "", context);
      return { touches: touching("iam-user", user, context), user };
    },
    answer: ({ user }: { user: UserRecord | undefined }, context) => ({
      User: user ? describeWholeUser(user, context) : describeRoot(context),
    }),
  },

  ListUsers: {
    resolve(input, { records }) {
      const prefix = input.PathPrefix ?? "/";
      const users = records.all("iam-user").filter(({ path }) => path.startsWith(prefix));
      return { touches: [], ...page(users, ({ name }) => name, input) };
    },
    answer: ({ items, truncation }: { items: readonly UserRecord[]; truncation: Truncation }, context) => ({
      Users: items.map((it) => describeUser(it, context)),
      ...truncation,
    }),
  },

  UpdateUser: {
    resolve: ({ UserName: name, NewUserName: newName, NewPath: path }, context) =>
      renamed("iam-user", findUser(name, context), { name: newName, path }, context),
    answer: () => ({}),
  },

  DeleteUser: {
    resolve({ UserName: name }, context) {
      const user = findUser(name, context);
      if (context.records.usersOf(user.id, "key").length > 0)
        throw deleteConflict("Cannot delete entity, must delete access keys first.");
      if (context.records.usersOf(user.id, "login").length > 0)
        throw deleteConflict("Cannot delete entity, must delete login profile first.");
      if (context.records.usersOf(user.id, "mfa").length > 0)
        throw deleteConflict("Cannot delete entity, must delete MFA device first.");
      if (user.groups.length > 0)
        throw deleteConflict("Cannot delete entity, must remove users from group first.");
      refuseHolding(user);
      const leaving = user.boundary === undefined ? [] : [useOfPolicy(user.boundary, "boundary", context)];
      return {
        touches: touching("iam-user", user, context),
        transaction: context.records.remove("iam-user", user, leaving),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

/** As lists give it. */
export const describeUser = (user: UserRecord, context: IamContext): User => ({
  Path: user.path,
  UserName: user.name,
  UserId: user.id,
  Arn: arnOf("iam-user", user, context),
  CreateDate: new Date(user.createdAt),
});

const describeWholeUser = (user: UserRecord, context: IamContext): User => ({
  ...describeUser(user, context),
  ...boundaryMember(user),
  ...tagsMember(user.tags),
});

/** It has no name. */
const describeRoot = ({ accountId, records, now }: IamContext): User => ({
  Path: "/",
  UserName: undefined,
  UserId: accountId,
  Arn: `arn:aws:iam::${accountId}:root`,
  CreateDate: new Date(records.beganAt() ?? now()),
});
