import type { MachineDriver } from "#drivers/machine/machine-driver.ts";
import { moved, type Outcome } from "#reconcile/outcome.ts";
import type { Transaction } from "#store/store.ts";
import type { InstanceRecord } from "../instance/instance.ts";
import type { Ec2Records } from "../records.ts";
import { together } from "../together.ts";
import { attachedTo, attachmentTo, detachedFrom, volumeState } from "../volume/volume.ts";
import { taskUnderWay, type Root, type RootReplacementRecord } from "./root-replacement.ts";

interface ExchangeHost {
  readonly machines: Pick<MachineDriver, "remove">;
  readonly now: () => Date;
}

/**
 * Gives an instance whose machine is off, or shall be, the root volume that a task has for it; undefined: there is no such task.
 * Whoever starts a machine asks this first. What the firmware remembers of the original goes with the machine.
 */
export async function replaceRoot(
  instance: InstanceRecord,
  records: Ec2Records,
  host: ExchangeHost,
): Promise<Outcome | undefined> {
  const task = taskUnderWay(instance.id, records);
  if (!task?.so.begun || task.so.exchanged || task.so.failed !== undefined) return undefined;
  const exchange = exchanged(instance, [task.from, task.to], records, host.now());
  if (typeof exchange === "string") return moved(failed(task, exchange, records));
  await host.machines.remove(instance.id);
  return moved(together(exchange, rewritten(task, { exchanged: true }, records)));
}

/** Gives an instance that does not start with its new root volume the original again; undefined: it has none to go back to. */
export async function putRootBack(
  instance: InstanceRecord,
  why: string,
  records: Ec2Records,
  host: ExchangeHost,
): Promise<Outcome | undefined> {
  const task = taskUnderWay(instance.id, records);
  if (!task?.so.exchanged || task.so.failed !== undefined) return undefined;
  const exchange = exchanged(instance, [task.to, task.from], records, host.now());
  if (typeof exchange === "string") return undefined;
  await host.machines.remove(instance.id);
  return moved(together(exchange, failed(task, why, records)));
}

export const failed = (task: RootReplacementRecord, why: string, records: Ec2Records): Transaction =>
  rewritten(task, { failed: why }, records);

export const rewritten = (
  task: RootReplacementRecord,
  so: RootReplacementRecord["so"],
  records: Ec2Records,
): Transaction => records.rewrite("replace-root-volume-task", { ...task, so: { ...task.so, ...so } });

/** Both volumes and what the instance is with them in one transaction; or why it cannot be. */
function exchanged(
  instance: InstanceRecord,
  [out, into]: readonly [Root, Root],
  records: Ec2Records,
  now: Date,
): Transaction | string {
  const { id: instanceId, rootDevice: device } = instance;
  const before = records.volumesOf(instanceId).find((it) => attachmentTo(instanceId, it)?.device === device);
  if (before?.id !== out.volumeId) return `${out.volumeId} is no longer the root volume of ${instanceId}`;
  const after = records.get("volume", into.volumeId);
  if (!after || volumeState(after) !== "available") return `${into.volumeId} is no longer available`;
  const { deleteOnTermination } = into;
  const attachment = { instanceId, device, attachedAt: now.toISOString(), deleteOnTermination };
  return together(
    records.rewrite("volume", detachedFrom(instanceId, before)),
    records.rewrite("volume", attachedTo(after, attachment)),
    records.rewrite("instance", withRoot(instance, out, into, records)),
  );
}

/** Of the volumes that were its root it remembers those that have snapshots, or may have. */
function withRoot(
  { bootMode: _, ...instance }: InstanceRecord,
  out: Root,
  { imageId, bootMode, launchedFrom, volumeId }: Root,
  records: Ec2Records,
): InstanceRecord {
  const formerRoots = [...(instance.formerRoots ?? []), out.volumeId].filter(
    (id) => id !== volumeId && (records.get("volume", id) ?? records.snapshotsOf(id)[0]) !== undefined,
  );
  return { ...instance, imageId, ...(bootMode && { bootMode }), launchedFrom, formerRoots };
}
