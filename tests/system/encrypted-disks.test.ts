import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  EC2,
  waitUntilImageAvailable,
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
  waitUntilSnapshotCompleted,
  waitUntilVolumeAvailable,
} from "@aws-sdk/client-ec2";
import { KMS } from "@aws-sdk/client-kms";
import { storeKeysDir } from "#config.ts";
import { CommandFailed, run } from "#drivers/linux/commands.ts";
import { guestShell, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** A Debian guest whose every volume is encrypted, but for one that shows how a marker is found; and its instance store, as each is. */
const files = mkdtempSync(join(tmpdir(), "croft-encrypted-"));
after(() => rmSync(files, { recursive: true }));
const imports = join(files, "imports");
mkdirSync(imports);
const region = await realRegion({ more: ["--import-dir", imports] });
const { client: ec2, environment } = region;
const signing = {
  endpoint: region.endpoint,
  region: environment["AWS_REGION"] ?? "",
  credentials: {
    accessKeyId: environment["AWS_ACCESS_KEY_ID"] ?? "",
    secretAccessKey: environment["AWS_SECRET_ACCESS_KEY"] ?? "",
  },
};
const kms = new KMS(signing);
/** The same account in another region. */
const away = new EC2({ ...signing, region: "eu-west-3" });
after(() => [kms, away].forEach((it) => it.destroy()));
const keyFile = join(files, "key.pem");
const patience = { client: ec2, maxWaitTime: 240, minDelay: 1, maxDelay: 2 };
const patienceMs = 240_000;

/** In two pieces, so that it stands in no command either. */
const [marker, plainMarker] = ["MARKER-of-encrypted-bytes", "MARKER-of-open-bytes"];
const said = (text: string) => `printf '%s%s' '${text.slice(0, 9)}' '${text.slice(9)}'`;
let [key, instance, zone, data, snapshot] = ["", "", "", "", ""];
let shell: GuestShell;
const device = (id: string) => `/dev/disk/by-id/virtio-${id.replace("-", "")}`;

test("a guest boots an encrypted root volume, and writes to it and to an encrypted volume that is plugged in", async () => {
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", keyFile]);
  await allowSsh(ec2);
  key = (await kms.createKey({})).KeyMetadata?.KeyId ?? "";
  const { Instances: [launched] = [] } = await ec2.runInstances({
    ImageId: region.imageId,
    InstanceType: "c5d.large",
    KeyName: "encrypted",
    MinCount: 1,
    MaxCount: 1,
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { Encrypted: true, KmsKeyId: key } }],
  });
  instance = launched?.InstanceId ?? "";
  zone = launched?.Placement?.AvailabilityZone ?? "";
  data = await volume({ Size: 1, Encrypted: true, KmsKeyId: key });
  shell = await shellOf();
  await shell.run(`${said(marker)} >rooted && sync rooted`);
  await attach(data, "/dev/sdf");
  await shell.run(
    `sudo mkfs.ext4 -q ${device(data)} && sudo mount ${device(data)} /mnt && ${said(marker)} | sudo tee /mnt/file >&2 && sudo sync`,
  );
});

test("its snapshot, made while it is written, and a copy by another key hold what was written", async () => {
  snapshot = (await ec2.createSnapshot({ VolumeId: data })).SnapshotId ?? "";
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [snapshot] });
  await shell.run("echo more | sudo tee /mnt/more && sudo sync");
  const copied = await ec2.copySnapshot({
    SourceSnapshotId: snapshot,
    SourceRegion: environment["AWS_REGION"],
    Encrypted: true,
    KmsKeyId: "alias/aws/ebs",
  });
  const copy = copied.SnapshotId ?? "";
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [copy] });
  for (const [from, name] of [
    [snapshot, "/dev/sdg"],
    [copy, "/dev/sdh"],
  ] as const) {
    const restored = await volume({ SnapshotId: from });
    await attach(restored, name);
    const look = `sudo mount -o ro,noload ${device(restored)} /srv && cat /srv/file && ls /srv && sudo umount /srv`;
    assert.equal(await shell.run(look), `${marker}file\nlost+found\n`);
  }
});

