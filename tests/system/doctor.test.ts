import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { croftCommand } from "#checkout.ts";
import type { NamedFinding } from "#setup/checks/check.ts";

/** `croft doctor` and `croft start` where something is really missing. Nothing is installed, baked or started. */
const dir = mkdtempSync(join(tmpdir(), "croft-doctor-"));
after(() => rmSync(dir, { recursive: true }));
const dataDir = join(dir, "region");

/** Exit code, and what was not content, of `croft doctor` in the environment that the words before it make. */
const doctor = (...within: readonly string[]) => {
  const { status, stdout, stderr } = croft(within, "doctor", "--json");
  assert.notEqual(stdout, "", stderr);
  const { findings }: { findings: NamedFinding[] } = JSON.parse(stdout);
  return {
    status,
    names: findings.map(({ name }) => name),
    refused: findings.filter(({ verdict }) => verdict === "refusal"),
  };
};

const croft = (within: readonly string[], word: string, ...options: readonly string[]) => {
  const places = ["--data-dir", dataDir, "--cache-dir", join(dir, "cache")];
  const [file = "", ...args] = [...within, process.execPath, croftCommand, word, ...places, ...options];
  return spawnSync(file, args, { encoding: "utf8" });
};

const without = (capability: string) => [
  "setpriv",
  `--bounding-set=-${capability}`,
  `--inh-caps=-${capability}`,
];

test("on a host that runs regions nothing is refused, and nothing is left behind", () => {
  const { status, refused } = doctor();
  assert.deepEqual(refused, []);
  assert.equal(status, 0);
  assert.equal(existsSync(dataDir), false);
});

test("without CAP_SYS_ADMIN one sentence says so, and what it would take is not tried", () => {
  const { status, refused, names } = doctor(...without("sys_admin"));
  assert.deepEqual(
    refused.map(({ sentence }) => sentence),
    ["root is without CAP_SYS_ADMIN here"],
  );
  assert.ok(!names.includes("namespaces") && names.includes("memory"), names.join());
  assert.equal(status, 1);
});

test("in a user namespace one sentence says that this is a container with ids of its own", () => {
  const { status, refused } = doctor("unshare", "--user", "--map-root-user");
  assert.deepEqual(
    refused.map(({ name }) => name),
    ["user ids"],
  );
  assert.equal(status, 1);
});

test("without /dev/net/tun that is what is missing", () => {
  const hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];
  assert.deepEqual(
    doctor(...hidden).refused.map(({ sentence }) => sentence),
    ["there is no /dev/net/tun, by which machines are connected"],
  );
});

test("where files may not be mounted, namespaces are what is missing", () => {
  const hidden = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"'];
  const mount = ["/usr/bin/mount", "/bin/mount"].find((file) => existsSync(file)) ?? assert.fail();
  const { refused } = doctor(...hidden, mount);
  assert.deepEqual(
    refused.map(({ name }) => name),
    ["namespaces"],
  );
});

test("a low limit of open files is told with the limit", () => {
  assert.deepEqual(
    doctor("prlimit", "--nofile=512").refused.map(({ sentence }) => sentence),
    ["a process may have 512 files open at once, and a machine needs up to 1024"],
  );
});

test("a start that would fail is refused before it makes anything, and says what works all the same", () => {
  const { status, stderr } = croft(without("net_admin"), "start", "--yes", "--port", "1");
  assert.equal(status, 2);
  assert.match(stderr, /root is without CAP_NET_ADMIN here: in a container/);
  assert.match(stderr, /croft start --machines fake/);
  assert.equal(existsSync(dataDir), false);
});
