import { open } from "node:fs/promises";
import { LUKS_HEADER_BYTES, luksHeader, luksMasterKey, USED_HEADER_BYTES } from "./luks.ts";

/** Makes an empty qcow2 file, just made by `qemu-img create`, one that is encrypted by LUKS. */
export const encryptFile = (path: string, passphrase: string): Promise<void> =>
  encryptFileBy(path, luksHeader(passphrase));

/**
 * The same by a header of LUKS, perhaps another file's: then whoever has the passphrase of that opens this one too. Puts it into clusters after
 * the end of the file, and names it in the file's own. Numbers follow QEMU's docs/interop/qcow2.txt.
 */
export async function encryptFileBy(path: string, luks: Buffer): Promise<void> {
  await using file = await open(path, "r+");
  const { buffer: header } = await file.read(Buffer.alloc(CLUSTER), 0, CLUSTER, 0);
  const { size } = await file.stat();
  const first = Math.ceil(size / CLUSTER);
  const count = Math.ceil(LUKS_HEADER_BYTES / CLUSTER);
  const table = Buffer.alloc(8);
  await file.read(table, 0, 8, Number(header.readBigUInt64BE(48)));
  const references = Buffer.alloc(2 * count);
  for (let n = 0; n < count; n++) references.writeUInt16BE(1, 2 * n);
  await file.write(references, 0, references.length, Number(table.readBigUInt64BE(0)) + 2 * first);
  await file.write(luks, 0, USED_HEADER_BYTES, first * CLUSTER);
  await file.truncate((first + count) * CLUSTER);
  const extensionsAt = header.readUInt32BE(100);
  const extension = Buffer.alloc(24);
  extension.writeUInt32BE(LUKS_EXTENSION, 0);
  extension.writeUInt32BE(16, 4);
  extension.writeBigUInt64BE(BigInt(first * CLUSTER), 8);
  extension.writeBigUInt64BE(BigInt(LUKS_HEADER_BYTES), 16);
  header.copy(header, extensionsAt + extension.length, extensionsAt);
  header.set(extension, extensionsAt);
  header.writeUInt32BE(LUKS_METHOD, 32);
  await file.write(header, 0, CLUSTER, 0);
}

/** What the bytes of a file that `encryptFile` made are encrypted with. */
export const masterKeyOf = async (path: string, passphrase: string): Promise<Buffer> =>
  luksMasterKey(await luksHeaderOf(path), passphrase);

/** That of a file that `encryptFile` made, which may be written meanwhile. */
export async function luksHeaderOf(path: string): Promise<Buffer> {
  await using file = await open(path, "r");
  const { buffer: header } = await file.read(Buffer.alloc(CLUSTER), 0, CLUSTER, 0);
  for (let at = header.readUInt32BE(100); at < CLUSTER - 24;) {
    const [type, length] = [header.readUInt32BE(at), header.readUInt32BE(at + 4)];
    if (type === 0) break;
    if (type === LUKS_EXTENSION) {
      const luks = Buffer.alloc(LUKS_HEADER_BYTES);
      await file.read(luks, 0, luks.length, Number(header.readBigUInt64BE(at + 8)));
      return luks;
    }
    at += 8 + 8 * Math.ceil(length / 8);
  }
  throw new Error(`${path} is not encrypted`);
}

export const CLUSTER = 65_536;
const LUKS_EXTENSION = 0x0537_be77;
const LUKS_METHOD = 2;
