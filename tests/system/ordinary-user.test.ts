import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkout, croftCommand } from "#checkout.ts";
import { defaults, userFiles } from "#config.ts";
import { makeCredentials } from "#setup/credentials.ts";
import { copyForCaller } from "#setup/user-copies.ts";
import { freePort } from "../free-port.ts";

/**
 * A user of this host in all respects but that the rest of it knows nothing of them: mounts that only the test's processes see have
 * them in /etc/passwd and sudoers.
 */
const user = { uid: 54_321, gid: 54_321 };
const directory = mkdtempSync(join(tmpdir(), "croft-test-"));
const home = join(directory, "home");
const dataDir = join(directory, "region");
const cacheDir = process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir;
const mayRead = spawnSync(process.execPath, ["-e", "0"], { ...user, cwd: checkout }).status === 0;
const skip = mayRead ? false : "an ordinary user may not read this checkout";
chmodSync(directory, 0o755);
mkdirSync(home);
chownSync(home, user.uid, user.gid);
writeFileSync(
  join(directory, "passwd"),
  `root:x:0:0:root:/root:/bin/sh\nnobody:*:65534:65534::/nonexistent:/bin/sh\nvisitor:*:${user.uid}:${user.gid}::${home}:/bin/sh\n`,
);
writeFileSync(join(directory, "sudoers"), "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n", { mode: 0o440 });

const mounting = `
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/sudoers" /etc/sudoers
echo mounted
exec sleep infinity`;
const holder = spawn(
  "unshare",
  ["--mount", "--propagation", "private", "sh", "-euc", mounting, "sh", directory],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
await once(holder.stdout, "data");
after(() => {
  if (!skip) asRoot("destroy", "--yes", "--keep-images", "--data-dir", dataDir, "--cache-dir", cacheDir);
  holder.kill();
  rmSync(directory, { recursive: true, force: true });
});

const ownPath = process.env["PATH"];
/** The arguments of nsenter that run the command as this user. */
const seenBy = (uid: number, command: readonly string[], foundOn = ownPath) => [
  `--mount=/proc/${holder.pid}/ns/mnt`,
  "setpriv",
  `--reuid=${uid}`,
  `--regid=${uid}`,
  "--clear-groups",
  "env",
  "-i",
  `HOME=${uid === 0 ? "/root" : home}`,
  `PATH=${foundOn}`,
  process.execPath,
  ...command,
];
const croftAs = (uid: number, args: readonly string[], foundOn = ownPath) => {
  const inside = seenBy(uid, [croftCommand, ...args], foundOn);
  const { status, stdout, stderr } = spawnSync("nsenter", inside, { encoding: "utf8", cwd: "/" });
  return { status, stdout, stderr };
};
const asRoot = (...args: readonly string[]) => croftAs(0, args);
const asUser = (...args: readonly string[]) => croftAs(user.uid, args);

test("without sudo an ordinary user is told in one sentence", { skip }, () => {
  const empty = join(directory, "empty");
  mkdirSync(empty);
  const { status, stderr } = croftAs(user.uid, ["start", "--data-dir", dataDir], empty);
  assert.equal(status, 2);
  assert.equal(
    stderr,
    "croft: needs root, to make machines and networks, and there is no sudo here: run the same as root\n",
  );
});

test(
  "an ordinary user starts a region by way of sudo, uses it without, and nothing of theirs is root's",
  { skip },
  async () => {
    const places = ["--data-dir", dataDir, "--cache-dir", cacheDir];
    const words = ["start", ...places, "--port", String(await freePort())];
    const start = spawn("nsenter", seenBy(user.uid, [croftCommand, ...words]), {
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaints = "";
    start.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    let said = "";
    for await (const part of start.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false }))
      if ((said += part).includes("croft: ready")) break;
    assert.match(said, /croft: ready/, complaints);
    assert.equal(
      complaints.match(/needs root, to make machines and networks: asking sudo/g)?.length,
      1,
      complaints,
    );

    const { dir, credentials } = userFiles(home, dataDir);
    for (const [path, mode] of [
      [dir, 0o700],
      [credentials, 0o600],
    ] as const) {
      const stat = statSync(path);
      assert.deepEqual([stat.uid, stat.gid, stat.mode & 0o777], [user.uid, user.gid, mode], path);
    }
    const env = asUser("env", "--data-dir", dataDir);
    assert.equal(env.status, 0, env.stderr);
    assert.equal(env.stdout, asRoot("env", "--data-dir", dataDir).stdout);
    assert.match(env.stdout, /^export AWS_SECRET_ACCESS_KEY=\w{40}$/m);
    assert.match(asUser("status", "--data-dir", dataDir).stdout, /ready/);
    const stranger = croftAs(65_534, ["env", "--data-dir", dataDir]);
    assert.deepEqual([stranger.status, stranger.stdout], [2, ""]);
    assert.match(stranger.stderr, /only root may read .*, and you have no copy/);

    const ended = once(start, "exit");
    assert.equal(asUser("down", "--data-dir", dataDir).status, 0);
    assert.deepEqual(await ended, [0, null]);
    const destroyed = asUser("destroy", "--yes", "--keep-images", ...places);
    assert.equal(destroyed.status, 0, destroyed.stderr);
    assert.equal(statSync(dir, { throwIfNoEntry: false }), undefined);
  },
);

test("a link in a user's home leads root nowhere", { skip }, () => {
  const region = join(directory, "linked");
  const rootsOwn = join(directory, "roots-own");
  for (const made of [region, rootsOwn]) mkdirSync(made, { mode: 0o700 });
  makeCredentials(region);
  const { dir } = userFiles(home, region);
  symlinkSync(rootsOwn, dir);
  copyForCaller(region, { ...user, home });
  assert.deepEqual(readdirSync(rootsOwn), []);
  assert.deepEqual([process.geteuid?.(), process.getegid?.()], [0, 0]);
});

test("root fetches packages into a user's checkout as that user", () => {
  const theirs = join(directory, "checkout");
  const bin = join(directory, "bin");
  for (const path of ["bin/croft", "bin/package.json", "package.json", "package-lock.json"])
    cpSync(join(checkout, path), join(theirs, path), { recursive: true });
  chownSync(theirs, user.uid, user.gid);
  mkdirSync(bin);
  // Stands in for npm, of which only who it is matters here.
  writeFileSync(
    join(bin, "npm"),
    '#!/bin/sh\nmkdir node_modules\necho "$HOME" >node_modules/home\nexit 3\n',
    {
      mode: 0o755,
    },
  );
  const version = seenBy(0, [join(theirs, "bin/croft"), "version"], `${bin}:${ownPath}`);
  const { status, stderr } = spawnSync("nsenter", version, { encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /npm could not fetch the packages \(exit 3\)/);
  assert.equal(statSync(join(theirs, "node_modules/home")).uid, user.uid);
});
