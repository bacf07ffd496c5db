import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EBS } from "@aws-sdk/client-ebs";
import {
  EC2,
  type Instance,
  type RunInstancesCommandInput,
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
  waitUntilSnapshotCompleted,
  waitUntilVolumeAvailable,
  waitUntilVolumeDeleted,
} from "@aws-sdk/client-ec2";
import { layout } from "#config.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { guestShell, openSsh, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { exported } from "../signed-call.ts";
import { until } from "../until.ts";
import { readRecords, records, writeRecords } from "./direct-records.ts";
import { killPrograms, patiently } from "./killed-programs.ts";

/** Debian guests, and a volume that goes from one to the other and stays through stops and restarts. */
const files = mkdtempSync(join(tmpdir(), "croft-volumes-"));
after(() => rmSync(files, { recursive: true }));
const region = await realRegion();
const { client: ec2 } = region;
const signedBy = ({
  AWS_REGION = "",
  AWS_ACCESS_KEY_ID: accessKeyId = "",
  AWS_SECRET_ACCESS_KEY: secretAccessKey = "",
}: Readonly<Record<string, string>>) => ({
  endpoint: region.endpoint,
  region: AWS_REGION,
  credentials: { accessKeyId, secretAccessKey },
});
const keyFile = join(files, "key.pem");
const patience = { client: ec2, maxWaitTime: 240, minDelay: 1, maxDelay: 2 };
const patienceMs = 240_000;

let [first, second] = ["", ""];
let [firstShell, secondShell]: (GuestShell | undefined)[] = [];
let [volume, image] = ["", ""];
/** `volume` again, after the one that both have. */
let single = "";
const device = () => `/dev/disk/by-id/virtio-${volume.replace("-", "")}`;

test("a volume attached to a running guest is there by its id, takes a file system and a file", async () => {
  await openSsh(ec2, "disk", keyFile);
  const launched = await launch();
  first = launched.InstanceId ?? "";
  const zone = launched.Placement?.AvailabilityZone;
  const made = await ec2.createVolume({ AvailabilityZone: zone, Size: 1, VolumeType: "gp3" });
  volume = made.VolumeId ?? "";
  await waitUntilVolumeAvailable(patience, { VolumeIds: [volume] });
  firstShell = await shellOf(first);
  await attach(first, "/dev/sdg");
  await becomes("attached");
  await isThere(firstShell);
  assert.equal(await firstShell.run(`sudo blockdev --getsize64 ${device()}`), `${1024 ** 3}\n`);
  await firstShell.run(
    `sudo mkfs.ext4 -q ${device()} && sudo mount ${device()} /mnt && echo kept | sudo tee /mnt/file`,
  );
  assert.equal(await firstShell.run("lsblk -dno SIZE /dev/vdb"), "  2G\n");
});

test("it is made larger while it is mounted, and the file system grows onto it", async () => {
  await ec2.modifyVolume({ VolumeId: volume, Size: 2 });
  const grown = () => firstShell?.run(`sudo blockdev --getsize64 ${device()}`);
  assert.equal(
    await until(
      async () => grown(),
      (bytes) => bytes !== `${1024 ** 3}\n`,
      patienceMs,
    ),
    `${2 * 1024 ** 3}\n`,
  );
  await firstShell?.run(`sudo resize2fs ${device()}`);
  assert.match((await firstShell?.run("df -BG --output=size /mnt")) ?? "", /^ *2G$/m);
});

test("it is detached by programs that did not attach it, and leaves the guest", async () => {
  await region.stop();
  await region.start();
  assert.equal(await state(), "attached");
  await firstShell?.run("sudo umount /mnt");
  await ec2.detachVolume({ VolumeId: volume });
  await becomes("available");
  assert.equal(await firstShell?.run(`ls ${device()} 2>/dev/null || true`), "");
});

