import { existsSync, openSync, closeSync, fsyncSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { makeBackup } from "#backup/make-backup.ts";
import { croftVersion } from "#checkout.ts";
import { layout } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { formatOf, migrations } from "#store/sqlite/migrations.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import { Refusal, interruption, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { requireRunning } from "./running-region.ts";
import { progress, say } from "./terminal.ts";

const options = { ...dataDirOption, ...jsonOption, volumes: { type: "boolean" } } as const;

export const command: Command = {
  usage: `backup [options] FILE

Writes the running region into a new file (a tar archive, 0600) that croft restore makes a region of: its records as they are at
one moment, its settings, certificates and keys. Whoever reads the file has the region's keys, and what is encrypted by them, unless
the master key is kept elsewhere (croft start --master-key-file): then the file is worth nothing without that key. Instances run on.

  --volumes          the bytes of volumes and imported images too, as a power cut would leave them; encrypted ones as they lie
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const file = resolve(onlyArgument(positionals, "into which file? croft backup FILE"));
    const dataDir = readDataDir(values["data-dir"]);
    const { machines, masterKeyFile = null } = requireSettings(dataDir);
    if (machines === "fake")
      throw new Refusal("a region of fake machines has nothing but records: end it, and copy its directory");
    requireRoot("to read the region's keys and disks");
    requireRunning(dataDir);
    if (formatOf(layout(dataDir).store) !== migrations.length)
      throw new Refusal("the region runs another version of Croft: croft start of this one first", 1);
    if (existsSync(file)) throw new Refusal(`${file} is there already: a backup is a new file`);
    if (!existsSync(dirname(file))) throw new Refusal(`there is no directory ${dirname(file)}`);
    const { volumes = false } = values;
    await writeBackup(file, dataDir, volumes);
    if (values.json) printJson({ file, volumes, masterKeyFile });
    else {
      say(`${file} has the region${volumes ? " with its volumes" : ", but no bytes of its volumes"}`);
      say(
        masterKeyFile === null
          ? "the master key is in it: who has the file can read all that is encrypted"
          : `the master key ${masterKeyFile} is not in it: keep that too, nothing of it can be restored without`,
      );
    }
    return 0;
  },
};

const writeBackup = async (file: string, dataDir: string, volumes: boolean): Promise<void> => {
  const signal = interruption();
  const work = await mkdtemp(join(dirname(file), `.${basename(file)}.`));
  const bar = progress("backup");
  const store = connectStore(layout(dataDir).storeSocket);
  try {
    const made = await mkdtemp(join(work, "region-"));
    const now = new Date();
    await makeBackup(made, {
      dataDir,
      store,
      version: croftVersion(),
      now,
      volumes,
      progress: bar.show,
      signal,
    });
    bar.show(1, "writing");
    const archive = join(work, "archive");
    closeSync(openSync(archive, "wx", 0o600));
    await run("tar", ["--create", "--sparse", "--file", archive, "--directory", made, "."], {
      timeoutMs: 24 * 3_600_000,
    });
    const fd = openSync(archive, "r");
    fsyncSync(fd);
    closeSync(fd);
    await rename(archive, file);
  } catch (error) {
    if (signal.aborted) throw new Refusal("interrupted: there is no backup", 1);
    throw error;
  } finally {
    bar.end();
    await store.close();
    await rm(work, { recursive: true, force: true });
  }
};
