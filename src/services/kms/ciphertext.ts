import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { EncryptionContext } from "./records.ts";

/** Which key a ciphertext was made with; not to be believed before it has been opened. */
export interface CiphertextHeader {
  readonly accountId: string;
  readonly keyId: string;
  /** Index of the key's material. */
  readonly version: number;
}

/**
 * header (format 1, account 6, key 16, version 4 bytes) · salt 16 · nonce 12 · tag 16 · AES-256-GCM. Each has a key of its own, by
 * HKDF from the material, so that one key may encrypt without limit; header and encryption context are authenticated.
 */
export function encrypt(
  material: Buffer,
  header: CiphertextHeader,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Buffer {
  const head = written(header);
  const [salt, nonce] = [randomBytes(saltBytes), randomBytes(nonceBytes)];
  const cipher = createCipheriv(algorithm, messageKey(material, salt), nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat([head, authenticated(context)]));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([head, salt, nonce, cipher.getAuthTag(), body]);
}

/** Undefined: it is none of this material's, was made with another encryption context, or changed since. */
export function decrypt(material: Buffer, blob: Uint8Array, context: EncryptionContext): Buffer | undefined {
  const bytes = Buffer.from(blob);
  if (bytes.length < bodyAt) return undefined;
  const salt = bytes.subarray(headerBytes, headerBytes + saltBytes);
  const nonce = bytes.subarray(headerBytes + saltBytes, bodyAt - tagBytes);
  const cipher = createDecipheriv(algorithm, messageKey(material, salt), nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat([bytes.subarray(0, headerBytes), authenticated(context)]));
  cipher.setAuthTag(bytes.subarray(bodyAt - tagBytes, bodyAt));
  try {
    return Buffer.concat([cipher.update(bytes.subarray(bodyAt)), cipher.final()]);
  } catch {
    return undefined;
  }
}

/** Undefined: it is no ciphertext of Croft's. */
export function headerOf(blob: Uint8Array): CiphertextHeader | undefined {
  const bytes = Buffer.from(blob);
  if (bytes.length < bodyAt || bytes[0] !== format) return undefined;
  const hex = bytes.toString("hex", 7, 23);
  return {
    accountId: String(bytes.readUIntBE(1, 6)).padStart(12, "0"),
    keyId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
    version: bytes.readUInt32BE(23),
  };
}

function written({ accountId, keyId, version }: CiphertextHeader): Buffer {
  const head = Buffer.alloc(headerBytes);
  head[0] = format;
  head.writeUIntBE(Number(accountId), 1, 6);
  head.write(keyId.replaceAll("-", ""), 7, "hex");
  head.writeUInt32BE(version, 23);
  return head;
}

/** The order in which a caller names the pairs does not matter. */
const authenticated = (context: EncryptionContext) =>
  Buffer.from(JSON.stringify(Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1))));

const messageKey = (material: Buffer, salt: Buffer) =>
  Buffer.from(hkdfSync("sha256", material, salt, "ciphertext", 32));

const algorithm = "aes-256-gcm";
const format = 1;
const [headerBytes, saltBytes, nonceBytes, tagBytes] = [27, 16, 12, 16];
const bodyAt = headerBytes + saltBytes + nonceBytes + tagBytes;
