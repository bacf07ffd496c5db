import { existsSync, rmSync } from "node:fs";
import { removeCopy } from "#setup/service/program-copy.ts";
import { hasService, serviceNames } from "#setup/service/service-names.ts";
import { systemctl } from "#setup/service/systemctl.ts";
import { readOptions, requireRoot } from "./command.ts";
import type { Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { say } from "./terminal.ts";

export const command: Command = {
  usage: `service uninstall [options]

Ends the service and removes what croft service install made: the unit and root's copy of the program. The region stays, and its
instances run on: croft start takes them up again.

${dataDirUsage}`,
  options: dataDirOption,
  async run(args) {
    const { values } = readOptions(args, dataDirOption);
    const dataDir = readDataDir(values["data-dir"]);
    requireRoot("to remove a service");
    say(uninstallService(dataDir) ? "the service is gone" : `no service runs the region at ${dataDir}`);
    return 0;
  },
};

/** Ended, and gone with all that was installed for it. Returns whether there was any. */
export const uninstallService = (dataDir: string): boolean => {
  const { unit, unitFile, shutdownUnit, shutdownUnitFile, copy } = serviceNames(dataDir);
  const was = hasService(dataDir) || existsSync(copy);
  if (hasService(dataDir)) {
    systemctl("stop", unit);
    // One that an earlier version installed has no second.
    const installed = existsSync(shutdownUnitFile) ? [unit, shutdownUnit] : [unit];
    systemctl("disable", ...installed);
    for (const file of [unitFile, shutdownUnitFile]) rmSync(file, { force: true });
    systemctl("daemon-reload");
  }
  removeCopy(copy);
  return was;
};
