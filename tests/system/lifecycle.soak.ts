import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { DLM, type PolicyDetails } from "@aws-sdk/client-dlm";
import { waitUntilInstanceRunning, waitUntilVolumeAvailable } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { rbinClient } from "#testing/rbin-client.ts";
import { guestShell, openSsh, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/**
 * A guest that writes each second what time it is, whose volume has a snapshot made each minute, of which two stay and the others lie in the
 * recycle bin. Each test goes on from where the one before it ended.
 */
const region = await realRegion();
const { client: ec2, environment } = region;
const signing = {
  endpoint: region.endpoint,
  region: environment["AWS_REGION"] ?? "",
  credentials: {
    accessKeyId: environment["AWS_ACCESS_KEY_ID"] ?? "",
    secretAccessKey: environment["AWS_SECRET_ACCESS_KEY"] ?? "",
  },
};
const [dlm, iam, rbin] = [new DLM(signing), new IAM(signing), rbinClient(signing)];
const files = mkdtempSync(join(tmpdir(), "croft-lifecycle-"));
after(() => {
  for (const client of [dlm, iam, rbin]) client.destroy();
  rmSync(files, { recursive: true });
});
const patience = { client: ec2, maxWaitTime: 240, minDelay: 1, maxDelay: 2 };
const patient = { timeout: 1_200_000 };
const fewMinutesMs = 300_000;

const everyMinute = { CronExpression: "cron(* * * * ? *)" };
const tagged = { Key: "backup", Value: "yes" };
const policies: string[] = [];
let [instance, zone, data] = ["", "", ""];
let shell: GuestShell;
const device = (id: string) => `/dev/disk/by-id/virtio-${id.replace("-", "")}`;

test(
  "a policy makes a snapshot each minute of a volume that a guest writes, and keeps the last two",
  patient,
  async () => {
    const key = join(files, "key.pem");
    await openSsh(ec2, "lifecycle", key);
    const { Instances: [launched] = [] } = await ec2.runInstances({
      ImageId: region.imageId,
      InstanceType: "t3.micro",
      KeyName: "lifecycle",
      MinCount: 1,
      MaxCount: 1,
      TagSpecifications: [{ ResourceType: "instance", Tags: [tagged] }],
    });
    instance = launched?.InstanceId ?? "";
    zone = launched?.Placement?.AvailabilityZone ?? "";
    const made = await ec2.createVolume({
      AvailabilityZone: zone,
      Size: 1,
      TagSpecifications: [{ ResourceType: "volume", Tags: [tagged] }],
    });
    data = made.VolumeId ?? "";
    await waitUntilVolumeAvailable(patience, { VolumeIds: [data] });
    await waitUntilInstanceRunning(patience, { InstanceIds: [instance] });
    const { Reservations: [it] = [] } = await ec2.describeInstances({ InstanceIds: [instance] });
    shell = await guestShell(it?.Instances?.[0]?.PublicIpAddress ?? "", key);
    await attach(data, "/dev/sdf");
    const write = `while date +%s | dd of=${device(data)} conv=fsync,notrunc status=none; do sleep 1; done`;
    await shell.run(`sudo systemd-run --quiet sh -c '${write}'`);

    await rbin.createRule({
      ResourceType: "EBS_SNAPSHOT",
      ResourceTags: [{ ResourceTagKey: tagged.Key, ResourceTagValue: tagged.Value }],
      RetentionPeriod: { RetentionPeriodValue: 1, RetentionPeriodUnit: "DAYS" },
    });
    await policy("volumes", {
      ResourceTypes: ["VOLUME"],
      TargetTags: [tagged],
      Schedules: [{ Name: "minutes", CreateRule: everyMinute, RetainRule: { Count: 2 }, CopyTags: true }],
    });
    const binned = await until(bin, (ids) => ids.length >= 2, fewMinutesMs);
    assert.ok(binned.length >= 2, binned.join());
    const kept = await until(ofVolume, (those) => those.length === 2, fewMinutesMs);
    assert.equal(kept.length, 2);
    const minutes = kept.map(({ StartTime }) => Math.floor((StartTime?.getTime() ?? 0) / 60_000));
    assert.equal(Math.abs((minutes[0] ?? 0) - (minutes[1] ?? 0)), 1, minutes.join());
    assert.ok(kept.every(({ Tags = [] }) => Tags.some(({ Key }) => Key === tagged.Key)));
  },
);

test(
  "one that the policy let go is restored from the recycle bin, and a volume of it has what the guest had written by then",
  patient,
  async () => {
    // Otherwise the policy would take it away again.
    await end();
    const [SnapshotId = ""] = await bin();
    await assert.rejects(ec2.createVolume({ AvailabilityZone: zone, SnapshotId }), {
      name: "InvalidSnapshot.NotFound",
    });
    await ec2.restoreSnapshotFromRecycleBin({ SnapshotId });
    const { Snapshots: [restored] = [] } = await ec2.describeSnapshots({ SnapshotIds: [SnapshotId] });
    const { VolumeId = "" } = await ec2.createVolume({ AvailabilityZone: zone, SnapshotId });
    await waitUntilVolumeAvailable(patience, { VolumeIds: [VolumeId] });
    await attach(VolumeId, "/dev/sdg");
    const seconds = Number(await shell.run(`sudo head -c 10 ${device(VolumeId)}`));
    const late = seconds - (restored?.StartTime?.getTime() ?? 0) / 1000;
    assert.ok(late > -30 && late < 30, `${late} s after it was asked for`);
  },
);

test(
  "a policy makes an image of the instance, which runs on, and of which another boots",
  patient,
  async () => {
    await policy("images", {
      PolicyType: "IMAGE_MANAGEMENT",
      ResourceTypes: ["INSTANCE"],
      TargetTags: [tagged],
      Parameters: { NoReboot: true },
      Schedules: [{ Name: "images", CreateRule: everyMinute, RetainRule: { Count: 1 } }],
    });
    const images = async () => (await ec2.describeImages({ Owners: ["self"] })).Images ?? [];
    const found = await until(
      images,
      (those) => those.some(({ State }) => State === "available"),
      fewMinutesMs,
    );
    const image = found.find(({ State }) => State === "available");
    await end();
    assert.equal(await shell.run("systemctl is-system-running --quiet; echo up"), "up\n");
    const { Instances: [launched] = [] } = await ec2.runInstances({
      ImageId: image?.ImageId,
      InstanceType: "t3.micro",
      KeyName: "lifecycle",
      MinCount: 1,
      MaxCount: 1,
    });
    const InstanceIds = [launched?.InstanceId ?? ""];
    await waitUntilInstanceRunning(patience, { InstanceIds });
    const { Reservations: [it] = [] } = await ec2.describeInstances({ InstanceIds });
    const other = await guestShell(it?.Instances?.[0]?.PublicIpAddress ?? "", join(files, "key.pem"));
    assert.match(await other.run("for disk in b c; do sudo head -c 10 /dev/vd$disk; done"), /^\d{20}$/);
  },
);

test("policies that are off make and remove nothing", async () => {
  const before = [await ofVolume(), await bin()];
  await delay(70_000);
  assert.deepEqual([await ofVolume(), await bin()], before);
});

/** By a role that it makes. */
async function policy(name: string, PolicyDetails: PolicyDetails): Promise<void> {
  const { Role } = await iam.createRole({
    RoleName: name,
    AssumeRolePolicyDocument: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "dlm.amazonaws.com" }, Action: "sts:AssumeRole" }],
    }),
  });
  const { PolicyId = "" } = await dlm.createLifecyclePolicy({
    ExecutionRoleArn: Role?.Arn,
    Description: name,
    State: "ENABLED",
    PolicyDetails,
  });
  policies.push(PolicyId);
}

async function end(): Promise<void> {
  for (const PolicyId of policies) await dlm.updateLifecyclePolicy({ PolicyId, State: "DISABLED" });
}

async function attach(VolumeId: string, Device: string): Promise<void> {
  await ec2.attachVolume({ VolumeId, InstanceId: instance, Device });
  const look = () => shell.run(`ls ${device(VolumeId)} 2>/dev/null || true`);
  assert.equal(await until(look, (shown) => shown !== "", 120_000), `${device(VolumeId)}\n`);
}

async function ofVolume() {
  const Filters = [{ Name: "volume-id", Values: [data] }];
  return (await ec2.describeSnapshots({ OwnerIds: ["self"], Filters })).Snapshots ?? [];
}

/** The ids of what lies in it. */
async function bin(): Promise<string[]> {
  const { Snapshots = [] } = await ec2.listSnapshotsInRecycleBin({});
  return Snapshots.map(({ SnapshotId = "" }) => SnapshotId).toSorted();
}
