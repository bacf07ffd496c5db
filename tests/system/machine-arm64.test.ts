import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import type { MachineSpec } from "#drivers/machine/machine-driver.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { destroyMachines, openQemuMachines, type QemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { until } from "../until.ts";
import { bakeTinyGuest } from "./tiny-guest.ts";

/** A machine of another architecture, as far as its firmware gets with a disk that is a PC's. */
const scratch = mkdtempSync(join(tmpdir(), "croft-arm64-"));
const options = {
  directory: join(scratch, "machines"),
  uids: { first: 0x5000_0100, count: 2 },
  cgroup: `croft-arm64-${process.pid}`,
  acceleration: "tcg",
} as const;
const id = "i-arm64";
let machines: QemuMachines;
let spec: MachineSpec;

before(async () => {
  const image = join(scratch, "image.qcow2");
  await bakeTinyGuest(image);
  const disks = await openQcow2Disks(join(scratch, "disks"), { uid: 0x5100_0007 });
  const disk = { id: "vol-0123456789abcdef0", sizeGiB: 1, image };
  await disks.ensure(disk);
  machines = await openQemuMachines(options);
  spec = {
    id,
    architecture: "arm64",
    // More than the eight that an older interrupt controller has.
    cpus: 16,
    threadsPerCore: 1,
    memoryMiB: 256,
    identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "m6g.4xlarge" },
    boot: { by: "uefi" },
    disks: [{ id: disk.id, ...(await disks.locate(disk.id)) }],
    ports: [],
  };
});
after(async () => {
  await machines[Symbol.asyncDispose]();
  await destroyMachines(options);
  await rm(scratch, { recursive: true });
});

test(
  "an arm64 machine runs its UEFI in the jail, which draws on its screen and looks at its disk",
  { timeout: 120_000 },
  async () => {
    await machines.ensure(spec);
    assert.deepEqual(await machines.observe(id), { state: "running", booted: false });
    const life = readRecord(join(options.directory, id))?.life;
    assert.ok(life?.state === "running");
    const status = readFileSync(`/proc/${life.process.pid}/status`, "utf8");
    assert.match(status, /^Uid:\t1342177536\t/m);
    assert.match(status, /^Seccomp:\t2$/m);

    const console = await until(
      async () => (await machines.console(id)).toString("latin1"),
      (text) => /UEFI Misc Device/.test(text),
      60_000,
    );
    assert.match(console, /UEFI firmware/);
    const picture = await machines.screenshot(id, { wake: true });
    assert.ok(picture && new Set(picture.rgb.toString("hex").match(/.{6}/g)).size > 1);
  },
);

test("what its UEFI remembers is the machine's own, and takes no room for what is nothing", async () => {
  const { size, blocks } = statSync(join(options.directory, id, "uefi-variables"));
  assert.equal(size, 64 * 1024 * 1024);
  assert.ok(blocks * 512 < 8 * 1024 * 1024);
  await machines.stop(id);
  assert.deepEqual(await machines.observe(id), { state: "off", how: "absent" });
});
