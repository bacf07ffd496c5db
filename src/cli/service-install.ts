import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { entryFiles } from "#checkout.ts";
import { isAlive } from "#drivers/linux/host-process.ts";
import { debianPackages } from "#setup/debian-packages.ts";
import { readChoices, readSettings } from "#setup/region-settings.ts";
import { copiedCommand, copyProgram } from "#setup/service/program-copy.ts";
import { hasService, serviceNames } from "#setup/service/service-names.ts";
import { systemctl, systemdRuns } from "#setup/service/systemctl.ts";
import { shutdownUnitText, unitText } from "#setup/service/unit-file.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { copyForCaller } from "#setup/user-copies.ts";
import { Refusal, readOptions, requireRoot } from "./command.ts";
import type { Command } from "./command.ts";
import { findCommand } from "./become.ts";
import { readCacheDir, readDataDir } from "./data-dir.ts";
import { regionOptions, regionUsage } from "./start-options.ts";
import { readRunning } from "./supervise/programs-file.ts";
import { say } from "./terminal.ts";

export const command: Command = {
  usage: `service install [options]

Has systemd run the region, now and after each boot, from a copy of this program that only root can change. Stopping the service
leaves the instances running; when this host goes off, their guests shut down. The same again puts this version, and these options, in place of the last.

${regionUsage}`,
  options: regionOptions,
  async run(args) {
    const { values } = readOptions(args, regionOptions);
    readChoices(values);
    const dataDir = readDataDir(values["data-dir"]);
    const cacheDir = readCacheDir(values["cache-dir"]);
    if (!findCommand("systemctl"))
      throw new Refusal(
        "there is no systemd here: have what runs services on this host run croft start, and end it by SIGTERM to that process alone",
      );
    requireRoot("to install a service");
    if (readSettings(dataDir)?.machines === "fake")
      throw new Refusal(`the region at ${dataDir} has fake machines, and a service runs real ones only`);
    const supervisor = readRunning(dataDir)?.supervisor;
    if (!hasService(dataDir) && supervisor && isAlive(supervisor))
      throw new Refusal(`the region at ${dataDir} runs (process ${supervisor.pid}): croft down first`, 1);
    await setUpPackages(debianPackages, { yes: values.yes ?? false });

    const { unit, unitFile, shutdownUnit, shutdownUnitFile, copy } = serviceNames(dataDir);
    copyProgram(copy);
    const places = ["--data-dir", dataDir, "--cache-dir", cacheDir];
    const text = unitText({
      description: `Croft, an EC2 region on this host, at ${dataDir}`,
      command: [...copiedCommand(copy, entryFiles.cli), "start", ...places, ...startOptions(values)],
      paths: [dataDir, cacheDir],
    });
    writeUnit(unitFile, text);
    writeUnit(
      shutdownUnitFile,
      shutdownUnitText({
        description: `Shutdown of the instances of ${dataDir}`,
        command: [...copiedCommand(copy, entryFiles.cli), "down", "--before-host", "--data-dir", dataDir],
        unit,
      }),
    );
    systemctl("daemon-reload");
    systemctl("enable", unit, shutdownUnit);
    if (!systemdRuns()) {
      say(
        `${unit} is installed; systemd does not run here, so the region starts when it next boots this host`,
      );
      return 0;
    }
    say(`starting ${unit}; journalctl -fu ${unit} shows what it does`);
    systemctl("restart", unit);
    copyForCaller(dataDir);
    say("the region runs, and starts with this host");
    return 0;
  },
};

const writeUnit = (file: string, text: string): void => {
  if (existsSync(file) && readFileSync(file, "utf8") === text) return;
  rmSync(file, { force: true });
  writeFileSync(file, text, { mode: 0o644 });
};

type RegionValues = ReturnType<typeof readOptions<typeof regionOptions>>["values"];

/** Those that were given, as the service is to be told them. */
const startOptions = ({
  "data-dir": _dataDir,
  "cache-dir": _cacheDir,
  yes: _yes,
  ...rest
}: RegionValues): string[] =>
  Object.entries(rest).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((it) => typeof it === "string")
      .map((it) => `--${name}=${namesFile.has(name) ? resolve(it) : it}`),
  );

/** The service starts in another directory. */
const namesFile: ReadonlySet<string> = new Set(["tls-cert", "tls-key", "master-key-file"]);
