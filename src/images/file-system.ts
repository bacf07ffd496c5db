import { lstat, lutimes, readdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.ts";

export interface FileSystemOptions {
  /** Where in the file it begins, and how large it is. */
  readonly offsetMiB: number;
  readonly sizeMiB: number;
  readonly uuid: string;
  readonly hashSeed: string;
  /** Seconds since 1970: whatever is newer gets this time. */
  readonly madeAt: number;
  readonly signal: AbortSignal;
}

/**
 * An ext4 file system of the tree at `root`, within the file at `path`: the same for the same tree, whose files mke2fs takes in the
 * order of their names. It is written as it will be found: inode tables and journal zeroed here, where zeros cost nothing, or every
 * instance would do it in its first minutes. Left out is what GRUB 2.06 cannot read.
 */
export const makeFileSystem = async (
  path: string,
  root: string,
  { offsetMiB, sizeMiB, uuid, hashSeed, madeAt, signal }: FileSystemOptions,
): Promise<void> => {
  await settleTimes(root, madeAt);
  const offset = offsetMiB * 1024 * 1024;
  const extended = `offset=${offset},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0,hash_seed=${hashSeed}`;
  const features = "^metadata_csum_seed,^orphan_file";
  const options = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "root",
    "-m",
    "1",
    "-O",
    features,
    "-U",
    uuid,
    "-E",
    extended,
  ];
  const dated = { signal, environment: { E2FSPROGS_FAKE_TIME: String(madeAt) } };
  await run("mke2fs", [...options, "-d", root, path, `${sizeMiB}m`], dated);

  // When a file was last changed here cannot be set here; mke2fs copies it.
  const made = `${path}?offset=${offset}`;
  const facts = (await run("dumpe2fs", ["-h", made], dated)).toString();
  const count = (what: string) => Number(new RegExp(`^${what}: +(\\d+)$`, "m").exec(facts)?.[1]);
  const last = count("Inode count") - count("Free inodes");
  const changes = Array.from({ length: last }, (_, n) => `set_inode_field <${n + 1}> ctime @${madeAt}\n`);
  await run("debugfs", ["-w", "-f", "-", made], { ...dated, input: changes.join("") });
};

/** What is newer than `madeAt` is of that time; each was last read when it was made. */
const settleTimes = async (path: string, madeAt: number): Promise<void> => {
  const stat = await lstat(path);
  if (stat.isDirectory()) for (const name of await readdir(path)) await settleTimes(join(path, name), madeAt);
  const time = Math.min(madeAt, Math.floor(stat.mtimeMs / 1000));
  await lutimes(path, time, time);
};
