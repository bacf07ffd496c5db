import { setTimeout as delay } from "node:timers/promises";
import { layout } from "#config.ts";
import { newId } from "#services/ec2/chance.ts";
import { importedSnapshot } from "#services/ec2/import-task/import-task-reconciler.ts";
import { recordKey } from "#services/ec2/records.ts";
import type { SnapshotRecord } from "#services/ec2/snapshot/snapshot.ts";
import { ownHostId } from "#services/host/host-id.ts";
import { packagesFor } from "#setup/debian-packages.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import type { Store } from "#store/store.ts";
import { Refusal, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { checkedImport, importDisk, importOptions, importUsage } from "./import-disk.ts";
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
are handled in a jail and converted. Prints the snapshot's id. The region is to be running.

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
    await importDisk(source, id, disk, dataDir, async (store, importAs) => {
      await importAs(async ({ sizeGiB }) => {
        const snapshot = importedSnapshot(id, sizeGiB, ownHostId(layout(dataDir).hostId), new Date());
        const value = { ...snapshot, description: values.description };
        await store.commit({ expect: [{ absent: key }], put: [{ key, value }] });
      });
      await completed(key, store);
    });
    printId(values.json, id);
    return 0;
  },
};

/** croft-host takes the file for the snapshot's own. */
const completed = async (key: string, store: Store): Promise<void> => {
  for (;;) {
    const snapshot = (await store.get(key))?.value as SnapshotRecord | undefined;
    const { so } = snapshot ?? { so: { failed: "it was deleted meanwhile" } };
    if (so.failed !== undefined) throw new Refusal(`the snapshot could not be made: ${so.failed}`, 1);
    if (snapshot?.so.completedAt !== undefined) return;
    await delay(100);
  }
};
