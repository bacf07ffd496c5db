import { decrypt, encrypt, headerOf } from "./ciphertext.ts";
import type { KmsContext } from "./context.ts";
import { invalidCiphertext } from "./errors.ts";
import { openMaterial } from "./key-material.ts";
import type { EncryptionContext, KeyRecord } from "./records.ts";

/** By the newest material. */
export function encryptedBy(
  key: KeyRecord,
  plaintext: Uint8Array,
  encryptionContext: EncryptionContext | undefined,
  { sealingKey }: Pick<KmsContext, "sealingKey">,
): Buffer {
  const version = key.materials.length - 1;
  const material = key.materials[version];
  if (!material) throw new Error(`the key ${key.id} has no material`);
  const header = { accountId: key.accountId, keyId: key.id, version };
  return encrypt(openMaterial(key, material, sealingKey), header, plaintext, encryptionContext ?? {});
}

/** By the material that it names, however often the key was rotated since. Throws InvalidCiphertextException. */
export function decryptedBy(
  key: KeyRecord,
  blob: Uint8Array,
  encryptionContext: EncryptionContext | undefined,
  { sealingKey }: Pick<KmsContext, "sealingKey">,
): Buffer {
  const material = key.materials[headerOf(blob)?.version ?? -1];
  const plaintext =
    material && decrypt(openMaterial(key, material, sealingKey), blob, encryptionContext ?? {});
  if (!plaintext) throw invalidCiphertext();
  return plaintext;
}

/** Of the material that a ciphertext names. */
export const materialIdOf = (key: KeyRecord, blob: Uint8Array): string | undefined =>
  key.materials[headerOf(blob)?.version ?? -1]?.id;
