import type { OperationPlan } from "#api/operation.ts";
import {
  isThere,
  sharedSnapshots,
  snapshotArn,
  snapshotState,
  type SnapshotRecord,
} from "../ec2/snapshot/snapshot.ts";
import type { EbsContext } from "./context.ts";
import { useOf } from "../ec2/volume/encryption.ts";
import { invalidSnapshotId, keyRefused, snapshotNotCompleted, snapshotNotFound } from "./errors.ts";

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

/** With the key of one that is encrypted. */
export function touching({ id, tags, encryption }: SnapshotRecord, context: EbsContext): OperationPlan {
  const { touches = [], refusal } = encryption ? useOf(encryption, context) : {};
  return {
    touches: [{ arn: snapshotArn(id, context), tags }, ...touches],
    ...(refusal && { refusal: keyRefused(refusal.message) }),
  };
}
