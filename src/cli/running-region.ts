import { isAlive } from "#drivers/linux/host-process.ts";
import { Refusal } from "./command.ts";
import { type Running, readRunning } from "./supervise/programs-file.ts";

/** How the region's programs were started. Throws `Refusal` when its API does not run. */
export const requireRunning = (dataDir: string): Running => {
  const running = readRunning(dataDir);
  const croft = running?.programs["croft"];
  if (!running || !croft || !isAlive(croft))
    throw new Refusal(`the region at ${dataDir} does not run: croft start first`, 1);
  return running;
};
