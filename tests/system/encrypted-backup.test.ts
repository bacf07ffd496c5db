import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EBS } from "@aws-sdk/client-ebs";
import {
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
  waitUntilSnapshotCompleted,
  waitUntilVolumeAvailable,
} from "@aws-sdk/client-ec2";
import { run } from "#drivers/linux/commands.ts";
import { inventory } from "../inventory.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { bakeTinyGuest } from "./tiny-guest.ts";

/** A region whose master key is kept elsewhere, with a machine that runs on an encrypted root, one that does not, and a volume with a marker. */
const files = mkdtempSync(join(tmpdir(), "croft-backup-"));
after(() => rmSync(files, { recursive: true }));
const masterKey = join(files, "master.key");
const hex = () => `${randomBytes(32).toString("hex")}\n`;
const rightKey = hex();
const putKey = (text: string) => writeFileSync(masterKey, text, { mode: 0o600 });
putKey(rightKey);
const region = await realRegion({ more: ["--master-key-file", masterKey] });
const { client: ec2 } = region;
const { AWS_REGION = "", AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = region.environment;
const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
const ebs = new EBS({ endpoint: region.endpoint, region: AWS_REGION, credentials });
after(() => ebs.destroy());
const patience = { client: ec2, maxWaitTime: 240, minDelay: 1, maxDelay: 2 };
const marker = Buffer.alloc(524_288, "MARKER-of-encrypted-bytes ");
const backup = join(files, "backup");

test("a region with encrypted volumes is backed up as they lie, and lives again by its master key alone", async () => {
  const tiny = join(files, "tiny.qcow2");
  await bakeTinyGuest(tiny);
  const ImageId = (await region.croft("image", "import", "--name", "tiny", tiny)).trim();
  await ec2.enableEbsEncryptionByDefault({});
  const { Instances = [] } = await ec2.runInstances({
    ImageId,
    InstanceType: "t3.nano",
    MinCount: 2,
    MaxCount: 2,
  });
  const [one = "", other = ""] = Instances.map(({ InstanceId = "" }) => InstanceId);
  await waitUntilInstanceRunning(patience, { InstanceIds: [one, other] });
  await ec2.stopInstances({ InstanceIds: [other], Force: true });
  await waitUntilInstanceStopped(patience, { InstanceIds: [other] });
  const snapshot = await writtenSnapshot();
  const zone = Instances[0]?.Placement?.AvailabilityZone;
  const made = await ec2.createVolume({ AvailabilityZone: zone, SnapshotId: snapshot });
  const { VolumeId: volume = "" } = made;
  await waitUntilVolumeAvailable(patience, { VolumeIds: [volume] });
  await ec2.attachVolume({ VolumeId: volume, InstanceId: one, Device: "/dev/sdf" });
  const before = await inventory(ec2);

  await region.croft("backup", "--volumes", backup);
  const holds = async (text: string | Buffer) =>
    (await run("grep", ["-caF", "-e", String(text), backup]).catch(() => "0")).trim();
  assert.equal(await holds("MARKER-of-encrypted-bytes"), "0");
  assert.equal(await holds(rightKey.trim()), "0");
  await region.croft("destroy", "--yes", "--keep-images");
  rmSync(masterKey);
  const restored = JSON.parse(await region.croft("restore", "--json", backup));
  assert.equal(restored.masterKeyFile, masterKey);
  const file = join(region.dataDir, "sealing-key.json");
  const sealed = readFileSync(file, "utf8");
  await assert.rejects(region.start(), /the master key \S+ is not there[^]*put it back/);
  putKey(hex());
  await assert.rejects(region.start(), /sealed with another master key/);
  assert.equal(readFileSync(file, "utf8"), sealed, "nothing was sealed anew");
  putKey(rightKey);
  await region.start();

  assert.deepEqual(await inventory(ec2), before);
  assert.equal(
    await until(
      () => statusOf(one),
      (it) => it === "ok",
      240_000,
    ),
    "ok",
  );
  await ec2.startInstances({ InstanceIds: [other] });
  assert.equal(
    await until(
      () => statusOf(other),
      (it) => it === "ok",
      240_000,
    ),
    "ok",
  );
  const { SnapshotId: ofVolume = "" } = await ec2.createSnapshot({ VolumeId: volume });
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [ofVolume] });
  for (const id of [snapshot, ofVolume]) assert.ok((await blockOf(id)).equals(marker), id);
  const disks = join(region.dataDir, "disks");
  const found = await run("grep", ["-rlaF", "-e", "MARKER-of-encrypted-bytes", disks]).catch(() => "");
  assert.equal(found, "");
});

test("an encrypted snapshot is exported by the operator when he says that it is to be decrypted, and not unawares", async () => {
  const file = join(files, "open.raw");
  const { Snapshots: [snapshot] = [] } = await ec2.describeSnapshots({ OwnerIds: ["self"] });
  const id = snapshot?.SnapshotId ?? "";
  const exporting = (...more: string[]) => region.croft("snapshot", "export", ...more, id, file);
  await assert.rejects(exporting(), /is encrypted: with --decrypt what it holds is written/);
  assert.ok(!existsSync(file));
  assert.equal((await exporting("--decrypt", "--format", "raw")).trim(), file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await using opened = await open(file);
  const bytes = Buffer.alloc(marker.length);
  await opened.read(bytes, 0, bytes.length, 7 * marker.length);
  assert.ok(bytes.equals(marker));
  assert.deepEqual(
    readdirSync("/dev/shm").filter((name) => name.startsWith("croft-key-")),
    [],
  );
});

/** Its block 7 is the marker. */
async function writtenSnapshot(): Promise<string> {
  const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
  const { SnapshotId = "" } = await ebs.startSnapshot({ VolumeSize: 1 });
  await ebs.putSnapshotBlock({
    SnapshotId,
    BlockIndex: 7,
    BlockData: marker,
    DataLength: marker.length,
    ChecksumAlgorithm: "SHA256",
    Checksum: digest(marker).toString("base64"),
  });
  await ebs.completeSnapshot({ SnapshotId, ChangedBlocksCount: 1 });
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] });
  return SnapshotId;
}

async function blockOf(SnapshotId: string): Promise<Buffer> {
  const { Blocks: [{ BlockIndex = 0, BlockToken } = {}] = [] } = await ebs.listSnapshotBlocks({ SnapshotId });
  assert.equal(BlockIndex, 7);
  const { BlockData } = await ebs.getSnapshotBlock({ SnapshotId, BlockIndex, BlockToken });
  return Buffer.from((await BlockData?.transformToByteArray()) ?? []);
}

/** Its boot loader is on its root. */
async function statusOf(InstanceId: string): Promise<string | undefined> {
  const { InstanceStatuses: [it] = [] } = await ec2.describeInstanceStatus({ InstanceIds: [InstanceId] });
  return it?.InstanceStatus?.Status;
}