test("another instance that it is attached to finds the file, and again after it was stopped and started, when its instance store is empty", async () => {
  // 50 billion bytes of NVMe.
  second = (await launch({ InstanceType: "c5d.large" })).InstanceId ?? "";
  secondShell = await shellOf(second);
  const [store = "", ...others] = (await secondShell.run("ls /dev/disk/by-id/virtio-AWS*"))
    .trim()
    .split("\n");
  assert.deepEqual(others, []);
  assert.equal(await secondShell.run(`sudo blockdev --getsize64 ${store}`), "50000000000\n");
  await secondShell.run(`echo scratch | sudo dd of=${store} conv=fsync`);
  assert.equal(await secondShell.run(`sudo head -c 7 ${store}`), "scratch");
  await attach(second, "/dev/sdg");
  await becomes("attached");
  await isThere(secondShell);
  assert.equal(
    await secondShell.run(`sudo mount ${device()} /mnt && cat /mnt/file && sudo umount /mnt`),
    "kept\n",
  );
  await ec2.stopInstances({ InstanceIds: [second] });
  await waitUntilInstanceStopped(patience, { InstanceIds: [second] });
  assert.equal(await state(), "attached");
  await ec2.startInstances({ InstanceIds: [second] });
  secondShell = await shellOf(second);
  await isThere(secondShell);
  assert.equal(await secondShell.run(`sudo mount ${device()} /mnt && cat /mnt/file`), "kept\n");
  assert.equal(await secondShell.run(`sudo head -c 7 ${store} | tr '\\0' 0`), "0000000");
});

test("taken by force while it is mounted, it has what was written to it, and its guest runs on", async () => {
  await secondShell?.run("echo more | sudo tee -a /mnt/file && sync");
  await ec2.detachVolume({ VolumeId: volume, Force: true });
  await becomes("available");
  assert.equal(await secondShell?.run("echo up"), "up\n");
  await attach(first, "/dev/sdh");
  await becomes("attached");
  assert.ok(firstShell);
  await isThere(firstShell);
  assert.equal(await firstShell.run(`sudo mount ${device()} /mnt && cat /mnt/file`), "kept\nmore\n");
});

test("a snapshot made while it is mounted and written has what was synced, whatever is killed; a volume made of it shows that elsewhere", async () => {
  await firstShell?.run("echo old | sudo tee /mnt/word && sync /mnt/word");
  const { SnapshotId: id = "" } = await ec2.createSnapshot({ VolumeId: volume });
  await killPrograms(region);
  const isCompleted = async () => {
    const { Snapshots: [it] = [] } = await patiently(() => ec2.describeSnapshots({ SnapshotIds: [id] }));
    return it?.State;
  };
  assert.equal(await until(isCompleted, (now) => now !== "pending", patienceMs), "completed");
  await firstShell?.run("echo new | sudo tee /mnt/word && sync /mnt/word");
  await killPrograms(region);
  const { Volumes: [whole] = [] } = await patiently(() => ec2.describeVolumes({ VolumeIds: [volume] }));
  const AvailabilityZone = whole?.AvailabilityZone;
  const wanted = { AvailabilityZone, SnapshotId: id, ClientToken: "restored" };
  const restored = await patiently(() => ec2.createVolume(wanted));
  assert.equal(restored.Size, 2);
  const source = volume;
  volume = restored.VolumeId ?? "";
  await killPrograms(region);
  assert.equal(
    await until(
      () => patiently(state),
      (now) => now === "available",
      patienceMs,
    ),
    "available",
  );
  await patiently(() => attach(second, "/dev/sdi"));
  await killPrograms(region);
  assert.equal(
    await until(
      () => patiently(state),
      (now) => now === "attached",
      patienceMs,
    ),
    "attached",
  );
  assert.ok(secondShell && firstShell);
  await isThere(secondShell);
  assert.equal(
    await secondShell.run(`sudo mkdir /restored && sudo mount ${device()} /restored && cat /restored/word`),
    "old\n",
  );
  assert.equal(await firstShell.run("cat /mnt/word"), "new\n");
  await ec2.deleteSnapshot({ SnapshotId: id });
  await secondShell.run("echo newer | sudo tee /restored/word && sync /restored/word");
  assert.equal(await secondShell.run("cat /restored/file /restored/word"), "kept\nmore\nnewer\n");
  volume = source;
});

