import type { Clock } from "#clock.ts";
import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import type { Store } from "#store/store.ts";
import type { ConsoleRecord } from "../ec2/instance/instance.ts";
import type { RegionalRecords } from "../ec2/regional-records.ts";

/** A console that keeps printing is reported this often. */
const intervalMs = 2_000;

/** Brings what machines print on their consoles to GetConsoleOutput; called for each machine that printed. */
export function consoleReports(
  machines: MachineDriver,
  regions: RegionalRecords,
  store: Store,
  clock: Clock,
  log: (line: string) => void,
): (instanceId: string) => void {
  const due = new Set<string>();
  return (id) => {
    if (due.has(id)) return;
    due.add(id);
    clock.setTimeout(() => {
      due.delete(id);
      report(id).catch((error: unknown) => log(`console of ${id}: ${String(error)}`));
    }, intervalMs);
  };

  async function report(id: string): Promise<void> {
    const { key, records } = regions.find("instance", id) ?? {};
    if (key === undefined || !records || records.get("instance", id)?.so.released) return;
    const output = (await machines.console(id)).toString("base64");
    if (output === "" || records.get("console", id)?.output === output) return;
    const value: ConsoleRecord = { id, output, tags: {}, createdAt: clock.now().toISOString() };
    await store.commit({
      expect: [{ exists: key }],
      put: [{ key: records.key("console", id), value }],
    });
  }
}
