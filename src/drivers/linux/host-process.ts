import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** One process of this host for ever: ids are used again, but not with the same start and boot. */
export interface HostProcess {
  readonly pid: number;
  /** Clock ticks (1/100 s) from the host's boot. */
  readonly startTicks: number;
  readonly bootId: string;
}

/** Changes with every boot of this host. */
export const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** The process that has this id now. */
export const identify = (pid: number): HostProcess | undefined => {
  const startTicks = statOf(pid)?.startTicks;
  return startTicks === undefined ? undefined : { pid, startTicks, bootId: bootId() };
};

/** A process that ended but was not yet waited for by its parent is not alive. */
export const isAlive = ({ pid, startTicks, bootId: boot }: HostProcess): boolean => {
  const stat = statOf(pid);
  return (
    stat !== undefined && stat.startTicks === startTicks && !"ZX".includes(stat.state) && boot === bootId()
  );
};

export const ageMs = ({ startTicks }: HostProcess): number =>
  Number.parseFloat(readFileSync("/proc/uptime", "utf8")) * 1000 - startTicks * 10;

/** How long its threads of such names have run, added up; 0 once it is gone. */
export const threadTimeMs = (target: HostProcess, name: RegExp): number => {
  if (!isAlive(target)) return 0;
  const tasks = `/proc/${target.pid}/task`;
  const stats = readdirSync(tasks).map((thread) => readIfPresent(`${tasks}/${thread}/stat`));
  return stats.reduce((sum, text) => sum + (name.test(nameIn(text)) ? runMsIn(text) : 0), 0);
};

const nameIn = (stat: string): string => stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));

/** User and system time, the 14th and 15th field, in ticks of 10 ms. */
const runMsIn = (stat: string): number => {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

/** Whether it is gone, looked for during at most `withinMs`. */
export const isGone = async (process: HostProcess, withinMs: number): Promise<boolean> => {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await sleep(5))
    if (!isAlive(process)) return true;
  return !isAlive(process);
};

/** Kills it, unless another process has its id by now; it is gone when this returns. */
export const endProcess = async (target: HostProcess): Promise<void> => {
  try {
    if (isAlive(target)) process.kill(target.pid, "SIGKILL");
  } catch (error) {
    if (isAlive(target)) throw error;
  }
  if (!(await isGone(target, 10_000))) throw new Error(`process ${target.pid} does not die`);
};

/** The processes started with this setting in their environment. */
export const startedWith = (setting: string): HostProcess[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(setting))
    .map((name) => identify(Number(name)))
    .filter((found) => found !== undefined);

/** proc(5): the name is in parentheses and may hold anything; state is the third field, start time the 22nd. */
const statOf = (pid: number): { readonly state: string; readonly startTicks: number } | undefined => {
  const text = readIfPresent(`/proc/${pid}/stat`);
  const [state, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return text === "" || state === undefined ? undefined : { state, startTicks: Number(rest[18]) };
};

const environmentOf = (pid: string): string[] => readIfPresent(`/proc/${pid}/environ`).split("\0");

/** A process may end, or be beyond our reach, while it is looked at. */
const readIfPresent = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};