test("between two snapshots of a disk that a guest writes, exactly the blocks that it wrote have changed", async () => {
  assert.ok(firstShell);
  const ebs = new EBS(signedBy(region.environment));
  const { Volumes: [disk] = [] } = await ec2.describeVolumes({
    Filters: [
      { Name: "attachment.instance-id", Values: [first] },
      { Name: "attachment.device", Values: ["/dev/sdf"] },
    ],
  });
  const snapshotOf = async (...writes: (readonly [char: string, atKiB: number, kibibytes: number])[]) => {
    const commands = writes.map(
      ([char, at, count]) =>
        `head -c ${count}K /dev/zero | tr '\\0' ${char} | sudo dd of=/dev/vdb bs=1K seek=${at} conv=fsync,notrunc iflag=fullblock status=none`,
    );
    await firstShell?.run(commands.join("\n"));
    const { SnapshotId = "" } = await ec2.createSnapshot({ VolumeId: disk?.VolumeId });
    await waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] });
    return SnapshotId;
  };
  const block = (number: number) => 512 * number;
  const before = await snapshotOf(["a", block(3), 512], ["b", block(700), 1536]);
  // In one, across two, over what was there, and at the very end.
  const later = await snapshotOf(
    ["c", block(9) + 100, 4],
    ["d", block(1001) - 4, 8],
    ["e", block(701), 1],
    ["f", block(4096) - 1, 1],
  );
  const indexes = (blocks: readonly { readonly BlockIndex?: number | undefined }[] = []) =>
    blocks.map(({ BlockIndex }) => BlockIndex);
  const listed = await ebs.listSnapshotBlocks({ SnapshotId: before });
  assert.deepEqual(indexes(listed.Blocks), [3, 700, 701, 702]);
  const { ChangedBlocks = [] } = await ebs.listChangedBlocks({
    FirstSnapshotId: before,
    SecondSnapshotId: later,
  });
  assert.deepEqual(indexes(ChangedBlocks), [9, 701, 1000, 1001, 4095]);
  const overwritten = ChangedBlocks.find(({ BlockIndex }) => BlockIndex === 701);
  const read = async (SnapshotId: string, BlockToken?: string) => {
    const { BlockData } = await ebs.getSnapshotBlock({ SnapshotId, BlockIndex: 701, BlockToken });
    return BlockData?.transformToString();
  };
  assert.equal(await read(before, overwritten?.FirstBlockToken), "b".repeat(512 * 1024));
  assert.equal(await read(later, overwritten?.SecondBlockToken), "e".repeat(1024) + "b".repeat(511 * 1024));
  ebs.destroy();
});

test("a volume with Multi-Attach is both guests': each reads what the other wrote, it becomes larger for both, and what was answered is there when what serves it is killed, and Croft's programs too", async () => {
  assert.ok(firstShell && secondShell);
  const { Volumes: [its] = [] } = await ec2.describeVolumes({ VolumeIds: [volume] });
  const io2 = { Size: 4, VolumeType: "io2", Iops: 1000, MultiAttachEnabled: true } as const;
  const made = await ec2.createVolume({ AvailabilityZone: its?.AvailabilityZone, ...io2 });
  single = volume;
  volume = made.VolumeId ?? "";
  await becomes("available");
  const shells = [firstShell, secondShell];
  for (const id of [first, second]) await attach(id, "/dev/sdj");
  for (const shell of shells) await isThere(shell);
  assert.deepEqual(await attachments(2), ["attached", "attached"]);
  for (const [n, from] of shells.entries()) {
    await from.run(writeRecords(device(), n, n + 1));
    for (const shell of shells)
      assert.equal(await shell.run(readRecords(device(), n, n + 1)), records(n, n + 1));
  }

  const writing = firstShell.open(writeRecords(device(), 2, 800));
  let answered = 2;
  writing.stdout.on("data", (text: Buffer) => void (answered += text.length));
  const ended = new Promise((resolve) => void writing.on("close", resolve));
  for (const programsToo of [false, true]) {
    const from = answered;
    await until(
      async () => answered,
      (now) => now >= from + 200,
      patienceMs,
    );
    const life = readRecord(join(layout(region.dataDir).machinesDir, volume))?.life;
    assert.ok(life?.state === "running");
    process.kill(life.process.pid, "SIGKILL");
    if (programsToo) await killPrograms(region);
  }
  await patiently(() => ec2.modifyVolume({ VolumeId: volume, Size: 8 }));
  await killPrograms(region);
  for (const shell of shells) {
    const shown = async () => shell.run(`sudo blockdev --getsize64 ${device()}`);
    const grown = await until(shown, (bytes) => bytes !== `${4 * 1024 ** 3}\n`, patienceMs);
    assert.equal(grown, `${8 * 1024 ** 3}\n`);
  }
  assert.deepEqual([await ended, answered], [0, 800]);
  assert.equal(await secondShell.run(readRecords(device(), 0, 800)), records(0, 800));
});

