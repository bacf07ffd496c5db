import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** One process for good: a pid alone is used again after it, and after a reboot. */
export interface ProcessRef {
  readonly pid: number;
  /** When it started, in clock ticks since boot. */
  readonly startTicks: string;
  readonly bootId: string;
}

/** Undefined when there is no such process, or only what is left of it until its parent asks. */
export const processRef = (pid: number): ProcessRef | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold anything; what follows the last one is plain.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = "", startTicks = ""] = [fields[0], fields[19]];
    return "ZX".includes(state) ? undefined : { pid, startTicks, bootId: bootId() };
  } catch {
    return undefined;
  }
};

export const isAlive = (ref: ProcessRef): boolean => {
  const now = processRef(ref.pid);
  return now !== undefined && now.startTicks === ref.startTicks && now.bootId === ref.bootId;
};

/** Asks them all to end, and kills those that have not after `graceMs`. Returns when none is left. */
export const endProcesses = async (refs: readonly ProcessRef[], graceMs: number): Promise<void> => {
  signalAll(refs, "SIGTERM");
  const deadline = performance.now() + graceMs;
  while (refs.some(isAlive) && performance.now() < deadline) await delay(20);
  signalAll(refs, "SIGKILL");
  while (refs.some(isAlive)) await delay(10);
};

const signalAll = (refs: readonly ProcessRef[], signal: NodeJS.Signals): void => {
  for (const ref of refs.filter(isAlive)) {
    try {
      process.kill(ref.pid, signal);
    } catch {
      // It ended between the look and the signal.
    }
  }
};

const bootId = () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
