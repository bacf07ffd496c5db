import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "../../linux/host-process.ts";
import { readRecord } from "./machine-record.ts";
import { socketPath } from "./qemu-process.ts";
import { Qmp } from "./qmp.ts";

/**
 * Presses the power button of each machine of `directory` that runs, and returns the ids of those that are not off `patienceMs`
 * later. For a host about to go off, when no driver looks: a driver of this boot would take them for ended by their guests.
 */
export const powerOffMachines = async (directory: string, patienceMs: number): Promise<string[]> => {
  const deadline = performance.now() + patienceMs;
  const ids = existsSync(directory) ? readdirSync(directory) : [];
  const running = ids.filter((id) => isOn(join(directory, id)));
  const left = await Promise.all(
    running.map(async (id) => ((await powerOff(join(directory, id), deadline)) ? [] : [id])),
  );
  return left.flat();
};

/** Whether it is off before `deadline`. */
const powerOff = async (machine: string, deadline: number): Promise<boolean> => {
  let qmp: Qmp | undefined;
  try {
    qmp = await Qmp.connect(socketPath(machine, "qmp"), AbortSignal.timeout(CONNECT_MS));
    // A guest that is only starting does not hear the first time.
    for (let looks = 0; performance.now() < deadline; looks++, await delay(LOOK_MS)) {
      if ((await statusOf(qmp)) === "shutdown") return true;
      if (looks % LOOKS_A_PRESS === 0) await qmp.execute("system_powerdown");
    }
    return false;
  } catch {
    // Whatever it did not answer: what matters is whether it still runs.
    return !isOn(machine);
  } finally {
    qmp?.close();
  }
};

/** Those that serve disks have no guest to power off, and are needed until the others are off. */
const isOn = (machine: string): boolean => {
  const life = readRecord(machine)?.life;
  return life?.state === "running" && !life.spec?.serves && isAlive(life.process);
};

const statusOf = async (qmp: Qmp): Promise<unknown> => {
  const answer = await qmp.execute("query-status");
  return typeof answer === "object" && answer !== null && "status" in answer ? answer.status : undefined;
};

const CONNECT_MS = 10_000;
const LOOK_MS = 250;
const LOOKS_A_PRESS = 40;
