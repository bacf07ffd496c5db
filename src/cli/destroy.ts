import { rmSync } from "node:fs";
import { hostNames, layout, storeKeysDir } from "#config.ts";
import { destroyMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { destroyNetworks } from "#drivers/network/netns/netns-networks.ts";
import { releasePool } from "#setup/claim-pool.ts";
import { leaveCache } from "#setup/image-cache.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { removeUserCopies } from "#setup/user-copies.ts";
import { debianPackages, missingPackages } from "#setup/debian-packages.ts";
import { hasService, serviceNames } from "#setup/service/service-names.ts";
import { Refusal, readOptions, requireRoot } from "./command.ts";
import type { Command } from "./command.ts";
import {
  cacheDirOption,
  cacheDirUsage,
  dataDirOption,
  dataDirUsage,
  readCacheDir,
  readDataDir,
} from "./data-dir.ts";
import { takeDown } from "./down.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { uninstallService } from "./service-uninstall.ts";
import { readRunning } from "./supervise/programs-file.ts";
import { say } from "./terminal.ts";

const options = {
  ...dataDirOption,
  ...cacheDirOption,
  ...jsonOption,
  yes: { type: "boolean" },
  "keep-images": { type: "boolean" },
  purge: { type: "boolean" },
} as const;

export const command: Command = {
  usage: `destroy --yes [options]

Ends the region and removes all of it: instances with their disks, networks, records, keys; and the baked images
when no other region of this machine uses them. Nothing of it can be had back.

  --purge            the service that runs it, too; and name the Debian packages that stay
${jsonUsage}
  --keep-images      leave the baked images for the next region
${dataDirUsage}
${cacheDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    const dataDir = readDataDir(values["data-dir"]);
    // Also what keeps a mistyped path from being removed.
    const { region, publicPool, machines } = requireSettings(dataDir);
    if (machines === "qemu") requireRoot("to remove machines and networks");
    if (!values.yes) {
      throw new Refusal(
        `this would remove the region ${region} at ${dataDir} with all instances and disks: add --yes to do so`,
      );
    }
    if (hasService(dataDir) && !values.purge)
      throw new Refusal(
        `${serviceNames(dataDir).unit} would make it anew at the next boot: croft service uninstall first, or add --purge`,
      );
    const cacheDir = readCacheDir(values["cache-dir"] ?? readRunning(dataDir)?.cacheDir);
    const { prefix } = hostNames(dataDir);
    if (values.purge) uninstallService(dataDir);
    await takeDown(dataDir);
    if (machines === "qemu") {
      await destroyMachines({ directory: layout(dataDir).machinesDir, cgroup: prefix });
      await destroyNetworks(prefix);
      releasePool(publicPool);
    }
    removeUserCopies(dataDir);
    for (const dir of [storeKeysDir(dataDir), layout(dataDir).runDir, dataDir])
      rmSync(dir, { recursive: true, force: true });
    if (machines === "qemu") leaveCache(cacheDir, dataDir, { keepImages: values["keep-images"] ?? false });
    if (values.json) printJson({ destroyed: dataDir });
    else say(`the region at ${dataDir} is gone`);
    if (values.purge) sayWhatStays();
    return 0;
  },
};

/** Packages are never removed: whether something else of this host uses them by now, it alone knows. */
const sayWhatStays = (): void => {
  const missing = missingPackages(debianPackages);
  const present = debianPackages.filter((it) => !missing.includes(it)).map(({ name }) => name);
  say(
    `these Debian packages stay; apt-get purge removes those that nothing else needs: ${present.join(" ")}`,
  );
};
