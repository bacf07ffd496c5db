import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { lockIsCompliance, snapshotInState, snapshotNotFound, snapshotNotLocked } from "../errors.ts";
import { describeLock, lockFilters, lockOf, lockState } from "./snapshot-lock.ts";
import { findSnapshot, snapshotArn, snapshotsThere, type SnapshotRecord } from "./snapshot.ts";

interface LockPlan extends OperationPlan {
  readonly snapshot: SnapshotRecord;
}

export const snapshotLockOperations = {
  LockSnapshot: {
    resolve(input, context): LockPlan {
      const snapshot = findSnapshot(input.SnapshotId, context);
      if (snapshot.so.failed !== undefined) throw snapshotInState("error");
      return rewritten({ ...snapshot, lock: lockOf(input, snapshot, context.now()) }, context);
    },
    answer({ snapshot }: LockPlan, { accountId, now }) {
      const { OwnerId: _, ...lock } = describeLock(snapshot, accountId, now());
      return lock;
    },
  },

  UnlockSnapshot: {
    resolve({ SnapshotId: id }, context): LockPlan {
      const { lock: _, ...snapshot } = findSnapshot(id, context);
      const state = lockState(findSnapshot(id, context), context.now());
      if (state === undefined) throw snapshotNotLocked(id);
      if (state === "compliance") throw lockIsCompliance(id);
      return rewritten(snapshot, context);
    },
    answer: ({ snapshot }: LockPlan) => ({ SnapshotId: snapshot.id }),
  },

  DescribeLockedSnapshots: {
    resolve(input, context) {
      const now = context.now();
      const there = snapshotsThere(context.records, input.SnapshotIds);
      return describe(there, input, {
        ids: input.SnapshotIds,
        parameter: "snapshotIds",
        missing: snapshotNotFound,
        filters: lockFilters(now),
        shows: (it) => lockState(it, now) !== undefined,
        bounds: { min: 5, max: 1000 },
      });
    },
    answer: (
      { items, nextToken }: { items: readonly SnapshotRecord[]; nextToken?: string },
      { accountId, now },
    ) => ({
      Snapshots: items.map((it) => describeLock(it, accountId, now())),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const rewritten = (snapshot: SnapshotRecord, context: Ec2Context): LockPlan => ({
  touches: [{ arn: snapshotArn(snapshot.id, context), tags: snapshot.tags }],
  transaction: context.records.rewrite("snapshot", snapshot),
  snapshot,
});
