import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import {
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  RunInstancesCommand,
  waitUntilInstanceRunning,
} from "@aws-sdk/client-ec2";
import { defaultRecipe, defaults } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { findBaked } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { guestShell, openSsh } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { takeImageFiles } from "./image-files.ts";

/** The shortcut of booting an image's own kernel must end where a guest installs another. */
const region = await realRegion();
const { client } = region;
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));

test(
  "a guest that installs another kernel and reboots runs that kernel",
  { timeout: 3_000_000 },
  async () => {
    const key = join(files, "key");
    await openSsh(client, "test", key);
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
    await copy([other.package, other.initrd], shell.address, key);
    const install = shell.open(`sudo sh -ec '
      mv initrd /boot/initrd.img-${other.version}
      echo "GRUB_DEFAULT=\\"Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux ${other.version}\\"" >>/etc/default/grub
      INITRD=No DEBIAN_FRONTEND=noninteractive dpkg -i kernel.deb
      sync
      echo installed' 2>&1`);
    assert.match(await text(install.stdout), /\ninstalled\n$/);

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

interface OtherKernel {
  readonly version: string;
  readonly package: string;
  readonly initrd: string;
}

/**
 * Another kernel of the same flavour, from where this host gets its packages, and the initrd that the image's own tools make for it:
 * here, in a copy of the image's files, since an emulated guest takes a quarter of an hour for that. The package is packed anew,
 * as unpacking xz takes such a guest minutes.
 */
async function otherKernel(than: string): Promise<OtherKernel> {
  const named = await run("apt-cache", [
    "search",
    "--names-only",
    "^linux-image-[0-9.]+-[0-9]+-cloud-amd64$",
  ]);
  const names = [...named.matchAll(/^\S+/gm)].map(([it]) => it).filter((it) => !it.endsWith(`-${than}`));
  const [name = ""] = names;
  const version = name.replace("linux-image-", "");
  await run("env", ["-C", files, "apt-get", "download", name], { timeoutMs: 120_000 });
  const [file = ""] = readdirSync(files).filter((it) => it.startsWith(name));
  const [unpacked, packed, root] = [join(files, "unpacked"), join(files, "kernel.deb"), join(files, "root")];
  await run("dpkg-deb", ["--raw-extract", join(files, file), unpacked], { timeoutMs: 120_000 });
  await run("dpkg-deb", ["-Zzstd", "-z3", "--build", unpacked, packed], { timeoutMs: 120_000 });

  const image = findBaked(process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir, readRecipe(defaultRecipe));
  await takeImageFiles(image?.disk ?? "", root);
  await cp(join(unpacked, "boot"), join(root, "boot"), { recursive: true });
  await cp(join(unpacked, "lib/modules"), join(root, "usr/lib/modules"), { recursive: true });
  const apart = ["--mount", "--pid", "--fork", "--kill-child", "--root", root, "--mount-proc", "--"];
  const make = `export PATH=/usr/sbin:/usr/bin; depmod ${version} && mkinitramfs -o /initrd ${version}`;
  await run("unshare", [...apart, "sh", "-c", make], { timeoutMs: 600_000 });
  return { version, package: packed, initrd: join(root, "initrd") };
}

async function copy(copied: readonly string[], address: string, key: string): Promise<void> {
  const unknown = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
  await run("scp", ["-i", key, ...unknown, ...copied, `admin@${address}:`], { timeoutMs: 600_000 });
}
