import type * as iam from "@aws-sdk/client-iam";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { noSuchEntity } from "./errors.ts";
import { findOwnRole, findUser, touching } from "./holder.ts";
import { useOfPolicy } from "./managed-policy.ts";
import type { IamKinds } from "./records.ts";

/** What a user's or a role's policies can allow at most. AWS, "Permissions boundaries for IAM entities". */
export const boundaryOperations = {
  PutUserPermissionsBoundary: {
    resolve: ({ UserName: name, PermissionsBoundary: arn }, context) =>
      put("iam-user", findUser(name, context), arn, context),
    answer: () => ({}),
  },
  PutRolePermissionsBoundary: {
    resolve: ({ RoleName: name, PermissionsBoundary: arn }, context) =>
      put("iam-role", findOwnRole(name, context), arn, context),
    answer: () => ({}),
  },

  DeleteUserPermissionsBoundary: {
    resolve: ({ UserName: name }, context) => remove("iam-user", findUser(name, context), context),
    answer: () => ({}),
  },
  DeleteRolePermissionsBoundary: {
    resolve: ({ RoleName: name }, context) => remove("iam-role", findOwnRole(name, context), context),
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

type BoundedKind = "iam-user" | "iam-role";

function put<K extends BoundedKind>(
  kind: K,
  holder: IamKinds[K],
  arn: string,
  context: IamContext,
): OperationPlan {
  const using = [useOfPolicy(arn, "boundary", context)];
  const leaving =
    holder.boundary === undefined || holder.boundary === arn
      ? []
      : [useOfPolicy(holder.boundary, "boundary", context)];
  return {
    // AWS's key is here the boundary that is to be.
    touches: touching(kind, holder, context, { "iam:PermissionsBoundary": arn }),
    transaction: context.records.rewrite(kind, { ...holder, boundary: arn }, { using, leaving }),
  };
}

function remove<K extends BoundedKind>(kind: K, holder: IamKinds[K], context: IamContext): OperationPlan {
  const { boundary, ...unbounded } = holder;
  if (boundary === undefined) throw noSuchEntity(`${holder.name} does not have a permissions boundary.`);
  return {
    touches: touching(kind, holder, context),
    transaction: context.records.rewrite(kind, unbounded as IamKinds[K], {
      leaving: [useOfPolicy(boundary, "boundary", context)],
    }),
  };
}
