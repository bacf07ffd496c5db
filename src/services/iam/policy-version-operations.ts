import type * as iam from "@aws-sdk/client-iam";
import type { PolicyVersion as DescribedVersion } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { percentEncoded } from "#wire/percent-encoding.ts";
import type { IamContext } from "./context.ts";
import { deleteConflict, limitExceeded, versionNotFound } from "./errors.ts";
import { findPolicy, touchingPolicy, type ManagedPolicy } from "./managed-policy.ts";
import { refuseAws } from "./managed-policy-operations.ts";
import { page, type Truncation } from "./pagination.ts";
import { checkPolicySize, readDocument } from "./policy-text.ts";
import { quotas } from "./quotas.ts";
import type { PolicyRecord, PolicyVersion } from "./records.ts";

export const policyVersionOperations = {
  CreatePolicyVersion: {
    resolve({ PolicyArn: arn, PolicyDocument: document, SetAsDefault: isDefault = false }, context) {
      const managed = findPolicy(arn, context);
      refuseAws(managed);
      const { policy } = managed;
      readDocument(document, "identity");
      checkPolicySize(document);
      if (policy.versions.length >= quotas.VersionsPerPolicyQuota)
        throw limitExceeded(
          `A managed policy can have up to ${quotas.VersionsPerPolicyQuota} versions. Before you create a new version, you must delete an existing version.`,
        );
      const createdAt = context.now().toISOString();
      const version = { id: `v${policy.versionsMade + 1}`, document, createdAt };
      const changed = {
        ...policy,
        versions: [...policy.versions, version],
        versionsMade: policy.versionsMade + 1,
        defaultVersion: isDefault ? version.id : policy.defaultVersion,
        updatedAt: createdAt,
      };
      return { ...change(managed, changed, context), policy: changed, version };
    },
    answer: ({ policy, version }: { policy: PolicyRecord; version: PolicyVersion }) => ({
      PolicyVersion: describeVersion(version, policy),
    }),
  },

  GetPolicyVersion: {
    resolve({ PolicyArn: arn, VersionId: id }, context) {
      const managed = findPolicy(arn, context);
      return {
        touches: touchingPolicy(managed),
        policy: managed.policy,
        version: findVersion(managed, id),
      };
    },
    answer: ({ policy, version }: { policy: PolicyRecord; version: PolicyVersion }) => ({
      PolicyVersion: describeWholeVersion(version, policy),
    }),
  },

  /** Newest first. */
  ListPolicyVersions: {
    resolve(input, context) {
      const managed = findPolicy(input.PolicyArn, context);
      const { policy } = managed;
      const age = ({ id }: PolicyVersion) => String(1e9 - Number(id.slice(1)));
      return { touches: touchingPolicy(managed), policy, ...page(policy.versions, age, input) };
    },
    answer: ({
      policy,
      items,
      truncation,
    }: {
      policy: PolicyRecord;
      items: readonly PolicyVersion[];
      truncation: Truncation;
    }) => ({ Versions: items.map((it) => describeVersion(it, policy)), ...truncation }),
  },

  SetDefaultPolicyVersion: {
    resolve({ PolicyArn: arn, VersionId: id }, context) {
      const managed = findPolicy(arn, context);
      refuseAws(managed);
      const { policy } = managed;
      findVersion(managed, id);
      const updatedAt = context.now().toISOString();
      return change(managed, { ...policy, defaultVersion: id, updatedAt }, context);
    },
    answer: () => ({}),
  },

  DeletePolicyVersion: {
    resolve({ PolicyArn: arn, VersionId: id }, context) {
      const managed = findPolicy(arn, context);
      refuseAws(managed);
      const { policy } = managed;
      findVersion(managed, id);
      if (id === policy.defaultVersion)
        throw deleteConflict("Cannot delete the default version of a policy.");
      const versions = policy.versions.filter((it) => it.id !== id);
      return change(managed, { ...policy, versions, updatedAt: context.now().toISOString() }, context);
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

const change = (managed: ManagedPolicy, policy: PolicyRecord, context: IamContext) => ({
  touches: touchingPolicy(managed),
  transaction: context.records.rewrite("iam-policy", policy),
});

function findVersion({ arn, policy }: ManagedPolicy, id: string): PolicyVersion {
  const version = policy.versions.find((it) => it.id === id);
  if (!version) throw versionNotFound(arn, id);
  return version;
}

/** As ListPolicyVersions gives it. */
const describeVersion = (
  { id, createdAt }: PolicyVersion,
  { defaultVersion }: PolicyRecord,
): DescribedVersion => ({
  VersionId: id,
  IsDefaultVersion: id === defaultVersion,
  CreateDate: new Date(createdAt),
});

export const describeWholeVersion = (version: PolicyVersion, policy: PolicyRecord): DescribedVersion => ({
  Document: percentEncoded(version.document),
  ...describeVersion(version, policy),
});
