import { open } from "node:fs/promises";

/** What counts of the header of a qcow2 file, by QEMU's docs/interop/qcow2.txt. */
export interface Qcow2Header {
  readonly virtualBytes: bigint;
  /** It is a difference to another file, or its bytes are in one. */
  readonly dependsOnAnother: boolean;
}

/** Reads numbers at fixed places and follows none of them, so the file may be anyone's. Undefined when it is no qcow2 file. */
export const readQcow2Header = async (path: string): Promise<Qcow2Header | undefined> => {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(80), 0, 80, 0);
  const version = buffer.readUInt32BE(4);
  if (bytesRead < 80 || buffer.readUInt32BE(0) !== MAGIC || version < 2) return undefined;
  const incompatible = version < 3 ? 0n : buffer.readBigUInt64BE(72);
  return {
    virtualBytes: buffer.readBigUInt64BE(24),
    dependsOnAnother: buffer.readBigUInt64BE(8) !== 0n || (incompatible & EXTERNAL_DATA) !== 0n,
  };
};

/** "QFI\xfb" */
const MAGIC = 0x5146_49fb;
const EXTERNAL_DATA = 1n << 2n;
