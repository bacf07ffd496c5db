import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeImportSnapshotTasksCommand,
  DescribeSnapshotsCommand,
  DisableEbsEncryptionByDefaultCommand,
  EnableEbsEncryptionByDefaultCommand,
  GetConsoleOutputCommand,
  ImportSnapshotCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { layout } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { bakeTinyGuest } from "./tiny-guest.ts";

/** `croft image import` in a region, with a disk that boots by itself and only says so. */
const region = await realRegion();
const { client } = region;
const { imagesDir } = layout(region.dataDir);
const scratch = mkdtempSync(join(tmpdir(), "croft-import-"));
const file = join(scratch, "tiny.qcow2");
after(() => rm(scratch, { recursive: true }));
let imageId: string;

test("an imported disk is an image of one's own", { timeout: 120_000 }, async () => {
  await bakeTinyGuest(file);
  imageId = (await region.croft("image", "import", "--name", "tiny", file)).trim();
  const { Images: [image] = [] } = await client.send(new DescribeImagesCommand({ Owners: ["self"] }));
  assert.deepEqual([image?.ImageId, image?.Name, image?.State], [imageId, "tiny", "available"]);
  assert.deepEqual(readdirSync(imagesDir), [imageId]);
});

test(
  "what cannot be imported is refused in words, and nothing stays of it",
  { timeout: 120_000 },
  async () => {
    const refused = (sentence: RegExp, ...args: readonly string[]) =>
      assert.rejects(region.croft("image", "import", ...args), sentence);
    await refused(/AMI name tiny is already in use by AMI ami-/, "--name", "tiny", file);
    await refused(/\/etc\/passwd is not imported: by its first bytes it is no disk/, "/etc/passwd");
    await refused(
      /--boot-mode is one of legacy-bios, uefi, uefi-preferred, not "bios"/,
      "--boot-mode",
      "bios",
      file,
    );
    await refused(/no BIOS: it boots by UEFI/, "--architecture", "arm64", "--boot-mode", "legacy-bios", file);
    assert.deepEqual(readdirSync(imagesDir), [imageId]);
  },
);

test(
  "a disk is imported as a snapshot and exported again, and qemu-img reads the same bytes",
  { timeout: 120_000 },
  async () => {
    const contents = Buffer.alloc(3 * 1024 ** 2);
    contents.write("the middle", 1024 ** 2);
    const at = (name: string) => join(scratch, name);
    writeFileSync(at("data.raw"), contents);
    const id = (await region.croft("snapshot", "import", "--format", "raw", at("data.raw"))).trim();
    const { Snapshots: [snapshot] = [] } = await client.send(
      new DescribeSnapshotsCommand({ SnapshotIds: [id] }),
    );
    assert.deepEqual([snapshot?.State, snapshot?.VolumeSize], ["completed", 1]);
    for (const format of ["qcow2", "raw"]) {
      await region.croft("snapshot", "export", "--format", format, id, at(`out.${format}`));
      await run("qemu-img", ["convert", "-f", format, "-O", "raw", at(`out.${format}`), at("back.raw")]);
      const back = readFileSync(at("back.raw"));
      assert.equal(back.length, 1024 ** 3);
      assert.deepEqual(back.subarray(0, contents.length), contents);
      assert.equal(statSync(at(`out.${format}`)).mode & 0o777, 0o600);
    }
    await assert.rejects(region.croft("snapshot", "export", id, at("out.qcow2")), /is there already/);
    await assert.rejects(
      region.croft("snapshot", "export", "snap-0", at("none")),
      /there is no snapshot snap-0/,
    );
    assert.deepEqual(
      [readdirSync(imagesDir), readdirSync(scratch).filter((name) => name.includes("snap-"))],
      [[imageId], []],
    );
  },
);

test(
  "what an account imports that encrypts by default is encrypted, and lies open in no file",
  { timeout: 120_000 },
  async () => {
    await client.send(new EnableEbsEncryptionByDefaultCommand({}));
    const marker = "MARKER-of-imported-bytes";
    const contents = Buffer.alloc(3 * 1024 ** 2);
    contents.write(marker, 1024 ** 2);
    const at = (name: string) => join(scratch, name);
    writeFileSync(at("secret.raw"), contents);
    const id = (await region.croft("snapshot", "import", "--format", "raw", at("secret.raw"))).trim();
    const name = ["--name", "encrypted", "--format", "raw"];
    const image = (await region.croft("image", "import", ...name, at("secret.raw"))).trim();
    await client.send(new DisableEbsEncryptionByDefaultCommand({}));
    const { Images: [made] = [] } = await client.send(new DescribeImagesCommand({ ImageIds: [image] }));
    const { Ebs: root } = made?.BlockDeviceMappings?.[0] ?? {};
    assert.deepEqual([made?.State, root?.Encrypted, root?.VolumeSize], ["available", true, 1]);
    for (const snapshotId of [id, root?.SnapshotId ?? ""]) {
      await assert.rejects(region.croft("snapshot", "export", snapshotId, at("none")), /is encrypted/);
      const to = at(snapshotId);
      await region.croft("snapshot", "export", "--decrypt", "--format", "raw", snapshotId, to);
      assert.deepEqual(readFileSync(to).subarray(0, contents.length), contents);
    }
    const search = run("grep", ["-rlaF", "--devices=skip", "-e", marker, region.dataDir]);
    await assert.rejects(search, { exitCode: 1 });
    assert.deepEqual(readdirSync(imagesDir), [imageId]);
    await region.croft("image", "remove", image);
  },
);

test("by the API no file of the host is read, and a task says why", { timeout: 60_000 }, async () => {
  const { ImportTaskId = "" } = await client.send(
    new ImportSnapshotCommand({ DiskContainer: { Url: "file:///etc/passwd", Format: "RAW" } }),
  );
  const look = async () => {
    const { ImportSnapshotTasks: [task] = [] } = await client.send(
      new DescribeImportSnapshotTasksCommand({ ImportTaskIds: [ImportTaskId] }),
    );
    return task;
  };
  const task = await until(look, (it) => it?.SnapshotTaskDetail?.Status !== "active");
  assert.equal(task?.SnapshotTaskDetail?.Status, "deleted");
  assert.match(task?.SnapshotTaskDetail?.StatusMessage ?? "", /^ClientError: no directory is named/);
});

test(
  "it boots by its own boot loader; deregistered, it goes with its last instance",
  { timeout: 300_000 },
  async () => {
    const { Instances: [launched] = [] } = await client.send(
      new RunInstancesCommand({ ImageId: imageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 }),
    );
    const InstanceId = launched?.InstanceId ?? "";
    await client.send(new DeregisterImageCommand({ ImageId: imageId }));
    const printed = async () => {
      const { Output = "" } = await client.send(new GetConsoleOutputCommand({ InstanceId }));
      return Buffer.from(Output, "base64").toString();
    };
    assert.match(await until(printed, (text) => text.includes("croft login:")), /SeaBIOS[^]*croft login:/);
    assert.deepEqual(readdirSync(imagesDir), [imageId]);
    await client.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }));
    assert.deepEqual(
      await until(
        async () => readdirSync(imagesDir),
        (names) => names.length === 0,
      ),
      [],
    );
  },
);
