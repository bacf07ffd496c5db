import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EC2, waitUntilInstanceRunning, waitUntilInstanceTerminated } from "@aws-sdk/client-ec2";
import { checkout, croftCommand } from "#checkout.ts";
import { layout } from "#config.ts";
import type { RegionStatus } from "./status.ts";

const limit = { timeout: 30_000 };
const ephemeral = ["--machines", "fake", "--ephemeral", "--port", "0", "--access-key", "test:test"];

test(
  "a region of fake machines starts for any user, and says everywhere that they are fake",
  limit,
  async (t) => {
    const { client, welcome, url } = await region(t, ephemeral);
    assert.match(welcome, /FAKE MACHINES/);
    assert.match(welcome, /export AWS_ACCESS_KEY_ID=test\n/);
    const health = await (await fetch(`${url}/_croft/health`)).text();
    assert.match(health, /"status":"ready".*"machines":"fake"/);

    const { Images: [image, ...more] = [] } = await client.describeImages({});
    assert.equal(more.length, 0);
    assert.match(image?.Description ?? "", /^Fake/);
    const id = await launch(client, image?.ImageId);
    await client.describeInstances({ InstanceIds: [id] });
    let output: string | undefined;
    while (output === undefined) {
      await delay(100);
      output = (await client.getConsoleOutput({ InstanceId: id })).Output;
    }
    assert.match(Buffer.from(output, "base64").toString(), /This machine is fake[^]*login:/);
  },
);

test("fake instances go through the states of real ones", limit, async (t) => {
  const { client } = await region(t, ephemeral);
  const { Images: [image] = [] } = await client.describeImages({});
  const id = await launch(client, image?.ImageId);
  const before = await running(client, id);
  assert.equal(before?.BlockDeviceMappings?.length, 1);
  assert.match(before?.PublicIpAddress ?? "", /^198\.18\./);

  await client.stopInstances({ InstanceIds: [id] });
  const stopped = await inState(client, id, "stopped");
  assert.equal(stopped?.PublicIpAddress, undefined);
  assert.equal(stopped?.StateReason?.Code, "Client.UserInitiatedShutdown");
  await client.startInstances({ InstanceIds: [id] });
  assert.equal((await running(client, id))?.PrivateIpAddress, before?.PrivateIpAddress);

  await client.terminateInstances({ InstanceIds: [id] });
  await waitUntilInstanceTerminated(
    { client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 },
    { InstanceIds: [id] },
  );
  assert.deepEqual((await client.describeVolumes({})).Volumes, []);
});

test("a reset gives a fresh region at once, to this machine's programs only", limit, async (t) => {
  const { client, url } = await region(t, ephemeral);
  const { Images: [image] = [] } = await client.describeImages({});
  await launch(client, image?.ImageId);
  await client.createKeyPair({ KeyName: "mine" });

  for (const headers of [
    { origin: "http://localhost:3000" },
    { host: "ec2.us-east-1.amazonaws.com" },
    { host: "10.0.0.1" },
  ])
    assert.equal(await statusOf("POST", `${url}/_croft/reset`, headers), 403, JSON.stringify(headers));
  assert.equal(await statusOf("GET", `${url}/_croft/reset`), 405);
  assert.equal((await client.describeInstances({})).Reservations?.length, 1);

  const took: number[] = [];
  for (let n = 0; n < 5; n++) {
    const start = performance.now();
    assert.equal(await statusOf("POST", `${url}/_croft/reset`), 200);
    took.push(performance.now() - start);
  }
  assert.deepEqual((await client.describeInstances({})).Reservations, []);
  assert.deepEqual((await client.describeKeyPairs({})).KeyPairs, []);
  assert.equal((await client.describeVpcs({})).Vpcs?.length, 1);
  assert.equal((await client.describeImages({})).Images?.[0]?.ImageId, image?.ImageId);
  await running(client, await launch(client, image?.ImageId));
  assert.ok(Math.min(...took) <= 20, `a reset took ${took.map(Math.round).join(", ")} ms`);
});

test("calls that a reset overtakes are answered", limit, async (t) => {
  const { client, url } = await region(t, ephemeral);
  const { Images: [image] = [] } = await client.describeImages({});
  const launches = Array.from({ length: 20 }, () => launch(client, image?.ImageId));
  await statusOf("POST", `${url}/_croft/reset`);
  assert.equal(new Set(await Promise.all(launches)).size, 20);
});

test("ids that templates hold stand for the region's image", limit, async (t) => {
  const { client } = await region(t, [...ephemeral, "--image-alias", "ami-0abc*=debian-12"]);
  const asked = "ami-0abcdef1234567890";
  const { Images: [image, ...more] = [] } = await client.describeImages({ ImageIds: [asked] });
  assert.deepEqual([image?.ImageId, image?.RootDeviceName, more.length], [asked, "/dev/xvda", 0]);
  assert.equal((await running(client, await launch(client, asked)))?.ImageId, asked);
  assert.equal((await client.describeImages({})).Images?.length, 1);
  await assert.rejects(launch(client, "ami-12345678"), { name: "InvalidAMIID.NotFound" });
});

test("only the region's own access key is let in", limit, async (t) => {
  const { url } = await region(t, ephemeral);
  for (const key of [
    { accessKeyId: "test", secretAccessKey: "other" },
    { accessKeyId: "other", secretAccessKey: "test" },
  ])
    await assert.rejects(clientOf(t, url, key).describeVpcs({}), { name: "AuthFailure" });
});

