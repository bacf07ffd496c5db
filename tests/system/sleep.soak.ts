import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DescribeInstancesCommand, RunInstancesCommand, waitUntilInstanceRunning } from "@aws-sdk/client-ec2";
import { guestShell, openSsh } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { whoAmI } from "../signed-call.ts";
import { until } from "../until.ts";
import { standStill } from "./stand-still.ts";

/** Longer than AWS bears with a signature's time. */
const sleepMs = 6 * 60_000;

test("a guest's signed calls are taken within the time in which it asks for the time, also after a sleep of 6 min", async (t) => {
  const files = mkdtempSync(join(tmpdir(), "croft-sleep-"));
  after(() => rmSync(files, { recursive: true }));
  const { client, environment, imageId, dataDir, stop, start } = await realRegion();
  await openSsh(client, "sleep", join(files, "key.pem"));
  const launch = { ImageId: imageId, KeyName: "sleep", MinCount: 1, MaxCount: 1 };
  const { Instances: [launched] = [] } = await client.send(
    new RunInstancesCommand({ ...launch, InstanceType: "t3.micro" }),
  );
  const InstanceIds = [launched?.InstanceId ?? ""];
  await waitUntilInstanceRunning({ client, maxWaitTime: 180 }, { InstanceIds });
  const { Reservations: [reservation] = [] } = await client.send(
    new DescribeInstancesCommand({ InstanceIds }),
  );
  const [instance] = reservation?.Instances ?? [];
  const shell = await guestShell(instance?.PublicIpAddress ?? "", join(files, "key.pem"));
  const timed = "systemctl is-active systemd-timesyncd; timedatectl show --property=NTPSynchronized --value";
  assert.equal(
    await until(
      () => shell.run(timed).catch(String),
      (said) => said === "active\nyes\n",
      120_000,
    ),
    "active\nyes\n",
  );

  await stop();
  await standStill(dataDir, InstanceIds[0] ?? "", sleepMs);
  await start();
  const since = performance.now();
  const answers: string[] = [];
  const taken = await until(
    async () => {
      const answer = await shell.run(whoAmI(environment));
      answers.push(/<Code>(\w+)<\/Code>/.exec(answer)?.[1] ?? "taken");
      return answer;
    },
    (answer) => /<Account>\d{12}<\/Account>/.test(answer),
    120_000,
  );
  const tookS = (performance.now() - since) / 1000;
  t.diagnostic(`taken ${tookS.toFixed(1)} s after the region was there; until then: ${answers.join(", ")}`);
  assert.match(taken, /<Account>/);
  assert.ok(tookS < 40, `${tookS} s`);
});
