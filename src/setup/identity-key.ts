import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Refusal } from "#cli/command.ts";
import { layout } from "#config.ts";
import { formerMasterKey, makeMasterKey, readMasterKey } from "./master-key.ts";
import { seal, unseal } from "#sealed.ts";

/** PEM texts: an RSA key of 2048 bits and its own certificate. */
export interface IdentityKey {
  readonly certificate: string;
  readonly privateKey: string;
}

interface SealedIdentityKey {
  readonly certificate: string;
  readonly sealedKey: string;
}

/** Made once for the life of the region; sealed anew when the master key is another. Comes before `makeCredentials`. */
export const makeIdentityKey = (dataDir: string, region: string): void => {
  const { identity } = layout(dataDir);
  if (!existsSync(identity.sealed)) writeIdentityKey(dataDir, newIdentityKey(region));
  else if (formerMasterKey(dataDir)) writeIdentityKey(dataDir, readIdentityKey(dataDir));
  // The operator may copy it away, or lose it: it is only a copy.
  writeWhole(identity.certificate, readFile(dataDir).certificate, 0o644);
};

/** Throws `Refusal` when it does not open with the master key. */
export const readIdentityKey = (dataDir: string): IdentityKey => {
  const { certificate, sealedKey } = readFile(dataDir);
  const open = (key: Buffer | undefined) => key && unseal(sealedKey, key, purpose);
  const privateKey = open(readMasterKey(dataDir)) ?? open(formerMasterKey(dataDir));
  if (privateKey === undefined)
    throw new Refusal(
      `${layout(dataDir).identity.sealed} was sealed with another master key, or changed since: put back the one it was sealed with`,
    );
  return { certificate, privateKey };
};

const writeIdentityKey = (dataDir: string, { certificate, privateKey }: IdentityKey): void => {
  makeMasterKey(dataDir);
  const kept: SealedIdentityKey = {
    certificate,
    sealedKey: seal(privateKey, readMasterKey(dataDir), purpose),
  };
  writeWhole(layout(dataDir).identity.sealed, `${JSON.stringify(kept, null, 2)}\n`, 0o600);
};

/** Like AWS's, it signs itself and outlives every instance. The private key is on no disk: openssl prints both. */
const newIdentityKey = (region: string): IdentityKey => {
  const subject = `/CN=Croft instance identity ${region} ${randomBytes(4).toString("hex")}`;
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "subjectKeyIdentifier=hash",
  ].flatMap((extension) => ["-addext", extension]);
  const made = ["-x509", "-newkey", "rsa:2048", "-noenc", "-sha256", "-days", "36500", "-subj", subject];
  const printed = execFileSync("openssl", ["req", "-config", "/dev/null", ...made, ...extensions], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [privateKey = "", certificate = ""] = printed.match(/-----BEGIN [^]+?-----END [^-]+-----\n/g) ?? [];
  return { certificate, privateKey };
};

const readFile = (dataDir: string): SealedIdentityKey =>
  JSON.parse(readFileSync(layout(dataDir).identity.sealed, "utf8"));

const writeWhole = (file: string, text: string, mode: number): void => {
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  chmodSync(`${file}.new`, mode);
  renameSync(`${file}.new`, file);
};

const purpose = "key of the region's instance identity certificate";
