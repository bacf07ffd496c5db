import type { Clock } from "#clock.ts";
import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import type { Store } from "#store/store.ts";
import {
  advanced,
  processorLimit,
  started,
  stopped,
  type CreditAccount,
  type CreditTerms,
} from "../ec2/instance/credit-account.ts";
import { cpuCredits } from "../ec2/instance/cpu-credits.ts";
import { instanceState, type CreditRecord, type InstanceRecord } from "../ec2/instance/instance.ts";
import type { RegionalRecords } from "../ec2/regional-records.ts";
import { repeat } from "./repeat.ts";

/** As often as what an instance has used is counted, and its limit set. */
const countedMs = 10_000;
/** As often as CloudWatch has CPUCreditBalance. A restarted program loses nothing: machines count their own time. */
const recordedMs = 300_000;

/**
 * Counts the CPU credits of this host's burstable instances, slows down those in standard mode that have none, and records the
 * accounts. What is returned does all that once.
 */
export function creditKeeper(
  hostId: string,
  machines: Pick<MachineDriver, "processorMs" | "limitProcessors">,
  regions: RegionalRecords,
  instancesOn: (hostId: string) => InstanceRecord[],
  store: Store,
  clock: Clock,
): (log: (line: string) => void) => Promise<void> {
  const kept = new Map<
    string,
    { account: CreditAccount; recordedAtMs: number; limit?: number | undefined }
  >();

  return async (log) => {
    const instances = instancesOn(hostId);
    for (const instance of instances)
      await count(instance).catch((error: unknown) => log(`credits of ${instance.id}: ${String(error)}`));
    const there = new Set<string>(instances.map(({ id }) => id));
    for (const id of kept.keys()) if (!there.has(id)) kept.delete(id);
  };

  async function count(instance: InstanceRecord): Promise<void> {
    const mode = cpuCredits(instance);
    const { key, records } = regions.find("instance", instance.id) ?? {};
    if (mode === undefined || key === undefined || !records) return;
    const terms: CreditTerms = { type: instance.type, cpus: instance.cpus, mode };
    const now = clock.now().getTime();
    const known = kept.get(instance.id);
    const before = known?.account ?? records.get("credits", instance.id)?.account;
    const ranMs = await machines.processorMs(instance.id);
    const account = next(before, instance, terms, now, ranMs);
    if (!account) return;

    const limit =
      ranMs === undefined ? undefined : processorLimit(account, terms, known?.limit !== undefined);
    // Known from before, or lifted where an earlier program may have set one.
    if (ranMs !== undefined && (!known || limit !== known.limit))
      await machines.limitProcessors(instance.id, limit);
    const due =
      !before || account.running !== before.running || now - (known?.recordedAtMs ?? 0) >= recordedMs;
    kept.set(instance.id, { account, recordedAtMs: due ? now : (known?.recordedAtMs ?? now), limit });
    if (!due) return;
    const value: CreditRecord = {
      id: instance.id,
      account,
      limited: limit !== undefined,
      tags: {},
      createdAt: clock.now().toISOString(),
    };
    await store.commit({
      expect: [{ exists: key }],
      put: [{ key: records.key("credits", instance.id), value }],
    });
  }
}

/** Undefined while there is nothing to count yet. A reboot is no stop, though there may be no process for a moment. */
function next(
  before: CreditAccount | undefined,
  instance: InstanceRecord,
  terms: CreditTerms,
  now: number,
  ranMs: number | undefined,
): CreditAccount | undefined {
  if (ranMs !== undefined)
    return advanced(before?.running ? before : started(before, terms, now), terms, now, ranMs);
  return before?.running && instanceState(instance) === "stopped" ? stopped(before, terms, now) : before;
}

/** Until the signal aborts. */
export const keepCredits = (
  keep: ReturnType<typeof creditKeeper>,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> => repeat(() => keep(log), countedMs, signal);
