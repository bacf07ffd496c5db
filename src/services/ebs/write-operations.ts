import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type * as ebs from "@aws-sdk/client-ebs";
import type { CompleteSnapshotRequest } from "@aws-sdk/client-ebs";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { BLOCK_BYTES } from "#drivers/disk/disk-driver.ts";
import type { MakingPlan } from "../ec2/client-token.ts";
import {
  diskOf,
  isPending,
  snapshotState,
  writtenOf,
  type SnapshotRecord,
  type WrittenSnapshot,
} from "../ec2/snapshot/snapshot.ts";
import { describeTags } from "../ec2/tag/tag.ts";
import type { EbsContext } from "./context.ts";
import {
  invalidBlock,
  invalidParameterValue,
  notBegun,
  snapshotNotFound,
  snapshotNotWritten,
  snapshotSealed,
} from "./errors.ts";
import { findSnapshot, touching } from "./find-snapshot.ts";
import { startedSnapshot } from "./started-snapshot.ts";

export const writeOperations = {
  StartSnapshot: {
    resolve: startedSnapshot,
    answer({ made }: MakingPlan, { records, accountId }) {
      const snapshot = records.get("snapshot", made);
      if (!snapshot) throw snapshotNotFound(made);
      return {
        SnapshotId: snapshot.id,
        OwnerId: accountId,
        Status: snapshotState(snapshot) as ebs.Status,
        StartTime: new Date(snapshot.createdAt),
        VolumeSize: snapshot.sizeGiB,
        BlockSize: BLOCK_BYTES,
        Description: snapshot.description || undefined,
        ParentSnapshotId: writtenOf(snapshot)?.parent,
        KmsKeyArn: snapshot.encryption?.keyArn,
        SseType: snapshot.encryption ? ("sse-kms" as const) : ("none" as const),
        Tags: describeTags(snapshot.tags),
      };
    },
  },

  /** The block is kept when this is answered, whatever ends then. */
  PutSnapshotBlock: {
    resolve(input, context): PutPlan {
      const [snapshot] = writable(input.SnapshotId, context);
      const { BlockIndex: index, Checksum: checksum } = input;
      // The wire hands bytes on as they came.
      const bytes = input.BlockData as unknown as Buffer;
      if (!Buffer.isBuffer(bytes) || bytes.length !== BLOCK_BYTES || input.DataLength !== BLOCK_BYTES)
        throw invalidBlock(`A block has exactly ${BLOCK_BYTES} bytes.`);
      if (index >= snapshot.sizeGiB * blocksPerGiB)
        throw invalidBlock(`The block ${index} is beyond the end of the volume.`);
      if (createHash("sha256").update(bytes).digest("base64") !== checksum)
        throw invalidBlock("The checksum is not that of the block's data.");
      return { ...touching(snapshot, context), snapshotId: snapshot.id, index, bytes, checksum };
    },
    async answer({ snapshotId, index, bytes, checksum }: PutPlan, context) {
      await begun(snapshotId, context);
      await context.snapshots.writeBlock(diskOf(snapshotId), index, bytes);
      // One that was sealed meanwhile may not have it.
      writable(snapshotId, context);
      return { Checksum: checksum, ChecksumAlgorithm: "SHA256" as const };
    },
  },

  /** Whoever repeats it is told how far it is. */
  CompleteSnapshot: {
    async resolve(input, context): Promise<CompletionPlan> {
      const { SnapshotId: id, ChangedBlocksCount: count } = input;
      const found = findSnapshot(id, context);
      const sealed = writtenOf(found)?.sealed;
      if (sealed === count) return { ...touching(found, context), snapshotId: id };
      const [snapshot, written] = writable(id, context);
      await checkWritten(input, context);
      const of = { written: { ...written, sealed: count } };
      return {
        ...touching(snapshot, context),
        transaction: context.records.rewrite("snapshot", { ...snapshot, of }),
        snapshotId: id,
      };
    },
    answer({ snapshotId }: CompletionPlan, { records }) {
      const snapshot = records.get("snapshot", snapshotId);
      if (!snapshot) throw snapshotNotFound(snapshotId);
      return { Status: snapshotState(snapshot) as ebs.Status };
    },
  },
} satisfies OperationsOf<typeof ebs, EbsContext>;

interface PutPlan extends OperationPlan {
  readonly snapshotId: string;
  readonly index: number;
  readonly bytes: Buffer;
  readonly checksum: string;
}

interface CompletionPlan extends OperationPlan {
  readonly snapshotId: string;
}

const blocksPerGiB = 1024 ** 3 / BLOCK_BYTES;

/** Throws ResourceNotFoundException and ValidationException. */
function writable(id: string, context: EbsContext): [SnapshotRecord, WrittenSnapshot] {
  const snapshot = findSnapshot(id, context);
  const written = writtenOf(snapshot);
  if (!written || !isPending(snapshot)) throw snapshotNotWritten(id, snapshotState(snapshot));
  if (written.sealed !== undefined) throw snapshotSealed(id);
  return [snapshot, written];
}

/** Resolves once the host has a disk for the blocks, which is at once unless it is away. */
async function begun(id: string, context: EbsContext): Promise<void> {
  for (let looks = 0; looks < 100; looks++) {
    const [snapshot] = writable(id, context);
    if (snapshot.so.begun) return;
    await setTimeout(50);
  }
  throw notBegun(id);
}

/** Throws ValidationException unless the blocks that are there are those that the caller has written. */
async function checkWritten(
  { SnapshotId: id, ChangedBlocksCount: count, Checksum: checksum }: CompleteSnapshotRequest,
  { snapshots }: EbsContext,
): Promise<void> {
  const written = await snapshots.written(diskOf(id ?? ""));
  if (written.count !== count)
    throw invalidParameterValue(`${written.count} blocks were written to the snapshot, not ${count}.`);
  if (checksum !== undefined && checksum !== written.checksum)
    throw invalidParameterValue("The checksum is not that of the blocks that were written.");
}
