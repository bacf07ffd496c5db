import { Refusal } from "#cli/command.ts";
import { say } from "#cli/terminal.ts";
import { lookAt, told, type Check, type RegionPlace } from "./checks/check.ts";
import { thisHost, type Host } from "./checks/host.ts";

/** Warns of what a region will miss here. Throws `Refusal` for what it cannot do without, all of it at once. */
export const requireHost = async (
  checks: readonly Check[],
  region: RegionPlace,
  host: Host = thisHost,
): Promise<void> => {
  const found = await lookAt(checks, host, region);
  for (const finding of found) if (finding.verdict === "warning") say(`warning: ${told(finding)}`);
  const refused = found.filter(({ verdict }) => verdict === "refusal").map(told);
  if (refused.length > 0) throw new Refusal([...refused, stillWorks].join("\ncroft: "));
};

const stillWorks = "what works here as it is: croft start --machines fake, the same API without machines";
