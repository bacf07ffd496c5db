import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { diskGrowthConformance } from "#drivers/disk/disk-conformance.ts";
import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { readQcow2Header } from "#drivers/disk/qcow2/qcow2-header.ts";
import { run } from "#drivers/linux/commands.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-disks-"));
const image = join(scratch, "image.qcow2");
let disks: DiskDriver;
before(async () => {
  await run("qemu-img", ["create", "-q", "-f", "qcow2", image, "1G"]);
  disks = await openQcow2Disks(join(scratch, "disks"), { uid: 0x5200_0000 });
});
after(() => rmSync(scratch, { recursive: true }));

diskGrowthConformance("qcow2 disks", {
  driver: () => disks,
  image,
  sizeOf: async (id) => {
    const header = await readQcow2Header((await disks.locate(id)).path);
    return header && Number(header.virtualBytes / 1024n ** 3n);
  },
});

test("what grows a qcow2 disk opens no other file, whatever the disk's header names, and leaves it root's", async () => {
  await disks.ensure({ id: "vol-forged", sizeGiB: 1 });
  const { path } = await disks.locate("vol-forged");
  await run("qemu-img", ["rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/nowhere", path]);
  await disks.grow("vol-forged", 2);
  const { uid, mode } = statSync(path);
  assert.deepEqual([uid, mode & 0o777], [0, 0o600]);
  await disks.remove("vol-forged");
});
