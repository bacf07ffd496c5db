import { setTimeout as delay } from "node:timers/promises";
import { Refusal } from "./command.ts";
import { callCroft } from "./region-api.ts";
import { say } from "./terminal.ts";

const patienceMs = 10 * 60_000;

/** Asks every running instance, of every account and region, to stop and returns when none runs. Throws `Refusal` after 10 min. */
export const stopInstances = async (dataDir: string): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    // One that is pending can only be stopped once it runs.
    const { Stopping: stopping, Left: left } = (await callCroft(dataDir, "StopInstances", {})) as Answer;
    if (stopping.length > 0) say(`stopping ${stopping.join(" ")}`);
    if (left.length === 0) return;
    if (performance.now() > deadline)
      throw new Refusal(`these did not stop within ${patienceMs / 60_000} min: ${left.join(" ")}`, 1);
    if (stopping.length === 0) await delay(500);
  }
};

interface Answer {
  readonly Stopping: readonly string[];
  readonly Left: readonly string[];
}
