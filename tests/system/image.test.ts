import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { defaults } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { bakeImage, findBaked } from "#images/bake.ts";
import type { BakedImage } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { makeDisk, startBareMachine } from "./bare-machine.ts";
import type { BareMachine, BareMachineOptions } from "./bare-machine.ts";
import { bareNetwork } from "./bare-network.ts";
import type { BareMetadata, BareNetwork } from "./bare-network.ts";

const debian12 = join(import.meta.dirname, "../../images/debian-12");
const scratch = mkdtempSync(join(tmpdir(), "croft-image-"));
const disk = join(scratch, "disk.qcow2");
const key = join(scratch, "key");
const [first, second] = ["i-00000000000000001", "i-00000000000000002"];
const script = "#!/bin/sh\necho ran as $(id -un) for $(cat /var/lib/cloud/data/instance-id) >>/root/ran\n";
const metadata: BareMetadata = { instanceId: first, publicKey: "", userData: script };
let image: BakedImage;
let network: BareNetwork;
/** Fingerprints of the first instance's host keys, and its machine id. */
let hostKeys: string;
let machineId: string;

before(async () => {
  const recipe = readRecipe(debian12);
  const signal = AbortSignal.timeout(600_000);
  image = await bakeImage(recipe, {
    cacheDir: process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir,
    progress: () => {},
    signal,
    date: new Date(),
  });
  for (const name of ["key", "other-key"])
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(scratch, name)]);
  metadata.publicKey = readFileSync(`${key}.pub`, "utf8").trim();
  network = await bareNetwork(`croft-image-${process.pid}`, metadata);
  await makeDisk(disk, image);
});

after(async () => {
  await network?.[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true });
});

const start = (options: Partial<BareMachineOptions> = {}): Promise<BareMachine> =>
  startBareMachine({
    dir: join(scratch, "machine"),
    instanceId: metadata.instanceId,
    network,
    disk,
    image,
    key,
    boot: "kernel",
    ...options,
  });

describe("a bake", { timeout: 300_000 }, () => {
  test("that is interrupted leaves neither files, mounts nor processes, and the next removes what one left that was killed", async () => {
    const cacheDir = join(scratch, "cache");
    const interrupt = new AbortController();
    const progress = (fraction: number) => {
      if (fraction > 0.2) interrupt.abort(new Error("interrupted"));
    };
    const recipe = readRecipe(debian12);
    const bake = bakeImage(recipe, { cacheDir, progress, signal: interrupt.signal, date: new Date() });
    await assert.rejects(bake, { name: "AbortError" });
    assert.deepEqual(readdirSync(join(cacheDir, "images")), []);
    assert.doesNotMatch(readFileSync("/proc/mounts", "utf8"), new RegExp(cacheDir));
    assert.deepEqual(await processesRootedIn(cacheDir), []);
    assert.equal(findBaked(cacheDir, recipe), undefined);
    mkdirSync(join(cacheDir, "images", ".baking", "root"), { recursive: true });
    const again = bakeImage(recipe, {
      cacheDir,
      progress: () => {},
      signal: AbortSignal.abort(),
      date: new Date(),
    });
    await assert.rejects(again);
    assert.deepEqual(readdirSync(join(cacheDir, "images")), []);
  });
});

