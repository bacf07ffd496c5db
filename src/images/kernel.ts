/**
 * Where a bzImage keeps the kernel proper (the boot protocol's `payload_offset` and `payload_length`), and how it is packed.
 * https://docs.kernel.org/arch/x86/boot.html
 */
export const kernelPayload = (
  bzImage: Buffer,
): { readonly packing: "lz4" | "other"; readonly payload: Buffer } => {
  if (bzImage.toString("latin1", 0x202, 0x206) !== "HdrS") throw new Error("not a bzImage");
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  // The last four bytes are the unpacked size, the kernel's own addition.
  const payload = bzImage.subarray(start, start + bzImage.readUInt32LE(0x24c) - 4);
  return { packing: payload.readUInt32LE(0) === lz4LegacyMagic ? "lz4" : "other", payload };
};

const lz4LegacyMagic = 0x184c2102;
