import type { OperationPlan } from "#api/operation.ts";
import {
  isThere,
  sharedSnapshots,
  snapshotArn,
  snapshotState,
  type SnapshotRecord,
} from "../ec2/snapshot/snapshot.ts";
import type { EbsContext } from "./context.ts";
import { invalidSnapshotId, snapshotNotCompleted, snapshotNotFound } from "./errors.ts";

/** One's own, or one that is shared. Throws ResourceNotFoundException and ValidationException. */
export function completed(id: string, context: EbsContext): SnapshotRecord {
  const shared = sharedSnapshots(context.records).find((it) => it.id === id);
  const snapshot = shared ?? findSnapshot(id, context);
  const state = snapshotState(snapshot);
  if (state !== "completed") throw snapshotNotCompleted(id, state);
  return snapshot;
}

/** One's own. Throws ResourceNotFoundException and ValidationException. */
export function findSnapshot(id: string, { records }: EbsContext): SnapshotRecord {
  if (!/^snap-[0-9a-f]+$/.test(id)) throw invalidSnapshotId(id);
  const snapshot = records.get("snapshot", id);
  if (!snapshot || !isThere(snapshot)) throw snapshotNotFound(id);
  return snapshot;
}

export const touching = ({ id, tags }: SnapshotRecord, context: EbsContext): OperationPlan => ({
  touches: [{ arn: snapshotArn(id, context), tags }],
});
