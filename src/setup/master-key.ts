import { hkdfSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Refusal } from "#cli/command.ts";
import { layout } from "#config.ts";
import { hasCode } from "./error-code.ts";
import { readSettings } from "./region-settings.ts";

/** The 32 bytes that the region's secrets are sealed with. Throws `Refusal` when they are not there, or are not a key. */
export const readMasterKey = (dataDir: string): Buffer => {
  const { file } = masterKeyFile(dataDir);
  try {
    return masterKeyIn(file);
  } catch (error) {
    if (hasCode(error, "EACCES")) throw new Refusal(`only root may read ${file}: run the same as root`);
    if (hasCode(error, "ENOENT"))
      throw new Refusal(
        `the master key ${file} is not there, and without it the access key cannot be opened: put it back`,
      );
    throw error;
  }
};

/** 32 bytes that are the same for one `purpose` as long as the master key is, and tell nothing of it. */
export const derivedKey = (dataDir: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync("sha256", readMasterKey(dataDir), "", purpose, 32));

/** The one made in the data directory before another was given; undefined when there is none. */
export const formerMasterKey = (dataDir: string): Buffer | undefined => {
  const { masterKey } = layout(dataDir);
  return masterKeyFile(dataDir).given && existsSync(masterKey) ? masterKeyIn(masterKey) : undefined;
};

/** Once nothing is sealed with it any more. */
export const removeFormerMasterKey = (dataDir: string): void => {
  if (masterKeyFile(dataDir).given) rmSync(layout(dataDir).masterKey, { force: true });
};

/** Makes one in the data directory when there is none, and none was given at start. */
export const makeMasterKey = (dataDir: string): void => {
  const { file, given } = masterKeyFile(dataDir);
  if (given) return;
  try {
    writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
};

const masterKeyFile = (dataDir: string) => {
  const given = readSettings(dataDir)?.masterKeyFile;
  return { file: given ?? layout(dataDir).masterKey, given: given !== undefined };
};

/** Throws `Refusal` for what is no key, or may be read by others. */
const masterKeyIn = (file: string): Buffer => {
  const hex = readFileSync(file, "utf8").trim();
  if (!/^[0-9a-f]{64}$/i.test(hex))
    throw new Refusal(`${file} is no master key: 64 hex digits are, such as openssl rand -hex 32 prints`);
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Refusal(`others may read the master key ${file}: chmod 600 ${file}`);
  return Buffer.from(hex, "hex");
};
