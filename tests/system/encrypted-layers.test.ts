import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  diskBlockConformance,
  diskConformance,
  diskGrowthConformance,
  diskKeyConformance,
  diskMergeConformance,
  diskWriteConformance,
  type DiskSubject,
} from "#drivers/disk/disk-conformance.ts";
import { BLOCK_BYTES, type DiskDriver } from "#drivers/disk/disk-driver.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { readQcow2Header } from "#drivers/disk/qcow2/qcow2-header.ts";
import { run } from "#drivers/linux/commands.ts";
import { KeyRefused } from "#drivers/open-key.ts";

/** Encrypted disks keep all that plain ones do; the real tools write and read them. */
const scratch = mkdtempSync(join(tmpdir(), "croft-encrypted-"));
const directory = join(scratch, "disks");
const image = join(scratch, "image.qcow2");
const secretFile = (key: string) => join(scratch, `secret-${key}`);
const keys = { one: "1".repeat(128), other: "2".repeat(128) } as const;
const openKey = (key: string): string => {
  if (key !== "one" && key !== "other") throw new KeyRefused("the key may not be used");
  return keys[key];
};
let disks: DiskDriver;
/** The same, but that every disk has a key. */
let encrypting: DiskDriver;
before(async () => {
  await run("qemu-img", ["create", "-q", "-f", "qcow2", image, "1G"]);
  for (const [key, secret] of Object.entries(keys)) writeFileSync(secretFile(key), secret);
  disks = await openQcow2Disks(directory, { uid: 0x5300_0000, openKey });
  encrypting = { ...disks, ensure: (it) => disks.ensure({ ...it, key: "one" }) };
});
after(() => rmSync(scratch, { recursive: true }));

const opened = async (id: string): Promise<readonly string[]> => {
  const { path, below, encrypted } = await disks.locate(id);
  const object = `secret,id=key,file=${secretFile(encrypted?.key ?? "one")}`;
  return ["--object", object, chainOf([path, ...below], encrypted?.files)];
};
const qemuIo = async (id: string, ...commands: readonly string[]) => {
  const [object = "", secret = "", chain = ""] = await opened(id);
  return run("qemu-io", [object, secret, ...commands.flatMap((it) => ["-c", it]), chain]);
};
const subject: DiskSubject = {
  driver: () => encrypting,
  image,
  write: async (id, text, block = 0) => {
    const pattern = join(scratch, "pattern");
    writeFileSync(pattern, Buffer.alloc(4096, text.padEnd(16)));
    await qemuIo(id, `write -s ${pattern} ${block * BLOCK_BYTES} 4096`);
  },
  read: async (id) => {
    const dump = await qemuIo(id, "read -v 0 16");
    const [, hex = ""] = /^0+: {2}([0-9a-f ]+?) {2}/m.exec(dump) ?? [];
    return Buffer.from(hex.replaceAll(" ", ""), "hex").toString("latin1").replaceAll("\0", " ").trim();
  },
};
diskConformance("encrypted qcow2 disks", subject);
diskMergeConformance("encrypted qcow2 disks", subject);
diskBlockConformance("encrypted qcow2 disks", subject);
diskWriteConformance("encrypted qcow2 disks", subject);
diskGrowthConformance("encrypted qcow2 disks", {
  ...subject,
  sizeOf: async (id) => {
    const header = await readQcow2Header((await disks.locate(id)).path);
    return header && Number(header.virtualBytes) / 1024 ** 3;
  },
});
diskKeyConformance("qcow2 disks", { ...subject, driver: () => disks }, ["one", "other"]);

const marker = "found in no file";
const filesWith = (text: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile())
    .map((it) => join(it.parentPath, it.name))
    .filter((file) => readFileSync(file).includes(text));

test("what is written to an encrypted disk, or put on one block by block, is in no file as it is; nor is any key", async () => {
  await disks.ensure({ id: "vol-a", sizeGiB: 1, image, key: "one" });
  const block = Buffer.alloc(BLOCK_BYTES, marker);
  await disks.writeBlock("vol-a", 7, block);
  assert.deepEqual(filesWith(marker), []);
  await disks.snapshot("snap-1", "vol-a");
  await subject.write("vol-a", marker, 9);
  await disks.snapshot("snap-2", "vol-a");
  await disks.copySnapshot("snap-3", "snap-2", "other");
  assert.deepEqual((await disks.readBlock("snap-3", 7)).compare(block), 0);
  await disks.removeSnapshot("snap-1");
  while (await disks.merge(new Set()));
  for (const text of [marker, ...Object.values(keys)]) assert.deepEqual(filesWith(text), []);
  for (const id of ["vol-a", "snap-2", "snap-3"])
    for (const name of readdirSync(join(directory, id)).filter((it) => it !== "image")) {
      const { uid, mode } = statSync(join(directory, id, name));
      assert.deepEqual([uid, mode & 0o777], [0, 0o600], `${id}/${name}`);
    }
  await disks.remove("vol-a");
  for (const id of ["snap-2", "snap-3"]) await disks.removeSnapshot(id);
  assert.deepEqual(
    readdirSync("/dev/shm").filter((name) => name.startsWith("croft-key-")),
    [],
  );
});

test("QEMU finds every encrypted file sound", async () => {
  await disks.ensure({ id: "vol-a", sizeGiB: 16_384, key: "one" });
  await disks.ensure({ id: "vol-b", sizeGiB: 1, key: "one" });
  for (const id of ["vol-a", "vol-b"]) {
    await qemuIo(id, "write -P 7 1M 3M", "discard 2M 1M", "write -z 1M 64k");
    const { path } = await disks.locate(id);
    const options = `driver=qcow2,file.filename=${path},encrypt.key-secret=key`;
    await run("qemu-img", [
      "check",
      "-q",
      "--object",
      `secret,id=key,file=${secretFile("one")}`,
      "--image-opts",
      options,
    ]);
    await disks.remove(id);
  }
});
