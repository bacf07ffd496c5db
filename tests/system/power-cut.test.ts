import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { destroyMachines, openQemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { acknowledged, checkFiles, diskIds, isOneMoment, logOn, recording, specOn } from "./disk-faults.ts";
import { notedDisk } from "./noted-disk.ts";
import { bakeRecordingGuest } from "./tiny-guest.ts";

/** What was known to be there for good, and how far the notes went by then. */
interface Known {
  readonly position: number;
  readonly commits: number;
  readonly records: number;
  readonly snapshots: readonly Snapshot[];
}
interface Snapshot {
  readonly name: string;
  readonly records: number;
}

const CUTS = 12;

test("wherever the power is cut, what the store and a guest's volumes acknowledged is there, and every snapshot", async () => {
  const seed = Date.now();
  const random = seededRandom(seed);
  const scratch = mkdtempSync(join(tmpdir(), "croft-power-"));
  const uid = 0x5700_0001;
  const machines = {
    directory: join(scratch, "machines"),
    uids: { first: 0x5700_0000, count: 1 },
    cgroup: `croft-test-power-${process.pid}`,
    acceleration: "tcg",
  } as const;
  const image = join(scratch, "image.qcow2");
  await bakeRecordingGuest(image);
  const noted = await notedDisk(scratch, 512);
  const known: Known[] = [];
  try {
    mkdirSync(join(noted.directory, "store"));
    const store = await openSqliteStore(join(noted.directory, "store"));
    const disks = await openQcow2Disks(join(noted.directory, "disks"), { uid });
    await disks.ensure({ id: diskIds[0], sizeGiB: 1, image });
    await disks.ensure({ id: diskIds[1], sizeGiB: 1 });
    const placed = () => Promise.all(diskIds.map(async (id) => ({ id, ...(await disks.locate(id)) })));
    await using driver = await openQemuMachines(machines);
    await driver.ensure(specOn(await placed()));
    const printed = async () => acknowledged(await driver.console(recording));

    const snapshots: Snapshot[] = [];
    for (let commits = 1; commits <= 100; commits++) {
      await store.commit({ put: [{ key: `a/${commits}`, value: "x".repeat(random(5000)) }] });
      const records = await printed();
      if (commits % 20 === 0) {
        const name = `snap-${commits}`;
        for (const [n, id] of diskIds.entries()) await disks.snapshot(`${name}-${"ab"[n]}`, id);
        await driver.layerDisks(recording, await placed());
        snapshots.push({ name, records });
      }
      known.push({ position: noted.position(), commits, records, snapshots: [...snapshots] });
      await delay(50);
    }
    await driver.remove(recording);
    await store.close();
  } finally {
    await destroyMachines(machines);
    await noted[Symbol.asyncDispose]();
  }
  assert.ok((known.at(-1)?.records ?? 0) > 100, `${known.at(-1)?.records} records`);

  const [from, to] = [known[0]?.position ?? 0, noted.position()];
  for (let cut = 0; cut < CUTS; cut++) {
    const position = from + random(to - from);
    const least = known.findLast((it) => it.position <= position) ?? assert.fail();
    const when = `cut at ${position} of seed ${seed}`;
    await noted.cut(position, random, async (directory) => {
      const store = await openSqliteStore(join(directory, "store"));
      const { entries } = await store.list("a/");
      await store.close();
      const numbers = entries.map(({ key }) => Number(key.slice(2))).toSorted((a, b) => a - b);
      assert.ok(numbers.length >= least.commits, `${when}: ${numbers.length} commits of ${least.commits}`);
      assert.deepEqual(
        numbers,
        [...numbers.keys()].map((n) => n + 1),
        when,
      );

      const disks = await openQcow2Disks(join(directory, "disks"), { uid });
      const logs = diskIds.map((id) => logOn(disks, id, scratch));
      isOneMoment(await Promise.all(logs), least.records, when);
      for (const { name, records } of least.snapshots) {
        const held = ["a", "b"].map(async (one) => {
          const id = `vol-of-${name}-${one}`;
          await disks.ensure({ id, sizeGiB: 1, snapshot: `${name}-${one}` });
          return logOn(disks, id, scratch);
        });
        isOneMoment(await Promise.all(held), records, `${when}: ${name}`);
      }
      await checkFiles(disks, join(directory, "disks"));
    });
  }
  rmSync(scratch, { recursive: true });
});
