import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  DescribeVpcsCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { croftCommand } from "#checkout.ts";
import { defaults, layout } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** A region whose cache is on one small disk and whose logs are on another, each of which others fill to the last byte. */
const mountDisk = (path: string) =>
  run("mount", ["-t", "tmpfs", "-o", "size=2m,mode=755", "croft-test", path]);
const unmount = async (path: string) => {
  if (existsSync(path)) await run("umount", ["--lazy", "--recursive", path]);
};
const fill = (path: string) => {
  // Lines, since what is in the directory of logs is shown when a test fails.
  for (const bytes of [64 * 1024, 1])
    spawnSync("dd", [`of=${join(path, "ballast")}`, `bs=${bytes}`, "oflag=append", "conv=notrunc"], {
      input: Buffer.alloc(bytes * 64, "\n"),
    });
};

const shared = process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir;
const cache = mkdtempSync(join(tmpdir(), "croft-cache-"));
await mountDisk(cache);
for (const part of ["regions", "images"]) mkdirSync(join(cache, part));
await run("mount", ["--bind", join(shared, "images"), join(cache, "images")]);
process.env["CROFT_CACHE_DIR"] = cache;

// Hooks come in the order they were made: a directory in which a disk is mounted is not removed, and the cache is needed until then.
let logDir = "";
after(() => unmount(logDir));
const region = await realRegion();
after(async () => {
  await unmount(cache);
  rmdirSync(cache);
});

/** What a region is for: an instance comes and goes. */
const works = async (): Promise<void> => {
  const { client, imageId } = region;
  const within = { client, maxWaitTime: 120, minDelay: 1, maxDelay: 2 };
  const { Instances: [launched] = [] } = await client.send(
    new RunInstancesCommand({ ImageId: imageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 }),
  );
  const ids = { InstanceIds: [launched?.InstanceId ?? ""] };
  await waitUntilInstanceRunning(within, ids);
  await client.send(new TerminateInstancesCommand(ids));
  await waitUntilInstanceTerminated(within, ids);
};

/** Resolves when it runs again and the region answers, also this client, whose connections ended with it. */
const kill = async (program: string): Promise<void> => {
  const before = (await region.status()).programs[program];
  assert.ok(before);
  process.kill(before, "SIGKILL");
  const state = async () => {
    const { programs, health } = await region.status();
    const heard = await region.client.send(new DescribeVpcsCommand({})).then(() => "heard", String);
    return [programs[program] === before ? "as before" : programs[program], health?.status, heard].join();
  };
  const seen = await until(state, (it) => /^\d+,ready,heard$/.test(it));
  assert.match(seen, /^\d+,ready,heard$/);
};

test("with nothing but its logs on a full disk a region works, also when it and its programs start anew; the logs say what they lost", async () => {
  await region.stop();
  ({ logDir } = layout(region.dataDir));
  await mountDisk(logDir);
  fill(logDir);
  await region.start();
  await works();
  await kill("croft");
  await works();

  rmSync(join(logDir, "ballast"));
  await kill("croft-host");
  await works();
  const linesOf = (name: string) => readFileSync(join(logDir, name), "utf8").trimEnd().split("\n");
  for (const line of linesOf("audit.log")) assert.doesNotThrow(() => JSON.parse(line), line);
  const [lost = "", ended] = linesOf("croft-host.log");
  assert.match(lost, /^\S+Z \d+ lines before this were lost$/);
  assert.match(ended ?? "", /^\S+Z ended: SIGKILL$/);
});

test("with nothing but its cache on a full disk a region works, also when it and its programs start anew", async () => {
  fill(cache);
  await works();
  for (const program of ["croft", "croft-host"]) await kill(program);
  await works();
  await region.stop();
  await region.start();
  await works();
});

test("an image that a full disk takes no more of is refused in one sentence, and takes no room any more", async (t) => {
  const full = mkdtempSync(join(tmpdir(), "croft-cache-"));
  await mountDisk(full);
  t.after(async () => {
    await unmount(full);
    rmdirSync(full);
  });
  mkdirSync(join(full, "regions"));
  fill(full);
  const places = ["--data-dir", `${region.dataDir}-none`, "--cache-dir", full];
  t.after(() => rmSync(`${region.dataDir}-none`, { recursive: true }));
  const { status, stderr } = spawnSync(process.execPath, [croftCommand, "start", "--yes", ...places], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^croft: the image debian-12-\w+ could not be baked: the disk with \S+ is full\nOnce that is mended, run the same again\n$/m,
  );
  assert.deepEqual(readdirSync(join(full, "images")), []);
});
