import { createCipheriv, createDecipheriv, hash, pbkdf2Sync, randomBytes, randomUUID } from "node:crypto";

/**
 * The header of a LUKS1 volume, AES-256-XTS by plain64 sectors, with a random master key in its first slot (LUKS On-Disk Format
 * Specification 1.2.3). Written here, since `qemu-img create` measures for two seconds how many rounds PBKDF2 takes, whatever it is told
 * (`encrypt.iter-time`): rounds protect a passphrase that could be guessed, and this one has 512 random bits.
 */
export function luksHeader(passphrase: string): Buffer {
  const masterKey = randomBytes(keyBytes);
  const header = Buffer.alloc(LUKS_HEADER_BYTES);
  header.write("LUKS\xba\xbe\0\x01", 0, "latin1");
  header.write("aes", 8, "latin1");
  header.write("xts-plain64", 40, "latin1");
  header.write("sha256", 72, "latin1");
  header.writeUInt32BE(LUKS_HEADER_BYTES / SECTOR, 104);
  header.writeUInt32BE(keyBytes, 108);
  const digestSalt = randomBytes(32);
  header.set(pbkdf2Sync(masterKey, digestSalt, rounds, 20, "sha256"), 112);
  header.set(digestSalt, 132);
  header.writeUInt32BE(rounds, 164);
  header.write(randomUUID(), 168, "latin1");
  const slotSalt = randomBytes(32);
  for (let slot = 0; slot < 8; slot++) {
    const at = 208 + slot * 48;
    header.writeUInt32BE(slot === 0 ? active : inactive, at);
    header.writeUInt32BE(slot === 0 ? rounds : 0, at + 4);
    if (slot === 0) header.set(slotSalt, at + 8);
    header.writeUInt32BE((materialAt + slot * materialBytes) / SECTOR, at + 40);
    header.writeUInt32BE(stripes, at + 44);
  }
  const slotKey = pbkdf2Sync(passphrase, slotSalt, rounds, keyBytes, "sha256");
  header.set(bySectors(createCipheriv, slotKey, split(masterKey), 0), materialAt);
  return header;
}

/** The master key of a header that `luksHeader` wrote. Throws when the passphrase is another's. */
export function luksMasterKey(header: Buffer, passphrase: string): Buffer {
  const slotKey = pbkdf2Sync(passphrase, header.subarray(216, 248), rounds, keyBytes, "sha256");
  const material = header.subarray(materialAt, materialAt + stripes * keyBytes);
  const masterKey = merged(bySectors(createDecipheriv, slotKey, material, 0));
  const digest = pbkdf2Sync(masterKey, header.subarray(132, 164), rounds, 20, "sha256");
  if (!digest.equals(header.subarray(112, 132))) throw new Error("the key is not that of the file");
  return masterKey;
}

/** Whole sectors, of which the first is this many bytes into the file. */
export const encryptSectors = (masterKey: Buffer, bytes: Buffer, offset: number): Buffer =>
  bySectors(createCipheriv, masterKey, bytes, offset / SECTOR);
export const decryptSectors = (masterKey: Buffer, bytes: Buffer, offset: number): Buffer =>
  bySectors(createDecipheriv, masterKey, bytes, offset / SECTOR);

export const SECTOR = 512;
const keyBytes = 64;
const stripes = 4000;
const rounds = 1000;
const [active, inactive] = [0x00ac_71f3, 0x0000_dead];
const materialAt = 4096;
const materialBytes = 258_048;
export const LUKS_HEADER_BYTES = materialAt + 8 * materialBytes;
/** What comes after is room for further slots. */
export const USED_HEADER_BYTES = materialAt + materialBytes;

function bySectors(
  make: typeof createCipheriv | typeof createDecipheriv,
  key: Buffer,
  bytes: Buffer,
  firstSector: number,
): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  const iv = Buffer.alloc(16);
  for (let at = 0; at < bytes.length; at += SECTOR) {
    iv.writeBigUInt64LE(BigInt(firstSector + at / SECTOR));
    out.set(make("aes-256-xts", key, iv).update(bytes.subarray(at, at + SECTOR)), at);
  }
  return out;
}

/** LUKS's anti-forensic splitter: all stripes are needed to have the key. */
function split(key: Buffer): Buffer {
  const all = Buffer.concat([randomBytes((stripes - 1) * keyBytes), Buffer.alloc(keyBytes)]);
  all.set(xor(diffused(all), key), all.length - keyBytes);
  return all;
}

const merged = (all: Buffer): Buffer => xor(diffused(all), all.subarray(-keyBytes));

/** Of all stripes but the last. */
function diffused(all: Buffer): Buffer {
  let sum = Buffer.alloc(keyBytes);
  const block = Buffer.alloc(36);
  for (let at = 0; at < all.length - keyBytes; at += keyBytes) {
    const mixed = xor(sum, all.subarray(at, at + keyBytes));
    sum = Buffer.alloc(keyBytes);
    for (let n = 0; n < keyBytes / 32; n++) {
      block.writeUInt32BE(n);
      block.set(mixed.subarray(n * 32, (n + 1) * 32), 4);
      sum.set(hash("sha256", block, "buffer"), n * 32);
    }
  }
  return sum;
}

function xor(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.allocUnsafe(a.length);
  for (let n = 0; n < a.length; n++) out[n] = (a[n] ?? 0) ^ (b[n] ?? 0);
  return out;
}
