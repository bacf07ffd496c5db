import type { Policy as DescribedPolicy } from "@aws-sdk/client-iam";
import type { TouchedResource } from "#api/operation.ts";
import { awsManagedPolicies } from "./aws-managed-policies.ts";
import type { IamContext } from "./context.ts";
import { notAttachable, policyNotFound } from "./errors.ts";
import { arnOf, byArn, raise } from "./holder.ts";
import type { IamRecords, PolicyRecord, Use, UseOf } from "./records.ts";
import { tagsMember } from "./tags.ts";

/** A managed policy of the account, or of AWS's. */
export interface ManagedPolicy {
  readonly arn: string;
  readonly policy: PolicyRecord;
  readonly isAws: boolean;
}

/** Throws NoSuchEntity. */
export const findPolicy = (arn: string, context: IamContext): ManagedPolicy =>
  managedPolicy(arn, context.records) ?? raise(policyNotFound(arn));

/** Undefined: there is none of this ARN. */
export function managedPolicy(arn: string, records: IamRecords): ManagedPolicy | undefined {
  const aws = awsManagedPolicies.get(arn);
  if (aws) return { arn, policy: aws, isAws: true };
  const policy = byArn("iam-policy", arn, records);
  return policy && { arn, policy, isAws: false };
}

export const policyArn = (policy: PolicyRecord, context: Pick<IamContext, "accountId">): string =>
  arnOf("iam-policy", policy, context);

export const touchingPolicy = ({ arn, policy }: ManagedPolicy): TouchedResource[] => [
  { arn, tags: policy.tags },
];

/** The use of a policy that is about to be attached. Throws NoSuchEntity. */
export function useOfPolicy(arn: string, use: Use, { records }: IamContext): UseOf {
  const found = managedPolicy(arn, records);
  if (!found) throw notAttachable(arn);
  return { id: found.policy.id, use, ...(!found.isAws && { kind: "iam-policy" }) };
}

/** One that only service-linked roles have. */
export const isServiceRolePolicy = (arn: string): boolean =>
  arn.startsWith("arn:aws:iam::aws:policy/aws-service-role/");

/** The document that is in force. */
export const defaultDocument = ({ versions, defaultVersion }: PolicyRecord): string =>
  versions.find(({ id }) => id === defaultVersion)?.document ?? "";

/** As ListPolicies gives it. */
export const describePolicy = (
  { arn, policy }: ManagedPolicy,
  { records }: Pick<IamContext, "records">,
): DescribedPolicy => ({
  PolicyName: policy.name,
  PolicyId: policy.id,
  Arn: arn,
  Path: policy.path,
  DefaultVersionId: policy.defaultVersion,
  AttachmentCount: records.usersOf(policy.id, "attached").length,
  PermissionsBoundaryUsageCount: records.usersOf(policy.id, "boundary").length,
  IsAttachable: true,
  CreateDate: new Date(policy.createdAt),
  UpdateDate: new Date(policy.updatedAt),
});

/** As GetPolicy gives it. */
export const describeWholePolicy = (
  managed: ManagedPolicy,
  context: Pick<IamContext, "records">,
): DescribedPolicy => ({
  ...describePolicy(managed, context),
  ...(managed.policy.description !== undefined && { Description: managed.policy.description }),
  ...tagsMember(managed.policy.tags),
});
