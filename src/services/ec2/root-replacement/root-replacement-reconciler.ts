import { moved, settled, type Outcome } from "#reconcile/outcome.ts";
import type { Transaction } from "#store/store.ts";
import { isChangeable } from "../instance/instance-change.ts";
import { rebooted, type InstanceRecord } from "../instance/instance.ts";
import type { Ec2Records } from "../records.ts";
import { together } from "../together.ts";
import { deletedVolume } from "../volume/volume.ts";
import { failed, rewritten } from "./root-exchange.ts";
import { hasEnded, type RootReplacementRecord } from "./root-replacement.ts";

interface RootReplacementHost {
  readonly hostId: string;
  readonly now: () => Date;
}

/**
 * Has the instance rebooted once the replacement has its bytes, and ends the task when the instance is at rest again. In between its own
 * reconciler exchanges the volumes, as only that starts and ends its machine.
 */
export function reconcileRootReplacement(
  id: string,
  records: Ec2Records,
  host: RootReplacementHost,
): Outcome {
  const task = records.get("replace-root-volume-task", id);
  const instance = task && records.get("instance", task.instanceId);
  if (!instance || hasEnded(task) || instance.hostId !== host.hostId) return settled;
  const { begun, exchanged, failed: why } = task.so;
  if (exchanged || why !== undefined) return isAtRest(instance) ? moved(end(task, records, host)) : settled;
  if (!isChangeable(instance)) return moved(failed(task, "its instance was terminated", records));
  return begun ? settled : begin(task, instance, records);
}

/** So the instance runs on while the replacement is made, and if it cannot be. */
function begin(task: RootReplacementRecord, instance: InstanceRecord, records: Ec2Records): Outcome {
  const replacement = records.get("volume", task.to.volumeId);
  if (!replacement || replacement.deleting || replacement.bin || replacement.attachments.length > 0)
    return moved(failed(task, `${task.to.volumeId} is no longer available`, records));
  if (replacement.so.failed !== undefined) return moved(failed(task, replacement.so.failed, records));
  if (!replacement.so.ready) return settled;
  const reboot = records.rewrite("instance", rebooted(instance));
  return moved(together(reboot, rewritten(task, { begun: true }, records)));
}

/** With it goes the volume that nobody wants any more, unless somebody has attached it since. */
function end(task: RootReplacementRecord, records: Ec2Records, { now }: RootReplacementHost): Transaction {
  const done = task.so.failed === undefined;
  const goes = done ? task.deleteReplaced && task.from : task.made && task.to;
  const volume = goes ? records.get("volume", goes.volumeId) : undefined;
  const left = volume && volume.attachments.length > 0 ? undefined : volume;
  return together(
    rewritten(task, { endedAt: now().toISOString() }, records),
    left
      ? records.rewrite("volume", done ? deletedVolume(left, records, now()) : { ...left, deleting: true })
      : {},
  );
}

/** It is what was wanted of it last, so its machine has been off since the reboot was wanted. */
const isAtRest = ({ wanted, so }: InstanceRecord): boolean =>
  so.generation === wanted.generation && (so.state !== "running" || so.reboots === wanted.reboots);
