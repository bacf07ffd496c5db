import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationPlan } from "#api/operation.ts";
import type { Clock } from "#clock.ts";
import { BLOCK_BYTES } from "#drivers/disk/disk-driver.ts";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakeMachines } from "#drivers/machine/fake/fake-machines.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import { moved, settled, wait, type Reconciler } from "#reconcile/outcome.ts";
import { workClock } from "#reconcile/work-clock.ts";
import type { Feed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere, type CrashScene, type SceneEnd } from "#testing/crash-everywhere.ts";
import type { FakeClock } from "#testing/fake-clock.ts";
import { testContext, testHost, testLease } from "#testing/region.ts";
import { parseKey, recordKey } from "../ec2/records.ts";
import { regionalRecords } from "../ec2/regional-records.ts";
import { newSnapshotOperations } from "../ec2/snapshot/new-snapshot-operations.ts";
import { reconcileSnapshot } from "../ec2/snapshot/snapshot-reconciler.ts";
import { diskOf, isPending, snapshotState, writtenOf } from "../ec2/snapshot/snapshot.ts";
import type { EbsContext } from "./context.ts";
import { writeOperations } from "./write-operations.ts";

const scope = { accountId: "111122223333", region: "eu-central-1" };

test("a snapshot is written: after any crash it holds exactly the blocks that were written", async () => {
  const crashes = await crashEverywhere(scene(["start", "block", "block", "complete"]), async (end) => {
    const [snapshot] = snapshotsOf(end);
    assert.equal(snapshot && snapshotState(snapshot), "completed");
    const { disks } = end.drivers;
    assert.deepEqual([await disks.list(), await disks.snapshots()], [[], [snapshot?.id]]);
    assert.deepEqual(await disks.blocks(snapshot?.id ?? ""), [[1, 2]]);
  });
  assert.ok(crashes > 15, `${crashes} crashes`);
});

test("one that is written over another, which is deleted, has the bytes of both, after any crash", async () => {
  const wishes = [
    "start",
    "block",
    "complete",
    "start over it",
    "delete first",
    "block",
    "complete",
  ] as const;
  await crashEverywhere(scene(wishes), async (end) => {
    const snapshots = snapshotsOf(end);
    assert.deepEqual(snapshots.map(snapshotState), ["completed"]);
    const { disks } = end.drivers;
    assert.deepEqual([await disks.list(), await disks.snapshots()], [[], [snapshots[0]?.id]]);
    assert.deepEqual(await disks.blocks(snapshots[0]?.id ?? ""), [
      [1, 1],
      [5, 1],
    ]);
  });
});

for (const wishes of [
  ["start", "delete first"],
  ["start", "block", "delete first"],
  ["start", "block", "complete", "delete first"],
] as const)
  test(`after ${wishes.join(", ")}, and any crash, nothing is left of it`, async () => {
    await crashEverywhere(scene(wishes), async (end) => {
      const { disks } = end.drivers;
      assert.deepEqual([snapshotsOf(end), await disks.list(), await disks.snapshots()], [[], [], []]);
    });
  });

test("one that nobody completes fails at its time, and leaves no bytes, after any crash", async () => {
  await crashEverywhere(scene(["start", "block"]), async (end) => {
    const [snapshot] = snapshotsOf(end);
    assert.equal(snapshot && snapshotState(snapshot), "error");
    const { disks } = end.drivers;
    assert.deepEqual([await disks.list(), await disks.snapshots()], [[], []]);
  });
});

type Wish = "start" | "start over it" | "block" | "complete" | "delete first";

interface Drivers {
  readonly disks: ReturnType<typeof createFakeDisks>;
}

const snapshotsOf = ({ feed }: SceneEnd<Drivers>) => regionalRecords(feed).in(scope).all("snapshot");

const scene =
  (wishes: readonly Wish[]) =>
  async (time: FakeClock): Promise<CrashScene<Drivers>> => {
    const store = openMemoryStore();
    await store.commit({
      put: [
        { key: recordKey("host", scope, testHost.id), value: testHost },
        testLease,
        { key: "user/1", value: 0 },
      ],
    });
    return {
      store,
      drivers: { disks: createFakeDisks({ now: () => time.now() }) },
      reconcilers: ({ feed, drivers, clock }) => [
        writer(feed, drivers, clock, wishes),
        hostOf(feed, drivers, clock),
      ],
    };
  };

function hostOf(feed: Feed, { disks }: Drivers, clock: Clock): Reconciler {
  const regions = regionalRecords(feed);
  const worked = workClock(clock);
  return {
    kind: "snapshot",
    step(key) {
      const { scope: of, id } = parseKey(key);
      return reconcileSnapshot(id, regions.in(of), {
        hostId: testHost.id,
        disks,
        imageFile: () => "",
        imports: createFakeImports(),
        machines: createFakeMachines({}),
        worked,
        now: () => clock.now(),
      });
    },
    affected: {
      snapshot: (key) =>
        regions
          .in(parseKey(key).scope)
          .all("snapshot")
          .map((it) => recordKey("snapshot", scope, it.id)),
    },
  };
}

/** Says each wish once, and writes a block again when it does not know whether it was. */
function writer(feed: Feed, { disks }: Drivers, clock: Clock, wishes: readonly Wish[]): Reconciler {
  const records = regionalRecords(feed).in(scope);
  const context: EbsContext = {
    ...testContext(records, clock),
    snapshots: disks,
    tokenKey: Buffer.alloc(32),
  };
  return {
    kind: "user",
    async step(key) {
      const said = feed.get<number>(key)?.value ?? 0;
      const wish = wishes[said];
      if (wish === undefined) return settled;
      const all = records.all("snapshot");
      const over = all.find((it) => writtenOf(it)?.parent !== undefined);
      const first = all.find((it) => it !== over);
      const last = over ?? first;
      if (["block", "complete"].includes(wish) && !last?.so.begun) return wait(100);
      if (wish === "start over it" && (!last || isPending(last))) return wait(100);
      if (wish === "block")
        await disks.writeBlock(diskOf(last?.id ?? ""), said, Buffer.alloc(BLOCK_BYTES, "a"));
      const { transaction = {} } = await planOf(wish, first?.id ?? "", last?.id ?? "");
      return moved({ ...transaction, put: [...(transaction.put ?? []), { key, value: said + 1 }] });
    },
    affected: { snapshot: () => ["user/1"] },
  };

  async function planOf(
    wish: Wish,
    first: string,
    last: string,
  ): Promise<Pick<OperationPlan, "transaction">> {
    if (wish === "start") return writeOperations.StartSnapshot.resolve({ VolumeSize: 1 }, context);
    if (wish === "start over it")
      return writeOperations.StartSnapshot.resolve({ VolumeSize: 1, ParentSnapshotId: last }, context);
    if (wish === "block") return {};
    if (wish === "delete first")
      return newSnapshotOperations.DeleteSnapshot.resolve({ SnapshotId: first }, context);
    const { count } = await disks.written(diskOf(last));
    return writeOperations.CompleteSnapshot.resolve({ SnapshotId: last, ChangedBlocksCount: count }, context);
  }
}
