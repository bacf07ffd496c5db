import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  CreateLaunchTemplateCommand,
  DescribeInstancesCommand,
  DescribeInstanceStatusCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { run } from "#drivers/linux/commands.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** A region whose data and logs are on a disk of their own, which others fill to the last byte. */
const disk = mkdtempSync(join(tmpdir(), "croft-full-"));
await run("mount", ["-t", "tmpfs", "-o", "size=256m", "croft-test", disk]);
process.env["TMPDIR"] = disk;
const region = await realRegion({ more: ["--keep-disk", "32"] });
// After the region is destroyed: hooks come in the order they were made.
after(async () => {
  await run("umount", ["--lazy", disk]);
  rmdirSync(disk);
});
const { client, dataDir } = region;
const ballast = join(disk, "ballast");

const launch = async (): Promise<string> => {
  const { Instances: [launched] = [] } = await client.send(
    new RunInstancesCommand({ ImageId: region.imageId, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 }),
  );
  return launched?.InstanceId ?? assert.fail("nothing was launched");
};
/** A large one. */
const template = (n: number) =>
  new CreateLaunchTemplateCommand({
    LaunchTemplateName: `template-${n}`,
    LaunchTemplateData: { UserData: Buffer.alloc(12_000, "x").toString("base64") },
  });
const firstRefused = async (): Promise<Error> => {
  for (let n = 0; n < 300; n++) {
    const [made] = await Promise.allSettled([client.send(template(n))]);
    if (made?.status === "rejected") return made.reason;
  }
  return assert.fail("the store never filled");
};
const activity = async () => (await region.status()).activity;
const pausedOf = async (id: string) => (await activity())?.machines.find((it) => it.id === id)?.paused;
const within = { client, maxWaitTime: 120, minDelay: 1, maxDelay: 2 };

test("on a full disk reads go on, new things are refused, an instance stands still and can be terminated; with room all goes on", async () => {
  const one = await launch();
  const other = await launch();
  await waitUntilInstanceRunning(within, { InstanceIds: [one, other] });
  const { programs } = await region.status();

  await run("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"]).catch(() => {});
  // What guests free, they do not give to others.
  const filling = setInterval(() => {
    run("dd", ["if=/dev/zero", `of=${ballast}`, "bs=4k", "oflag=append", "conv=notrunc"]).catch(() => {});
  }, 500);
  try {
    const warned = await until(activity, (it) => it?.warnings.length === 1);
    assert.match(String(warned?.warnings), /nothing is launched below 32 MiB \(--keep-disk\)/);
    await assert.rejects(launch(), (error) => {
      assert.ok(error instanceof Error);
      assert.equal(error.name, "InsufficientInstanceCapacity");
      assert.match(error.message, /disk has \d+ MiB left, and 32 MiB of it are kept free/);
      return true;
    });

    // The store has some room of its own; then it says so.
    const refused = await firstRefused();
    assert.equal(refused.name, "ServiceUnavailable");
    assert.match(refused.message, /disk of this region is full, and nothing was changed/);

    // A guest that boots writes.
    const paused = await until(
      () => pausedOf(one),
      (why) => typeof why === "string",
      90_000,
    );
    assert.match(String(paused), /the disk of this host is full/);
    assert.match(
      await region.croft("status"),
      new RegExp(`^paused +${one}: the disk of this host is full`, "m"),
    );
    const { InstanceStatuses: [checks] = [] } = await client.send(
      new DescribeInstanceStatusCommand({ InstanceIds: [one] }),
    );
    assert.equal(checks?.AttachedEbsStatus?.Status, "impaired");

    await client.send(new TerminateInstancesCommand({ InstanceIds: [other] }));
    await waitUntilInstanceTerminated(within, { InstanceIds: [other] });
    const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [one] }));
    assert.equal(Reservations[0]?.Instances?.[0]?.State?.Name, "running");
  } finally {
    clearInterval(filling);
  }
  assert.deepEqual((await region.status()).programs, programs, "no program ended");

  rmSync(ballast);
  const relieved = await until(
    activity,
    (it) => it?.warnings.length === 0 && it.machines.every(({ paused }) => paused === null),
  );
  assert.deepEqual(relieved?.warnings, []);
  const third = await launch();
  await waitUntilInstanceRunning(within, { InstanceIds: [third] });
  await client.send(template(1000));
  // Every line of the audit is whole, also those that a full disk had cut.
  for (const line of readFileSync(join(dataDir, "log", "audit.log"), "utf8")
    .trimEnd()
    .split("\n"))
    assert.doesNotThrow(() => JSON.parse(line), line);
});
