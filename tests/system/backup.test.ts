import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EC2, waitUntilInstanceRunning, waitUntilInstanceStopped } from "@aws-sdk/client-ec2";
import { run } from "#drivers/linux/commands.ts";
import { inventory } from "../inventory.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { bakeTinyGuest } from "./tiny-guest.ts";

test("a region with a machine that runs and one that does not is, restored from its backup, what it was", async () => {
  const files = mkdtempSync(join(tmpdir(), "croft-backup-"));
  after(() => rmSync(files, { recursive: true }));
  const region = await realRegion();
  const { AWS_REGION = "", AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = region.environment;
  const client = new EC2({
    endpoint: region.endpoint,
    region: AWS_REGION,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
    maxAttempts: 1,
  });
  after(() => client.destroy());
  const [disk, backup] = [join(files, "tiny.qcow2"), join(files, "backup")];
  await bakeTinyGuest(disk);
  const imageId = (await region.croft("image", "import", "--name", "tiny", disk)).trim();
  const launch = { ImageId: imageId, InstanceType: "t3.nano", MinCount: 2, MaxCount: 2 } as const;
  const { Instances = [] } = await client.runInstances(launch);
  const [one = "", other = ""] = Instances.map(({ InstanceId = "" }) => InstanceId);
  const patience = { client, maxWaitTime: 120, minDelay: 1, maxDelay: 2 };
  await waitUntilInstanceRunning(patience, { InstanceIds: [one, other] });
  await client.stopInstances({ InstanceIds: [other], Force: true });
  await waitUntilInstanceStopped(patience, { InstanceIds: [other] });
  const before = await inventory(client);

  await region.croft("backup", "--volumes", backup);
  assert.equal(statSync(backup).mode & 0o777, 0o600);
  await assert.rejects(region.croft("backup", backup), /is there already/);
  await region.croft("destroy", "--yes", "--keep-images");
  assert.deepEqual(await region.traces(), []);
  await region.croft("restore", backup);
  await assert.rejects(region.croft("restore", backup), /is not empty/);
  await region.start();

  assert.deepEqual(await inventory(client), before);
  const statusOf = async () => {
    const { InstanceStatuses: [it] = [] } = await client.describeInstanceStatus({ InstanceIds: [one] });
    return it?.InstanceStatus?.Status;
  };
  // Its boot loader is on the restored disk.
  assert.equal(await until(statusOf, (status) => status === "ok"), "ok");
  const { VolumeId = "" } = (await client.describeVolumes({})).Volumes?.[0] ?? {};
  const restored = join(region.dataDir, "disks", VolumeId, "disk.qcow2");
  assert.doesNotMatch(await run("qemu-img", ["info", "-U", restored]), /backing file/);
});
