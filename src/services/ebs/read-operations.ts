import { createHash } from "node:crypto";
import type * as ebs from "@aws-sdk/client-ebs";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { BlockRun } from "#drivers/disk/disk-driver.ts";
import { volumeOf, type SnapshotRecord } from "../ec2/snapshot/snapshot.ts";
import { blockPage, pageStart, type PageStart } from "./block-page.ts";
import { blockToken, opensBlock } from "./block-token.ts";
import type { EbsContext } from "./context.ts";
import { invalidBlockToken, unrelatedSnapshots } from "./errors.ts";
import { completed, touching } from "./find-snapshot.ts";

export const readOperations = {
  ListSnapshotBlocks: {
    resolve(input, context): SnapshotPlan {
      const snapshot = completed(input.SnapshotId, context);
      return { ...touching(snapshot, context), snapshot, page: pageStart(snapshot.id, input) };
    },
    async answer({ snapshot, page }: SnapshotPlan, context) {
      const { indexes, told } = blockPage(await context.snapshots.blocks(snapshot.id), page);
      const { expiry, token } = tokens(context);
      return {
        Blocks: indexes.map((index) => ({ BlockIndex: index, BlockToken: token(snapshot, index) })),
        ExpiryTime: expiry,
        VolumeSize: snapshot.sizeGiB,
        ...told,
      };
    },
  },

  /** Without a first snapshot every block of the second has changed. */
  ListChangedBlocks: {
    resolve(input, context): ChangesPlan {
      const second = completed(input.SecondSnapshotId, context);
      const first =
        input.FirstSnapshotId === undefined ? undefined : completed(input.FirstSnapshotId, context);
      const plans = [first ?? [], second].flat().map((it) => touching(it, context));
      return {
        touches: plans.flatMap(({ touches }) => touches),
        refusal: plans.find(({ refusal }) => refusal)?.refusal,
        first,
        second,
        page: pageStart(`${first?.id ?? ""} ${second.id}`, input),
      };
    },
    async answer({ first, second, page }: ChangesPlan, context) {
      const { snapshots } = context;
      const after = await snapshots.blocks(second.id);
      const before = first ? await snapshots.blocks(first.id) : [];
      const { indexes, told } = blockPage(first ? await changes(first, second, context) : after, page);
      const { expiry, token } = tokens(context);
      const [isIn, wasIn] = [membership(after), membership(before)];
      return {
        ChangedBlocks: indexes.map((index) => ({
          BlockIndex: index,
          FirstBlockToken: first && wasIn(index) ? token(first, index) : undefined,
          SecondBlockToken: isIn(index) ? token(second, index) : undefined,
        })),
        ExpiryTime: expiry,
        VolumeSize: second.sizeGiB,
        ...told,
      };
    },
  },

  GetSnapshotBlock: {
    resolve({ SnapshotId: id, BlockIndex: index, BlockToken: token }, context): BlockPlan {
      const snapshot = completed(id, context);
      if (!opensBlock(token, { snapshotId: id, index }, context.now(), context.tokenKey))
        throw invalidBlockToken();
      return { ...touching(snapshot, context), snapshotId: id, index };
    },
    async answer({ snapshotId, index }: BlockPlan, { snapshots }) {
      const bytes = await snapshots.readBlock(snapshotId, index);
      return {
        DataLength: bytes.length,
        // The wire writes bytes as they are.
        BlockData: bytes as unknown as NonNullable<BlockData>,
        Checksum: createHash("sha256").update(bytes).digest("base64"),
        ChecksumAlgorithm: "SHA256" as const,
      };
    },
  },
} satisfies OperationsOf<typeof ebs, EbsContext>;

type BlockData = ebs.GetSnapshotBlockCommandOutput["BlockData"];

interface SnapshotPlan extends OperationPlan {
  readonly snapshot: SnapshotRecord;
  readonly page: PageStart;
}

interface ChangesPlan extends OperationPlan {
  readonly first: SnapshotRecord | undefined;
  readonly second: SnapshotRecord;
  readonly page: PageStart;
}

interface BlockPlan extends OperationPlan {
  readonly snapshotId: string;
  readonly index: number;
}

/** Throws ValidationException for snapshots that have nothing to do with each other. */
async function changes(
  first: SnapshotRecord,
  second: SnapshotRecord,
  { snapshots }: EbsContext,
): Promise<readonly BlockRun[]> {
  const { runs, related } = await snapshots.difference(second.id, first.id);
  const sameVolume = volumeOf(first) !== undefined && volumeOf(first) === volumeOf(second);
  if (!related && !sameVolume) throw unrelatedSnapshots(first.id, second.id);
  return runs;
}

/** Those of one answer expire together. */
function tokens({ now, tokenKey }: EbsContext) {
  const seconds = Math.floor(now().getTime() / 1000) + validSeconds;
  const expiry = new Date(seconds * 1000);
  const token = ({ id }: SnapshotRecord, index: number) =>
    blockToken({ snapshotId: id, index }, expiry, tokenKey);
  return { expiry, token };
}

/** As long as AWS's are good for about. */
const validSeconds = 7 * 24 * 3600;

/** Whether a block is in the runs, by halving them. */
function membership(runs: readonly BlockRun[]): (index: number) => boolean {
  return (index) => {
    let [low, high] = [0, runs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const [first = 0, count = 0] = runs[middle] ?? [];
      if (first + count <= index) low = middle + 1;
      else high = middle;
    }
    const [first = Infinity] = runs[low] ?? [];
    return first <= index;
  };
}
