import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { croftCommand } from "#checkout.ts";
import { defaults } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { until } from "../until.ts";
import { startContainer, type Container } from "./container.ts";
import { containedRegion } from "./first-instance.ts";

/**
 * systemd as the first process of a container, which has this host's files and can change none of them: what it writes is on a disk
 * of its own, which the next boot finds again. Nothing of this host's own services is started, and no setting of its kernel changed.
 */
const directory = mkdtempSync(join(tmpdir(), "croft-systemd-"));
const [upper, work, root] = ["upper", "work", "root"].map((name) => join(directory, name)) as [
  string,
  string,
  string,
];
await run("mount", ["-t", "tmpfs", "-o", "size=4g,mode=755", "croft-test", directory]);
after(async () => {
  await run("umount", ["--lazy", "--recursive", directory]);
  rmSync(directory, { recursive: true });
});
for (const made of [upper, work, root]) mkdirSync(made);
const layers = `lowerdir=/,upperdir=${upper},workdir=${work}`;
await run("mount", ["-t", "overlay", "-o", layers, "croft-test", root]);
await run("sh", [
  "-euc",
  `cd "$1/etc/systemd/system"
  rm -rf ./*.wants
  for unit in sysctl udevd udev-trigger modules-load binfmt; do ln -sf /dev/null systemd-$unit.service; done
  mkdir -p "$1/var/log/journal"`,
  "sh",
  root,
]);

/** The next boot: it has an id of its own. */
const boot = async (): Promise<Container> => {
  const container = await startContainer("croft-test-systemd", root, ["sh", "-euc", init]);
  const state = await until(
    () => container.run("sh", "-c", "systemctl is-system-running || true"),
    (said) => /^(running|degraded)$/m.test(said),
    300_000,
  );
  assert.match(state, /^(running|degraded)$/m);
  return container;
};
const init = `
cat /proc/sys/kernel/random/uuid >/run/boot-id
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount --bind /run/boot-id /proc/sys/kernel/random/boot_id
mount -o remount,ro,bind /proc/sys
mount -o remount,ro,bind /sys
mount -t tmpfs -o mode=1777 tmp /tmp
exec /lib/systemd/systemd`;

const croft = [process.execPath, croftCommand] as const;
const cacheDir = process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir;
/** The processes of the instance's machine and of the way out. */
const livesOn = async ({ run: inside }: Container) => {
  const said = await inside("pgrep", "--full", "--list-name", "^(qemu-system-x86_64|pasta) ").catch(() => "");
  return said.trim().split("\n").toSorted();
};
const stateOf = async ({ run: inside }: Container) =>
  (await inside("systemctl", "show", "--value", "--property=ActiveState,StatusText", "croft"))
    .trim()
    .split("\n");
const bootId = ({ run: inside }: Container) => inside("cat", "/proc/sys/kernel/random/boot_id");
const mainPid = async ({ run: inside }: Container) =>
  (await inside("systemctl", "show", "--value", "--property=MainPID", "croft")).trim();

test("under systemd a region is installed, stopped and killed without its instance noticing; the host goes off and on, and the instance with it", async () => {
  const seen = /<privateIpAddress>[\d.]+/;
  let address: string | undefined;
  let instance: string;
  let firstBoot: string;
  {
    await using host = await boot();
    firstBoot = await bootId(host);
    await host.run(...croft, "service", "install", "--cache-dir", cacheDir);
    assert.deepEqual((await stateOf(host)).toSorted(), ["active", "answering at http://127.0.0.1:4566"]);
    const region = await containedRegion(host, ...croft);
    instance = await region.launch();
    await region.untilWell(instance);
    address = seen.exec(await region.call("Action=DescribeInstances"))?.[0];
    const alive = await livesOn(host);
    assert.equal(alive.length, 2, alive.join());

    await host.run("systemctl", "stop", "croft");
    assert.equal((await stateOf(host)).includes("inactive"), true);
    assert.deepEqual(await livesOn(host), alive);
    await host.run("systemctl", "start", "croft");
    assert.deepEqual(await livesOn(host), alive);
    await region.untilWell(instance);

    const killed = await mainPid(host);
    await host.run("kill", "-KILL", killed);
    const again = await until(
      async () => [...(await stateOf(host)), await mainPid(host)],
      (state) => state.includes("active") && !state.includes(killed),
      120_000,
    );
    assert.ok(again.includes("active"), again.join());
    assert.deepEqual(await livesOn(host), alive);

    await host.run("systemctl", "poweroff");
    await host.over;
  }
  await using host = await boot();
  assert.notEqual(await bootId(host), firstBoot);
  const started = await until(
    () => stateOf(host),
    (state) => state.includes("active"),
    300_000,
  );
  assert.ok(started.includes("active"), started.join());
  const before = await host.run("journalctl", "--no-pager", "--unit=croft-shutdown");
  assert.match(before, /Finished|Deactivated successfully/, before);
  const region = await containedRegion(host, ...croft);
  await region.untilWell(instance);
  assert.equal(seen.exec(await region.call("Action=DescribeInstances"))?.[0], address);

  const alive = await livesOn(host);
  await host.run(...croft, "service", "uninstall");
  assert.deepEqual(await livesOn(host), alive);
  await host.run(...croft, "destroy", "--yes", "--purge", "--keep-images");
  assert.deepEqual(await livesOn(host), [""]);
});
