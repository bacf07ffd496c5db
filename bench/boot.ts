import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  CreateKeyPairCommand,
  DeleteKeyPairCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { defaults } from "#config.ts";
import { findBaked } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { bareBoot } from "./bare-boot.ts";
import { comparePairs } from "./pairs.ts";
import { patientSsh } from "./patient-ssh.ts";

/**
 * From RunInstances to the first `ssh … true`, against the same image started by bare QEMU with the same arguments.
 * `eval "$(croft env)"; node bench/boot.ts [--pairs 9]`: a region runs, its default security group lets this host in by SSH.
 */
const { values } = parseArgs({ options: { pairs: { type: "string", default: "9" } } });
const image = findBaked(defaults.cacheDir, readRecipe(join(import.meta.dirname, "../images/debian-12")));
if (!image) throw new Error("no baked image: start a region first");
const dir = await mkdtemp(join(tmpdir(), "croft-bench-boot-"));
const ec2 = new EC2Client({ maxAttempts: 1 });
const keyName = `bench-${process.pid}`;
const key = join(dir, "key");
try {
  const { KeyMaterial = "" } = await ec2.send(new CreateKeyPairCommand({ KeyName: keyName }));
  await writeFile(key, KeyMaterial, { mode: 0o600 });
  await comparePairs(
    "RunInstances to SSH login",
    "s",
    { ours: launchToLogin, bare: () => bareBoot(image) },
    Number(values.pairs),
  );
} finally {
  await ec2.send(new DeleteKeyPairCommand({ KeyName: keyName }));
  await rm(dir, { recursive: true });
}

/** Seconds; the instance is gone when this returns, so that the next measurement has the machine for itself. */
async function launchToLogin(): Promise<number> {
  const { Images: [found] = [] } = await ec2.send(new DescribeImagesCommand({ Owners: ["amazon"] }));
  if (!image || !found?.ImageId) throw new Error("the region has no image");
  const start = performance.now();
  const launch = {
    ImageId: found.ImageId,
    InstanceType: "t3.micro",
    KeyName: keyName,
    MinCount: 1,
    MaxCount: 1,
  } as const;
  const { Instances: [{ InstanceId = "" } = {}] = [] } = await ec2.send(new RunInstancesCommand(launch));
  try {
    await patientSsh({ user: image.loginUser, address: await publicAddress(InstanceId), key }, "true");
    return (performance.now() - start) / 1000;
  } finally {
    const InstanceIds = [InstanceId];
    await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    await waitUntilInstanceTerminated({ client: ec2, maxWaitTime: 60, minDelay: 1 }, { InstanceIds });
  }
}

async function publicAddress(instanceId: string): Promise<string> {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const answer = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
    const address = answer.Reservations?.[0]?.Instances?.[0]?.PublicIpAddress;
    if (address) return address;
  }
  throw new Error(`${instanceId} has no public address after a minute`);
}
