import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import type { Credentials } from "#auth/sign-request.ts";
import { Refusal } from "#cli/command.ts";
import { layout } from "#config.ts";

/** Makes the access key of the region's account when there is none; readable by root only. */
export const makeCredentials = (dataDir: string): void => {
  try {
    // `wx`: the first one made is the one that stays.
    writeCredentials(dataDir, newCredentials(), "wx");
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
};

/** Readable by whoever runs the region only. */
export const writeCredentials = (dataDir: string, credentials: Credentials, flag = "w"): void =>
  writeFileSync(layout(dataDir).credentials, `${JSON.stringify(credentials, null, 2)}\n`, {
    mode: 0o600,
    flag,
    flush: true,
  });

export const readCredentials = (dataDir: string): Credentials => {
  const file = layout(dataDir).credentials;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (hasCode(error, "EACCES")) throw new Refusal(`only root may read ${file}: run the same as root`);
    if (hasCode(error, "ENOENT"))
      throw new Refusal(`there is no access key at ${file} yet: run croft start first`);
    throw error;
  }
};

/** "AKIA" and 16 capitals and digits; 40 letters and digits. */
export const newCredentials = (random: (below: number) => number = randomInt): Credentials => ({
  accessKeyId: `AKIA${letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", random)}`,
  secretAccessKey: letters(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", random),
});

const letters = (count: number, alphabet: string, random: (below: number) => number): string =>
  Array.from({ length: count }, () => alphabet.charAt(random(alphabet.length))).join("");

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
