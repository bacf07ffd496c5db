import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  type Instance,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { croftCommand } from "#checkout.ts";
import { readRunning } from "#cli/supervise/programs-file.ts";
import { isGone } from "#drivers/linux/host-process.ts";
import { interfaceLink } from "#drivers/network/netns/names.ts";
import { seededRandom } from "#testing/seeded-random.ts";
import { otherCheckout } from "../other-checkout.ts";
import { realRegion, type RealRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { patiently } from "./killed-programs.ts";
import { bakeTinyGuest } from "./tiny-guest.ts";

const rounds = Number(process.env["CROFT_SOAK_ROUNDS"] ?? 200);
const seed = Number(process.env["CROFT_TEST_SEED"] ?? Date.now() % 2 ** 31);
const mostInstances = 4;

/**
 * Launches, stops, starts and terminates, ends Croft and starts it or another version, at random, while programs and machines are
 * killed at random. In the end the API, the processes, the taps and the files must tell the same story, and after the last
 * termination there is nothing to tell. Guests are tiny: what boots in a second is emulated two hundred times.
 */
test(`${rounds} rounds of a region's life under kill -9 (CROFT_TEST_SEED=${seed})`, async (t) => {
  const files = mkdtempSync(join(tmpdir(), "croft-soak-"));
  t.after(() => rmSync(files, { recursive: true }));
  const real = await realRegion();
  const disk = join(files, "tiny.qcow2");
  await bakeTinyGuest(disk);
  const imageId = (await real.croft("image", "import", "--name", "tiny", disk)).trim();
  const region: Soaked = { ...real, imageId, versions: [croftCommand, otherCheckout(files)] };
  const untouched = await ownTraces(region);
  const random = seededRandom(seed);
  for (let round = 1; round <= rounds; round++) {
    const killed = killSoon(region, random);
    const did = await act(region, random, `soak-${seed}-${round}`);
    tell(`round ${round}: ${did}; killed ${await killed}`);
  }

  const instances = await atRest(region);
  await agrees(region, instances);
  const left = instances.map(({ InstanceId = "" }) => InstanceId);
  if (left.length > 0)
    await patiently(() => region.client.send(new TerminateInstancesCommand({ InstanceIds: left })));
  await atRest(region);
  assert.deepEqual(await ownTraces(region), untouched);
  tell("API = kernel = disk: equal");
});

/** But for the rules that keep guests from the ends of other regions' links on this host, which come and go. */
const ownTraces = async (region: RealRegion) =>
  (await region.traces()).filter((line) => !/ nft ip daddr 169\.254\.\d+\.\d+ drop$/.test(line));

/** At once, as this takes long. */
const tell = (line: string) => process.stdout.write(`${line}\n`);

interface Soaked extends RealRegion {
  /** `bin/croft` of each. */
  readonly versions: readonly [string, string];
}

async function act(region: Soaked, random: (below: number) => number, token: string): Promise<string> {
  const { client, imageId } = region;
  const present = await living(region);
  const chosen = present[random(present.length || 1)];
  const InstanceIds = [chosen?.InstanceId ?? ""];
  if (random(6) === 0) return startAnew(region, random);
  const choice = present.length < mostInstances ? random(4) : 1 + random(3);
  try {
    switch (chosen === undefined ? 0 : choice) {
      case 0: {
        const launch = {
          ImageId: imageId,
          InstanceType: "t3.nano",
          MinCount: 1,
          MaxCount: 1,
          ClientToken: token,
        } as const;
        const { Instances: [it] = [] } = await patiently(() => client.send(new RunInstancesCommand(launch)));
        return `launched ${it?.InstanceId}`;
      }
      case 1:
        await patiently(() => client.send(new StopInstancesCommand({ InstanceIds, Force: random(2) === 0 })));
        return `stopped ${InstanceIds[0]}`;
      case 2:
        await patiently(() => client.send(new StartInstancesCommand({ InstanceIds })));
        return `started ${InstanceIds[0]}`;
      default:
        await patiently(() => client.send(new TerminateInstancesCommand({ InstanceIds })));
        return `terminated ${InstanceIds[0]}`;
    }
  } catch (error) {
    // An instance on its way elsewhere is refused; that is an answer too.
    if (error instanceof Error && error.name === "IncorrectInstanceState") return error.message;
    throw error;
  }
}

/** Ends the region, or kills its supervisor, and starts it in this version or in the other. */
async function startAnew(region: Soaked, random: (below: number) => number): Promise<string> {
  const kill = random(2) === 0;
  const version = random(2);
  const { supervisor } = readRunning(region.dataDir) ?? assert.fail("nothing runs");
  if (kill) {
    process.kill(supervisor.pid, "SIGKILL");
    assert.ok(await isGone(supervisor, 10_000));
  } else await region.stop();
  await region.start(region.versions[version]);
  return `${kill ? "killed" : "ended"} the region, started version ${version}`;
}

/** Within two seconds, one of Croft's programs or one machine. */
async function killSoon(region: RealRegion, random: (below: number) => number): Promise<string> {
  await delay(random(2_000));
  const machines = machineProcesses(await living(region));
  const { programs } = await region.status();
  const victims = [...Object.entries(programs), ...machines].filter(([, pid]) => pid !== null);
  const [name, pid] = victims[random(victims.length || 1)] ?? [];
  if (name === undefined || pid === undefined || pid === null) return "nothing";
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return `${name}, which had ended`;
  }
  await delay(random(1_500));
  return name;
}

