import { randomBytes } from "node:crypto";
import type { ApiError } from "#api/error.ts";
import type { TouchedResource } from "#api/operation.ts";
import type { Transaction } from "#store/store.ts";
import { headerOf } from "./ciphertext.ts";
import type { KmsContext } from "./context.ts";
import { noKeyOfCiphertext } from "./errors.ts";
import { decryptedBy, encryptedBy } from "./key-cipher.ts";
import { findOrMakeKey } from "./key-name.ts";
import { isGone, keyArn, refusesUse } from "./key.ts";
import type { EncryptionContext, KmsRecords } from "./records.ts";
import { touchedKey } from "./touched-key.ts";

/** A data key of a service, by the key that protects it. Its plaintext is not kept: `openServiceDataKey` has it again. */
export interface ServiceDataKey {
  readonly keyArn: string;
  readonly ciphertext: Buffer;
}

/**
 * What an operation of a service plans with that makes a data key of 64 bytes for the caller: policy is asked in his name, `refusal` says
 * why the key cannot be used, and the transaction makes AWS's own key when it was never used. Throws NotFoundException, InvalidArnException.
 */
export function newServiceDataKey(
  { keyId, via, encryptionContext }: { keyId: string; via: string; encryptionContext: EncryptionContext },
  context: KmsContext,
): {
  readonly dataKey: ServiceDataKey;
  readonly touches: readonly TouchedResource[];
  readonly refusal: ApiError | undefined;
  readonly transaction?: Transaction | undefined;
} {
  const { key, alias, transaction }: ReturnType<typeof findOrMakeKey> & { transaction?: Transaction } =
    findOrMakeKey(keyId, context);
  const operation = "GenerateDataKeyWithoutPlaintext";
  const use = {
    action: `kms:${operation}`,
    via,
    encryptionContext,
    granted: { operation, encryptionContext },
  };
  return {
    dataKey: {
      keyArn: keyArn(key),
      ciphertext: encryptedBy(key, randomBytes(64), encryptionContext, context),
    },
    touches: [touchedKey({ key, alias }, use, context)],
    refusal: refusesUse(key),
    transaction,
  };
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
