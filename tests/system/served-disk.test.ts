import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { run } from "#drivers/linux/commands.ts";
import type { MachineSpec } from "#drivers/machine/machine-driver.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { destroyMachines, openQemuMachines, type QemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";

/** What serves a disk to several, without guests: QEMU's own client writes and reads by its socket, as root may. */
const scratch = mkdtempSync(join(tmpdir(), "croft-served-"));
const directory = join(scratch, "machines");
const options = {
  directory,
  uids: { first: 0x5000_0100, count: 4 },
  cgroup: `croft-test-${process.pid}`,
  acceleration: "tcg",
  openKey: (key: string) => `secret of ${key}`,
} as const;
const id = "vol-0123456789abcdef0";
let disks: DiskDriver;
let machines: QemuMachines;

before(async () => {
  disks = await openQcow2Disks(join(scratch, "disks"), {
    uid: options.uids.first + 3,
    openKey: options.openKey,
  });
  machines = await openQemuMachines(options);
  await disks.ensure({ id, sizeGiB: 4 });
});
after(async () => {
  await machines[Symbol.asyncDispose]();
  await destroyMachines(options);
  rmSync(scratch, { recursive: true });
});

const serve = async (limits: NonNullable<MachineSpec["disks"][number]["limits"]> = {}, disk = id) =>
  machines.ensure({
    id: disk,
    serves: true,
    cpus: 1,
    threadsPerCore: 1,
    memoryMiB: 16,
    identity: { uuid: "00000000-0000-0000-0000-000000000000", product: "volume" },
    boot: { by: "bios" },
    disks: [{ id: disk, ...(await disks.locate(disk)), limits }],
    ports: [],
  });
const pid = () => {
  const life = readRecord(join(directory, id))?.life;
  assert.ok(life?.state === "running");
  return life.process.pid;
};
const imageOf = (disk: string) =>
  `driver=nbd,server.type=unix,server.path=${join(directory, disk, "served-disks")},export=${disk},reconnect-delay=600`;
const image = imageOf(id);
/** Record n, in a block and a place of its own. */
const write = (n: number) => `write -P ${(n % 250) + 1} ${n * 68}k 4k`;
const read = (n: number) => `read -P ${(n % 250) + 1} ${n * 68}k 4k`;

test(
  "what was answered is there however often what serves it is killed; snapshots made meanwhile are a first part of it",
  { timeout: 240_000 },
  async () => {
    await serve();
    const writer = spawn("qemu-io", ["-t", "writeback", "--image-opts", image], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: writer.stdout })[Symbol.asyncIterator]();
    let answered = 0;
    const writeNext = async () => {
      writer.stdin.write(`${write(answered)}\n`);
      for (;;) {
        const { value, done } = await lines.next();
        assert.ok(!done, "the writer ended");
        if (value.includes(" ops;")) break;
        assert.doesNotMatch(value, /failed/);
      }
      answered++;
    };
    const counts: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 20; n++) await writeNext();
      const writing = writeNext();
      process.kill(pid(), "SIGKILL");
      while ((await machines.observe(id)).state === "running");
      await serve();
      await writing;
      counts.push(answered);
      await disks.snapshot(`snap-${round}`, id);
      await machines.layerDisks(id, [{ id, ...(await disks.locate(id)) }]);
    }
    await writeNext();
    writer.stdin.end();
    const commands = Array.from({ length: answered }, (_, n) => ["-c", read(n)]).flat();
    const seen = await run("qemu-io", ["-r", "--image-opts", image, ...commands]);
    assert.doesNotMatch(seen, /Pattern verification failed/);
    assert.equal(seen.match(/read 4096\/4096/g)?.length, answered);
    await machines.stop(id);
    for (const [round, count] of counts.entries()) {
      const copy = `vol-copy${round}`;
      await disks.ensure({ id: copy, sizeGiB: 4, snapshot: `snap-${round}` });
      const { path, below } = await disks.locate(copy);
      const copied = chainOf([path, ...below]);
      const has = (n: number) =>
        run("qemu-io", ["-r", "-c", read(n), copied]).then(
          () => true,
          () => false,
        );
      assert.deepEqual(
        [await has(count - 1), await has(count)],
        [true, false],
        `snapshot ${round} of ${count}`,
      );
    }
    const { path } = await disks.locate(id);
    await run("qemu-img", ["check", "-q", path]);
  },
);

test("it runs confined, as a user of its own, is taken over by the next driver, and holds all that ask to its limits", async () => {
  await serve({ requests: { rate: 50, bytes: 256 * 1024 } });
  const status = readFileSync(`/proc/${pid()}/status`, "utf8");
  assert.match(status, new RegExp(`^Uid:\\t${readRecord(join(directory, id))?.uid}\\t`, "m"));
  assert.match(status, /^CapEff:\t0{16}$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  const was = pid();
  await machines[Symbol.asyncDispose]();
  machines = await openQemuMachines(options);
  await serve();
  assert.equal(pid(), was);
  // What was never written is answered by its table, without a request of the disk.
  await run("qemu-io", ["--image-opts", image, "-c", "write -P 1 0 8M"]);
  const reads = Array.from({ length: 100 }, (_, n) => ["-c", `read ${n * 68}k 4k`]).flat();
  const from = performance.now();
  await Promise.all([0, 1].map(() => run("qemu-io", ["-r", "--image-opts", image, ...reads])));
  const tookMs = performance.now() - from;
  assert.ok(tookMs > 3_000, `200 requests at 50 a second took ${tookMs} ms`);
  await machines.changeDisk(id, id, { sizeGiB: 4, limits: {} });
  const again = performance.now();
  await run("qemu-io", ["-r", "--image-opts", image, ...reads]);
  assert.ok(performance.now() - again < 1_500);
  await machines.remove(id);
});

test("an encrypted one is read in the open by those that it is served to, and lies encrypted", async () => {
  const sealed = "vol-0123456789abcdef1";
  await disks.ensure({ id: sealed, sizeGiB: 4, key: "one" });
  await serve({}, sealed);
  await run("qemu-io", ["--image-opts", imageOf(sealed), "-c", "write -P 90 1M 64k"]);
  const seen = await run("qemu-io", ["-r", "--image-opts", imageOf(sealed), "-c", "read -P 90 1M 64k"]);
  assert.doesNotMatch(seen, /failed/);
  assert.equal(readFileSync((await disks.locate(sealed)).path).includes(Buffer.alloc(512, 90)), false);
  await machines.remove(sealed);
});
