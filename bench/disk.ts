import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { run } from "#drivers/linux/commands.ts";
import { comparePairs, round } from "./pairs.ts";

/**
 * What snapshots cost, without a machine. Promises: a volume of a 100 GiB snapshot takes at most 100 ms, as long as one of a snapshot of
 * 1 GiB; what was changed between two snapshots of 100 GiB, 1 GiB in 2,048 places, is told within 1 s by a driver that has read neither;
 * a snapshot of that takes at most 1.3 times of what copying 1 GiB does. What a disk that stands on 50 snapshots takes to be read, 4 KiB
 * of each 12 that were written, 32 at once, by `qemu-img bench` out of this host's memory, is shown against one that stands on one, before
 * its layers are merged and after: the most that layers can cost (what a guest has of it: `guest-disk.ts`). 0.9 of its speed is wanted.
 */
const scratch = mkdtempSync(join(tmpdir(), "croft-bench-disk-"));
const patience = { timeoutMs: 300_000 };
try {
  const disks = await openQcow2Disks(join(scratch, "disks"), { uid: 0x5600_0000 });
  const opened = async (id: string) => {
    const { path, below } = await disks.locate(id);
    return chainOf([path, ...below]);
  };
  let made = 0;
  const making = (sizeGiB: number) => async () => {
    const id = `vol-${(made += 1)}`;
    const start = performance.now();
    await disks.ensure({ id, sizeGiB, snapshot: `snap-${sizeGiB}` });
    const ms = performance.now() - start;
    await disks.remove(id);
    return ms;
  };
  for (const sizeGiB of [1, 100]) {
    const id = `vol-of-${sizeGiB}`;
    await disks.ensure({ id, sizeGiB });
    await run("qemu-io", ["-c", `write -P 1 0 ${Math.min(sizeGiB, 2) * 512}M`, await opened(id)], patience);
    await disks.snapshot(`snap-${sizeGiB}`, id);
  }
  const { ours } = await comparePairs(
    "a volume of a 100 GiB snapshot",
    "ms",
    { ours: making(100), bare: making(1) },
    11,
    "one of a 1 GiB snapshot",
  );
  console.log(`it takes ${round(ours)} ms; 100 are promised`);

  const [changing, changes] = ["vol-changing", 2048];
  await disks.ensure({ id: changing, sizeGiB: 100 });
  await run("qemu-io", ["-c", "write -P 1 0 1G", await opened(changing)], patience);
  await disks.snapshot("snap-before", changing);
  const change = async () => {
    const writes = Array.from({ length: changes }, (_, n) => ["-c", `write -q -P 2 ${n * 50}M 512k`]);
    await run("qemu-io", [...writes.flat(), await opened(changing)], patience);
  };
  await change();
  await disks.snapshot("snap-after", changing);
  const { below } = await disks.locate(changing);
  const { ours: differing } = await comparePairs(
    "what changed, 1 GiB of 100 GiB",
    "ms",
    {
      ours: async () => {
        const fresh = await openQcow2Disks(join(scratch, "disks"), { uid: 0x5600_0000 });
        const start = performance.now();
        const { runs } = await fresh.difference("snap-after", "snap-before");
        const ms = performance.now() - start;
        const found = runs.reduce((sum, [, count]) => sum + count, 0);
        if (found !== changes) throw new Error(`${found} blocks changed, not ${changes}`);
        return ms;
      },
      bare: async () => {
        const start = performance.now();
        for (const chain of [below, below.slice(1)])
          await run("qemu-img", ["map", "--output=json", chainOf(chain)]);
        return performance.now() - start;
      },
    },
    11,
    "qemu-img map of both",
  );
  console.log(`it takes ${round(differing)} ms; 1000 are promised`);

  const [changed, copied] = [join(scratch, "changed"), join(scratch, "copied")];
  await run("dd", ["if=/dev/urandom", `of=${changed}`, "bs=1M", "count=1024", "status=none"], patience);
  const timed = async (work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  await comparePairs(
    "a snapshot of 100 GiB with 1 GiB changed",
    "ms",
    {
      ours: async () => {
        await change();
        return await timed(() => disks.snapshot(`snap-changed-${(made += 1)}`, changing));
      },
      bare: () => timed(() => run("cp", ["--reflink=never", changed, copied], patience)),
    },
    6,
    "copying 1 GiB, of which 1.3 are promised",
  );

  const depths = { "vol-flat": 1, "vol-deep": 50 } as const;
  for (const [id, depth] of Object.entries(depths)) {
    await disks.ensure({ id, sizeGiB: 1 });
    for (let n = 0; n < depth; n++) {
      const write = n === 0 ? "write -P 1 0 200M" : `write -P ${n + 1} ${4 * n}M 2M`;
      await run("qemu-io", ["-c", write, await opened(id)]);
      await disks.snapshot(`${id}-${n}`, id);
    }
  }
  const reading = (id: keyof typeof depths) => async () => {
    const pattern = ["-c", "16000", "-d", "32", "-s", "4096", "-S", String(12 * 1024)];
    const said = await run("qemu-img", ["bench", "-U", ...pattern, await opened(id)]);
    // Without what it takes to open the files.
    return 1000 * Number(/Run completed in ([\d.]+) seconds/.exec(said)?.[1]);
  };
  const compare = (what: string) =>
    comparePairs(what, "ms", { ours: reading("vol-deep"), bare: reading("vol-flat") }, 11, "a chain of 1");
  await compare("reading on a chain of 50");
  while (await disks.merge(new Set()));
  const merged = (await disks.locate("vol-deep")).below.length;
  const { ratio } = await compare(`reading on a chain of 50, merged to ${merged}`);
  console.log(`it has ${round(1 / ratio)} of the speed; 0.9 is wanted`);
} finally {
  rmSync(scratch, { recursive: true });
}
