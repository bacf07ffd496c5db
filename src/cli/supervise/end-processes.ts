import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "#drivers/linux/host-process.ts";
import type { HostProcess } from "#drivers/linux/host-process.ts";

/** Asks them all to end, and kills those that have not after `graceMs`. Returns when none is left. */
export const endProcesses = async (processes: readonly HostProcess[], graceMs: number): Promise<void> => {
  signalAll(processes, "SIGTERM");
  const deadline = performance.now() + graceMs;
  while (processes.some(isAlive) && performance.now() < deadline) await delay(20);
  signalAll(processes, "SIGKILL");
  while (processes.some(isAlive)) await delay(10);
};

const signalAll = (processes: readonly HostProcess[], signal: NodeJS.Signals): void => {
  for (const { pid } of processes.filter(isAlive)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended between the look and the signal.
    }
  }
};
