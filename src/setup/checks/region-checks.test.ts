import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { hostNames, layout, type RegionSettings } from "#config.ts";
import { writeRunning, type Running } from "#cli/supervise/programs-file.ts";
import { identify } from "#drivers/linux/host-process.ts";
import { pretendedHost, type PretendedHost } from "#testing/pretended-host.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { settle } from "../region-settings.ts";
import { lookAt, type RegionPlace } from "./check.ts";
import { regionChecks } from "./region-checks.ts";

const dataDir = "/var/lib/croft";
const { prefix, uids } = hostNames(dataDir);
const paths = layout(dataDir);
const settings: RegionSettings = settle(undefined, { machines: "qemu" }, () => "198.18.0.0/16");
const place: RegionPlace = { dataDir, cacheDir: "/var/cache/croft", settings, capacity: settings.capacity };

const finding = async (name: string, host: PretendedHost, region: RegionPlace = place) => {
  const [found] = await lookAt(
    regionChecks.filter((check) => check.name === name),
    pretendedHost(host),
    region,
  );
  return found ?? assert.fail(`no check is called ${name}`);
};

test("a clock is wrong before the region's last write, and before Croft was made", async () => {
  const now = new Date("2026-06-01T00:00:00Z");
  const written = (at: string) => ({ stats: { [paths.storeDir]: { mtimeMs: Date.parse(at) } } });
  assert.equal((await finding("clock", { now, ...written("2026-05-31T23:59:00Z") })).verdict, "ok");
  assert.match(
    (await finding("clock", { now, ...written("2026-06-02T00:00:00Z") })).sentence,
    /2026-06-01T00:00:00.000Z, which is in the past/,
  );
  assert.equal((await finding("clock", { now: new Date(0) })).verdict, "warning");
});

test("a clock that nothing keeps right is warned of where systemd knows", async () => {
  const prints = { "timedatectl show --property=NTPSynchronized --value": "no\n" };
  const { verdict, remedy } = await finding("clock", { prints });
  assert.equal(verdict, "warning");
  assert.match(remedy ?? "", /systemd-timesyncd/);
});

const routed = (...routes: object[]) => ({ prints: { "ip -j -4 route": JSON.stringify(routes) } });

test("the region's public addresses are its alone", async () => {
  const own = { dst: "198.18.0.0/16", dev: prefix };
  assert.equal((await finding("public addresses", routed(own))).verdict, "ok");
  const taken = await finding("public addresses", routed({ dst: "198.18.0.0/16", dev: "wg0" }));
  assert.deepEqual([taken.verdict, /routed to wg0/.test(taken.sentence)], ["refusal", true]);
  const part = await finding("public addresses", routed(own, { dst: "198.18.7.0/24", dev: "docker0" }));
  assert.deepEqual([part.verdict, /docker0 \(198.18.7.0\/24\)/.test(part.sentence)], ["warning", true]);
});

test("where there is no region yet, one of the usual networks has to be free", async () => {
  const none = { ...place, settings: undefined };
  assert.match((await finding("public addresses", routed(), none)).sentence, /198\.18\.0\.0\/16 is free/);
  const all = ["198.18.0.0/15", "100.64.0.0/10", "10.0.0.0/8"].map((dst) => ({ dst, dev: "eth0" }));
  assert.equal((await finding("public addresses", routed(...all), none)).verdict, "refusal");
});

test("a port that another program has is told, with the reason", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const address = other.address();
  assert.ok(address !== null && typeof address === "object");
  const region = { ...place, settings: { ...settings, port: address.port } };
  const { verdict, sentence } = await finding("port", {}, region);
  assert.equal(verdict, "refusal");
  assert.match(sentence, new RegExp(`port ${address.port} of 127.0.0.1 cannot be used .*EADDRINUSE`));
});

test("what others may read or own in the data directory is told with the commands that mend it", async () => {
  const right = {
    [paths.dir]: { mode: 0o711 },
    [paths.credentials]: { mode: 0o600 },
    [paths.storeDir]: { mode: 0o700, uid: uids.croft },
  };
  assert.equal((await finding("data directory", { stats: right })).verdict, "ok");
  const wrong = {
    ...right,
    [paths.dir]: { mode: 0o755 },
    [paths.credentials]: { mode: 0o644 },
    [paths.storeDir]: { mode: 0o700, uid: 1000 },
  };
  const { verdict, remedy } = await finding("data directory", { stats: wrong });
  assert.equal(verdict, "refusal");
  assert.deepEqual(remedy?.split("; "), [
    `chmod 711 ${dataDir}`,
    `chmod 600 ${paths.credentials}`,
    `chown ${uids.croft}:${uids.croft} ${paths.storeDir}`,
  ]);
});

test("namespaces and links are left over when no region of the cache and no process has their tag", async () => {
  const directories = {
    "/run/netns": [`${prefix}-edge`, "croft-aaaa-edge", "croft-bbbb-edge", "croft-cccc-edge", "mine"],
    "/sys/class/net": ["lo", prefix, "croft-aaaa"],
    "/var/cache/croft/regions": ["bbbb", "aaaa"],
    "/proc": ["1", "77", "self"],
  };
  const files = {
    "/var/cache/croft/regions/aaaa": "/srv/removed\n",
    "/var/cache/croft/regions/bbbb": "/srv/stopped\n",
    "/proc/77/status": `Uid:\t${0x4000_0000 + 0xcccc * 4096 + 2}\t0\t0\t0\n`,
  };
  const { verdict, sentence, remedy } = await finding("leftovers", {
    directories,
    files,
    stats: { "/srv/stopped/region.json": {} },
  });
  assert.equal(verdict, "warning");
  assert.match(sentence, /there are croft-aaaa-edge, croft-aaaa$/);
  assert.match(remedy ?? "", /ip netns del croft-aaaa-edge; ip link del croft-aaaa$/);
});

test("a program that is down while its supervisor runs is told, and so is one short of files", async (t) => {
  const dir = await temporaryRegion(t);
  const self = identify(process.pid) ?? assert.fail();
  const gone = { ...self, startTicks: 1 };
  writeRunningOf(dir, { croft: self, "croft-host": gone, "croft-guest": self });
  const region = { ...place, dataDir: dir };
  const { verdict, sentence } = await finding("programs", {}, region);
  assert.deepEqual([verdict, sentence], ["refusal", "croft-host ended and is started again"]);

  const crowded = {
    files: { [`/proc/${process.pid}/limits`]: "Max open files  10  10  files\n" },
    directories: { [`/proc/${process.pid}/fd`]: Array.from({ length: 9 }, (_, fd) => String(fd)) },
  };
  assert.match(
    (await finding("programs' files", crowded, region)).sentence,
    /croft has 9 of 10 files open, croft-guest has 9/,
  );
});

const temporaryRegion = async (t: TestContext): Promise<string> => {
  const dir = await temporaryDirectory(t);
  mkdirSync(layout(dir).runDir);
  return dir;
};

const writeRunningOf = (dir: string, programs: Running["programs"]) => {
  const supervisor = identify(process.pid) ?? assert.fail("this process is there");
  writeRunning(dir, { supervisor, cacheDir: place.cacheDir, programs });
};
