import { defaults } from "#config.ts";
import { lookAt, type NamedFinding } from "#setup/checks/check.ts";
import { thisHost } from "#setup/checks/host.ts";
import { kernelReadings, kernelTrials } from "#setup/checks/kernel-checks.ts";
import { regionChecks } from "#setup/checks/region-checks.ts";
import { roomChecks } from "#setup/checks/room-checks.ts";
import { readSettings } from "#setup/region-settings.ts";
import { readOptions, requireRoot, type Command } from "./command.ts";
import {
  cacheDirOption,
  cacheDirUsage,
  dataDirOption,
  dataDirUsage,
  readCacheDir,
  readDataDir,
} from "./data-dir.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { readRunning } from "./supervise/programs-file.ts";

const options = { ...dataDirOption, ...cacheDirOption, ...jsonOption } as const;

export const command: Command = {
  usage: `doctor [options]

Looks at all that a region needs of this host, and at the region if there is one: says what is not as it should be, and what
to do. Exits 1 when something would keep the region from running, else 0.

${jsonUsage}
${dataDirUsage}
${cacheDirUsage}`,
  options,
  async run(args) {
    const { values } = readOptions(args, options);
    if (process.platform === "linux") requireRoot("to look where only root may");
    const dataDir = readDataDir(values["data-dir"]);
    const cacheDir = readCacheDir(values["cache-dir"] ?? readRunning(dataDir)?.cacheDir);
    const checks = [...kernelReadings, ...roomChecks, ...kernelTrials, ...regionChecks];
    const settings = readSettings(dataDir);
    const place = { dataDir, cacheDir, settings, capacity: settings?.capacity ?? defaults.capacity };
    const findings = await lookAt(checks, thisHost, place);
    if (values.json) printJson({ findings });
    else process.stdout.write(findings.map(line).join(""));
    return findings.some(({ verdict }) => verdict === "refusal") ? 1 : 0;
  },
};

/** The remedy stands below what it mends. */
const line = ({ name, verdict, sentence, remedy }: NamedFinding): string =>
  `${marks[verdict]}  ${name.padEnd(20)}${sentence}\n${remedy === undefined ? "" : `${" ".repeat(29)}${remedy}\n`}`;

const marks = { ok: "ok     ", warning: "warning", refusal: "REFUSED" } as const;