test(
  "a region of fake machines that is kept outlives its process, and never becomes real",
  limit,
  async (t) => {
    const home = homeOf(t);
    const args = [
      "--machines",
      "fake",
      "--data-dir",
      join(home, "region"),
      "--access-key",
      "test:test",
      "--port",
      await freePort(),
    ];
    const first = await region(t, args, home);
    const { Images: [image] = [] } = await first.client.describeImages({});
    const id = await launch(first.client, image?.ImageId);
    assert.equal(await statusOf("POST", `${first.url}/_croft/reset`), 404);
    const at = ["--data-dir", join(home, "region")];
    assert.match(croft(home, "status", ...at).stdout, /machines +fake/);
    const { activity, programs }: RegionStatus = JSON.parse(croft(home, "status", "--json", ...at).stdout);
    assert.equal(
      croft(home, "start", ...args).stderr,
      `croft: the region at ${home}/region is already running (process ${programs["croft"]})\n`,
    );
    assert.deepEqual(
      activity?.machines.map((machine) => machine.id),
      [id],
    );
    assert.equal(croft(home, "completion", "instances", ...at).stdout, `${id}\n`);
    assert.match(croft(home, "logs", ...at, "i-0123456789abcdef0").stderr, /does not exist/);
    await assert.rejects(
      clientOf(t, first.url, { accessKeyId: "test", secretAccessKey: "no" }).describeVpcs({}),
    );
    assert.equal(await statusOf("POST", first.url, { host: "evil.example" }), 403);
    assert.equal(await first.end(), 0);
    const audit = readFileSync(join(home, "region", "log", "audit.log"), "utf8");
    assert.match(audit, /"operation":"ec2:RunInstances"/);
    assert.match(audit, /"source":"127.0.0.1","error":"AuthFailure"/);
    assert.match(audit, /"source":"127.0.0.1","error":"AccessDenied"/);

    const second = await region(t, args.slice(0, 4), home);
    assert.equal((await running(second.client, id))?.InstanceId, id);
    await second.end();
    assert.match(croft(home, "start", "--data-dir", join(home, "region")).stderr, /needs root|machines fake/);
  },
);

test("records of a later version are refused in one line, and left as they are", limit, async (t) => {
  const home = homeOf(t);
  const dataDir = join(home, "region");
  const args = ["--machines", "fake", "--data-dir", dataDir, "--port", await freePort()];
  await (await region(t, args, home)).end();
  const file = layout(dataDir).store;
  const later = new DatabaseSync(file);
  later.exec("PRAGMA user_version = 99");
  later.close();
  const before = readFileSync(file);
  const { status, stdout, stderr } = croft(home, "start", ...args);
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^croft: .* have format 99, of a later version of Croft: .*\n$/);
  assert.deepEqual(readFileSync(file), before);
});

test("what only fake machines have is refused with real ones", () => {
  for (const args of [["--ephemeral"], ["--access-key", "test:test"]]) {
    const { status, stderr } = croft(tmpdir(), "start", ...args);
    assert.equal(status, 2);
    assert.match(stderr, new RegExp(`${args[0]} is for --machines fake`));
  }
});

/** As a user who may do nothing in particular, where this one may choose. */
const somebody = process.getuid?.() === 0 && canRead(65_534) ? { uid: 65_534, gid: 65_534 } : {};

function canRead(uid: number): boolean {
  const { status } = spawnSync(process.execPath, ["-e", "0"], { uid, gid: uid, cwd: checkout });
  return status === 0;
}

/** Runs until the test ends, or until it is told to. */
async function region(t: TestContext, args: readonly string[], home = homeOf(t)) {
  const child = spawn(process.execPath, [croftCommand, "start", ...args], {
    ...somebody,
    cwd: home,
    env: { PATH: process.env["PATH"], HOME: home },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const end = async (): Promise<number> => {
    child.kill("SIGTERM");
    const [code] = await ended;
    return code;
  };
  t.after(end);
  let welcome = "";
  for await (const part of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    welcome += part;
    if (welcome.includes("croft: ready")) break;
  }
  const [, url = ""] = /croft: ready (\S+)/.exec(welcome) ?? [];
  return { welcome, url, end, client: clientOf(t, url, { accessKeyId: "test", secretAccessKey: "test" }) };
}

function homeOf(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "croft-fake-"));
  chmodSync(home, 0o755);
  if (somebody.uid !== undefined) chownSync(home, somebody.uid, somebody.gid);
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

function clientOf(
  t: TestContext,
  endpoint: string,
  credentials: { accessKeyId: string; secretAccessKey: string },
): EC2 {
  const client = new EC2({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
  t.after(() => client.destroy());
  return client;
}

const croft = (home: string, ...args: readonly string[]) =>
  spawnSync(process.execPath, [croftCommand, ...args], {
    ...somebody,
    cwd: home,
    env: { PATH: process.env["PATH"], HOME: home },
    encoding: "utf8",
  });

async function launch(client: EC2, ImageId: string | undefined): Promise<string> {
  const { Instances: [instance] = [] } = await client.runInstances({
    ImageId,
    InstanceType: "t3.micro",
    MinCount: 1,
    MaxCount: 1,
  });
  assert.equal(instance?.State?.Name, "pending");
  return instance.InstanceId ?? "";
}

async function running(client: EC2, id: string) {
  await waitUntilInstanceRunning(
    { client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 },
    { InstanceIds: [id] },
  );
  return inState(client, id, "running");
}

async function inState(client: EC2, id: string, state: string) {
  for (;;) {
    const { Reservations: [reservation] = [] } = await client.describeInstances({ InstanceIds: [id] });
    const [instance] = reservation?.Instances ?? [];
    if (instance?.State?.Name === state) return instance;
    await delay(20);
  }
}

/** With headers that fetch would not send. */
const statusOf = (
  method: string,
  url: string,
  headers: Record<string, string> = {},
): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(url, { method, headers }, (response) => resolve(response.resume().statusCode))
      .on("error", reject)
      .end();
  });

async function freePort(): Promise<string> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}
