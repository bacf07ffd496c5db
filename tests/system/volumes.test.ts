import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  type Instance,
  type RunInstancesCommandInput,
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
  waitUntilSnapshotCompleted,
  waitUntilVolumeAvailable,
  waitUntilVolumeDeleted,
} from "@aws-sdk/client-ec2";
import { guestShell, saveKey, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { killPrograms, patiently } from "./killed-programs.ts";

/** Two Debian guests, and a volume that goes from one to the other and stays through stops and restarts. */
const files = mkdtempSync(join(tmpdir(), "croft-volumes-"));
after(() => rmSync(files, { recursive: true }));
const region = await realRegion();
const { client: ec2 } = region;
const keyFile = join(files, "key.pem");
const patience = { client: ec2, maxWaitTime: 240, minDelay: 1, maxDelay: 2 };
const patienceMs = 240_000;

let [first, second] = ["", ""];
let [firstShell, secondShell]: (GuestShell | undefined)[] = [];
let volume = "";
const device = () => `/dev/disk/by-id/virtio-${volume.replace("-", "")}`;

test("a volume attached to a running guest is there by its id, takes a file system and a file", async () => {
  const { KeyMaterial: key = "" } = await ec2.createKeyPair({ KeyName: "disk", KeyType: "ed25519" });
  saveKey(keyFile, key);
  const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
  await ec2.authorizeSecurityGroupIngress({ GroupName: "default", IpPermissions: [ssh] });
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

test("an image of a running instance has what was written to its volumes; launched, it is another machine with those files", async () => {
  assert.ok(firstShell);
  // Not synced: it is shut down for the image.
  const before = await firstShell.run(
    `echo rooted >rooted; echo imaged | sudo tee -a /mnt/file >&2; ${identity}`,
  );
  const { ImageId: id = "" } = await ec2.createImage({ InstanceId: first, Name: "volumes" });
  await killPrograms(region);
  const imageIs = async () => {
    const { Images: [it] = [] } = await patiently(() => ec2.describeImages({ ImageIds: [id] }));
    return it?.State;
  };
  assert.equal(await until(imageIs, (now) => now !== "pending", patienceMs), "available");
  await ec2.terminateInstances({ InstanceIds: [first] });
  await ec2.deleteVolume({ VolumeId: volume }).catch(() => "once it is no longer attached");
  const { Images: [image] = [] } = await ec2.describeImages({ ImageIds: [id] });
  const rootDevice = image?.RootDeviceName ?? "";
  const third = await launch({
    ImageId: id,
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

async function launch(input: Partial<RunInstancesCommandInput> = {}): Promise<Instance> {
  const { Instances: [instance] = [] } = await ec2.runInstances({
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

async function shellOf(instanceId: string): Promise<GuestShell> {
  await waitUntilInstanceRunning(patience, { InstanceIds: [instanceId] });
  const { Reservations: [reservation] = [] } = await ec2.describeInstances({ InstanceIds: [instanceId] });
  return guestShell(reservation?.Instances?.[0]?.PublicIpAddress ?? "", keyFile);
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

async function becomes(wanted: string): Promise<void> {
  assert.equal(await until(state, (now) => now === wanted, patienceMs), wanted);
}
