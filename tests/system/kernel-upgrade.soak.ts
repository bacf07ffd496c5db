import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateKeyPairCommand,
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  RunInstancesCommand,
  waitUntilInstanceRunning,
} from "@aws-sdk/client-ec2";
import { run } from "#drivers/linux/commands.ts";
import { guestShell, saveKey } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** The shortcut of booting an image's own kernel must end where a guest installs another. */
const region = await realRegion();
const { client } = region;
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));

test(
  "a guest that installs another kernel and reboots runs that kernel",
  { timeout: 3_600_000 },
  async () => {
    const key = join(files, "key");
    const { KeyMaterial = "" } = await client.send(
      new CreateKeyPairCommand({ KeyName: "test", KeyType: "ed25519" }),
    );
    saveKey(key, KeyMaterial);
    const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, CidrIp: "0.0.0.0/0" };
    await client.send(new AuthorizeSecurityGroupIngressCommand({ GroupName: "default", ...ssh }));
    const { Instances: [instance] = [] } = await client.send(
      new RunInstancesCommand({
        ImageId: region.imageId,
        InstanceType: "t3.small",
        KeyName: "test",
        MinCount: 1,
        MaxCount: 1,
      }),
    );
    const InstanceIds = [instance?.InstanceId ?? ""];
    await waitUntilInstanceRunning({ client, maxWaitTime: 180 }, { InstanceIds });
    const { Reservations: [described] = [] } = await client.send(
      new DescribeInstancesCommand({ InstanceIds }),
    );
    const shell = await guestShell(described?.Instances?.[0]?.PublicIpAddress ?? "", key);

    const baked = (await shell.run("uname -r")).trim();
    assert.doesNotMatch(await shell.run("cat /proc/cmdline"), /BOOT_IMAGE/, "the shortcut is taken");
    const other = await otherKernel(baked);
    await copy(other.file, shell.address, key);
    await shell.run(`
    printf %s 'set -e
      export DEBIAN_FRONTEND=noninteractive
      echo MODULES=dep >/etc/initramfs-tools/conf.d/few
      dpkg -i kernel.deb
      echo linux-base linux-base/removing-running-kernel boolean false | debconf-set-selections
      dpkg --purge linux-image-cloud-amd64 linux-image-${baked}
      touch changed' >change
    sudo systemd-run --quiet --unit=change --working-directory=/home/admin sh -x change`);
    const said = () => shell.run("ls changed 2>&1; systemctl show --value -p ActiveState change");
    const outcome = await until(
      said,
      (it) => !it.endsWith("\nactivating\n") && !it.endsWith("\nactive\n"),
      1_800_000,
    );
    assert.match(outcome, /^changed$/m, await shell.run("sudo journalctl --no-pager -u change | tail -n 40"));

    await shell.run("sudo systemctl reboot").catch(() => {});
    const running = await until(
      () => shell.run("uname -r").catch(String),
      (it) => it.trim() === other.version,
      1_200_000,
    );
    const { Output = "" } = await client.send(
      new GetConsoleOutputCommand({ InstanceId: InstanceIds[0], Latest: true }),
    );
    assert.equal(running.trim(), other.version, Buffer.from(Output, "base64").toString());
    assert.match(await shell.run("cat /proc/cmdline"), /^BOOT_IMAGE=/);
    const { Reservations: [later] = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds }));
    assert.equal(later?.Instances?.[0]?.State?.Name, "running");
  },
);

/**
 * A Debian package of another kernel of the same flavour, from where this host gets its packages; packed anew, since unpacking xz
 * takes an emulated guest minutes.
 */
async function otherKernel(than: string): Promise<{ readonly version: string; readonly file: string }> {
  const named = await run("apt-cache", [
    "search",
    "--names-only",
    "^linux-image-[0-9.]+-[0-9]+-cloud-amd64$",
  ]);
  const [name = ""] = [...named.matchAll(/^\S+/gm)]
    .map(([it]) => it)
    .filter((it) => !it.endsWith(`-${than}`));
  await run("env", ["-C", files, "apt-get", "download", name], { timeoutMs: 120_000 });
  const [file = ""] = readdirSync(files).filter((it) => it.startsWith(name));
  const [unpacked, packed] = [join(files, "kernel"), join(files, "kernel.deb")];
  await run("dpkg-deb", ["--raw-extract", join(files, file), unpacked], { timeoutMs: 120_000 });
  await run("dpkg-deb", ["-Zgzip", "-z1", "--build", unpacked, packed], { timeoutMs: 120_000 });
  return { version: name.replace("linux-image-", ""), file: packed };
}

async function copy(file: string, address: string, key: string): Promise<void> {
  const unknown = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
  await run("scp", ["-i", key, ...unknown, file, `admin@${address}:kernel.deb`], { timeoutMs: 300_000 });
}
