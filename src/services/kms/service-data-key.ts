import { randomBytes } from "node:crypto";
import type { ApiError } from "#api/error.ts";
import type { TouchedResource } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import { headerOf } from "./ciphertext.ts";
import type { KmsContext } from "./context.ts";
import { invalidUsage, noKeyOfCiphertext } from "./errors.ts";
import { decryptedBy, encryptedBy } from "./key-cipher.ts";
import { findOrMakeKey } from "./key-name.ts";
import { isGone, keyArn, refusesUse, usageOf } from "./key.ts";
import type { EncryptionContext, KmsRecords } from "./records.ts";
import { touchedKey } from "./touched-key.ts";

/** A key by which a service encrypts for the caller. */
export interface ServiceKey {
  readonly keyArn: string;
  /** Why it cannot be used. */
  readonly refusal: ApiError | undefined;
  /** Makes AWS's own key when it was never used. */
  readonly transaction?: Transaction | undefined;
  /** Of 64 bytes. Its plaintext is not kept: `openServiceDataKey` has it again. Policy is to be asked what is touched, in the caller's name. */
  readonly newDataKey: (encryptionContext: EncryptionContext) => {
    readonly ciphertext: Buffer;
    readonly touches: readonly TouchedResource[];
  };
}

/** As the caller names it, or by the ARN of AWS's alias. Throws NotFoundException, InvalidArnException. */
export function serviceKey({ keyId, via }: { keyId: string; via: string }, context: KmsContext): ServiceKey {
  const { key, alias, transaction }: ReturnType<typeof findOrMakeKey> & { transaction?: Transaction } =
    findOrMakeKey(keyId, context);
  const arn = keyArn(key);
  const operation = "GenerateDataKeyWithoutPlaintext";
  return {
    keyArn: arn,
    refusal:
      usageOf(key) === "ENCRYPT_DECRYPT"
        ? refusesUse(key)
        : invalidUsage(`${arn} key usage is ${usageOf(key)} which is not valid for ${operation}.`),
    transaction,
    newDataKey: (encryptionContext) => ({
      ciphertext: encryptedBy(key, randomBytes(64), encryptionContext, context),
      touches: [
        touchedKey(
          { key, alias },
          {
            action: `kms:${operation}`,
            via,
            encryptionContext,
            granted: { operation, encryptionContext },
          },
          context,
        ),
      ],
    }),
  };
}

/** What an operation of a service touches that uses a data key for the caller, and why that cannot be. */
export function useOfDataKey(
  {
    ciphertext,
    via,
    encryptionContext,
  }: { ciphertext: Uint8Array; via: string; encryptionContext: EncryptionContext },
  context: KmsContext,
): { readonly touches: readonly TouchedResource[]; readonly refusal: ApiError | undefined } {
  const header = headerOf(ciphertext);
  const scope = header && { accountId: header.accountId, region: context.region };
  const key = header && scope && context.records.get("kms-key", scope, header.keyId);
  if (!key || isGone(key, context.now())) return { touches: [], refusal: noKeyOfCiphertext() };
  const use = {
    action: "kms:Decrypt",
    via,
    encryptionContext,
    granted: { operation: "Decrypt", encryptionContext },
  } as const;
  return { touches: [touchedKey({ key }, use, context)], refusal: refusesUse(key) };
}

/** Its plaintext, for the service itself. Throws what is told of a key that is disabled, about to go, or gone. */
export function openServiceDataKey(
  ciphertext: Uint8Array,
  encryptionContext: EncryptionContext,
  { region, records, sealingKey, now }: OpeningOptions,
): Buffer {
  const header = headerOf(ciphertext);
  const key = header && records.get("kms-key", { accountId: header.accountId, region }, header.keyId);
  if (!key || isGone(key, now())) throw noKeyOfCiphertext();
  const refusal = refusesUse(key);
  if (refusal) throw refusal;
  return decryptedBy(key, ciphertext, encryptionContext, { sealingKey });
}

export interface OpeningOptions {
  readonly region: string;
  readonly records: KmsRecords;
  readonly sealingKey: Buffer;
  readonly now: () => Date;
}
