import { createHash } from "node:crypto";
import { cp, mkdir, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { architectures } from "./architecture.ts";
import { run } from "./command.ts";
import { makeFileSystem } from "./file-system.ts";
import type { Recipe } from "./recipe.ts";
import type { Room } from "./room.ts";

const mebibyte = 1024 * 1024;
const sector = 512;

/** As Debian's cloud images number them, so that the root file system is the last one and can grow. */
const partitions = {
  bios: { number: 14, startMiB: 1, sizeMiB: 1, type: "21686148-6449-6E6F-744E-656564454649" },
  uefi: { number: 15, startMiB: 2, sizeMiB: 8, type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" },
  root: { number: 1, startMiB: 10 },
};

export interface DiskOptions {
  readonly room: Room;
  /** Seconds since 1970: the time that everything on the disk was made, by what the disk says. */
  readonly madeAt: number;
  readonly signal: AbortSignal;
}

/**
 * Lays out a raw disk at `path` (GPT, GRUB for UEFI and, on a PC, for BIOS, the tree of `root` as ext4), without a loop device or a
 * mount. What is otherwise left to chance follows from the recipe.
 */
export const buildDisk = async (
  path: string,
  root: string,
  recipe: Pick<Recipe, "architecture" | "sizeGiB" | "hash">,
  options: DiskOptions,
): Promise<void> => {
  const { signal } = options;
  const { bios } = architectures[recipe.architecture];
  await writeFile(path, "");
  await truncate(path, recipe.sizeGiB * 1024 * mebibyte);
  await run("sfdisk", ["--quiet", path], { signal, input: partitionTable(recipe) });
  const core = bios && (await installGrub(root, "i386-pc", ["biosdisk", "part_gpt", "ext2"], options));
  await makeUefiPartition(path, root, recipe, options);
  await makeFileSystem(path, root, {
    offsetMiB: partitions.root.startMiB,
    sizeMiB: recipe.sizeGiB * 1024 - partitions.root.startMiB - 1,
    uuid: uuidOf(recipe, "file system"),
    hashSeed: uuidOf(recipe, "hash seed"),
    madeAt: options.madeAt,
    signal,
  });
  if (core) await writeBootSectors(path, await readFile(join(root, "usr/lib/grub/i386-pc/boot.img")), core);
};

/** One of this recipe's own, always the same. */
const uuidOf = ({ hash }: Pick<Recipe, "hash">, what: string): string => {
  const digits = createHash("sha256").update(`${what} ${hash}`).digest("hex");
  // Version 8 of RFC 9562: made as one likes.
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-8$3-8$4-$5");
};

const partitionTable = (recipe: Pick<Recipe, "architecture" | "hash">): string => {
  const { bios, rootType } = architectures[recipe.architecture];
  const rows = [...(bios ? [partitions.bios] : []), partitions.uefi, { ...partitions.root, type: rootType }];
  return [
    "label: gpt",
    `label-id: ${uuidOf(recipe, "disk")}`,
    "unit: sectors",
    ...rows.map((partition) => {
      const size = "sizeMiB" in partition ? `size=${(partition.sizeMiB * mebibyte) / sector}, ` : "";
      const uuid = uuidOf(recipe, `partition ${partition.number}`);
      return `${partition.number} : start=${(partition.startMiB * mebibyte) / sector}, ${size}type=${partition.type}, uuid=${uuid}`;
    }),
    "",
  ].join("\n");
};

/** What grub-install puts into /boot/grub for a platform, and the core image that knows where that is. */
const installGrub = async (
  root: string,
  platform: string,
  modules: readonly string[],
  { room, signal }: DiskOptions,
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
  const [file, ...args] = room;
  const image = ["-O", platform, "-p", prefix, "-o", core, ...modules];
  await run(file, [...args, "chroot", root, "grub-mkimage", ...image], { signal });
  return readFile(join(root, core));
};

/** GRUB where any UEFI looks on a disk it knows nothing of, in a file system of FAT. */
const makeUefiPartition = async (
  path: string,
  root: string,
  { architecture }: Pick<Recipe, "architecture">,
  options: DiskOptions,
): Promise<void> => {
  const { signal, madeAt } = options;
  const { startMiB, sizeMiB } = partitions.uefi;
  const { platform, file } = architectures[architecture].uefi;
  await installGrub(root, platform, ["part_gpt", "ext2"], options);
  const partition = `${path}.uefi`;
  const dated = { signal, environment: { SOURCE_DATE_EPOCH: String(madeAt), TZ: "UTC" } };
  await writeFile(partition, "");
  await truncate(partition, sizeMiB * mebibyte);
  await run("mkfs.vfat", ["--invariant", "-F", "12", "-n", "UEFI", partition], dated);
  await run("mmd", ["-i", partition, "::EFI", "::EFI/BOOT"], dated);
  await run(
    "mcopy",
    ["-i", partition, join(root, `boot/grub/${platform}/core.efi`), `::EFI/BOOT/${file}`],
    dated,
  );
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
