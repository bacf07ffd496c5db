import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateKeyPairCommand,
  DescribeInstancesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { defaultRecipe, defaults } from "#config.ts";
import { findBaked } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { startRegion } from "../tests/real-region.ts";
import { bareBoot } from "./bare-boot.ts";
import { comparePairs } from "./pairs.ts";
import { patientSsh } from "./patient-ssh.ts";

/**
 * From RunInstances to the first `ssh … true`, against the same image started by bare QEMU with the same arguments and a
 * stub of the metadata service. `croft run bench/boot.ts [--pairs 9]`, as root; it makes a region of its own.
 */
const { values } = parseArgs({ options: { pairs: { type: "string", default: "9" } } });
await using region = await startRegion();
const { client: ec2, imageId } = region;
const image = findBaked(defaults.cacheDir, readRecipe(defaultRecipe));
if (!image) throw new Error("no baked image: start a region first");
const dir = await mkdtemp(join(tmpdir(), "croft-bench-boot-"));
try {
  const key = join(dir, "key");
  const { KeyMaterial = "" } = await ec2.send(
    new CreateKeyPairCommand({ KeyName: "bench", KeyType: "ed25519" }),
  );
  await writeFile(key, KeyMaterial, { mode: 0o600 });
  const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, CidrIp: "0.0.0.0/0" };
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupName: "default", ...ssh }));
  await comparePairs(
    "RunInstances to SSH login",
    "s",
    { ours: () => launchToLogin(key), bare: () => bareBoot(image) },
    Number(values.pairs),
  );
} finally {
  await rm(dir, { recursive: true });
}

/** Seconds; the instance is gone when this returns, so that the next measurement has the machine for itself. */
async function launchToLogin(key: string): Promise<number> {
  const launch = {
    ImageId: imageId,
    InstanceType: "t3.micro",
    KeyName: "bench",
    MinCount: 1,
    MaxCount: 1,
  } as const;
  const start = performance.now();
  const { Instances: [instance] = [] } = await ec2.send(new RunInstancesCommand(launch));
  const InstanceIds = [instance?.InstanceId ?? ""];
  try {
    await patientSsh({ user: "admin", address: await publicAddress(InstanceIds), key }, "true");
    return (performance.now() - start) / 1000;
  } finally {
    await ec2.send(new TerminateInstancesCommand({ InstanceIds, SkipOsShutdown: true }));
    await waitUntilInstanceTerminated({ client: ec2, maxWaitTime: 60, minDelay: 1 }, { InstanceIds });
  }
}

async function publicAddress(InstanceIds: string[]): Promise<string> {
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds }));
  const address = Reservations[0]?.Instances?.[0]?.PublicIpAddress;
  if (address === undefined) throw new Error(`${InstanceIds.join()} has no public address`);
  return address;
}
