import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { layout } from "#config.ts";
import { socketPath } from "#drivers/machine/qemu/qemu-process.ts";
import { Qmp } from "#drivers/machine/qemu/qmp.ts";

/** An instance's processors stand still, as all do while their host sleeps. Croft, which would have its socket, must not run. */
export const standStill = async (dataDir: string, instanceId: string, forMs: number): Promise<void> => {
  const machine = await Qmp.connect(
    socketPath(join(layout(dataDir).machinesDir, instanceId), "qmp"),
    AbortSignal.timeout(10_000),
  );
  await machine.execute("stop");
  await delay(forMs);
  await machine.execute("cont");
  machine.close();
};
