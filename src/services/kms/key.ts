import type { KeyMetadata } from "@aws-sdk/client-kms";
import type { ApiError } from "#api/error.ts";
import { disabled, pendingDeletion } from "./errors.ts";
import type { KeyRecord, KeyScope } from "./records.ts";

export const keyArn = ({ accountId, region, id }: Pick<KeyRecord, "accountId" | "region" | "id">): string =>
  `arn:aws:kms:${region}:${accountId}:key/${id}`;
export const aliasArn = ({ accountId, region }: KeyScope, name: string): string =>
  `arn:aws:kms:${region}:${accountId}:${name}`;

export const usageOf = ({ spec }: Pick<KeyRecord, "spec">) =>
  spec === "SYMMETRIC_DEFAULT" ? "ENCRYPT_DECRYPT" : "GENERATE_VERIFY_MAC";

/** Why the key cannot be used; undefined: it can. AWS, "Key states of AWS KMS keys". */
export const refusesUse = (key: KeyRecord): ApiError | undefined =>
  refusesChange(key) ?? (key.enabled ? undefined : disabled(keyArn(key)));

/** What a disabled key may have done to it, but not one that is about to go. */
export const refusesChange = (key: KeyRecord): ApiError | undefined =>
  key.deletion && pendingDeletion(keyArn(key));

/** A key whose time has come is gone, though its record may still be there for a minute. */
export const isGone = ({ deletion }: KeyRecord, now: Date): boolean =>
  deletion !== undefined && Date.parse(deletion.at) <= now.getTime();

export const describeKey = (key: KeyRecord): KeyMetadata => ({
  AWSAccountId: key.accountId,
  KeyId: key.id,
  Arn: keyArn(key),
  CreationDate: new Date(key.createdAt),
  Enabled: key.enabled && !key.deletion,
  Description: key.description,
  KeyUsage: usageOf(key),
  KeyState: key.deletion ? "PendingDeletion" : key.enabled ? "Enabled" : "Disabled",
  ...(key.deletion && { DeletionDate: new Date(key.deletion.at) }),
  Origin: "AWS_KMS",
  KeyManager: key.manager,
  CustomerMasterKeySpec: key.spec,
  KeySpec: key.spec,
  MultiRegion: false,
  ...(key.spec === "SYMMETRIC_DEFAULT"
    ? { EncryptionAlgorithms: ["SYMMETRIC_DEFAULT" as const], CurrentKeyMaterialId: key.materials.at(-1)?.id }
    : { MacAlgorithms: [macAlgorithm(key.spec)] }),
});

/** "HMAC_SHA_256" of "HMAC_256". */
export const macAlgorithm = (spec: Exclude<KeyRecord["spec"], "SYMMETRIC_DEFAULT">) =>
  `HMAC_SHA_${spec.slice("HMAC_".length) as "224" | "256" | "384" | "512"}` as const;
