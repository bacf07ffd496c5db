import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  DescribeInstancesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceRunning,
} from "@aws-sdk/client-ec2";
import { bakeImage } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { guestShell, openSsh } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** A disk that has nothing of ours: Debian with GRUB, and a cloud-init that is not told where it runs. */
const region = await realRegion();
const { client } = region;
const scratch = mkdtempSync(join(tmpdir(), "croft-foreign-"));
const key = join(scratch, "key");
after(() => rm(scratch, { recursive: true }));
let disk: string;

before(
  async () => {
    ({ disk } = await bakeImage(readRecipe(join(import.meta.dirname, "foreign-debian")), {
      // Of its own: what is in the region's cache is offered to everyone.
      cacheDir: scratch,
      progress: () => {},
      date: new Date(),
      signal: AbortSignal.timeout(1_200_000),
    }));
    await openSsh(client, "test", key);
  },
  { timeout: 1_200_000 },
);

for (const [bootMode, firmware] of [
  ["legacy-bios", "BIOS\n"],
  ["uefi", "UEFI\n"],
] as const) {
  test(
    `an imported image boots by ${bootMode} to the end of its own cloud-init`,
    { timeout: 1_800_000 },
    async () => {
      const name = `debian-${bootMode}`;
      const ImageId = (
        await region.croft("image", "import", "--name", name, "--boot-mode", bootMode, disk)
      ).trim();
      const { Instances: [launched] = [] } = await client.send(
        new RunInstancesCommand({
          ImageId,
          InstanceType: "t3.small",
          KeyName: "test",
          BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { VolumeSize: 6 } }],
          UserData: Buffer.from("#!/bin/sh\necho ran >>/var/tmp/ran\n").toString("base64"),
          MinCount: 1,
          MaxCount: 1,
        }),
      );
      const InstanceIds = [launched?.InstanceId ?? ""];
      await waitUntilInstanceRunning({ client, maxWaitTime: 180 }, { InstanceIds });
      const { Reservations: [described] = [] } = await client.send(
        new DescribeInstancesCommand({ InstanceIds }),
      );
      const instance = described?.Instances?.[0];
      const debian = { user: "debian", patienceMs: 900_000 };
      const shell = await guestShell(instance?.PublicIpAddress ?? "", key, debian);
      const status = await until(
        // An emulated guest that is still busy may take minutes to answer.
        () => shell.run("cloud-init status --long || true").catch(() => "status: running"),
        (it) => !/^status: (running|not run)/m.test(it),
        900_000,
      );
      assert.match(status, /^status: done$[^]*DataSourceEc2/m);
      assert.equal(await shell.run("cat /var/tmp/ran"), "ran\n");
      assert.equal(await shell.run("cat /var/lib/cloud/data/instance-id"), `${InstanceIds[0]}\n`);
      assert.equal(await shell.run("hostname"), `${instance?.PrivateDnsName?.replace(/\..*/, "")}\n`);
      assert.match(await shell.run("cat /proc/cmdline"), /^BOOT_IMAGE=/);
      assert.equal(await shell.run("[ -d /sys/firmware/efi ] && echo UEFI || echo BIOS"), firmware);
      assert.equal(await shell.run("systemctl --failed --no-legend"), "");
      const rootBytes = Number(await shell.run("df --output=size --block-size=1 / | tail -n 1"));
      assert.ok(rootBytes > 5e9, `the root file system has ${rootBytes} bytes`);
      await client.send(new TerminateInstancesCommand({ InstanceIds }));
    },
  );
}