test("a disk that is imported to be encrypted lies open at no time", async () => {
  const disk = Buffer.alloc(64 * 1024 ** 2);
  disk.write(marker, 1024 ** 2);
  disk.writeUInt16LE(0xaa55, 510);
  writeFileSync(join(imports, "disk.raw"), disk);
  const { ImportTaskId = "" } = await ec2.importSnapshot({
    DiskContainer: { Url: "file:///disk.raw" },
    Encrypted: true,
    KmsKeyId: key,
  });
  const found: string[] = [];
  const task = await until(
    async () => {
      found.push(...(await filesWith(marker)));
      const ImportTaskIds = [ImportTaskId];
      const { ImportSnapshotTasks } = await ec2.describeImportSnapshotTasks({ ImportTaskIds });
      return ImportSnapshotTasks?.[0]?.SnapshotTaskDetail;
    },
    (it) => it?.Status !== "active",
    patienceMs,
  );
  assert.deepEqual([task?.Status, found], ["completed", []]);
  const imported = await volume({ SnapshotId: task?.SnapshotId });
  await attach(imported, "/dev/sdi");
  const look = `sudo dd if=${device(imported)} bs=1M skip=1 count=1 status=none | head -c ${marker.length}`;
  assert.equal(await shell.run(look), marker);
  assert.deepEqual(await filesWith(marker), []);
});

test("what is written to an instance store is in no file, and its key is gone for good when the instance stops", async () => {
  const store = (await shell.run("ls /dev/disk/by-id/virtio-AWS*")).trim();
  await shell.run(`${said(marker)} | sudo dd of=${store} conv=fsync status=none`);
  assert.equal(await shell.run(`sudo head -c ${marker.length} ${store}`), marker);
  const [name = ""] = readdirSync(storeKeysDir(region.dataDir));
  assert.match(store, new RegExp(`virtio-${name}$`));
  assert.equal(statSync(join(storeKeysDir(region.dataDir), name)).mode & 0o777, 0o600);
  assert.deepEqual(await filesWith(marker), []);
});

test("what was written is in no file of the region's, where an open volume's is; no secret is in an argument or a file", async () => {
  const open = await volume({ Size: 1 });
  await attach(open, "/dev/sdk");
  await shell.run(`${said(plainMarker)} | sudo dd of=${device(open)} conv=fsync status=none`);
  assert.deepEqual(await filesWith(marker), []);
  assert.match((await filesWith(plainMarker)).join(), new RegExp(open));
  assert.doesNotMatch(await run("ps", ["-eo", "args"]), /[0-9a-f]{128}/);
  assert.deepEqual(
    readdirSync("/dev/shm").filter((name) => name.startsWith("croft-key-")),
    [],
  );
});

test("by a disabled key nothing is attached or started, but what runs goes on; enabled again, all is there", async () => {
  const more = await volume({ Size: 1, Encrypted: true, KmsKeyId: key });
  await kms.disableKey({ KeyId: key });
  await ec2.attachVolume({ VolumeId: more, InstanceId: instance, Device: "/dev/sdj" });
  assert.equal(
    await until(
      () => stateOf(more),
      (now) => now === "available",
      patienceMs,
    ),
    "available",
  );
  assert.equal(
    await shell.run("cat /mnt/more && sudo touch /mnt/still && sudo sync && echo on"),
    "more\non\n",
  );
  await ec2.stopInstances({ InstanceIds: [instance] });
  await waitUntilInstanceStopped(patience, { InstanceIds: [instance] });
  assert.deepEqual(readdirSync(storeKeysDir(region.dataDir)), []);
  await ec2.startInstances({ InstanceIds: [instance] });
  const reason = async () => {
    const { Reservations: [it] = [] } = await ec2.describeInstances({ InstanceIds: [instance] });
    return it?.Instances?.[0]?.StateReason?.Code;
  };
  assert.equal(
    await until(reason, (code) => code === "Client.InternalError", patienceMs),
    "Client.InternalError",
  );
  await waitUntilInstanceStopped(patience, { InstanceIds: [instance] });
  await kms.enableKey({ KeyId: key });
  await ec2.startInstances({ InstanceIds: [instance] });
  shell = await shellOf();
  const look = `cat rooted && sudo mount ${device(data)} /mnt && cat /mnt/file && ls /mnt`;
  assert.equal(await shell.run(look), `${marker}${marker}file\nlost+found\nmore\nstill\n`);
  assert.deepEqual(await filesWith(marker), []);
});

