import { readOptions } from "./command.ts";
import type { Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { apiEndpoint } from "#setup/api-endpoint.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { health } from "./supervise/health.ts";
import type { Health } from "./supervise/health.ts";
import { isAlive } from "#drivers/linux/host-process.ts";
import { programNames, readRunning } from "./supervise/programs-file.ts";

export const command: Command = {
  usage: `status [options]

Says which programs are up and what the region is working on. Exits 0 when it is ready, else 3.

  --json             the same for scripts
${dataDirUsage}`,
  async run(args) {
    const { values } = readOptions(args, { ...dataDirOption, json: { type: "boolean" } });
    const status = await regionStatus(readDataDir(values["data-dir"]));
    process.stdout.write(values.json ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
    return status.health?.status === "ready" ? 0 : 3;
  },
};

export interface RegionStatus {
  readonly api: string;
  /** The pid of each program that is up, else null. */
  readonly programs: Readonly<Record<string, number | null>>;
  /** Null when the API does not answer. */
  readonly health: Health | null;
}

const regionStatus = async (dataDir: string): Promise<RegionStatus> => {
  const settings = requireSettings(dataDir);
  const { machines } = settings;
  const { url, localUrl } = apiEndpoint(dataDir, settings);
  const running = readRunning(dataDir);
  const pidOf = (name: string): number | null => {
    const ref = running?.programs[name];
    return ref && isAlive(ref) ? ref.pid : null;
  };
  const programs = Object.fromEntries(
    (machines === "fake" ? ["croft"] : programNames).map((name) => [name, pidOf(name)]),
  );
  // With no program of ours up, whatever answers at the port is another's.
  return {
    api: url,
    programs,
    health: programs["croft"] ? ((await health(localUrl)) ?? null) : null,
  };
};

export const statusText = ({ api, programs, health: answer }: RegionStatus): string => {
  const { status = "does not answer", ...rest } = answer ?? {};
  const rows = [
    ["API", `${api} ${status}`],
    ...Object.entries(programs).map(([name, pid]) => [name, pid === null ? "down" : `up, process ${pid}`]),
    ...Object.entries(rest).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length)) + 2;
  return rows.map(([name = "", value]) => `${name.padEnd(width)}${value}\n`).join("");
};