test("of one moment with all others of an instance, a snapshot of it is what both had written; detached from one, it is the other's as before", async () => {
  assert.ok(firstShell && secondShell);
  const all = { InstanceSpecification: { InstanceId: first } };
  const { Snapshots = [] } = await patiently(() => ec2.createSnapshots(all));
  await waitUntilSnapshotCompleted(patience, {
    SnapshotIds: Snapshots.map(({ SnapshotId: made = "" }) => made),
  });
  const SnapshotId = Snapshots.find((it) => it.VolumeId === volume)?.SnapshotId;
  for (const { SnapshotId: other } of Snapshots)
    if (other !== SnapshotId) await ec2.deleteSnapshot({ SnapshotId: other });
  await ec2.detachVolume({ VolumeId: volume, InstanceId: first });
  assert.deepEqual(await attachments(1), ["attached"]);
  assert.equal(await firstShell.run(`ls ${device()} 2>/dev/null || true`), "");
  await secondShell.run(writeRecords(device(), 800, 801));
  assert.equal(await secondShell.run(readRecords(device(), 0, 801)), records(0, 801));
  await ec2.detachVolume({ VolumeId: volume, InstanceId: second });
  await becomes("available");
  const { Volumes: [shared] = [] } = await ec2.describeVolumes({ VolumeIds: [volume] });
  await ec2.deleteVolume({ VolumeId: volume });
  const wanted = { AvailabilityZone: shared?.AvailabilityZone, SnapshotId };
  volume = (await ec2.createVolume(wanted)).VolumeId ?? "";
  await becomes("available");
  await attach(first, "/dev/sdj");
  await isThere(firstShell);
  assert.equal(await firstShell.run(readRecords(device(), 0, 800)), records(0, 800));
  await ec2.detachVolume({ VolumeId: volume });
  await becomes("available");
  volume = single;
});

test("an image of a running instance has what was written to its volumes; launched, it is another machine with those files", async () => {
  assert.ok(firstShell);
  // Not synced: it is shut down for the image.
  const before = await firstShell.run(
    `echo rooted >rooted; echo imaged | sudo tee -a /mnt/file >&2; ${identity}`,
  );
  const { ImageId = "" } = await ec2.createImage({ InstanceId: first, Name: "volumes" });
  image = ImageId;
  await killPrograms(region);
  const imageIs = async () => {
    const { Images: [it] = [] } = await patiently(() => ec2.describeImages({ ImageIds: [image] }));
    return it?.State;
  };
  assert.equal(await until(imageIs, (now) => now !== "pending", patienceMs), "available");
  await ec2.terminateInstances({ InstanceIds: [first] });
  await ec2.deleteVolume({ VolumeId: volume }).catch(() => "once it is no longer attached");
  const { Images: [described] = [] } = await ec2.describeImages({ ImageIds: [image] });
  const rootDevice = described?.RootDeviceName ?? "";
  const third = await launch({
    ImageId: image,
    BlockDeviceMappings: [{ DeviceName: rootDevice, Ebs: { VolumeSize: 12 } }],
  });
  const shell = await shellOf(third.InstanceId ?? "");
  const { Volumes = [] } = await ec2.describeVolumes({
    Filters: [{ Name: "attachment.instance-id", Values: [third.InstanceId ?? ""] }],
  });
  assert.equal(Volumes.length, 3);
  volume = Volumes.find((it) => it.Attachments?.[0]?.Device === "/dev/sdh")?.VolumeId ?? "";
  assert.equal(await shell.run("cat rooted"), "rooted\n");
  assert.equal(await shell.run(`sudo mount ${device()} /mnt && cat /mnt/file`), "kept\nmore\nimaged\n");
  const its = (await shell.run(identity)).trim().split("\n");
  assert.equal(its.at(-1), third.InstanceId);
  assert.deepEqual(
    before
      .trim()
      .split("\n")
      .filter((line) => its.includes(line)),
    [],
  );
  const grown = await until(
    () => shell.run("df -BG --output=size / | tail -1"),
    (size) => Number.parseInt(size, 10) >= 11,
    patienceMs,
  );
  assert.ok(Number.parseInt(grown, 10) >= 11, grown);
  await ec2.terminateInstances({ InstanceIds: [third.InstanceId ?? ""] });
});