test("an image of it, copied into another region, boots there by that region's key, with what was written", async () => {
  const { ImageId: image = "" } = await ec2.createImage({
    InstanceId: instance,
    Name: "encrypted",
    NoReboot: true,
  });
  await waitUntilImageAvailable(patience, { ImageIds: [image] });
  await ec2.stopInstances({ InstanceIds: [instance] });
  await waitUntilInstanceStopped(patience, { InstanceIds: [instance] });
  const { ImageId: copy = "" } = await away.copyImage({
    SourceImageId: image,
    SourceRegion: environment["AWS_REGION"],
    Name: "encrypted",
  });
  await waitUntilImageAvailable({ ...patience, client: away }, { ImageIds: [copy] });
  await ec2.deregisterImage({ ImageId: image, DeleteAssociatedSnapshots: true });
  await allowSsh(away);
  const { Instances: [launched] = [] } = await away.runInstances({
    ImageId: copy,
    InstanceType: "t3.micro",
    KeyName: "encrypted",
    MinCount: 1,
    MaxCount: 1,
  });
  const there = await shellOf(away, launched?.InstanceId ?? "");
  assert.equal(await there.run("cat rooted"), marker);
  const Filters = [{ Name: "attachment.device", Values: ["/dev/xvda"] }];
  const { Volumes: [root] = [] } = await away.describeVolumes({ Filters });
  assert.match(root?.KmsKeyId ?? "", /^arn:aws:kms:eu-west-3:/);
  assert.deepEqual(await filesWith(marker), []);
});

/** To who has `keyFile`. */
async function allowSsh(client: EC2): Promise<void> {
  const PublicKeyMaterial = Buffer.from(await run("ssh-keygen", ["-y", "-f", keyFile]));
  await client.importKeyPair({ KeyName: "encrypted", PublicKeyMaterial });
  const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
  await client.authorizeSecurityGroupIngress({ GroupName: "default", IpPermissions: [ssh] });
}

async function volume(input: object): Promise<string> {
  const { VolumeId = "" } = await ec2.createVolume({ AvailabilityZone: zone, VolumeType: "gp3", ...input });
  await waitUntilVolumeAvailable(patience, { VolumeIds: [VolumeId] });
  return VolumeId;
}

async function attach(VolumeId: string, Device: string): Promise<void> {
  await ec2.attachVolume({ VolumeId, InstanceId: instance, Device });
  const look = () => shell.run(`ls ${device(VolumeId)} 2>/dev/null || true`);
  assert.equal(await until(look, (shown) => shown !== "", patienceMs), `${device(VolumeId)}\n`);
}

async function stateOf(VolumeId: string): Promise<string | undefined> {
  const { Volumes: [it] = [] } = await ec2.describeVolumes({ VolumeIds: [VolumeId] });
  return it?.State;
}

async function shellOf(client: EC2 = ec2, id = instance): Promise<GuestShell> {
  await waitUntilInstanceRunning({ ...patience, client }, { InstanceIds: [id] });
  const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds: [id] });
  return guestShell(reservation?.Instances?.[0]?.PublicIpAddress ?? "", keyFile);
}

/** Of the whole data directory. */
async function filesWith(text: string): Promise<string[]> {
  try {
    const found = await run("grep", ["-rlaF", "--devices=skip", "-e", text, region.dataDir], {
      timeoutMs: 300_000,
    });
    return found.trim().split("\n");
  } catch (error) {
    // There is none; a socket that is none any more is no file.
    if (error instanceof CommandFailed && error.exitCode === 1) return [];
    throw error;
  }
}
