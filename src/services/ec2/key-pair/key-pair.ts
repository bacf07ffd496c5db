import { createHash, createPrivateKey, createPublicKey, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { KeyFormat, KeyPairInfo, KeyType } from "@aws-sdk/client-ec2";
import ssh2 from "ssh2";
import { ApiError } from "#api/error.ts";
import type { FilterTable } from "../filters.ts";
import type { ResourceRecord } from "../records.ts";
import { describeTags } from "../tag/tag.ts";
import { puttyKey } from "./putty-key.ts";

export interface KeyPairRecord extends ResourceRecord {
  readonly id: `key-${string}`;
  readonly name: string;
  readonly type: KeyType;
  readonly fingerprint: string;
  /** One OpenSSH line: type, base64, comment. */
  readonly publicKey: string;
}

export const keyNameClaim = (name: string) => `key-name/${name}`;

/**
 * A new pair; the private half is for the caller alone and is kept nowhere. As `pem` it is PKCS #1 for RSA and OpenSSH's own
 * for ED25519, as AWS gives them; as `ppk` it is PuTTY's.
 */
export async function newKey(type: KeyType, format: KeyFormat, name: string) {
  const pem = type === "ed25519" ? newEd25519() : await newRsa();
  const parsed = ssh2.utils.parseKey(pem);
  if (parsed instanceof Error || Array.isArray(parsed)) throw new Error("a new key does not parse");
  const blob = parsed.getPublicSSH();
  const key = createPrivateKey(parsed.getPrivatePEM());
  return {
    material: format === "ppk" ? puttyKey(parsed.type, blob, key, name) : pem,
    publicKey: `${parsed.type} ${blob.toString("base64")} ${name}`,
    fingerprint:
      type === "ed25519"
        ? sha256Fingerprint(blob)
        : colons("sha1", key.export({ type: "pkcs8", format: "der" })),
  };
}

/** ssh2 1.17 writes one key in 256 in a form that nobody can read; that one is thrown away. */
function newEd25519(): string {
  for (;;) {
    const pem = ssh2.utils.generateKeyPairSync("ed25519").private;
    if (!(ssh2.utils.parseKey(pem) instanceof Error)) return pem;
  }
}

async function newRsa(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return privateKey.export({ type: "pkcs1", format: "pem" });
}

/** What ImportKeyPair accepts: an OpenSSH or RFC 4716 public key, RSA of 1,024, 2,048 or 4,096 bits, or ED25519. */
export function importedKey(material: Uint8Array, name: string) {
  const parsed = ssh2.utils.parseKey(openSshLine(Buffer.from(material).toString()));
  if (parsed instanceof Error || Array.isArray(parsed) || parsed.isPrivateKey())
    throw new ApiError("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
  const blob = parsed.getPublicSSH();
  const publicKey = `${parsed.type} ${blob.toString("base64")} ${name}`;
  if (parsed.type === "ssh-ed25519")
    return { type: "ed25519" as const, publicKey, fingerprint: sha256Fingerprint(blob) };
  const key = createPublicKey(parsed.getPublicPEM());
  if (parsed.type !== "ssh-rsa" || ![1024, 2048, 4096].includes(key.asymmetricKeyDetails?.modulusLength ?? 0))
    throw new ApiError("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
  return {
    type: "rsa" as const,
    publicKey,
    fingerprint: colons("md5", key.export({ type: "spki", format: "der" })),
  };
}

/** Takes RFC 4716's frame and headers off, which ssh2 knows around RSA keys alone: the bytes in it are the same. */
function openSshLine(text: string): string {
  const framed = /^---- BEGIN SSH2 PUBLIC KEY ----\r?\n([^]*)\n---- END SSH2 PUBLIC KEY ----\s*$/.exec(
    text,
  )?.[1];
  if (framed === undefined) return text;
  const base64 = framed.replaceAll(/^[^\s:]+: (.*\\\r?\n)*.*\n/gm, "").replaceAll(/\s/g, "");
  const blob = Buffer.from(base64, "base64");
  const typeLength = blob.length < 4 ? 0 : blob.readUInt32BE();
  return `${blob.toString("latin1", 4, 4 + typeLength)} ${base64}`;
}

/** AWS's form for RSA keys: hex pairs with colons (SHA-1 of a created private key, MD5 of an imported public one). */
const colons = (algorithm: string, der: Buffer) =>
  createHash(algorithm)
    .update(der)
    .digest("hex")
    .replaceAll(/..(?=.)/g, "$&:");
/** And for ED25519: OpenSSH's own, base64 without its prefix. */
const sha256Fingerprint = (blob: Buffer) => createHash("sha256").update(blob).digest("base64");

export const describeKeyPair = (key: KeyPairRecord, withPublicKey = false): KeyPairInfo => ({
  KeyPairId: key.id,
  KeyName: key.name,
  KeyType: key.type,
  KeyFingerprint: key.fingerprint,
  CreateTime: new Date(key.createdAt),
  PublicKey: withPublicKey ? key.publicKey : undefined,
  Tags: describeTags(key.tags),
});

export const keyPairFilters: FilterTable<KeyPairRecord> = {
  "key-pair-id": (it) => it.id,
  fingerprint: (it) => it.fingerprint,
  "key-name": (it) => it.name,
};
