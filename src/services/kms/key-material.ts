import { randomBytes } from "node:crypto";
import { seal, unseal } from "#sealed.ts";
import type { KeyMaterial, KeyRecord, KeySpec } from "./records.ts";

/** Bytes of each. AWS, "Key spec reference". */
const lengths = {
  SYMMETRIC_DEFAULT: 32,
  HMAC_224: 28,
  HMAC_256: 32,
  HMAC_384: 48,
  HMAC_512: 64,
} as const satisfies Record<KeySpec, number>;

export const isServedSpec = (spec: string): spec is KeySpec => Object.hasOwn(lengths, spec);

/** Material that is only kept sealed; `key` may be about to be made. */
export function newMaterial(
  { id: keyId, spec }: Pick<KeyRecord, "id" | "spec">,
  { sealingKey, at, rotated }: { sealingKey: Buffer; at: Date; rotated?: KeyMaterial["rotated"] },
): KeyMaterial {
  const id = randomBytes(32).toString("hex");
  const sealed = seal(randomBytes(lengths[spec]).toString("hex"), sealingKey, purpose(keyId, id));
  return { id, sealed, createdAt: at.toISOString(), ...(rotated && { rotated }) };
}

export function openMaterial(
  { id }: Pick<KeyRecord, "id">,
  material: KeyMaterial,
  sealingKey: Buffer,
): Buffer {
  const hex = unseal(material.sealed, sealingKey, purpose(id, material.id));
  if (hex === undefined) throw new Error(`the material ${material.id} of the key ${id} cannot be opened`);
  return Buffer.from(hex, "hex");
}

const purpose = (keyId: string, materialId: string) => `material ${materialId} of the key ${keyId}`;
