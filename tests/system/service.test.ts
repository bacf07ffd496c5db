import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { RunInstancesCommand, waitUntilInstanceRunning } from "@aws-sdk/client-ec2";
import { hostNames, layout } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { isAlive, startedWith } from "#drivers/linux/host-process.ts";
import { serviceNames } from "#setup/service/service-names.ts";
import { unneededCapabilities } from "#setup/service/unit-file.ts";
import { realRegion } from "../real-region.ts";

/** What systemd would do, done by hand, since it need not run here: its own tools verify the unit, and the unit's command is run as it says. */
const region = await realRegion();
const { unitFile, shutdownUnitFile, copy, unit } = serviceNames(region.dataDir);
const enabled = join("/etc/systemd/system/multi-user.target.wants", unit);

test("no service is installed under a region that runs", async () => {
  await assert.rejects(region.croft("service", "install"), /runs \(process \d+\): croft down first/);
  assert.deepEqual([unitFile, copy].map(existsSync), [false, false]);
  await region.stop();
});

test("a service that systemd finds nothing wrong with is installed, from a copy that only root can change", async () => {
  const cacheDir = process.env["CROFT_CACHE_DIR"];
  await region.croft("service", "install", ...(cacheDir ? ["--cache-dir", cacheDir] : []));
  assert.equal(await run("systemd-analyze", ["verify", "--man=no", unitFile, shutdownUnitFile]), "");
  assert.ok(existsSync(enabled));
  for (const path of globSync("**", { cwd: copy }).map((name) => join(copy, name))) {
    const { uid, gid, mode } = lstatSync(path);
    assert.deepEqual([uid, gid, mode & 0o022], [0, 0, 0], path);
  }
  assert.match(await run(join(copy, "bin/croft"), ["--version"]), /^croft \d/);
});

test("what the unit runs tells systemd when the region answers, and leaves instances and their way out when it is stopped", async (t) => {
  let service = await startUnit();
  t.after(() => service.kill());
  const { Instances: [instance] = [] } = await region.client.send(
    new RunInstancesCommand({
      ImageId: region.imageId,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    }),
  );
  const ids = { InstanceIds: [instance?.InstanceId ?? ""] };
  await waitUntilInstanceRunning({ client: region.client, maxWaitTime: 180 }, ids);
  const survivors = livesOn(instance?.InstanceId ?? "");
  assert.equal(survivors.length, 2);

  await stopUnit(service);
  assert.deepEqual((await region.status()).programs, {
    croft: null,
    "croft-host": null,
    "croft-guest": null,
  });
  assert.ok(survivors.every(isAlive));
  service = await startUnit();
  await waitUntilInstanceRunning({ client: region.client, maxWaitTime: 60 }, ids);
  assert.deepEqual(livesOn(instance?.InstanceId ?? ""), survivors);

  await stopUnit(service);
  await region.croft("service", "uninstall");
  const installed = [unitFile, shutdownUnitFile, copy, `${copy}.new`, `${copy}.old`, enabled];
  assert.deepEqual(installed.filter(existsSync), []);
  assert.ok(survivors.every(isAlive));
  await region.start();
  assert.deepEqual(livesOn(instance?.InstanceId ?? ""), survivors);
});

/** The processes of the instance's machine and of the way out. */
const livesOn = (instanceId: string) => [
  ...startedWith(`CROFT_MACHINE=${join(layout(region.dataDir).machinesDir, instanceId)}`),
  ...startedWith(`CROFT_PASTA=${hostNames(region.dataDir).prefix}`),
];

/** As systemd starts it: little environment, and of its rights those that the unit leaves. Resolves once it says that it is ready. */
const startUnit = async (): Promise<ChildProcess> => {
  const directives = readFileSync(unitFile, "utf8");
  const command = /^ExecStart=(.*)$/m.exec(directives)?.[1]?.split(" ") ?? [];
  const limits = ["--no-new-privs", `--bounding-set=${unneededCapabilities.map((it) => `-${it}`).join(",")}`];
  const manager = spawn("python3", ["-uc", listener, join(region.dataDir, "run/notify")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await heard(manager.stdout, /listening/);
  const service = spawn("setpriv", [...limits, "--", ...command], {
    cwd: "/",
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
      NOTIFY_SOCKET: join(region.dataDir, "run/notify"),
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await heard(manager.stdout, /READY=1\nSTATUS=answering at http/);
  manager.kill();
  return service;
};

const heard = async (from: Readable, what: RegExp): Promise<void> => {
  let text = "";
  for await (const part of from.iterator({ destroyOnReturn: false })) if (what.test((text += part))) return;
  assert.match(text, what);
};

const listener = `
import os, socket, sys
path = sys.argv[1]
if os.path.exists(path): os.unlink(path)
socket_ = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
socket_.bind(path)
print("listening")
while True:
    said, descriptors, _, _ = socket.recv_fds(socket_, 4096, 1)
    for fd in descriptors: os.close(fd)
    if b"READY" in said: print(said.decode())
`;

/** As systemd stops a unit of KillMode=process. */
const stopUnit = async (service: ChildProcess): Promise<void> => {
  const ended = once(service, "exit");
  service.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
};
