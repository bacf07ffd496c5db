import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { mkdtemp, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { BackupRefused, unpackBackup } from "#backup/restore-backup.ts";
import { layout } from "#config.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { readSealingKey } from "#setup/sealing-key.ts";
import { Refusal, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { say } from "./terminal.ts";

const options = { ...dataDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `restore [options] FILE

Makes a region of what croft backup wrote, in a directory that is empty or not there. The next croft start runs it: instances that
ran start again, with the same addresses. Without the volumes in the backup, put the directory disks of the data directory back
before that; an instance whose disk is missing stops and says so. A master key that was kept elsewhere is needed again: where it
was, or where croft start --master-key-file says.

${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const file = resolve(onlyArgument(positionals, "of which file? croft restore FILE"));
    const dataDir = readDataDir(values["data-dir"]);
    requireRoot("to make what only root may read");
    if (!existsSync(file)) throw new Refusal(`there is no file ${file}`);
    if (existsSync(dataDir) && readdirSync(dataDir).length > 0)
      throw new Refusal(`${dataDir} is not empty: a region is restored into a directory of its own`);
    mkdirSync(dirname(dataDir), { recursive: true });
    const unpacked = await mkdtemp(join(dirname(dataDir), `.${basename(dataDir)}.`));
    try {
      const { croft, madeAt, volumes } = await unpackBackup(file, unpacked, dataDir);
      if (existsSync(dataDir)) await rmdir(dataDir);
      await rename(unpacked, dataDir);
      const without = volumes ? "" : ", without its volumes";
      const { masterKeyFile = null } = requireSettings(dataDir);
      if (values.json) printJson({ dataDir, croft, madeAt, volumes, masterKeyFile });
      else say(`${dataDir} has the region of ${madeAt}, by Croft ${croft}${without}: croft start runs it`);
      const lacking = lackOfKey(dataDir);
      if (lacking !== undefined) say(`not yet: ${lacking}, or name it with croft start --master-key-file`);
    } catch (error) {
      throw error instanceof BackupRefused ? new Refusal(error.message, 1) : error;
    } finally {
      await rm(unpacked, { recursive: true, force: true });
    }
    return 0;
  },
};

/** Why the region's keys do not open; nothing of it is lost by that. */
const lackOfKey = (dataDir: string): string | undefined => {
  try {
    if (existsSync(layout(dataDir).sealingKey)) readSealingKey(dataDir);
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
};
