import { layout } from "#config.ts";
import { isAlive } from "#drivers/linux/host-process.ts";
import { powerOffMachines } from "#drivers/machine/qemu/power-off-machines.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { Refusal, readOptions, requireRoot } from "./command.ts";
import type { Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { stopInstances } from "./stop-instances.ts";
import { endProcesses } from "./supervise/end-processes.ts";
import { readRunning } from "./supervise/programs-file.ts";
import { endLeftovers } from "./supervise/supervise.ts";
import { say } from "./terminal.ts";

const options = {
  ...dataDirOption,
  ...jsonOption,
  "stop-instances": { type: "boolean" },
  "before-host": { type: "boolean" },
} as const;

export const command: Command = {
  usage: `down [options]

Ends the region's programs. Instances run on, and the next start takes them up again.

  --stop-instances   stop the instances first
  --before-host      this host is about to go off: have the instances' guests shut down, for 90 s at most. Those that ran start
                     again at its next boot
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    const dataDir = readDataDir(values["data-dir"]);
    const { machines } = requireSettings(dataDir);
    if (machines === "qemu") requireRoot("to end the region's programs");
    if (values["stop-instances"]) {
      if (!isUp(dataDir))
        throw new Refusal(
          "the region is not running, so its instances cannot be asked to stop: croft start first",
          1,
        );
      await stopInstances(dataDir);
    }
    const wasRunning = await takeDown(dataDir);
    if (values["before-host"] && machines === "qemu") {
      const left = await powerOffMachines(layout(dataDir).machinesDir, POWER_OFF_MS);
      if (left.length > 0) throw new Refusal(`these did not shut down: ${left.join(" ")}`, 1);
    }
    if (values.json) printJson({ wasRunning });
    else say(wasRunning ? "the region is down" : "the region was not running");
    return 0;
  },
};

/** Ends the supervisor, which ends its programs, and programs that lost theirs. Returns whether anything was running. */
export const takeDown = async (dataDir: string): Promise<boolean> => {
  const running = readRunning(dataDir);
  if (!running) return false;
  const wasUp = [running.supervisor, ...Object.values(running.programs)].some(isAlive);
  // A supervisor gives its programs 4 s.
  await endProcesses([running.supervisor], 8000);
  await endLeftovers(dataDir);
  return wasUp;
};

/** `shutdownUnitText` gives all of it half a minute more. */
const POWER_OFF_MS = 90_000;

const isUp = (dataDir: string): boolean => {
  const running = readRunning(dataDir);
  return running !== undefined && isAlive(running.supervisor);
};
