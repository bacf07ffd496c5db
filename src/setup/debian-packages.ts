import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "#images/architecture.ts";

/**
 * Every Debian package a region needs, the command or file by which it is recognised (it may have come another way), and why
 * it is there. None of them starts a service.
 */
export const debianPackages: readonly DebianPackage[] = [
  { name: "qemu-system-x86", provides: "qemu-system-x86_64", why: "runs the machines" },
  { name: "qemu-utils", provides: "qemu-img", why: "makes their disks" },
  { name: "ovmf", provides: "/usr/share/OVMF/OVMF_CODE_4M.fd", why: "boots them by UEFI" },
  { name: "iproute2", provides: "ip", why: "builds the networks" },
  { name: "nftables", provides: "nft", why: "loads security groups" },
  { name: "passt", provides: "pasta", why: "lets instances out to the internet" },
  { name: "mmdebstrap", provides: "mmdebstrap", why: "bakes the Debian image" },
  { name: "e2fsprogs", provides: "mke2fs", why: "bakes the image's file system" },
  { name: "fdisk", provides: "sfdisk", why: "bakes the image's partitions" },
  { name: "dosfstools", provides: "mkfs.vfat", why: "bakes the image's UEFI partition" },
  { name: "mtools", provides: "mcopy", why: "bakes the image's UEFI partition" },
  { name: "openssl", provides: "openssl", why: "makes the API's certificate" },
  { name: "openssh-client", provides: "ssh", why: "croft ssh" },
];

/** What machines of an architecture need beside those. They are installed with the first image of it, never by a start. */
export const packagesFor: Readonly<Record<Architecture, readonly DebianPackage[]>> = {
  x86_64: [],
  arm64: [
    { name: "qemu-system-arm", provides: "qemu-system-aarch64", why: "runs machines of arm64" },
    { name: "qemu-efi-aarch64", provides: "/usr/share/AAVMF/AAVMF_CODE.fd", why: "boots them by UEFI" },
  ],
};

/** What the tests need beside those: AWS's own clients to call the region with, and what guests would ask its services with. */
export const testPackages: readonly DebianPackage[] = [
  { name: "awscli", provides: "/usr/bin/aws", why: "calls the region in tests" },
  {
    name: "python3-boto3",
    provides: "/usr/lib/python3/dist-packages/boto3",
    why: "calls the region in tests",
  },
  { name: "conntrack", provides: "conntrack", why: "looks at connections in tests" },
  { name: "curl", provides: "curl", why: "asks for metadata in tests" },
  { name: "udhcpc", provides: "udhcpc", why: "asks for leases in tests" },
  { name: "isc-dhcp-client", provides: "dhclient", why: "asks for leases in tests" },
  { name: "bind9-dnsutils", provides: "dig", why: "asks for names in tests" },
  { name: "sudo", provides: "sudo", why: "makes an ordinary user root in tests" },
  { name: "systemd", provides: "systemd-analyze", why: "verifies the service's unit in tests" },
  { name: "ntpsec-ntpdig", provides: "ntpdig", why: "asks for the time in tests" },
];

export interface DebianPackage {
  readonly name: string;
  /** A command of the PATH, or a file by its absolute path. */
  readonly provides: string;
  readonly why: string;
}

/** Those whose command or file is not here. Quick: looks at files only. */
export const missingPackages = (
  packages: readonly DebianPackage[],
  present: (provided: string) => boolean = isPresent,
): readonly DebianPackage[] => packages.filter(({ provides }) => !present(provides));

/**
 * Installs them with apt-get, whose output goes to stderr. The package lists are fetched only when they do not know a package,
 * or turn out to be out of date. Returns whether everything is there now.
 */
export const installPackages = (packages: readonly DebianPackage[]): boolean => {
  const names = packages.map(({ name }) => name);
  const install = ["install", "-y", "--no-install-recommends", ...names];
  const listed =
    spawnSync("apt-cache", ["show", "--no-all-versions", ...names], { stdio: "ignore" }).status === 0;
  const installed = (listed && apt(install)) || (apt(["update"]) && apt(install));
  return installed && missingPackages(packages).length === 0;
};

/** Where root's commands are, also when the PATH is that of a plain user. */
const commandDirs = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const isPresent = (provided: string): boolean =>
  provided.startsWith("/")
    ? existsSync(provided)
    : commandDirs.some((dir) => existsSync(join(dir, provided)));

const apt = (args: readonly string[]): boolean =>
  spawnSync("apt-get", ["-q", ...args], {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  }).status === 0;
