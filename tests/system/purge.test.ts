import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, chownSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { croftCommand } from "#checkout.ts";
import { defaults, hostNames } from "#config.ts";
import { exported, signedCall } from "../signed-call.ts";
import { until } from "../until.ts";

/**
 * A host of its own: processes, network and the directories that Croft's defaults lie in are seen by what runs in it only, and its
 * one ordinary user too. So everything on it can be compared, and nobody else's comes and goes.
 */
const directory = mkdtempSync(join(tmpdir(), "croft-test-"));
const home = join(directory, "home");
const { prefix, tag } = hostNames(defaults.dataDir);
const caller = 54_321;
const cacheDir = process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir;
mkdirSync(home);
chmodSync(directory, 0o755);
chownSync(home, caller, caller);
writeFileSync(
  join(directory, "passwd"),
  `root:x:0:0:root:/root:/bin/sh\nvisitor:*:${caller}:${caller}::${home}:/bin/sh\n`,
);
const furnishing = `
mount --bind "$1/passwd" /etc/passwd
for empty in /run /var/lib /usr/local/lib /etc/systemd/system; do mount -t tmpfs -o mode=755 croft-test $empty; done
ip link set lo up
# What iproute2 and mount make for themselves, once.
ip netns add once && ip netns delete once && mkdir -p /run/mount
echo furnished
exec sleep infinity`;
const namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
const holder = spawn(
  "unshare",
  [...namespaces, "--propagation", "private", "sh", "-euc", furnishing, "sh", directory],
  { stdio: ["ignore", "pipe", "inherit"] },
);
await once(holder.stdout, "data");
const [init = ""] = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").split(" ");
after(() => {
  // Control groups and the cache are those of everybody.
  croft("destroy", "--yes", "--purge", "--keep-images");
  holder.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

const inside = (...command: readonly string[]): [string, ...string[]] => [
  "nsenter",
  `--target=${init}`,
  "--mount",
  "--net",
  "--pid",
  "--",
  "env",
  "-i",
  `PATH=${process.env["PATH"]}`,
  `SUDO_UID=${caller}`,
  `SUDO_GID=${caller}`,
  ...command,
];
const runInside = (...command: readonly string[]) => {
  const [file, ...args] = inside(...command);
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8", cwd: "/" });
  return { status, stdout, stderr };
};
const croft = (...args: readonly string[]) => runInside(process.execPath, croftCommand, ...args);

/** Everything that Croft could leave, a line each. */
const everything = (): string[] => {
  const looks = [
    ["ps", "-e", "-o", "uid,args"],
    ["ip", "link"],
    ["ip", "address"],
    ["ip", "rule"],
    ["ip", "route", "show", "table", "all"],
    ["nft", "list", "ruleset"],
    ["cat", "/etc/passwd", "/etc/group", "/etc/shadow"],
    ["systemctl", "list-unit-files", "--root=/", "--state=enabled", "--no-pager"],
    [
      "find",
      "/etc/systemd/system",
      "/etc/sudoers.d",
      "/run",
      "/usr/local/lib",
      "/var/lib",
      home,
      "-printf",
      files,
    ],
    ["find", join(cacheDir, "regions"), "-name", tag],
    ["find", "/sys/fs/cgroup", "-maxdepth", "2", "-name", prefix],
  ];
  return looks.flatMap((look) =>
    runInside(...look)
      .stdout.split("\n")
      // The host's first process waits for none.
      .filter((line) => !line.endsWith("<defunct>"))
      .map((line) => `${look[0]}: ${line}`)
      .toSorted(),
  );
};
const files = "%p %y %U:%G %m %l\\n";

test("a host after destroy --purge is the host that it was before croft service install", async () => {
  const before = everything();
  const installed = croft("service", "install", "--cache-dir", cacheDir);
  assert.equal(installed.status, 0, installed.stderr);
  const unit = runInside("cat", "/etc/systemd/system/croft.service").stdout;
  const [file, ...args] = inside(...(/^ExecStart=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? []));
  const service = spawn(file, args, { cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const part of service.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false }))
    if ((said += part).includes("croft: ready")) break;
  assert.match(said, /croft: ready/);

  const started = runInside("curl", ...launch());
  assert.match(started.stdout, /<instanceId>i-/, started.stderr);
  const qemu = await until(
    async () => everything().filter((line) => /^ps: .*qemu-system/.test(line)),
    (lines) => lines.length > 0,
  );
  assert.equal(qemu.length, 1);
  const during = everything();
  for (const trace of [
    /ip: .*croft-/,
    /find: \/run\/croft\/programs.json/,
    /find: \/usr\/local\/lib\/croft\/src/,
    /multi-user.target.wants\/croft.service/,
    /find: .*\/home\/\.croft\/croft-.*\.json f 54321:54321 600/,
  ])
    assert.ok(
      during.some((line) => trace.test(line)),
      String(trace),
    );

  const refused = croft("destroy", "--yes");
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /croft.service would make it anew/);
  const ended = once(service, "exit");
  const purged = croft("destroy", "--yes", "--purge", "--keep-images");
  assert.equal(purged.status, 0, purged.stderr);
  assert.match(purged.stderr, /these Debian packages stay; .* qemu-system-x86 /);
  await ended;
  assert.deepEqual(everything(), before);
});

/** For curl: a launch of the region's own image, signed with the caller's copy of the access key. */
const launch = (): string[] => {
  const environment = exported(croft("env").stdout);
  const images = runInside("curl", ...signedCall(environment, ["Action=DescribeImages"])).stdout;
  const [image = ""] = /ami-\w+/.exec(images) ?? [];
  const wish = ["InstanceType=t3.nano", "MinCount=1", "MaxCount=1", `ImageId=${image}`];
  return signedCall(environment, ["Action=RunInstances", ...wish]);
};
