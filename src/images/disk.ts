import { cp, mkdir, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.ts";

const mebibyte = 1024 * 1024;
const sector = 512;

/** As Debian's cloud images number them, so that the root file system is the last one and can grow. */
const partitions = {
  bios: { number: 14, startMiB: 1, sizeMiB: 1, type: "21686148-6449-6E6F-744E-656564454649" },
  uefi: { number: 15, startMiB: 2, sizeMiB: 8, type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
  root: { number: 1, startMiB: 10, type: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" },
};

/** Lays out a raw disk at `path` (GPT, GRUB for BIOS and UEFI, the tree of `root` as ext4), without a loop device or a mount. */
export const buildDisk = async (
  path: string,
  root: string,
  sizeGiB: number,
  signal: AbortSignal,
): Promise<void> => {
  await writeFile(path, "");
  await truncate(path, sizeGiB * 1024 * mebibyte);
  await run("sfdisk", ["--quiet", path], { signal, input: partitionTable() });
  const core = await installGrub(root, "i386-pc", ["biosdisk", "part_gpt", "ext2"], signal);
  await makeUefiPartition(path, root, signal);
  await makeFileSystem(path, root, sizeGiB * 1024 - partitions.root.startMiB - 1, signal);
  await writeBootSectors(path, await readFile(join(root, "usr/lib/grub/i386-pc/boot.img")), core);
};

const partitionTable = (): string =>
  [
    "label: gpt",
    "unit: sectors",
    ...Object.values(partitions).map((partition) => {
      const size = "sizeMiB" in partition ? `size=${(partition.sizeMiB * mebibyte) / sector}, ` : "";
      return `${partition.number} : start=${(partition.startMiB * mebibyte) / sector}, ${size}type=${partition.type}`;
    }),
    "",
  ].join("\n");

/**
 * The file system is written as it will be found: inode tables and journal zeroed here, where zeros cost nothing, or every
 * instance would do it in its first minutes. Left out is what GRUB 2.06 cannot read.
 */
const makeFileSystem = (path: string, root: string, sizeMiB: number, signal: AbortSignal) => {
  const offset = partitions.root.startMiB * mebibyte;
  const extended = `offset=${offset},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0`;
  const features = "^metadata_csum_seed,^orphan_file";
  const options = ["-q", "-F", "-t", "ext4", "-L", "root", "-m", "1", "-O", features, "-E", extended];
  return run("mke2fs", [...options, "-d", root, path, `${sizeMiB}m`], { signal });
};

/** What grub-install puts into /boot/grub for a platform, and the core image that knows where that is. */
const installGrub = async (
  root: string,
  platform: "i386-pc" | "x86_64-efi",
  modules: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> => {
  const dir = `/boot/grub/${platform}`;
  await mkdir(join(root, dir), { recursive: true });
  await cp(join(root, "usr/lib/grub", platform), join(root, dir), {
    recursive: true,
    preserveTimestamps: true,
    filter: (source) => !/\.(img|image|module|efi)$|\/monolithic$/.test(source),
  });
  const prefix = `(,gpt${partitions.root.number})/boot/grub`;
  const core = `${dir}/core.${platform === "i386-pc" ? "img" : "efi"}`;
  const image = ["-O", platform, "-p", prefix, "-o", core, ...modules];
  await run("chroot", [root, "grub-mkimage", ...image], { signal });
  return readFile(join(root, core));
};

/** GRUB where any UEFI looks on a disk it knows nothing of, in a file system of FAT. */
const makeUefiPartition = async (path: string, root: string, signal: AbortSignal): Promise<void> => {
  const { startMiB, sizeMiB } = partitions.uefi;
  await installGrub(root, "x86_64-efi", ["part_gpt", "ext2"], signal);
  const partition = `${path}.uefi`;
  await writeFile(partition, "");
  await truncate(partition, sizeMiB * mebibyte);
  await run("mkfs.vfat", ["--invariant", "-F", "12", "-n", "UEFI", partition], { signal });
  await run("mmd", ["-i", partition, "::EFI", "::EFI/BOOT"], { signal });
  const core = join(root, "boot/grub/x86_64-efi/core.efi");
  await run("mcopy", ["-i", partition, core, "::EFI/BOOT/BOOTX64.EFI"], { signal });
  await using disk = await open(path, "r+");
  await disk.write(await readFile(partition), 0, sizeMiB * mebibyte, startMiB * mebibyte);
  await rm(partition);
};

/**
 * What grub-bios-setup does: boot.img into the first sector, before the partition table; the core image into its partition;
 * into each the number of the sector that follows it, at the places GRUB's boot.h and diskboot.h define.
 */
const writeBootSectors = async (path: string, boot: Buffer, core: Buffer): Promise<void> => {
  const coreStart = (partitions.bios.startMiB * mebibyte) / sector;
  boot.writeBigUInt64LE(BigInt(coreStart), 0x5c);
  // Two no-ops for the check of the drive number, as for any hard disk: some firmware passes a wrong one.
  boot.writeUInt16LE(0x9090, 0x66);
  core.writeBigUInt64LE(BigInt(coreStart + 1), sector - 12);
  await using disk = await open(path, "r+");
  await disk.write(boot, 0, 440, 0);
  await disk.write(core, 0, core.length, coreStart * sector);
  await disk.sync();
};
