import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { DescribeInstancesCommand, RunInstancesCommand, waitUntilInstanceRunning } from "@aws-sdk/client-ec2";
import { guestShell, openSsh } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** Debian's own AWS clients inside an instance, told no endpoint and no certificate authority. */
const region = await realRegion();
const { client } = region;
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));

const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = region.environment;
const credentials = `AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY}`;
const identity = `aws --region ${AWS_REGION} sts get-caller-identity --query Account --output text`;
const account = "000000000000\n";

test(
  "in an instance of debian-12-tools the aws CLI and boto3 reach the region by AWS's names",
  { timeout: 1_800_000 },
  async () => {
    const imageId = (await region.croft("image", "bake", "debian-12-tools")).trim();
    const key = join(files, "key");
    await openSsh(client, "test", key);
    const userData = `#!/bin/sh\n${credentials} ${identity} >/run/by-user-data 2>&1\n`;
    const { Instances: [instance] = [] } = await client.send(
      new RunInstancesCommand({
        ImageId: imageId,
        InstanceType: "t3.small",
        KeyName: "test",
        UserData: Buffer.from(userData).toString("base64"),
        MinCount: 1,
        MaxCount: 1,
      }),
    );
    const InstanceIds = [instance?.InstanceId ?? ""];
    await waitUntilInstanceRunning({ client, maxWaitTime: 180 }, { InstanceIds });
    const { Reservations: [described] = [] } = await client.send(
      new DescribeInstancesCommand({ InstanceIds }),
    );
    const shell = await guestShell(described?.Instances?.[0]?.PublicIpAddress ?? "", key);

    // One after another, and with patience: emulated, each takes a minute.
    const byUserData = () => shell.run("cat /run/by-user-data || true");
    assert.equal(await until(byUserData, (printed) => printed.includes("\n"), 900_000), account);
    const said = async (command: string) => text(shell.open(`${command} 2>&1`).stdout);
    assert.equal(await said(`${credentials} ${identity}`), account);
    assert.equal(await said(`sudo ${credentials} ${identity}`), account, "as root");
    const found = `aws --region ${AWS_REGION} ec2 describe-instances --query 'Reservations[].Instances[].InstanceId' --output text`;
    assert.equal(await said(`${credentials} ${found}`), `${InstanceIds[0]}\n`);
    const boto3 = `import boto3; print(boto3.client("sts", region_name="${AWS_REGION}").get_caller_identity()["Account"])`;
    assert.equal(await said(`${credentials} python3 -c '${boto3}'`), account);
  },
);
