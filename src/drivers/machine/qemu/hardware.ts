import type { Architecture } from "../machine-driver.ts";
import type { Acceleration } from "./acceleration.ts";

/** What QEMU builds the machines of one architecture of. */
export interface Hardware {
  readonly program: string;
  /** Versioned: a machine keeps its hardware across upgrades of QEMU. */
  readonly machine: string;
  readonly emulatedCpu: string;
  /** What draws its screen, as a device without its place. */
  readonly display: string;
  /** UEFI's code, in `/usr`, and what its variables are at first: two flash chips, of the sizes it was built for. */
  readonly uefi: { readonly code: string; readonly variables: string };
  /** The architecture of this host's own processors, which KVM runs. */
  readonly native: boolean;
}

export const hardware: Readonly<Record<Architecture, Hardware>> = {
  x86_64: {
    program: "qemu-system-x86_64",
    // "graphics=off" only has the firmware print on the serial console too.
    machine: "pc-q35-7.2,graphics=off,sata=off,usb=off,dump-guest-core=off",
    emulatedCpu: "max",
    // Enough for 1280 by 800 pixels in full colour. Of it, only what a guest draws on is memory of this host.
    display: "VGA,vgamem_mb=4",
    // Of Debian's package ovmf; without Secure Boot, as on EC2 unless an image has keys.
    uefi: { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variables: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
    native: process.arch === "x64",
  },
  arm64: {
    program: "qemu-system-aarch64",
    machine: "virt-7.2,gic-version=3,dump-guest-core=off",
    // Of Graviton2, so that what is compiled for it runs. "max" checks pointers, which costs much when emulated.
    emulatedCpu: "neoverse-n1",
    display: "virtio-gpu-pci,max_hostmem=8M",
    // Of Debian's package qemu-efi-aarch64.
    uefi: { code: "/usr/share/AAVMF/AAVMF_CODE.fd", variables: "/usr/share/AAVMF/AAVMF_VARS.fd" },
    native: process.arch === "arm64",
  },
};

/** How this host, whose own machines are accelerated so, runs one of that architecture. */
export const accelerationOf = (architecture: Architecture, own: Acceleration["kind"]): Acceleration["kind"] =>
  hardware[architecture].native ? own : "tcg";