/** Everything has arrived where it was going; an emulated guest that is to shut down may take a minute. */
const atRest = (region: RealRegion) =>
  until(
    () => living(region),
    // The machine that was killed last may not have been missed yet.
    (seen) =>
      seen.every(({ State }) => State?.Name === "running" || State?.Name === "stopped") &&
      machineProcesses(seen).length === seen.filter(({ State }) => State?.Name === "running").length,
    300_000,
  );

async function agrees(region: RealRegion, instances: readonly Instance[]): Promise<void> {
  const traces = await region.traces();
  const traced = (label: string) =>
    traces
      .filter((line) => line.startsWith(`${label} `))
      .map((line) => line.slice(label.length + 1))
      .toSorted();
  const running = instances.filter(({ State }) => State?.Name === "running");
  const { Volumes = [] } = await patiently(() => region.client.send(new DescribeVolumesCommand({})));
  assert.deepEqual(
    machineProcesses(instances)
      .map(([id]) => id)
      .toSorted(),
    running.map(({ InstanceId = "" }) => InstanceId).toSorted(),
    "each running instance has a process, and no other has",
  );
  assert.deepEqual(
    traced("disk"),
    Volumes.map(({ VolumeId = "" }) => VolumeId).toSorted(),
    "each volume has its disk",
  );
  const links = traces.flatMap((line) => / link (eni\S+)$/.exec(line)?.[1] ?? []).toSorted();
  const interfaces = instances.flatMap(({ NetworkInterfaces = [] }) => NetworkInterfaces);
  assert.deepEqual(
    links,
    interfaces.map(({ NetworkInterfaceId = "" }) => interfaceLink(NetworkInterfaceId)).toSorted(),
    "each interface has its tap",
  );
  for (const { MacAddress = "", NetworkInterfaceId } of interfaces)
    assert.ok(
      traces.some((line) => line.includes(" nft ") && line.includes(MacAddress)),
      `${NetworkInterfaceId} has its rules`,
    );
}

const living = async ({ client }: RealRegion): Promise<Instance[]> => {
  const { Reservations = [] } = await patiently(() => client.send(new DescribeInstancesCommand({})));
  return Reservations.flatMap(({ Instances = [] }) => Instances).filter(
    ({ State }) => State?.Name !== "terminated",
  );
};

const machineProcesses = (instances: readonly Instance[]): [id: string, pid: number][] => {
  const ids = new Set(instances.map(({ InstanceId }) => InstanceId));
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): [string, number][] => {
      const argv = commandOf(pid).split("\0");
      const name = argv[argv.indexOf("-name") + 1]?.split(",")[0];
      return argv[0] === "qemu-system-x86_64" && name !== undefined && ids.has(name)
        ? [[name, Number(pid)]]
        : [];
    });
};

const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
};
