import { open } from "node:fs/promises";

/** What counts of the header of a qcow2 file, by QEMU's docs/interop/qcow2.txt. */
export interface Qcow2Header {
  readonly virtualBytes: bigint;
  /** It is a difference to another file, or its bytes are in one. */
  readonly dependsOnAnother: boolean;
  /** It says that it is, in whatever way. */
  readonly isEncrypted: boolean;
}

/** Reads numbers at fixed places and follows none of them, so the file may be anyone's. Undefined when it is no qcow2 file. */
export const readQcow2Header = async (path: string): Promise<Qcow2Header | undefined> => {
  await using file = await open(path, "r");
  const { buffer } = await file.read(Buffer.alloc(QCOW2_HEADER_BYTES), 0, QCOW2_HEADER_BYTES, 0);
  return qcow2Header(buffer);
};

/** The same of a file's first `QCOW2_HEADER_BYTES`. */
export function qcow2Header(bytes: Buffer): Qcow2Header | undefined {
  const version = bytes.readUInt32BE(4);
  if (bytes.readUInt32BE(0) !== MAGIC || version < 2) return undefined;
  const incompatible = version < 3 ? 0n : bytes.readBigUInt64BE(72);
  return {
    virtualBytes: bytes.readBigUInt64BE(24),
    dependsOnAnother: bytes.readBigUInt64BE(8) !== 0n || (incompatible & EXTERNAL_DATA) !== 0n,
    isEncrypted: bytes.readUInt32BE(32) !== 0,
  };
}

export const QCOW2_HEADER_BYTES = 80;

/** "QFI\xfb" */
const MAGIC = 0x5146_49fb;
const EXTERNAL_DATA = 1n << 2n;
