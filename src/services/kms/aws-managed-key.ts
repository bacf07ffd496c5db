import type { Transaction } from "#store/store.ts";
import type { KmsContext } from "./context.ts";
import { newMaterial } from "./key-material.ts";
import type { NamedKey } from "./key-name.ts";
import { aliasArn } from "./key.ts";
import type { AliasRecord, KeyRecord, KeyScope } from "./records.ts";

/** The services that have a key of their own in each account and region. */
const managed = {
  "alias/aws/ebs": {
    description: "Default key that protects my EBS volumes when no other key is defined",
    policy: ebsPolicy,
  },
} as const;
type ManagedAlias = keyof typeof managed;

export const managedAliases = Object.keys(managed);

/** Of the caller's account, by its name or ARN; undefined: it is none of AWS's. */
export function awsManagedAlias(name: string, scope: KeyScope): ManagedAlias | undefined {
  const found = managedAliases.find((it) => name === it || name === aliasArn(scope, it));
  return found as ManagedAlias | undefined;
}

/** The service's key, with the transaction that makes it when it was never used. */
export function awsManagedKey(
  alias: ManagedAlias,
  context: KmsContext,
): NamedKey & { readonly transaction?: Transaction } {
  const { records, accountId, region, now, newKeyId, sealingKey } = context;
  const scope = { accountId, region };
  const before = records.get("kms-alias", scope, alias);
  const known = before && records.get("kms-key", scope, before.keyId);
  if (known) return { key: known, alias };
  const [id, at] = [newKeyId(), now()];
  const key: KeyRecord = {
    ...scope,
    id,
    createdAt: at.toISOString(),
    description: managed[alias].description,
    spec: "SYMMETRIC_DEFAULT",
    manager: "AWS",
    enabled: true,
    policy: managed[alias].policy(scope),
    trusted: {},
    tags: {},
    rotation: {
      periodInDays: yearInDays,
      nextAt: new Date(at.getTime() + yearInDays * 86_400_000).toISOString(),
    },
    materials: [newMaterial({ id, spec: "SYMMETRIC_DEFAULT" }, { sealingKey, at })],
  };
  const made: AliasRecord = {
    name: alias,
    keyId: id,
    createdAt: key.createdAt,
    updatedAt: key.createdAt,
  };
  const [ofKey, ofAlias] = [records.rewriteKey(key), records.rewriteAlias(scope, made)];
  return {
    key,
    alias,
    transaction: { expect: [...ofKey.expect, ...ofAlias.expect], put: [...ofKey.put, ...ofAlias.put] },
  };
}

const yearInDays = 365;

/** AWS, "Default KMS key policy for EBS": whoever may use EBS in the account, by EBS alone. */
function ebsPolicy({ accountId, region }: KeyScope): string {
  const policy = {
    Version: "2012-10-17",
    Id: "auto-ebs-2",
    Statement: [
      {
        Sid: "Allow access through EBS for all principals in the account that are authorized to use EBS",
        Effect: "Allow",
        Principal: { AWS: "*" },
        Action: [
          "kms:Encrypt",
          "kms:Decrypt",
          "kms:ReEncrypt*",
          "kms:GenerateDataKey*",
          "kms:CreateGrant",
          "kms:DescribeKey",
        ],
        Resource: "*",
        Condition: {
          StringEquals: { "kms:ViaService": `ec2.${region}.amazonaws.com`, "kms:CallerAccount": accountId },
        },
      },
      {
        Sid: "Allow direct access to key metadata to the account",
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
        Resource: "*",
      },
    ],
  };
  return JSON.stringify(policy, null, 2);
}
