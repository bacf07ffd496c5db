import type * as iam from "@aws-sdk/client-iam";
import type { AttachedPolicy } from "@aws-sdk/client-iam";
import { ApiError } from "#api/error.ts";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { noSuchEntity, quotaExceeded } from "./errors.ts";
import { attachedPolicies, findGroup, findOwnRole, findRole, findUser, touching } from "./holder.ts";
import { isServiceRolePolicy, useOfPolicy } from "./managed-policy.ts";
import { page, type Truncation } from "./pagination.ts";
import { quotas } from "./quotas.ts";
import type { HolderKind, IamKinds, PolicyHolder } from "./records.ts";

const mostAttached = {
  "iam-user": ["PoliciesPerUser", quotas.AttachedPoliciesPerUserQuota],
  "iam-group": ["PoliciesPerGroup", quotas.AttachedPoliciesPerGroupQuota],
  "iam-role": ["PoliciesPerRole", quotas.AttachedPoliciesPerRoleQuota],
} as const;

/** Managed policies on users, groups and roles. Attaching what is attached succeeds. */
export const attachmentOperations = {
  AttachUserPolicy: {
    resolve: ({ UserName: name, PolicyArn: arn }, context) =>
      attach("iam-user", findUser(name, context), arn, context),
    answer: () => ({}),
  },
  AttachGroupPolicy: {
    resolve: ({ GroupName: name, PolicyArn: arn }, context) =>
      attach("iam-group", findGroup(name, context), arn, context),
    answer: () => ({}),
  },
  AttachRolePolicy: {
    resolve: ({ RoleName: name, PolicyArn: arn }, context) =>
      attach("iam-role", findOwnRole(name, context), arn, context),
    answer: () => ({}),
  },

  DetachUserPolicy: {
    resolve: ({ UserName: name, PolicyArn: arn }, context) =>
      detach("iam-user", findUser(name, context), arn, context),
    answer: () => ({}),
  },
  DetachGroupPolicy: {
    resolve: ({ GroupName: name, PolicyArn: arn }, context) =>
      detach("iam-group", findGroup(name, context), arn, context),
    answer: () => ({}),
  },
  DetachRolePolicy: {
    resolve: ({ RoleName: name, PolicyArn: arn }, context) =>
      detach("iam-role", findOwnRole(name, context), arn, context),
    answer: () => ({}),
  },

  ListAttachedUserPolicies: {
    resolve: (input, context) => attachedTo("iam-user", findUser(input.UserName, context), input, context),
    answer: listed,
  },
  ListAttachedGroupPolicies: {
    resolve: (input, context) => attachedTo("iam-group", findGroup(input.GroupName, context), input, context),
    answer: listed,
  },
  ListAttachedRolePolicies: {
    resolve: (input, context) => attachedTo("iam-role", findRole(input.RoleName, context), input, context),
    answer: listed,
  },
} satisfies OperationsOf<typeof iam, IamContext>;

function attach<K extends HolderKind>(
  kind: K,
  holder: IamKinds[K],
  arn: string,
  context: IamContext,
): OperationPlan {
  const use = useOfPolicy(arn, "attached", context);
  if (isServiceRolePolicy(arn))
    throw new ApiError("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.");
  const touches = touching(kind, holder, context, { "iam:PolicyARN": arn });
  if (holder.attached.includes(arn)) return { touches };
  const [quota, most] = mostAttached[kind];
  if (holder.attached.length >= most) throw quotaExceeded(quota, most);
  const changed = { ...holder, attached: [...holder.attached, arn] };
  return { touches, transaction: context.records.rewrite(kind, changed, { using: [use] }) };
}

function detach<K extends HolderKind>(
  kind: K,
  holder: IamKinds[K],
  arn: string,
  context: IamContext,
): OperationPlan {
  if (!holder.attached.includes(arn)) throw noSuchEntity(`Policy ${arn} was not found.`);
  const changed = { ...holder, attached: holder.attached.filter((it) => it !== arn) };
  return {
    touches: touching(kind, holder, context, { "iam:PolicyARN": arn }),
    transaction: context.records.rewrite(kind, changed, {
      leaving: [useOfPolicy(arn, "attached", context)],
    }),
  };
}

function attachedTo(
  kind: HolderKind,
  holder: PolicyHolder,
  input: { PathPrefix?: string | undefined; Marker?: string | undefined; MaxItems?: number | undefined },
  context: IamContext,
) {
  const { PathPrefix: prefix = "/" } = input;
  const found = attachedPolicies(holder).filter(({ PolicyArn: arn }) =>
    arn.slice(arn.indexOf(":policy/") + ":policy".length).startsWith(prefix),
  );
  return { touches: touching(kind, holder, context), ...page(found, (it) => it.PolicyName, input) };
}

function listed({ items, truncation }: { items: readonly AttachedPolicy[]; truncation: Truncation }) {
  return { AttachedPolicies: [...items], ...truncation };
}
