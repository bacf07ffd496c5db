import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { waitUntilInstanceStopped, waitUntilInstanceTerminated } from "@aws-sdk/client-ec2";
import { defaultRecipe, defaults } from "#config.ts";
import { findBaked } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { openSsh } from "../tests/guest-shell.ts";
import { startRegion } from "../tests/real-region.ts";
import { bareBoot } from "./bare-boot.ts";
import { comparePairs, median, round } from "./pairs.ts";
import { patientSsh } from "./patient-ssh.ts";

/**
 * From RunInstances to the first `ssh … true`, against the same image started by bare QEMU with the same arguments and a
 * stub of the metadata service (`login`). And an image of one's own, made of an instance of the default image (`own-image`): how long
 * CreateImage of the stopped instance takes until the image is available, 200 ms of work being promised, and a login on an instance
 * of it, within 5 % of one on an instance of the default image.
 * `croft run bench/boot.ts [--pairs 9] [login|own-image]`, as root; it makes a region of its own.
 */
const { values, positionals } = parseArgs({
  options: { pairs: { type: "string", default: "9" } },
  allowPositionals: true,
});
const wanted = (name: string) => positionals.length === 0 || positionals.includes(name);
const pairs = Number(values.pairs);
await using region = await startRegion();
const { client: ec2, imageId } = region;
const image = findBaked(process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir, readRecipe(defaultRecipe));
if (!image) throw new Error("no baked image: start a region first");
const dir = await mkdtemp(join(tmpdir(), "croft-bench-boot-"));
try {
  const key = join(dir, "key");
  await openSsh(ec2, "bench", key);
  if (wanted("login"))
    await comparePairs(
      "RunInstances to SSH login",
      "s",
      { ours: () => launchToLogin(key, imageId), bare: () => bareBoot(image) },
      pairs,
    );
  if (wanted("own-image")) {
    const own = await imageOfStopped(key);
    await comparePairs(
      "RunInstances of an own image to SSH login",
      "s",
      { ours: () => launchToLogin(key, own), bare: () => launchToLogin(key, imageId) },
      pairs,
      "the default image",
    );
  }
} finally {
  await rm(dir, { recursive: true });
}

/** Seconds; the instance is gone when this returns, so that the next measurement has the machine for itself. */
async function launchToLogin(key: string, from: string): Promise<number> {
  const start = performance.now();
  const id = await launch(from);
  try {
    await patientSsh({ user: "admin", address: await publicAddress(id), key }, "true");
    return (performance.now() - start) / 1000;
  } finally {
    await terminate(id);
  }
}

/** Of an instance with a root of 8 GiB. The last of several, of which each must be available before the next is asked for. */
async function imageOfStopped(key: string): Promise<string> {
  const InstanceId = await launch(imageId);
  await patientSsh(
    { user: "admin", address: await publicAddress(InstanceId), key },
    "cloud-init status --wait",
  );
  await ec2.stopInstances({ InstanceIds: [InstanceId] });
  await waitUntilInstanceStopped(
    { client: ec2, maxWaitTime: 300, minDelay: 1 },
    { InstanceIds: [InstanceId] },
  );
  const tookMs: number[] = [];
  let own = "";
  for (let n = 0; n < 10; n++) {
    const start = performance.now();
    const { ImageId = "" } = await ec2.createImage({ InstanceId, Name: `own-${n}` });
    own = ImageId;
    while (!(await isAvailable(own))) await delay(5);
    tookMs.push(performance.now() - start);
  }
  const spread = `${round(Math.min(...tookMs))}–${round(Math.max(...tookMs))}, ${tookMs.length} times`;
  console.log(`CreateImage until it is available: ${round(median(tookMs))} ms (${spread}); 200 are promised`);
  await terminate(InstanceId);
  return own;
}

async function isAvailable(ImageId: string): Promise<boolean> {
  const { Images: [it] = [] } = await ec2.describeImages({ ImageIds: [ImageId] });
  if (it?.State === "failed") throw new Error(it.StateReason?.Message ?? "CreateImage failed");
  return it?.State === "available";
}

async function launch(ImageId: string): Promise<string> {
  const { Instances: [instance] = [] } = await ec2.runInstances({
    ImageId,
    InstanceType: "t3.micro",
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8 } }],
    KeyName: "bench",
    MinCount: 1,
    MaxCount: 1,
  });
  return instance?.InstanceId ?? "";
}

async function terminate(id: string): Promise<void> {
  await ec2.terminateInstances({ InstanceIds: [id], SkipOsShutdown: true });
  await waitUntilInstanceTerminated({ client: ec2, maxWaitTime: 60, minDelay: 1 }, { InstanceIds: [id] });
}

async function publicAddress(id: string): Promise<string> {
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: [id] });
  const address = Reservations[0]?.Instances?.[0]?.PublicIpAddress;
  if (address === undefined) throw new Error(`${id} has no public address`);
  return address;
}