test("shared with another account, the image boots there and its snapshot is a volume there; no longer shared, what was made of them runs on", async () => {
  const id = "222233334444";
  const made = exported(await region.croft("account", "create", "--account-id", id, "second"));
  const other = new EC2({ ...signedBy({ ...region.environment, ...made }), maxAttempts: 1 });
  const its = { ...patience, client: other };
  const otherKey = join(files, "other.pem");
  await openSsh(other, "disk", otherKey);
  const { Images: [owned] = [] } = await ec2.describeImages({ ImageIds: [image] });
  const SnapshotId = owned?.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === "/dev/sdh")?.Ebs
    ?.SnapshotId;
  const share = async (way: "Add" | "Remove") => {
    const permission = { [way]: [{ UserId: id }] };
    await ec2.modifyImageAttribute({ ImageId: image, LaunchPermission: permission });
    await ec2.modifySnapshotAttribute({ SnapshotId, CreateVolumePermission: permission });
  };
  const noImage = { name: "InvalidAMIID.NotFound" };
  const noSnapshot = { name: "InvalidSnapshot.NotFound" };
  const AvailabilityZone = `${region.environment["AWS_REGION"]}a`;
  const launchThere = () => launch({ ImageId: image, BlockDeviceMappings: [] }, other);
  const restoreThere = () => other.createVolume({ AvailabilityZone, SnapshotId });
  await assert.rejects(launchThere(), noImage);
  await assert.rejects(restoreThere(), noSnapshot);
  await share("Add");
  const there = await launchThere();
  const { VolumeId = "" } = await restoreThere();
  await waitUntilVolumeAvailable(its, { VolumeIds: [VolumeId] });
  const shell = await shellOf(there.InstanceId ?? "", other, otherKey);
  await share("Remove");
  assert.equal(await shell.run("cat rooted"), "rooted\n");
  const ofImage = await other.describeVolumes({
    Filters: [
      { Name: "attachment.instance-id", Values: [there.InstanceId ?? ""] },
      { Name: "attachment.device", Values: ["/dev/sdh"] },
    ],
  });
  await other.attachVolume({ VolumeId, InstanceId: there.InstanceId, Device: "/dev/sdi" });
  for (const it of [ofImage.Volumes?.[0]?.VolumeId ?? "", VolumeId]) {
    volume = it;
    await isThere(shell);
    // Both are one file system, which was mounted.
    assert.equal(
      await shell.run(`sudo mount -o ro ${device()} /mnt && cat /mnt/file && sudo umount /mnt`),
      "kept\nmore\nimaged\n",
    );
  }
  await assert.rejects(launchThere(), noImage);
  await assert.rejects(restoreThere(), noSnapshot);
  await other.terminateInstances({ InstanceIds: [there.InstanceId ?? ""] });
  other.destroy();
});

