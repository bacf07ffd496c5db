import { layout } from "#config.ts";
import { newId } from "#services/ec2/chance.ts";
import { importedSnapshot } from "#services/ec2/import-task/import-task-reconciler.ts";
import { recordKey } from "#services/ec2/records.ts";
import { ownHostId } from "#services/host/host-id.ts";
import { packagesFor } from "#setup/debian-packages.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { Refusal, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { encryptedByDefault } from "./encrypted-by-default.ts";
import { checkedImport, completed, importDisk, importOptions, importUsage } from "./import-disk.ts";
import { jsonOption, jsonUsage, printId } from "./json.ts";
import { requireRunning } from "./running-region.ts";

const options = {
  ...dataDirOption,
  ...jsonOption,
  ...importOptions,
  description: { type: "string", default: "" },
} as const;

export const command: Command = {
  usage: `snapshot import [options] FILE|URL

Makes a snapshot of the region, owned by its account, of a disk: one file that this host has, or that http or https serves. Its bytes
are handled in a jail and converted. Prints the snapshot's id. The region is to be running. If the account encrypts by default it is encrypted.

  --description TEXT
${importUsage}
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const source = onlyArgument(positionals, "which disk? croft snapshot import FILE|URL");
    const dataDir = readDataDir(values["data-dir"]);
    const scope = requireSettings(dataDir);
    const disk = checkedImport(values);
    if (values.description.length > 255) throw new Refusal("--description has at most 255 characters");
    if (scope.machines === "fake") throw new Refusal("a region of fake machines makes nothing of a disk");
    requireRoot("to handle the disk as a user that may do nothing else");
    requireRunning(dataDir);
    await setUpPackages(packagesFor.x86_64, values);

    const id = newId("snap");
    const key = recordKey("snapshot", scope, id);
    await importDisk(source, disk, dataDir, async (store, importAs) => {
      const encrypted = await encryptedByDefault(id, store, dataDir);
      await importAs(id, encrypted?.secret, async ({ sizeGiB }) => {
        const snapshot = importedSnapshot(id, sizeGiB, ownHostId(layout(dataDir).hostId), new Date());
        const encryption = encrypted && { encryption: encrypted.encryption };
        const value = { ...snapshot, ...encryption, description: values.description };
        await store.commit({ expect: [{ absent: key }], put: [{ key, value }] });
      });
      await completed(key, store);
    });
    printId(values.json, id);
    return 0;
  },
};
