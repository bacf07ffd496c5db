import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Refusal } from "#cli/command.ts";
import { layout } from "#config.ts";
import { seal, unseal } from "#sealed.ts";
import { formerMasterKey, makeMasterKey, readMasterKey } from "./master-key.ts";

/**
 * The 32 bytes that IAM's secrets, session tokens and the material of KMS keys are sealed with. Made once for the life of the region, and itself sealed anew when the
 * master key is another: what is in the store need not be. Comes before `makeCredentials`. Throws `Refusal` for one that the master key
 * does not open.
 */
export const makeSealingKey = (dataDir: string): void => {
  if (!existsSync(layout(dataDir).sealingKey)) write(dataDir, randomBytes(32));
  else {
    const key = readSealingKey(dataDir);
    if (formerMasterKey(dataDir)) write(dataDir, key);
  }
};

/** Throws `Refusal` when it does not open with the master key. */
export const readSealingKey = (dataDir: string): Buffer => {
  const { sealedKey }: SealedKey = JSON.parse(readFileSync(layout(dataDir).sealingKey, "utf8"));
  const open = (key: Buffer | undefined) => key && unseal(sealedKey, key, purpose);
  const hex = open(readMasterKey(dataDir)) ?? open(formerMasterKey(dataDir));
  if (hex === undefined)
    throw new Refusal(
      `${layout(dataDir).sealingKey} was sealed with another master key, or changed since: put back the one it was sealed with`,
    );
  return Buffer.from(hex, "hex");
};

interface SealedKey {
  readonly sealedKey: string;
}

const write = (dataDir: string, key: Buffer): void => {
  const file = layout(dataDir).sealingKey;
  makeMasterKey(dataDir);
  const kept: SealedKey = { sealedKey: seal(key.toString("hex"), readMasterKey(dataDir), purpose) };
  writeFileSync(`${file}.new`, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
};

const purpose = "key of IAM's secrets and session tokens";