test("a root volume is put back to a snapshot of it, whatever is killed: the same machine, as it was then", async () => {
  assert.ok(secondShell);
  const before = await secondShell.run(`echo then >word && sync && ${identity}`);
  const rootOf = async () => {
    const { Reservations: [it] = [] } = await patiently(() =>
      ec2.describeInstances({ InstanceIds: [second] }),
    );
    const { RootDeviceName: name, BlockDeviceMappings = [] } = it?.Instances?.[0] ?? {};
    return BlockDeviceMappings.find(({ DeviceName }) => DeviceName === name)?.Ebs?.VolumeId;
  };
  const root = await rootOf();
  const { SnapshotId = "" } = await ec2.createSnapshot({ VolumeId: root });
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] });
  await secondShell.run("echo now >word && sync");
  const { ReplaceRootVolumeTask: task } = await ec2.createReplaceRootVolumeTask({
    InstanceId: second,
    SnapshotId,
    DeleteReplacedRootVolume: true,
  });
  const ReplaceRootVolumeTaskIds = [task?.ReplaceRootVolumeTaskId ?? ""];
  const taskIs = async () => {
    const { ReplaceRootVolumeTasks: [it] = [] } = await patiently(() =>
      ec2.describeReplaceRootVolumeTasks({ ReplaceRootVolumeTaskIds }),
    );
    return it?.TaskState;
  };
  await killPrograms(region);
  await until(taskIs, (now) => now !== "pending", patienceMs);
  await killPrograms(region);
  assert.equal(
    await until(taskIs, (now) => now !== "pending" && now !== "in-progress", patienceMs),
    "succeeded",
  );
  assert.notEqual(await rootOf(), root);
  await waitUntilVolumeDeleted(patience, { VolumeIds: [root ?? ""] });
  const shell = await shellOf(second);
  assert.equal(await shell.run("cat word"), "then\n");
  assert.equal(await shell.run(identity), before);
});

/** Host keys, machine id and what the metadata call it. */
const identity = [
  "cut -d' ' -f2 /etc/ssh/ssh_host_e*_key.pub",
  "cat /etc/machine-id",
  "token=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)",
  'curl -s -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id',
].join("\n");

async function launch(input: Partial<RunInstancesCommandInput> = {}, client = ec2): Promise<Instance> {
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId: region.imageId,
    InstanceType: "t3.micro",
    KeyName: "disk",
    MinCount: 1,
    MaxCount: 1,
    BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs: { VolumeSize: 2, VolumeType: "gp3" } }],
    ...input,
  });
  assert.ok(instance);
  return instance;
}

const attach = (InstanceId: string, Device: string) =>
  ec2.attachVolume({ VolumeId: volume, InstanceId, Device });

async function shellOf(instanceId: string, client = ec2, key = keyFile): Promise<GuestShell> {
  const InstanceIds = [instanceId];
  await waitUntilInstanceRunning({ ...patience, client }, { InstanceIds });
  const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds });
  return guestShell(reservation?.Instances?.[0]?.PublicIpAddress ?? "", key);
}

async function isThere(shell: GuestShell): Promise<void> {
  const look = () => shell.run(`ls ${device()} 2>/dev/null || true`);
  assert.equal(await until(look, (shown) => shown !== "", patienceMs), `${device()}\n`);
}

/** Of the attachment; of the volume when it has none. */
async function state(): Promise<string | undefined> {
  const { Volumes: [it] = [] } = await ec2.describeVolumes({ VolumeIds: [volume] });
  return it?.Attachments?.[0]?.State ?? it?.State;
}

/** Their states, once there are so many and each is attached. */
async function attachments(count: number): Promise<(string | undefined)[]> {
  const look = async () => {
    const { Volumes: [it] = [] } = await ec2.describeVolumes({ VolumeIds: [volume] });
    return it?.Attachments?.map(({ State }) => State) ?? [];
  };
  const attached = (states: readonly (string | undefined)[]) => states.every((it) => it === "attached");
  return until(look, (states) => states.length === count && attached(states), patienceMs);
}

async function becomes(wanted: string): Promise<void> {
  assert.equal(await until(state, (now) => now === wanted, patienceMs), wanted);
}
