import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startCroft } from "./fake-croft.ts";
import { findMoto, startMoto } from "./moto-server.ts";
import { comparePairs, median, round } from "./pairs.ts";
import { type Endpoint, type RawClient, rawClient, signedCall } from "./raw-client.ts";

/**
 * A region of fake machines, its commits durable, against moto_server, both called by the same raw client: DescribeInstances
 * of 100 and of 1,000, RunInstances over 32 connections. Then, in the server's processor time, for what the client makes of
 * fifty megabytes is not its cost: an instance's share of a Describe at 10,000 against 100; and a small Describe.
 * `node bench/moto.ts [--pairs 9]`
 */
const pairs = Number(process.argv[process.argv.indexOf("--pairs") + 1] || 9);
const [region, credentials] = ["us-east-1", { accessKeyId: "test", secretAccessKey: "test" }];
const dir = await mkdtemp(join(tmpdir(), "croft-bench-moto-"));
try {
  const moto = findMoto();
  if (moto === undefined) console.log("skipped what is measured against moto");
  else {
    for (const count of [100, 1000]) await describesPerSecond(moto, count);
    await launchesPerSecond(moto);
  }
  await costPerInstance();
} finally {
  await rm(dir, { recursive: true });
}

async function describesPerSecond(moto: string, count: number): Promise<void> {
  await using both = await startBoth(moto);
  const sides = [both.croft, both.moto].map((it) => ({
    it,
    request: signedCall(it.endpoint, "DescribeInstances", {}),
  }));
  await Promise.all([launch(both.croft, count), launch(both.moto, count)]);
  await Promise.all(sides.map(({ it }) => untilRunning(it, count)));
  await delay(3000); // what boots and consoles still write
  const [ours, theirs] = sides.map(
    ({ it, request }) =>
      () =>
        callsPerSecond(it.client, request, 400),
  );
  if (!ours || !theirs) return;
  await comparePairs(`DescribeInstances of ${count}`, "calls/s", { ours, bare: theirs }, pairs, "moto");
}

/** Of one instance each, over 32 connections. */
async function launchesPerSecond(moto: string): Promise<void> {
  await using both = await startBoth(moto);
  const perSecond =
    ({ endpoint }: Side, calls: number) =>
    async () => {
      const request = signedCall(endpoint, "RunInstances", launchOf(1));
      const clients = Array.from({ length: 32 }, () => rawClient(endpoint));
      let left = calls;
      const start = performance.now();
      await Promise.all(
        clients.map(async (client) => {
          while (left-- > 0) await client.call(request);
        }),
      );
      const seconds = (performance.now() - start) / 1000;
      for (const client of clients) client.close();
      return calls / seconds;
    };
  await comparePairs(
    "RunInstances, 32 connections",
    "calls/s",
    { ours: perSecond(both.croft, 300), bare: perSecond(both.moto, 64) },
    pairs,
    "moto",
  );
}

async function costPerInstance(): Promise<void> {
  const side = await openSide(await freePort());
  using croft = startCroft(join(dir, "growing"), side.endpoint.port);
  await untilAnswering(side);
  const request = signedCall(side.endpoint, "DescribeInstances", {});
  const cpuMsPerCall = async (call: Buffer, calls: number) => {
    await callsPerSecond(side.client, call, 1000);
    const before = croft.cpuMs();
    for (let n = 0; n < calls; n++) await side.client.call(call);
    return (croft.cpuMs() - before) / calls;
  };
  const share = async (count: number) => {
    await untilRunning(side, count);
    await delay(3000); // what boots and consoles still write
    return ((await cpuMsPerCall(request, 300_000 / count)) * 1000) / count;
  };

  const small = signedCall(side.endpoint, "DescribeRegions", { "RegionName.1": region });
  console.log(`a small Describe: ${round(await cpuMsPerCall(small, 3000))} ms of processor time`);

  await launch(side, 100);
  const atHundred = await share(100);
  await launch(side, 9900);
  const atTenThousand = await share(10_000);
  console.log(
    `DescribeInstances, per instance: ${round(atHundred)} µs of 100, ${round(atTenThousand)} µs of 10,000, of processor time: ` +
      `${round(atTenThousand / atHundred)} times`,
  );
  side.client.close();
}

interface Side {
  readonly endpoint: Endpoint;
  readonly client: RawClient;
}

async function openSide(port: number): Promise<Side> {
  const endpoint = { port, region, credentials };
  return { endpoint, client: rawClient(endpoint) };
}

async function startBoth(moto: string) {
  const [croft, other] = [await openSide(await freePort()), await openSide(await freePort())];
  const dataDir = await mkdtemp(join(dir, "region-"));
  const programs = [startCroft(dataDir, croft.endpoint.port), startMoto(moto, other.endpoint.port)];
  await Promise.all([croft, other].map(untilAnswering));
  return {
    croft,
    moto: other,
    async [Symbol.asyncDispose]() {
      for (const { client } of [croft, other]) client.close();
      for (const program of programs) program[Symbol.dispose]();
      await delay(500);
    },
  };
}

/** In calls of ten, spread over the zones: a default subnet has room for 4,091. */
async function launch({ endpoint, client }: Side, count: number): Promise<void> {
  const calls = ["a", "b", "c"].map((zone) =>
    signedCall(endpoint, "RunInstances", { ...launchOf(10), "Placement.AvailabilityZone": region + zone }),
  );
  for (let n = 0; n < count / 10; n++) await client.call(calls[n % calls.length]!);
}

function launchOf(count: number) {
  const counts = { MinCount: String(count), MaxCount: String(count) };
  // The image is one that moto has.
  return { ImageId: "ami-12c6146b", InstanceType: "t3.micro", ...counts };
}

async function untilRunning({ endpoint, client }: Side, count: number): Promise<void> {
  const request = signedCall(endpoint, "DescribeInstances", {});
  for (;;) {
    const answer = (await client.call(request)).toString();
    if ((answer.match(/<name>running<\/name>/g) ?? []).length >= count) return;
    await delay(200);
  }
}

async function untilAnswering({ endpoint, client }: Side): Promise<void> {
  for (;;) {
    const answered = await client.call(signedCall(endpoint, "DescribeRegions", {})).catch(() => undefined);
    if (answered) return;
    await delay(100);
  }
}

/** One after the other for `ms`, and at least twice. */
async function callsPerSecond(client: RawClient, request: Buffer, ms: number): Promise<number> {
  const took: number[] = [];
  const end = performance.now() + ms;
  while (performance.now() < end || took.length < 2) {
    const start = performance.now();
    await client.call(request);
    took.push(performance.now() - start);
  }
  return 1000 / median(took);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}