/** Of the programs in the image while it is made: what they see as `/` is in `dir`. */
const processesRootedIn = async (dir: string): Promise<string[]> => {
  // A killed process takes a moment to go.
  await sleep(1000);
  return readdirSync("/proc").filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/root`).startsWith(dir);
    } catch {
      return false;
    }
  });
};

/** As an image may bring them along; the first boot, which found none, has run those that are to run once. */
const scriptsOfEachKind = `cd /var/lib/cloud/scripts
for kind in per-boot per-instance per-once; do
  printf '#!/bin/sh\\necho %s >>/root/when\\n' $kind | sudo tee $kind/one >/dev/null
  sudo chmod 755 $kind/one
done
sudo rm /var/lib/cloud/sem/config_scripts_per_once.once`;

const fingerprints = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -l -f $key; done";

describe("the baked image", { timeout: 1_200_000 }, () => {
  test("cannot be written, and says what is in it", () => {
    assert.match(image.name, /^debian-12-amd64-\d{8}$/);
    assert.equal(statSync(image.disk).mode & 0o222, 0);
    assert.ok(image.packages["openssh-server"] && image.packages["cloud-init"]);
  });

  test("boots by its kernel into an instance with the user's key, name and script, and obeys the power button", async () => {
    await using machine = await start();
    assert.equal(
      await machine.ssh("hostname; hostname -f; sudo -n id -un"),
      "ip-10-0-0-10\nip-10-0-0-10.ec2.internal\nroot\n",
    );
    await assert.rejects(machine.ssh("true", { key: join(scratch, "other-key") }), /Permission denied/);
    await assert.rejects(
      machine.ssh("true", { user: "root" }),
      /login as the user "admin" rather than the user "root"/,
    );

    assert.match(await machine.ssh("cloud-init status --wait"), /status: done/);
    assert.equal(await machine.ssh("cloud-id; cloud-init query region"), "aws\nus-east-1\n");
    assert.equal(await machine.ssh("sudo cloud-init query userdata"), `${script}\n`);
    assert.equal(await machine.ssh("sudo cat /root/ran"), `ran as root for ${first}\n`);
    assert.match(
      await machine.ssh("sudo tail -n 1 /var/log/cloud-init-output.log"),
      /^Cloud-init v\. .* finished at /,
    );
    assert.match(await machine.ssh("ip -brief link"), /^ens5 .*UP/m);
    assert.equal(await machine.ssh("sudo cut -d: -f2 /etc/shadow | grep -v '^[!*]' | wc -l"), "0\n");
    assert.equal(await machine.ssh("systemctl is-system-running --wait"), "running\n");
    assert.equal(
      await machine.ssh("cat /etc/apt/sources.list.d/* | grep ^URIs | cut -d/ -f3 | uniq"),
      "deb.debian.org\n",
    );
    assert.equal(
      await machine.ssh("uname -r; grep -o -e mitigations=off -e nokaslr /proc/cmdline || true"),
      `${kernelVersion()}\n`,
    );

    hostKeys = await machine.ssh(fingerprints);
    assert.deepEqual(
      [...hostKeys.matchAll(/\((.*)\)/g)].map(([, type]) => type),
      ["ECDSA", "ED25519", "RSA"],
    );
    const offered =
      "ssh-keyscan -t rsa localhost 2>/dev/null | cut -d' ' -f2,3; cut -d' ' -f1,2 /etc/ssh/ssh_host_rsa_key.pub";
    const [shown, made] = (await machine.ssh(offered)).trim().split("\n");
    assert.equal(shown, made);
    machineId = await machine.ssh("cat /etc/machine-id");
    await machine.ssh(scriptsOfEachKind);
    const console = await machine.console();
    assert.match(console, /Linux version 6\.1\./);
    assert.match(console, /-----BEGIN SSH HOST KEY FINGERPRINTS-----/);
    for (const line of hostKeys.trim().split("\n")) assert.ok(console.includes(`ec2: ${line}`), line);
    assert.match(console, /ip-10-0-0-10 login: /);

    const pressed = performance.now();
    await machine.pressPower();
    await machine.off;
    assert.ok(performance.now() - pressed < 60_000);
  });

  test("boots again as the same instance: nothing is made or run twice", async () => {
    await using machine = await start();
    assert.equal(await machine.ssh(fingerprints), hostKeys);
    assert.match(await machine.ssh("cloud-init status --wait"), /status: done/);
    assert.equal(
      await machine.ssh("sudo cat /root/ran; wc -l <.ssh/authorized_keys"),
      `ran as root for ${first}\n1\n`,
    );
    assert.equal(
      await machine.ssh("sudo cat /root/when; cat /etc/machine-id"),
      `per-once\nper-boot\n${machineId}`,
    );
    await machine.pressPower();
    await machine.off;
  });

  test("boots by firmware; on another instance's larger volume it is that instance, and fills the volume", async () => {
    metadata.instanceId = second;
    metadata.hostName = "ip-10-0-0-11.ec2.internal";
    await run("qemu-img", ["resize", "-q", disk, "11G"]);
    await using machine = await start({ boot: "bios" });
    assert.match(await machine.ssh("cat /proc/cmdline"), /^BOOT_IMAGE=/);
    const now = new Set((await machine.ssh(fingerprints)).trim().split("\n"));
    for (const line of hostKeys.trim().split("\n")) assert.ok(!now.has(line), line);
    assert.equal(await machine.ssh("hostname -f"), "ip-10-0-0-11.ec2.internal\n");
    assert.notEqual(await machine.ssh("cat /etc/machine-id"), machineId);
    assert.match(await machine.ssh("cloud-init status --wait"), /status: done/);
    assert.equal(await machine.ssh("sudo tail -n 1 /root/ran"), `ran as root for ${second}\n`);
    assert.equal(
      await machine.ssh("sudo cat /root/when; cloud-init query instance_id; ls /etc/ssh/*_key | wc -l"),
      `per-once\nper-boot\nper-boot\nper-instance\n${second}\n3\n`,
    );
    await machine.ssh(
      "until [ $(df --output=size -BG / | tail -n 1 | tr -dc 0-9) -ge 10 ]; do sleep 1; done",
    );
    await machine.pressPower();
    await machine.off;
  });

  test("boots by UEFI, which finds GRUB where it looks on any disk", async () => {
    await using machine = await start({ boot: "uefi" });
    assert.match(await machine.ssh("ls /sys/firmware/efi; cat /proc/cmdline"), /systab[^]*BOOT_IMAGE=/);
    await machine.ssh("sudo touch /boot/grub/grub.cfg");
    await machine.pressPower();
    await machine.off;
  });

  test("is not booted by its kernel any longer once its guest has changed how it boots", async () => {
    await using machine = await start();
    await machine.off;
    assert.equal(await machine.refusal(), "refused");
  });

  test("leaves a cloud-config to cloud-init, whose users and files are there at the first login", async () => {
    metadata.instanceId = "i-00000000000000003";
    metadata.hostName = "ip-10-0-0-12.ec2.internal";
    metadata.userData = `#cloud-config
users: [default, {name: guest, ssh_authorized_keys: ["${metadata.publicKey}"]}]
write_files: [{path: /etc/written, content: by cloud-init}]
runcmd: [[sh, -c, "echo ran >>/root/runcmd"]]
`;
    const fresh = join(scratch, "cloud-config.qcow2");
    await makeDisk(fresh, image);
    await using machine = await start({ disk: fresh });
    assert.equal(await machine.ssh("cat /etc/written; hostname"), "by cloud-initip-10-0-0-12\n");
    assert.equal(await machine.ssh("id -un", { user: "guest" }), "guest\n");
    assert.match(await machine.ssh("cloud-init status --wait"), /status: done/);
    assert.equal(await machine.ssh("sudo cat /root/runcmd"), "ran\n");
    assert.match(await machine.console(), /-----BEGIN SSH HOST KEY FINGERPRINTS-----/);
  });
});

const kernelVersion = (): string =>
  Object.keys(image.packages)
    .find((name) => /^linux-image-\d/.test(name))
    ?.replace("linux-image-", "") ?? "";
