import { setTimeout as delay } from "node:timers/promises";
import { Refusal } from "./command.ts";
import { callEc2, valuesOf } from "./region-api.ts";
import { say } from "./terminal.ts";

const patienceMs = 10 * 60_000;

/** Asks every running instance to stop, as StopInstances does, and returns when none runs. Throws `Refusal` after 10 min. */
export const stopInstances = async (dataDir: string): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  const asked = new Set<string>();
  for (;;) {
    const running = await inState(dataDir, "running");
    const fresh = running.filter((id) => !asked.has(id));
    if (fresh.length > 0) {
      say(`stopping ${fresh.join(" ")}`);
      await callEc2(dataDir, "StopInstances", numbered("InstanceId", fresh));
      for (const id of fresh) asked.add(id);
    }
    // One that is pending can only be stopped once it runs.
    const left = [...running, ...(await inState(dataDir, "pending", "stopping"))];
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      throw new Refusal(`these did not stop within ${patienceMs / 60_000} min: ${left.join(" ")}`, 1);
    }
    await delay(500);
  }
};

const inState = async (dataDir: string, ...states: string[]): Promise<string[]> => {
  const filter = { "Filter.1.Name": "instance-state-name", ...numbered("Filter.1.Value", states) };
  return valuesOf("instanceId", await callEc2(dataDir, "DescribeInstances", filter));
};

const numbered = (name: string, values: readonly string[]) =>
  Object.fromEntries(values.map((value, index) => [`${name}.${index + 1}`, value]));
