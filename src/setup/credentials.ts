import { randomInt } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import type { Credentials } from "#auth/sign-request.ts";
import { Refusal } from "#cli/command.ts";
import { layout, userFiles } from "#config.ts";
import { hasCode } from "./error-code.ts";
import { formerMasterKey, makeMasterKey, readMasterKey, removeFormerMasterKey } from "./master-key.ts";
import { seal, unseal } from "#sealed.ts";

/** What the file holds. Files of Croft's first days hold the secret itself. */
interface SealedCredentials {
  readonly accessKeyId: string;
  readonly sealedSecret: string;
}

/** Makes the access key of the region's account when there is none; seals one that is not, or was with a former key. */
export const makeCredentials = (dataDir: string): void => {
  if (!existsSync(layout(dataDir).credentials)) return writeCredentials(dataDir, newCredentials());
  if ("secretAccessKey" in readFile(dataDir) || formerMasterKey(dataDir))
    writeCredentials(dataDir, readCredentials(dataDir));
  removeFormerMasterKey(dataDir);
};

/** Readable by whoever runs the region only, and by nobody without the master key. */
export const writeCredentials = (dataDir: string, { accessKeyId, secretAccessKey }: Credentials): void => {
  const file = layout(dataDir).credentials;
  makeMasterKey(dataDir);
  const kept: SealedCredentials = {
    accessKeyId,
    sealedSecret: seal(secretAccessKey, readMasterKey(dataDir), purpose(accessKeyId)),
  };
  writeFileSync(`${file}.new`, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
};

export const readCredentials = (dataDir: string): Credentials => {
  const kept = readFile(dataDir);
  if ("secretAccessKey" in kept) return kept;
  const { accessKeyId, sealedSecret } = kept;
  const open = (key: Buffer | undefined) => key && unseal(sealedSecret, key, purpose(accessKeyId));
  const secretAccessKey = open(readMasterKey(dataDir)) ?? open(formerMasterKey(dataDir));
  if (secretAccessKey === undefined)
    throw new Refusal(
      `${layout(dataDir).credentials} was sealed with another master key, or changed since: put back the one it was sealed with`,
    );
  return { accessKeyId, secretAccessKey };
};

const readFile = (dataDir: string): SealedCredentials | Credentials => {
  const file = layout(dataDir).credentials;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (hasCode(error, "EACCES")) return readUserCopy(dataDir, file);
    if (hasCode(error, "ENOENT"))
      throw new Refusal(`there is no access key at ${file} yet: run croft start first`);
    throw error;
  }
};

const readUserCopy = (dataDir: string, original: string): Credentials => {
  const copy = userFiles(homedir(), dataDir).credentials;
  try {
    return JSON.parse(readFileSync(copy, "utf8"));
  } catch {
    throw new Refusal(
      `only root may read ${original}, and you have no copy: run the same by sudo, or have croft start make one (as you, by sudo)`,
    );
  }
};

const purpose = (accessKeyId: string) => `secret access key of ${accessKeyId}`;

/** "AKIA" and 16 capitals and digits; 40 letters and digits. */
export const newCredentials = (random: (below: number) => number = randomInt): Credentials => ({
  accessKeyId: `AKIA${letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", random)}`,
  secretAccessKey: letters(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", random),
});

const letters = (count: number, alphabet: string, random: (below: number) => number): string =>
  Array.from({ length: count }, () => alphabet.charAt(random(alphabet.length))).join("");
