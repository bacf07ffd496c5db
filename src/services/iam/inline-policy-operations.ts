import type * as iam from "@aws-sdk/client-iam";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { percentEncoded } from "#wire/percent-encoding.ts";
import type { IamContext } from "./context.ts";
import { limitExceeded, noSuchEntity } from "./errors.ts";
import { findGroup, findOwnRole, findRole, findUser, touching } from "./holder.ts";
import { checkName } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { readDocument, sizeOf } from "./policy-text.ts";
import { quotas } from "./quotas.ts";
import type { HolderKind, IamKinds, PolicyHolder } from "./records.ts";

/** Documents that live and go with a user, group or role. */
export const inlinePolicyOperations = {
  PutUserPolicy: {
    resolve: (input, context) => put("iam-user", findUser(input.UserName, context), input, context),
    answer: () => ({}),
  },
  PutGroupPolicy: {
    resolve: (input, context) => put("iam-group", findGroup(input.GroupName, context), input, context),
    answer: () => ({}),
  },
  PutRolePolicy: {
    resolve: (input, context) => put("iam-role", findOwnRole(input.RoleName, context), input, context),
    answer: () => ({}),
  },

  GetUserPolicy: {
    resolve: ({ UserName, PolicyName }, context) =>
      get("iam-user", findUser(UserName, context), PolicyName, context),
    answer: ({ holder, ...policy }: Found) => ({ UserName: holder.name, ...policy.policy }),
  },
  GetGroupPolicy: {
    resolve: ({ GroupName, PolicyName }, context) =>
      get("iam-group", findGroup(GroupName, context), PolicyName, context),
    answer: ({ holder, ...policy }: Found) => ({ GroupName: holder.name, ...policy.policy }),
  },
  GetRolePolicy: {
    resolve: ({ RoleName, PolicyName }, context) =>
      get("iam-role", findRole(RoleName, context), PolicyName, context),
    answer: ({ holder, ...policy }: Found) => ({ RoleName: holder.name, ...policy.policy }),
  },

  DeleteUserPolicy: {
    resolve: ({ UserName, PolicyName }, context) =>
      remove("iam-user", findUser(UserName, context), PolicyName, context),
    answer: () => ({}),
  },
  DeleteGroupPolicy: {
    resolve: ({ GroupName, PolicyName }, context) =>
      remove("iam-group", findGroup(GroupName, context), PolicyName, context),
    answer: () => ({}),
  },
  DeleteRolePolicy: {
    resolve: ({ RoleName, PolicyName }, context) =>
      remove("iam-role", findOwnRole(RoleName, context), PolicyName, context),
    answer: () => ({}),
  },

  ListUserPolicies: {
    resolve: (input, context) => list("iam-user", findUser(input.UserName, context), input, context),
    answer: listed,
  },
  ListGroupPolicies: {
    resolve: (input, context) => list("iam-group", findGroup(input.GroupName, context), input, context),
    answer: listed,
  },
  ListRolePolicies: {
    resolve: (input, context) => list("iam-role", findRole(input.RoleName, context), input, context),
    answer: listed,
  },
} satisfies OperationsOf<typeof iam, IamContext>;

/** Of all inline policies together. AWS, "IAM and AWS STS quotas". */
const mostCharacters = {
  "iam-user": quotas.UserPolicySizeQuota,
  "iam-group": quotas.GroupPolicySizeQuota,
  "iam-role": 10_240,
} as const;

function put<K extends HolderKind>(
  kind: K,
  holder: IamKinds[K],
  { PolicyName: name, PolicyDocument: document }: { PolicyName: string; PolicyDocument: string },
  context: IamContext,
): OperationPlan {
  checkName("policyName", name);
  readDocument(document, "identity");
  const changed = { ...holder, inline: { ...holder.inline, [name]: document } };
  const size = Object.values(changed.inline).reduce((sum, it) => sum + sizeOf(it), 0);
  if (size > mostCharacters[kind])
    throw limitExceeded(
      `Maximum policy size of ${mostCharacters[kind]} bytes exceeded for ${kind.slice("iam-".length)} ${holder.name}`,
    );
  return {
    touches: touching(kind, holder, context),
    transaction: context.records.rewrite(kind, changed),
  };
}

interface Found extends OperationPlan {
  readonly holder: PolicyHolder;
  readonly policy: { readonly PolicyName: string; readonly PolicyDocument: string };
}

function get(kind: HolderKind, holder: PolicyHolder, name: string, context: IamContext): Found {
  return {
    touches: touching(kind, holder, context),
    holder,
    policy: { PolicyName: name, PolicyDocument: percentEncoded(documentOf(kind, holder, name)) },
  };
}

function remove<K extends HolderKind>(
  kind: K,
  holder: IamKinds[K],
  name: string,
  context: IamContext,
): OperationPlan {
  documentOf(kind, holder, name);
  const { [name]: _, ...inline } = holder.inline;
  return {
    touches: touching(kind, holder, context),
    transaction: context.records.rewrite(kind, { ...holder, inline }),
  };
}

function documentOf(kind: HolderKind, { inline }: PolicyHolder, name: string): string {
  const document = Object.hasOwn(inline, name) ? inline[name] : undefined;
  if (document === undefined)
    throw noSuchEntity(`The ${kind.slice("iam-".length)} policy with name ${name} cannot be found.`);
  return document;
}

function list(
  kind: HolderKind,
  holder: PolicyHolder,
  input: { Marker?: string | undefined; MaxItems?: number | undefined },
  context: IamContext,
) {
  const names = page(Object.keys(holder.inline), (name) => name, input);
  return { touches: touching(kind, holder, context), ...names };
}

function listed({ items, truncation }: { items: readonly string[]; truncation: Truncation }) {
  return { PolicyNames: [...items], ...truncation };
}
