import type { Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { incorrectInstanceState, incorrectState, instanceNotFound, missingParameter } from "../errors.ts";
import { instanceState, type InstanceRecord } from "./instance.ts";

/** The instances named, each once; an error names all that do not exist. */
export function instancesOf(ids: readonly string[], { records }: Ec2Context): InstanceRecord[] {
  if (ids.length === 0) throw missingParameter("InstanceId");
  const found = [...new Set(ids)].map((id) => ({ id, instance: records.get("instance", id) }));
  const missing = found.filter(({ instance }) => !instance).map(({ id }) => id);
  if (missing.length > 0) throw instanceNotFound(missing);
  return found.flatMap(({ instance }) => instance ?? []);
}

/** One that can still be changed: it is neither terminated nor on its way there. */
export function changeableInstance(id: string, context: Ec2Context): InstanceRecord {
  const [instance] = instancesOf([id], context);
  if (!instance || !isChangeable(instance)) throw incorrectInstanceState(id, "modified");
  return instance;
}

export const isChangeable = (instance: InstanceRecord) =>
  !["shutting-down", "terminated"].includes(instanceState(instance));

export function onlyWhileStopped(instance: InstanceRecord): void {
  if (instanceState(instance) !== "stopped") throw incorrectState(instance.id, "stopped");
}

/** Writes the instances anew, unless one of them changes meanwhile. */
export function rewrite(
  instances: readonly InstanceRecord[],
  { records }: Ec2Context,
): Required<Pick<Transaction, "expect" | "put">> {
  return {
    expect: instances.map(({ id }) => ({
      at: [records.key("instance", id), records.entry("instance", id)?.revision ?? 0],
    })),
    put: instances.map((value) => ({ key: records.key("instance", value.id), value })),
  };
}
