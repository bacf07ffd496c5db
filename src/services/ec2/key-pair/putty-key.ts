import { createHash, createHmac, type KeyObject } from "node:crypto";

/**
 * A private key in PuTTY's file format, version 2, not encrypted: what every PuTTY and WinSCP reads. `publicBlob` is the
 * public half as SSH sends it. Follows "PPK file format", appendix C of PuTTY's manual.
 */
export function puttyKey(algorithm: string, publicBlob: Buffer, key: KeyObject, comment: string): string {
  const privateBlob = privateHalf(key);
  const macKey = createHash("sha1").update("putty-private-key-file-mac-key").digest();
  const sealed = [algorithm, "none", comment, publicBlob, privateBlob].map((it) => string(Buffer.from(it)));
  const mac = createHmac("sha1", macKey).update(Buffer.concat(sealed)).digest("hex");
  const lines = [
    `PuTTY-User-Key-File-2: ${algorithm}`,
    "Encryption: none",
    `Comment: ${comment}`,
    ...counted("Public-Lines", publicBlob),
    ...counted("Private-Lines", privateBlob),
    `Private-MAC: ${mac}`,
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}

/** RSA: d, p, q and the inverse of q; ED25519: its seed. */
function privateHalf(key: KeyObject): Buffer {
  const { kty, d, p, q, qi } = key.export({ format: "jwk" });
  const bytes = (value: string | undefined) => Buffer.from(value ?? "", "base64url");
  return kty === "RSA" ? Buffer.concat([d, p, q, qi].map((it) => mpint(bytes(it)))) : string(bytes(d));
}

function counted(name: string, blob: Buffer): string[] {
  const lines = blob.toString("base64").match(/.{1,64}/g) ?? [];
  return [`${name}: ${lines.length}`, ...lines];
}

/** SSH's `string` and `mpint` (RFC 4251, section 5). */
function string(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
const mpint = (bytes: Buffer) =>
  string((bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.alloc(1), bytes]));
