/** What EC2 calls the processors an image can be for, and what Debian, GPT, GRUB and UEFI make of each. */
export const architectures = {
  x86_64: {
    debian: "amd64",
    /** GPT's type of the root partition. */
    rootType: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    bios: true,
    /** Whether a disk is booted by its own kernel without firmware, for speed. */
    shortcut: true,
    uefi: { platform: "x86_64-efi", file: "BOOTX64.EFI" },
  },
  arm64: {
    debian: "arm64",
    rootType: "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    bios: false,
    shortcut: false,
    uefi: { platform: "arm64-efi", file: "BOOTAA64.EFI" },
  },
} as const;

export type Architecture = keyof typeof architectures;

export const isArchitecture = (value: unknown): value is Architecture =>
  typeof value === "string" && Object.hasOwn(architectures, value);

export const hostArchitecture: Architecture = process.arch === "arm64" ? "arm64" : "x86_64";
