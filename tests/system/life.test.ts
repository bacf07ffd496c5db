import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  RunInstancesCommand,
  StopInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
} from "@aws-sdk/client-ec2";
import { layout } from "#config.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { guestShell, openSsh, type GuestShell } from "../guest-shell.ts";
import { otherCheckout } from "../other-checkout.ts";
import { realRegion } from "../real-region.ts";
import { whoAmI } from "../signed-call.ts";
import { until } from "../until.ts";
import { playBoots } from "./played-boot.ts";
import { standStill } from "./stand-still.ts";

/** What becomes of a region when Croft is upgraded, and when the host is restarted or sleeps: one guest sees it all. */
const files = mkdtempSync(join(tmpdir(), "croft-life-"));
after(() => rmSync(files, { recursive: true }));
const boots = await playBoots();
const region = await realRegion({ firstCroft: otherCheckout(files) });
const { client, dataDir } = region;
const patience = { client, maxWaitTime: 180, minDelay: 1, maxDelay: 2 };

let runs: Seen;
let stopped: Seen;
let shell: GuestShell;

test("of two instances one runs and one is stopped", async () => {
  await openSsh(client, "life", join(files, "key.pem"));
  const launch = {
    ImageId: region.imageId,
    InstanceType: "t3.micro",
    KeyName: "life",
    MinCount: 2,
    MaxCount: 2,
  } as const;
  const { Instances = [] } = await client.send(new RunInstancesCommand(launch));
  const [one = "", other = ""] = Instances.map(({ InstanceId = "" }) => InstanceId);
  await client.send(new StopInstancesCommand({ InstanceIds: [other], Force: true }));
  await waitUntilInstanceStopped(patience, { InstanceIds: [other] });
  await waitUntilInstanceRunning(patience, { InstanceIds: [one] });
  [runs, stopped] = [await seen(one), await seen(other)];
  shell = await guestShell(runs.publicAddress ?? "", join(files, "key.pem"));
});

test("when all programs are those of another version, guests run on and their connections too", async () => {
  const process = machineProcess(runs.id);
  const counting = shell.open("while sleep 0.5; do date +%s; done");
  let counted = "";
  counting.stdout.setEncoding("utf8").on("data", (text: string) => (counted += text));
  const ticks = () => counted.trimEnd().split("\n").length;
  await until(
    async () => ticks(),
    (count) => count > 2,
  );
  const { code } = await region.stop();
  assert.equal(code, 0);
  await region.start();
  const before = ticks();
  await until(
    async () => ticks(),
    (count) => count > before + 2,
  );
  assert.ok(ticks() > before + 2, "the connection is still there");
  counting.kill();
  assert.deepEqual(machineProcess(runs.id), process);
  assert.deepEqual([await seen(runs.id), await seen(stopped.id)], [runs, stopped]);
});

test("guests shut down with the host, and after its restart what ran runs again with its addresses and files, and what was stopped stays so", async () => {
  await shell.run("echo kept > kept; sync");
  // Runs when the guest shuts down, and not when its power is cut.
  const farewell = "ExecStop=/bin/sh -c 'echo in order > /home/admin/ended'";
  await shell.run(
    `sudo systemd-run --unit=farewell --property=RemainAfterExit=yes --property="${farewell}" true`,
  );
  const process = machineProcess(runs.id);
  await region.croft("down", "--before-host");
  await boots.reboot(dataDir);
  assert.deepEqual(
    (await region.traces()).filter((line) => !/^(region|machine|disk|user of the cache) /.test(line)),
    [],
  );
  await region.start();
  const checks = new Set<string>();
  const last = await until(
    async () => {
      const { InstanceStatuses: [it] = [] } = await client.send(
        new DescribeInstanceStatusCommand({ InstanceIds: [runs.id] }),
      );
      const both = `${it?.SystemStatus?.Status} ${it?.InstanceStatus?.Status}`;
      checks.add(both);
      return both;
    },
    (both) => checks.has("ok initializing") && both === "ok ok",
    180_000,
  );
  assert.ok(checks.has("ok initializing"), [...checks].join());
  assert.equal(last, "ok ok");
  assert.deepEqual([await seen(runs.id), await seen(stopped.id)], [runs, stopped]);
  assert.notEqual(machineProcess(runs.id).pid, process.pid);
  shell = await guestShell(runs.publicAddress ?? "", join(files, "key.pem"));
  assert.equal(await shell.run("cat kept ended"), "kept\nin order\n");
});

test("a guest that stood still while the host slept asks for the time every 16 s: its signed calls are taken at once, and its clock is right soon after", async () => {
  // Its time service starts after the way to ssh.
  const asks = () => shell.run("timedatectl show-timesync --property=PollIntervalMaxUSec").catch(String);
  assert.equal(await until(asks, (said) => said !== "", 120_000), "PollIntervalMaxUSec=16s\n");
  await region.stop();
  await standStill(dataDir, runs.id, 30_000);
  // Nobody tells it the time before the region runs: of some looks one is fast enough to see how late it is.
  const lateSeconds = async () => {
    const now = Date.now() / 1000;
    return now - Number(await shell.run("date +%s.%N"));
  };
  const asleep = await until(lateSeconds, (late) => late > 10);
  assert.ok(asleep > 10, `${asleep} s late`);
  await region.start();
  assert.match(await shell.run(whoAmI(region.environment)), /<Account>\d{12}<\/Account>/);
  const awake = await until(lateSeconds, (late) => late < 1, 180_000);
  assert.ok(awake < 1, `${awake} s late`);
});

test("a backup with volumes that is made while a guest runs has what the guest had synced, and so has the region restored from it", async () => {
  // Synced by itself, and not by a sync of everything; what is written meanwhile is not waited for.
  await shell.run("echo in the backup | dd of=synced conv=fsync status=none");
  const writing = shell.open("while :; do dd if=/dev/zero of=noise bs=64k count=64 status=none; done");
  const backup = join(files, "backup");
  await region.croft("backup", "--volumes", backup);
  writing.kill();
  await shell.run("echo later > synced; sync");
  await region.croft("destroy", "--yes", "--keep-images");
  await region.croft("restore", backup);
  await region.start();
  assert.deepEqual([await seen(runs.id), await seen(stopped.id)], [runs, stopped]);
  shell = await guestShell(runs.publicAddress ?? "", join(files, "key.pem"));
  assert.equal(await shell.run("cat synced"), "in the backup\n");
});

interface Seen {
  readonly id: string;
  readonly state: string | undefined;
  readonly address: string | undefined;
  readonly publicAddress: string | undefined;
  readonly mac: string | undefined;
}

async function seen(id: string): Promise<Seen> {
  const { Reservations: [reservation] = [] } = await client.send(
    new DescribeInstancesCommand({ InstanceIds: [id] }),
  );
  const [it] = reservation?.Instances ?? [];
  return {
    id,
    state: it?.State?.Name,
    address: it?.PrivateIpAddress,
    publicAddress: it?.PublicIpAddress,
    mac: it?.NetworkInterfaces?.[0]?.MacAddress,
  };
}

function machineProcess(id: string) {
  const life = readRecord(join(layout(dataDir).machinesDir, id))?.life;
  assert.ok(life?.state === "running", JSON.stringify(life));
  return life.process;
}
