import { readFileSync, readdirSync } from "node:fs";
import { chmod, chown, rm } from "node:fs/promises";
import { join } from "node:path";
import { hostNames, layout } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { migrations } from "#store/sqlite/migrations.ts";
import { manifestFile, type Manifest } from "./manifest.ts";

/** The file is no backup, or one that this version cannot read. */
export class BackupRefused extends Error {
  override readonly name = "BackupRefused";
}

/** Unpacks a backup into the empty directory `into`, which is to become `dataDir`. Throws `BackupRefused`. */
export const unpackBackup = async (file: string, into: string, dataDir: string): Promise<Manifest> => {
  const unpack = [
    "--extract",
    "--file",
    file,
    "--directory",
    into,
    "--no-same-owner",
    "--preserve-permissions",
  ];
  await run("tar", unpack, { timeoutMs: 24 * 3_600_000 }).catch((error: unknown) => {
    throw new BackupRefused(`${file} cannot be unpacked: ${String(error)}`);
  });
  const manifest = readManifest(file, into);
  if (manifest.format > migrations.length)
    throw new BackupRefused(
      `${file} was made by Croft ${manifest.croft}, whose records have format ${manifest.format}: this version knows formats up to ${migrations.length}`,
    );
  // Croft opens its store as its own user, which is another's for another directory.
  const { storeDir } = layout(into);
  const { croft } = hostNames(dataDir).uids;
  for (const path of [storeDir, ...readdirSync(storeDir).map((name) => join(storeDir, name))])
    await chown(path, croft, croft);
  await rm(join(into, manifestFile));
  await chmod(into, 0o711);
  return manifest;
};

const readManifest = (file: string, into: string): Manifest => {
  try {
    return JSON.parse(readFileSync(join(into, manifestFile), "utf8"));
  } catch {
    throw new BackupRefused(`${file} is no backup made by croft backup`);
  }
};
