import { ImportRefused } from "./import-refused.ts";
import type { ImportSource } from "./import-source.ts";

/** What an image may be imported from, and what qemu-img calls it. */
export const diskFormats = { qcow2: "qcow2", raw: "raw", vmdk: "vmdk", vhd: "vpc", vhdx: "vhdx" } as const;
export type DiskFormat = keyof typeof diskFormats;

/**
 * The format by the first and last bytes, which are compared and not followed. A raw disk is known by the boot signature of
 * its first sector. Throws `ImportRefused` when it is none of them.
 */
export const probeFormat = async (source: ImportSource): Promise<DiskFormat> => {
  const sectorAt = (position: number) => source.read(Math.max(position, 0), SECTOR);
  const [first, last] = [await sectorAt(0), await sectorAt(source.bytes - SECTOR)];
  const begins = (sector: Buffer, text: string) =>
    sector.subarray(0, text.length).equals(Buffer.from(text, "latin1"));
  if (begins(first, "QFI\xfb")) return "qcow2";
  if (begins(first, "KDMV")) return "vmdk";
  if (begins(first, "vhdxfile")) return "vhdx";
  if (begins(first, "conectix") || begins(last, "conectix")) return "vhd";
  if (begins(first, "# Disk DescriptorFile"))
    throw new ImportRefused("it only describes a VMDK whose bytes are in other files: export it as one file");
  if (first.readUInt16LE(510) === BOOT_SIGNATURE) return "raw";
  throw new ImportRefused(
    `by its first bytes it is no disk of a format that can be imported (${Object.keys(diskFormats).join(", ")}): ` +
      "unpack it when it is packed, or name the format when you know it",
  );
};

const SECTOR = 512;
const BOOT_SIGNATURE = 0xaa55;
