import type * as iam from "@aws-sdk/client-iam";
import type { EntityType, ListEntitiesForPolicyCommandOutput } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { awsManagedPolicies } from "./aws-managed-policies.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, deleteConflict, invalidInput, quotaExceeded } from "./errors.ts";
import { touching, untagged } from "./holder.ts";
import {
  describePolicy,
  describeWholePolicy,
  findPolicy,
  policyArn,
  touchingPolicy,
  type ManagedPolicy,
} from "./managed-policy.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { checkPolicySize, readDocument } from "./policy-text.ts";
import { quotas } from "./quotas.ts";
import type { PolicyHolder, PolicyRecord } from "./records.ts";
import { withTags } from "./tags.ts";

export const managedPolicyOperations = {
  CreatePolicy: {
    resolve(input, context) {
      const { records, now, random } = context;
      checkName("policyName", input.PolicyName);
      readDocument(input.PolicyDocument, "identity");
      checkPolicySize(input.PolicyDocument);
      const createdAt = now().toISOString();
      const policy: PolicyRecord = {
        id: newUniqueId("ANPA", random),
        name: input.PolicyName,
        path: checkPath(input.Path ?? "/"),
        createdAt,
        updatedAt: createdAt,
        description: input.Description,
        tags: withTags({}, input.Tags),
        versions: [{ id: "v1", document: input.PolicyDocument, createdAt }],
        defaultVersion: "v1",
        versionsMade: 1,
      };
      if (records.named("iam-policy", policy.name))
        throw alreadyExists(
          `A policy called ${policy.name} already exists. Duplicate names are not allowed.`,
        );
      if (records.all("iam-policy").length >= quotas.PoliciesQuota)
        throw quotaExceeded("PoliciesPerAccount", quotas.PoliciesQuota);
      return {
        touches: touching("iam-policy", untagged(policy), context),
        transaction: records.create("iam-policy", policy),
        managed: { arn: policyArn(policy, context), policy, isAws: false },
      };
    },
    answer: ({ managed }: { managed: ManagedPolicy }, context) => ({
      Policy: describeWholePolicy(managed, context),
    }),
  },

  GetPolicy: {
    resolve({ PolicyArn: arn }, context) {
      const managed = findPolicy(arn, context);
      return { touches: touchingPolicy(managed), managed };
    },
    answer: ({ managed }: { managed: ManagedPolicy }, context) => ({
      Policy: describeWholePolicy(managed, context),
    }),
  },

  ListPolicies: {
    resolve(input, context) {
      const { records } = context;
      const own = records
        .all("iam-policy")
        .map((policy) => ({ arn: policyArn(policy, context), policy, isAws: false }));
      const aws = [...awsManagedPolicies].map(([arn, policy]) => ({ arn, policy, isAws: true }));
      const scope = input.Scope ?? "All";
      const use = input.PolicyUsageFilter === "PermissionsBoundary" ? "boundary" : "attached";
      const policies = [...(scope === "AWS" ? [] : own), ...(scope === "Local" ? [] : aws)].filter(
        ({ policy }) =>
          policy.path.startsWith(input.PathPrefix ?? "/") &&
          (!(input.OnlyAttached || input.PolicyUsageFilter) || records.usersOf(policy.id, use).length > 0),
      );
      return { touches: [], ...page(policies, ({ arn }) => arn, input) };
    },
    answer: (
      { items, truncation }: { items: readonly ManagedPolicy[]; truncation: Truncation },
      context,
    ) => ({ Policies: items.map((it) => describePolicy(it, context)), ...truncation }),
  },

  DeletePolicy: {
    resolve({ PolicyArn: arn }, context) {
      const { records } = context;
      const managed = findPolicy(arn, context);
      refuseAws(managed);
      const { policy } = managed;
      if ([...records.usersOf(policy.id, "attached"), ...records.usersOf(policy.id, "boundary")].length > 0)
        throw deleteConflict("Cannot delete a policy attached to entities.");
      if (policy.versions.length > 1)
        throw deleteConflict(
          "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        );
      return {
        touches: touchingPolicy(managed),
        transaction: records.remove("iam-policy", policy),
      };
    },
    answer: () => ({}),
  },

  ListEntitiesForPolicy: {
    resolve(input, context) {
      const managed = findPolicy(input.PolicyArn, context);
      const filter: EntityType | undefined = input.EntityFilter;
      const use = input.PolicyUsageFilter === "PermissionsBoundary" ? "boundary" : "attached";
      const entities = context.records
        .usersOf(managed.policy.id, use)
        .flatMap((id) => holderOf(id, context) ?? [])
        .filter(
          ({ type, record }) =>
            (filter === undefined || filter === type) && record.path.startsWith(input.PathPrefix ?? "/"),
        );
      return {
        touches: touchingPolicy(managed),
        ...page(entities, ({ type, record }) => `${type}/${record.name}`, input),
      };
    },
    answer: ({ items, truncation }: { items: readonly Entity[]; truncation: Truncation }) => {
      const of = (type: Entity["type"]) => items.filter((it) => it.type === type).map(({ record }) => record);
      return {
        PolicyGroups: of("Group").map((it) => ({ GroupName: it.name, GroupId: it.id })),
        PolicyUsers: of("User").map((it) => ({ UserName: it.name, UserId: it.id })),
        PolicyRoles: of("Role").map((it) => ({ RoleName: it.name, RoleId: it.id })),
        ...truncation,
      } satisfies Omit<ListEntitiesForPolicyCommandOutput, "$metadata">;
    },
  },
} satisfies OperationsOf<typeof iam, IamContext>;

interface Entity {
  readonly type: "User" | "Group" | "Role";
  readonly record: PolicyHolder;
}

function holderOf(id: string, { records }: IamContext): Entity | undefined {
  const [type, kind] = id.startsWith("AIDA")
    ? (["User", "iam-user"] as const)
    : id.startsWith("AGPA")
      ? (["Group", "iam-group"] as const)
      : (["Role", "iam-role"] as const);
  const record = records.get(kind, id);
  return record && { type, record };
}

/** AWS's own policies are read only. */
export function refuseAws({ arn, isAws }: ManagedPolicy): void {
  if (isAws) throw invalidInput(`ARN ${arn} is not valid: AWS's own policies cannot be changed.`);
}
